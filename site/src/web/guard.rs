//! Layers that restrict pages to some visitors. The order of the checks is: CSRF, format of the id,
//! login, permission, existence of the record.

use axum::{
    extract::{FromRequestParts, Request},
    middleware::{self, Next},
    routing::MethodRouter,
};

use super::{error::PageError, visit::Visit};
use crate::{state::AppState, users::Permission};

/// Requires a login for all methods of a page. Redirects other visitors to the login page.
pub(crate) fn require_login(methods: MethodRouter<AppState>) -> MethodRouter<AppState> {
    methods.layer(middleware::from_fn(
        async |visit: Visit, request: Request, next: Next| {
            visit.logged_in().await?;
            Ok::<_, PageError>(next.run(request).await)
        },
    ))
}

/// Requires `permission` for all methods of a page. Refuses other users before the record is looked
/// up, so the response does not show whether the record exists.
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

/// Responds 404 if the extractor `Id` rejects the id in the path as malformed. This check comes
/// before the checks of the login and the permission. The record is looked up after all checks.
pub(crate) fn of_record<Id>(methods: MethodRouter<AppState>) -> MethodRouter<AppState>
where
    Id: FromRequestParts<(), Rejection = PageError> + Send + 'static,
{
    methods.layer(middleware::from_fn(
        async |_: Id, request: Request, next: Next| next.run(request).await,
    ))
}
