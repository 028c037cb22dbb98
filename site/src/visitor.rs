//! What the site keeps in a visitor's session: every item is named here, once.

use axum::http::Method;
use cloakroom::{Item, Session};

/// How often this browser has seen the home page. Django's LocalLibrary knows it by the same name.
const NUM_VISITS: Item<u64> = Item::new("num_visits");

/// Results on a page for a visitor who has not chosen.
pub(crate) const PER_PAGE: u64 = 10;

/// How often the home page has been seen in this browser, this view included.
///
/// Only GET is a view: HEAD asks about the page without looking at it, and changes nothing.
pub(crate) fn count_visit(session: &Session, method: &Method) -> cloakroom::Result<u64> {
    match *method {
        Method::GET => session.update(NUM_VISITS, |visits| *visits += 1),
        _ => session.get_or_default(NUM_VISITS),
    }
}
