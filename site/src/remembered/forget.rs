use axum::response::Response;

use crate::{
    visitor::{self, FORGETTABLE},
    web::{
        error::{PageError, redirect},
        form::Form,
        visit::Visit,
    },
};

/// Deletes one item of the session, or all items except the login. Adds no message: messages are
/// stored in a session, so a message would start a new session if this session ends.
///
/// If no item except messages is left, ends the session, and the messages are lost. If a visitor
/// who is logged in deletes all items, the session stays and gets a new key.
pub(crate) async fn forget(visit: Visit, form: Form) -> Result<Response, PageError> {
    let item = form.get("item").unwrap_or("all");
    let items = match item {
        "all" => &FORGETTABLE[..],
        item => {
            let at = FORGETTABLE.iter().position(|known| *known == item);
            let at = at.ok_or(PageError::BadForm)?;
            &FORGETTABLE[at..=at]
        }
    };
    if let Some(session) = visit.session_if_any().await? {
        for item in items {
            session.discard(item)?;
        }
        if visitor::is_empty(&session) {
            session.flush()?;
        } else if item == "all" {
            session.cycle_key()?;
        }
    }
    Ok(redirect("/catalog/remembered/"))
}
