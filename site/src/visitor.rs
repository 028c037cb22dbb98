//! What the site keeps in a visitor's session: every item is named here, once.
//!
//! The login itself, and the messages after an action, are kept by `cloakroom-django` under Django's names.

use axum::http::Method;
use cloakroom::{Item, Session};
use cloakroom_django::auth::messages::{self, Level, Message};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// How often this browser has seen the home page. Django's LocalLibrary knows it by the same name.
const NUM_VISITS: Item<u64> = Item::new("num_visits");

/// How many results the visitor wants on a page.
const PER_PAGE: Item<u64> = Item::new("per_page");

/// The colours that the visitor wants: `light` or `dark`.
const COLOUR_SCHEME: Item<String> = Item::new("colour_scheme");

/// The notices that the visitor has read: slug to `true`, or for `overdue` to the ids of the copies.
const DISMISSED_NOTICES: Item<Map<String, Value>> = Item::new("dismissed_notices");

/// The ids of the books seen last, newest first.
const RECENT_BOOKS: Item<Vec<i64>> = Item::new("recent_books");

/// The proof of a password reset, between the mail's link and the form.
const PASSWORD_RESET_TOKEN: Item<String> = Item::new("_password_reset_token");

/// What is to be said on the next page, under Django's name for it.
const MESSAGES: &str = "_messages";

/// The items that a visitor sees and can have forgotten.
pub(crate) const FORGETTABLE: [&str; 5] = [
    "num_visits",
    "per_page",
    "colour_scheme",
    "dismissed_notices",
    "recent_books",
];

/// How many results a page can have.
pub(crate) const PER_PAGE_CHOICES: [u64; 5] = [5, 10, 20, 50, 100];

/// Results on a page for a visitor who has not chosen.
const DEFAULT_PER_PAGE: u64 = 10;

/// How many books are remembered as seen last.
const MAX_RECENT: usize = 5;

/// The slugs of the notices that the site shows.
pub(crate) const WELCOME: &str = "welcome";
pub(crate) const OVERDUE: &str = "overdue";

/// How often the home page has been seen in this browser, this view included.
///
/// Only GET is a view: HEAD asks about the page without looking at it, and changes nothing.
pub(crate) fn count_visit(session: &Session, method: &Method) -> cloakroom::Result<u64> {
    match *method {
        Method::GET => {
            session.update_or_reset(NUM_VISITS, |visits| *visits = visits.saturating_add(1))
        }
        _ => Ok(visits(session).unwrap_or_default()),
    }
}

/// How often the home page has been seen in this browser.
pub(crate) fn visits(session: &Session) -> Option<u64> {
    read(session, NUM_VISITS)
}

/// Results on a page.
pub(crate) fn per_page(session: Option<&Session>) -> u64 {
    let chosen = session.and_then(chosen_per_page);
    chosen.unwrap_or(DEFAULT_PER_PAGE)
}

/// Results on a page, if the visitor has chosen.
pub(crate) fn chosen_per_page(session: &Session) -> Option<u64> {
    read(session, PER_PAGE).filter(|chosen| PER_PAGE_CHOICES.contains(chosen))
}

pub(crate) fn set_per_page(session: &Session, results: u64) -> cloakroom::Result<()> {
    session.set(PER_PAGE, results)
}

/// The colours of the pages, where they do not follow the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Light,
    Dark,
}

impl Scheme {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Light, Self::Dark]
            .into_iter()
            .find(|scheme| scheme.name() == name)
    }
}

/// The colours that the visitor chose.
pub(crate) fn scheme(session: &Session) -> Option<Scheme> {
    Scheme::named(&read(session, COLOUR_SCHEME)?)
}

/// Keeps the choice of colours; without one they follow the system again.
pub(crate) fn set_scheme(session: &Session, scheme: Option<Scheme>) -> cloakroom::Result<()> {
    match scheme {
        Some(scheme) => session.set(COLOUR_SCHEME, scheme.name().to_owned()),
        None => session.discard(COLOUR_SCHEME).map(drop),
    }
}

/// The notices that a visitor has read.
#[derive(Debug, Default)]
pub(crate) struct Dismissed {
    pub(crate) welcome: bool,
    /// The copies of which the visitor knows that they are overdue.
    pub(crate) overdue: Vec<String>,
    /// Everything by slug.
    pub(crate) slugs: Vec<String>,
}

pub(crate) fn dismissed(session: &Session) -> Dismissed {
    let notices = read(session, DISMISSED_NOTICES).unwrap_or_default();
    let copies = notices.get(OVERDUE).and_then(Value::as_array);
    let copies = copies.into_iter().flatten().filter_map(Value::as_str);
    Dismissed {
        welcome: notices.get(WELCOME) == Some(&Value::Bool(true)),
        overdue: copies.map(str::to_owned).collect(),
        slugs: notices.keys().cloned().collect(),
    }
}

/// Remembers that the visitor has read the welcome.
pub(crate) fn dismiss_welcome(session: &Session) -> cloakroom::Result<()> {
    dismiss(session, WELCOME, Value::Bool(true))
}

/// Remembers that the visitor knows that these copies are overdue.
pub(crate) fn dismiss_overdue(session: &Session, copies: Vec<String>) -> cloakroom::Result<()> {
    dismiss(session, OVERDUE, copies.into())
}

fn dismiss(session: &Session, slug: &'static str, value: Value) -> cloakroom::Result<()> {
    let insert = move |notices: &mut Map<_, _>| {
        notices.insert(slug.to_owned(), value.clone());
    };
    session.update_or_reset(DISMISSED_NOTICES, insert).map(drop)
}

/// The books seen last, newest first.
pub(crate) fn recent_books(session: &Session) -> Vec<i64> {
    read(session, RECENT_BOOKS).unwrap_or_default()
}

/// Puts `book` in front of the books seen last.
pub(crate) fn remember_book(session: &Session, book: i64) -> cloakroom::Result<()> {
    if recent_books(session).first() == Some(&book) {
        return Ok(());
    }
    let put_in_front = move |books: &mut Vec<i64>| {
        books.retain(|other| *other != book);
        books.insert(0, book);
        books.truncate(MAX_RECENT);
    };
    session
        .update_or_reset(RECENT_BOOKS, put_in_front)
        .map(drop)
}

/// Keeps the proof of a password reset.
pub(crate) fn set_reset_token(session: &Session, token: &str) -> cloakroom::Result<()> {
    session.set(PASSWORD_RESET_TOKEN, token.to_owned())
}

/// The proof of a password reset.
pub(crate) fn reset_token(session: &Session) -> Option<String> {
    read(session, PASSWORD_RESET_TOKEN)
}

/// Forgets the proof of a password reset.
pub(crate) fn discard_reset_token(session: &Session) -> cloakroom::Result<()> {
    session.discard(PASSWORD_RESET_TOKEN).map(drop)
}

/// Stores a message, which the next page shows.
pub(crate) fn add_message(session: &Session, text: impl Into<String>) -> cloakroom::Result<()> {
    messages::add(session, Message::new(Level::SUCCESS, text))
}

/// Whether nothing is left in the session but words for the next page, which are no reason to keep one.
pub(crate) fn is_empty(session: &Session) -> bool {
    session.names().iter().all(|name| name == MESSAGES)
}

/// What is to be said, once.
pub(crate) fn take_messages(session: &Session) -> Vec<Message> {
    messages::take(session).unwrap_or_default()
}

/// The value of `item`; nothing if it is senseless, which a neighbour on the same store may have made it.
fn read<T: DeserializeOwned>(session: &Session, item: Item<T>) -> Option<T> {
    session.get(item).ok().flatten()
}
