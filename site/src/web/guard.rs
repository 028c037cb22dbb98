//! Who may see a page. The checks come in this order: CSRF, then the login, then the permission, then the record.

use axum::{
    extract::Request,
    middleware::{self, Next},
    response::Response,
    routing::MethodRouter,
};

use super::{csrf, error::PageError, record_id::RecordNumber, visit::Visit};
use crate::{accounts::Permission, application::AppState, copies::CopyId};

/// A page for everybody who is logged in, whatever the method: others are sent to the login page.
pub(crate) fn members(methods: MethodRouter<AppState>) -> MethodRouter<AppState> {
    methods.layer(middleware::from_fn(
        async |visit: Visit, request: Request, next: Next| {
            visit.logged_in().await?;
            Ok::<_, PageError>(next.run(request).await)
        },
    ))
}

/// A page for those who hold `permission`: other users are refused, whether or not there is a record.
pub(crate) fn holders_of(
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

/// A page of one record. Where no record could have such a number there is no page, for whoever asks: that is found out
/// before the login, while a record that is merely not there is found out after it.
pub(crate) fn of_record(methods: MethodRouter<AppState>) -> MethodRouter<AppState> {
    methods.layer(middleware::from_fn(
        async |_: RecordNumber, request: Request, next: Next| next.run(request).await,
    ))
}

/// A page of one copy, whose id is a UUID: see [`of_record`].
pub(crate) fn of_copy(methods: MethodRouter<AppState>) -> MethodRouter<AppState> {
    methods.layer(middleware::from_fn(
        async |_: CopyId, request: Request, next: Next| next.run(request).await,
    ))
}

/// Refuses what another site made the browser send; around every page, and before all other checks.
pub(crate) fn against_forgery(methods: MethodRouter<AppState>) -> MethodRouter<AppState> {
    methods.layer(middleware::from_fn(
        async |visit: Visit, request: Request, next: Next| -> Result<Response, PageError> {
            let request = csrf::check(&visit, request).await?;
            Ok(next.run(request).await)
        },
    ))
}
