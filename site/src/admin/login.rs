use axum::{extract::RawQuery, response::Response};

use super::{guard::LOGIN, index};
use crate::{
    accounts::login::{self, LoginPage},
    users::User,
    web::{
        error::{PageError, redirect},
        form::Form,
        layout::Layout,
        visit::Visit,
    },
};

const MISMATCH: &str = "Please enter the correct username and password for a staff account. \
                        Note that both fields may be case-sensitive.";

const LOGIN_PAGE: LoginPage = LoginPage {
    heading: "Staff login",
    action: LOGIN,
};

/// The login page of the staff area. Redirects visitors who are already logged in as staff.
pub(crate) async fn show(
    visit: Visit,
    layout: Layout,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let next = login::next_in(query.as_deref()).unwrap_or_default();
    if visit.user().await?.is_some_and(User::is_staff) {
        return Ok(redirect(&visit.safe_next(Some(&next), index::PAGE)));
    }
    login::page(layout, &LOGIN_PAGE, &Form::default(), next, None)
}

/// Logs in a member of the staff.
pub(crate) async fn submit(
    visit: Visit,
    RawQuery(query): RawQuery,
    form: Form,
) -> Result<Response, PageError> {
    let next = login::next_of(&form, query.as_deref());
    match login::authenticate_form(&visit, &form)
        .await?
        .filter(User::is_staff)
    {
        Some(user) => {
            login::log_in(&visit, &user).await?;
            Ok(redirect(&visit.safe_next(Some(&next), index::PAGE)))
        }
        // The message is the same for all causes, so it does not show which accounts exist.
        None => login::page(
            Layout::of(&visit).await?,
            &LOGIN_PAGE,
            &form,
            next,
            Some(MISMATCH),
        ),
    }
}
