use axum::{
    extract::Request,
    middleware::{self, Next},
    routing::MethodRouter,
};

use super::model::{Action, Model};
use crate::{
    state::AppState,
    users::User,
    web::{
        error::{PageError, redirect},
        next,
        visit::Visit,
    },
};

pub(super) const LOGIN: &str = "/admin/login/";

/// Requires a staff login for all methods of a page. Redirects other visitors to the login page of
/// the staff area.
pub(crate) fn require_staff(methods: MethodRouter<AppState>) -> MethodRouter<AppState> {
    methods.layer(middleware::from_fn(
        async |visit: Visit, request: Request, next: Next| {
            let is_staff = visit.user().await?.is_some_and(User::is_staff);
            Ok::<_, PageError>(match is_staff {
                true => next.run(request).await,
                false => redirect(&next::with_next(LOGIN, &next::path_and_query(visit.uri()))),
            })
        },
    ))
}

/// Returns the user who is logged in. Fails unless the user may do at least one of `actions` with
/// the records of `model`.
pub(super) async fn require_action<'a>(
    visit: &'a Visit,
    model: &Model,
    actions: &[Action],
) -> Result<&'a User, PageError> {
    let user = visit.logged_in().await?;
    let may = |action: &Action| user.holds(&model.permission(*action));
    match actions.iter().any(may) {
        true => Ok(user),
        false => Err(PageError::Forbidden),
    }
}
