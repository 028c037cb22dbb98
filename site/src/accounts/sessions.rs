//! The page on which users list and end their own sessions.

use askama::Template;
use axum::response::{Html, Response};
use cloakroom::{ErrorKind, Owner, SessionSummary, SessionTag};

use crate::{
    date, visitor,
    web::{
        error::{PageError, redirect},
        form::Form,
        layout::Layout,
        visit::Visit,
    },
};

const PAGE: &str = "/accounts/sessions/";

#[derive(Template)]
#[template(path = "accounts/sessions.html")]
struct OwnSessions {
    layout: Layout,
    /// `None` if the session storage can't list the sessions of a user.
    sessions: Option<Vec<OwnSession>>,
    has_others: bool,
}

struct OwnSession {
    tag: String,
    label: String,
    since: String,
    last_change: String,
    is_this_one: bool,
}

/// The page with the user's sessions, newest activity first.
pub(crate) async fn list(visit: Visit, layout: Layout) -> Result<Html<String>, PageError> {
    let this = visit.session().await?.tag();
    let found = visit.app().sessions.owned_by(&owner(&visit).await?).await;
    let to_own = |summary: SessionSummary| OwnSession {
        is_this_one: Some(&summary.tag) == this.as_ref(),
        tag: summary.tag.to_string(),
        label: device_of(&summary),
        since: date::display_time(summary.created),
        last_change: date::display_time(summary.touched),
    };
    let sessions: Option<Vec<_>> = match found {
        Ok(found) => Some(found.into_iter().map(to_own).collect()),
        Err(error) if error.kind() == ErrorKind::Unsupported => None,
        Err(error) => return Err(error.into()),
    };
    let page = OwnSessions {
        has_others: sessions.as_ref().is_some_and(|all| all.len() > 1),
        layout,
        sessions,
    };
    Ok(Html(page.render()?))
}

/// Ends one session of the user.
pub(crate) async fn end(visit: Visit, form: Form) -> Result<Response, PageError> {
    let session = visit.session().await?;
    let owner = owner(&visit).await?;
    let tag: SessionTag = form
        .get("tag")
        .and_then(|tag| tag.parse().ok())
        .ok_or(PageError::BadForm)?;
    if session.tag().as_ref() == Some(&tag) {
        visit.app().auth.log_out(&session)?;
        return Ok(redirect("/accounts/login/"));
    }
    match visit.app().sessions.revoke(&owner, &tag).await? {
        true => visitor::add_message(&session, "That browser was logged out.")?,
        false => visitor::add_message(&session, "That browser was already logged out.")?,
    }
    Ok(redirect(PAGE))
}

/// Handles the button that ends all other sessions.
pub(crate) async fn end_all_others(visit: Visit) -> Result<Response, PageError> {
    end_others(&visit).await?;
    let session = visit.session().await?;
    visitor::add_message(&session, "All other browsers were logged out.")?;
    Ok(redirect(PAGE))
}

/// Ends all sessions of the user except this one, if the session storage can find them.
pub(crate) async fn end_others(visit: &Visit) -> Result<(), PageError> {
    let Some(this) = visit.session().await?.tag() else {
        return Ok(());
    };
    let owner = owner(visit).await?;
    ignore_unsupported(visit.app().sessions.revoke_others(&owner, &this).await)
}

/// Ends all sessions of a user, if the session storage can find them.
pub(crate) async fn end_all(visit: &Visit, user: i64) -> Result<(), PageError> {
    let owner = owner_of(user);
    ignore_unsupported(visit.app().sessions.revoke_all(&owner).await)
}

/// Ignores the error of a session storage that can't find the sessions of a user. After a password
/// change, the other sessions end anyway when they are next used: a login is valid only until the
/// password of its user changes.
pub(super) fn ignore_unsupported<T>(done: cloakroom::Result<T>) -> Result<(), PageError> {
    match done {
        Err(error) if error.kind() != ErrorKind::Unsupported => Err(error.into()),
        _ => Ok(()),
    }
}

/// Returns the owner under which the session storage finds the sessions of `user`.
pub(crate) fn owner_of(user: i64) -> Owner {
    Owner::from(user.to_string())
}

/// Returns the name of the device of a session.
pub(crate) fn device_of(session: &SessionSummary) -> String {
    let label = session.label.clone();
    label.unwrap_or_else(|| "An unknown device".to_owned())
}

async fn owner(visit: &Visit) -> Result<Owner, PageError> {
    Ok(owner_of(visit.logged_in().await?.id))
}
