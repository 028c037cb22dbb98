use axum::response::Response;

use crate::{
    visitor::{self, FORGETTABLE},
    web::{
        error::{PageError, redirect},
        form::Form,
        visit::Visit,
    },
};

/// Forgets one thing, or everything but the login. A session in which nothing is left ends; nothing is said on the next
/// page, since that would have to be remembered, not even what was to be said before.
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
