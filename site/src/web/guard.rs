//! Who may see a page. The checks come in this order: CSRF, then the login, then the permission, then the record.

use axum::{
    extract::{FromRequestParts, Request},
    middleware::{self, Next},
    routing::MethodRouter,
};

use super::{error::PageError, visit::Visit};
use crate::{state::AppState, users::Permission};

/// A page for everybody who is logged in, whatever the method: others are sent to the login page.
pub(crate) fn require_login(methods: MethodRouter<AppState>) -> MethodRouter<AppState> {
    methods.layer(middleware::from_fn(
        async |visit: Visit, request: Request, next: Next| {
            visit.logged_in().await?;
            Ok::<_, PageError>(next.run(request).await)
        },
    ))
}

/// A page for those who hold `permission`: other users are refused, whether or not there is a record.
pub(crate) fn require_permission(
    permission: Permission,
    methods: MethodRouter<AppState>,
) -> MethodRouter<AppState> {
    methods.layer(middleware::from_fn(
        move |visit: Visit, request: Request, next: Next| async move {
            match visit.logged_in().await?.may(permission) {
                true => Ok(next.run(request).await),
                false => Err(PageError::Forbidden),
            }
        },
    ))
}

/// A page of one record, whose id `Id` reads from the path. Where no record could have such an id,
/// there is no page: that is found out before the login. Whether there is a record is found out
/// after it.
pub(crate) fn of_record<Id>(methods: MethodRouter<AppState>) -> MethodRouter<AppState>
where
    Id: FromRequestParts<(), Rejection = PageError> + Send + 'static,
{
    methods.layer(middleware::from_fn(
        async |_: Id, request: Request, next: Next| next.run(request).await,
    ))
}
