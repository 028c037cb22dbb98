//! The items (named values) that the site keeps in a visitor's session, and the functions that read
//! and change them.
//!
//! `cloakroom-django` stores the login and the messages, under the names that Django uses.

use axum::http::Method;
use cloakroom::{Item, Session};
use cloakroom_django::auth::messages::{self, Level, Message};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The number of visits to the home page. The LocalLibrary of MDN's Django tutorial stores the
/// number under the same name.
const NUM_VISITS: Item<u64> = Item::new("num_visits");

/// The number of results on a page.
const PER_PAGE: Item<u64> = Item::new("per_page");

/// The colour scheme of the pages: `light` or `dark`.
const COLOUR_SCHEME: Item<String> = Item::new("colour_scheme");

/// The notices that the visitor has dismissed. Maps the slug of a notice to `true`, except
/// `overdue`, which maps to the ids of the copies that were overdue.
const DISMISSED_NOTICES: Item<Map<String, Value>> = Item::new("dismissed_notices");

/// The ids of the recently viewed books, most recently viewed first.
const RECENT_BOOKS: Item<Vec<i64>> = Item::new("recent_books");

/// The token of a password reset. Stored when the visitor opens the link in the mail, and checked
/// when they submit the form.
const PASSWORD_RESET_TOKEN: Item<String> = Item::new("_password_reset_token");

/// Django's name for the messages to show on the next page.
const MESSAGES: &str = "_messages";

/// The items that a visitor can see and delete.
pub(crate) const FORGETTABLE: [&str; 5] = [
    "num_visits",
    "per_page",
    "colour_scheme",
    "dismissed_notices",
    "recent_books",
];

/// The values of `per_page` that a visitor can choose.
pub(crate) const PER_PAGE_CHOICES: [u64; 5] = [5, 10, 20, 50, 100];

/// The number of results on a page by default.
const DEFAULT_PER_PAGE: u64 = 10;

/// The largest number of books in `recent_books`.
const MAX_RECENT: usize = 5;

/// The slugs of the notices that the site shows.
pub(crate) const WELCOME: &str = "welcome";
pub(crate) const OVERDUE: &str = "overdue";

/// Counts a visit to the home page and returns the number of visits, including this one.
///
/// Only GET counts as a visit. For HEAD the session stays unchanged.
pub(crate) fn count_visit(session: &Session, method: &Method) -> cloakroom::Result<u64> {
    match *method {
        Method::GET => {
            session.update_or_reset(NUM_VISITS, |visits| *visits = visits.saturating_add(1))
        }
        _ => Ok(visits(session).unwrap_or_default()),
    }
}

/// Returns the number of visits to the home page.
pub(crate) fn visits(session: &Session) -> Option<u64> {
    read(session, NUM_VISITS)
}

/// Returns the number of results on a page: the visitor's choice, or the default.
pub(crate) fn per_page(session: Option<&Session>) -> u64 {
    let chosen = session.and_then(chosen_per_page);
    chosen.unwrap_or(DEFAULT_PER_PAGE)
}

/// Returns how many results the visitor chose to see on a page, or `None` if the session contains
/// no such choice, or one that is not offered.
pub(crate) fn chosen_per_page(session: &Session) -> Option<u64> {
    read(session, PER_PAGE).filter(|chosen| PER_PAGE_CHOICES.contains(chosen))
}

pub(crate) fn set_per_page(session: &Session, results: u64) -> cloakroom::Result<()> {
    session.set(PER_PAGE, results)
}

/// A colour scheme of the pages that overrides the scheme of the visitor's system.
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

/// Returns the colour scheme that the visitor chose, if any.
pub(crate) fn scheme(session: &Session) -> Option<Scheme> {
    Scheme::named(&read(session, COLOUR_SCHEME)?)
}

/// Stores the choice of a colour scheme. `None` removes it, so the pages follow the system again.
pub(crate) fn set_scheme(session: &Session, scheme: Option<Scheme>) -> cloakroom::Result<()> {
    match scheme {
        Some(scheme) => session.set(COLOUR_SCHEME, scheme.name().to_owned()),
        None => session.discard(COLOUR_SCHEME).map(drop),
    }
}

/// The notices that a visitor has dismissed.
#[derive(Debug, Default)]
pub(crate) struct Dismissed {
    pub(crate) welcome: bool,
    /// The ids of the copies that were overdue when the notice was dismissed.
    pub(crate) overdue: Vec<String>,
    /// The slugs of all dismissed notices.
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

/// Records that the visitor dismissed the welcome notice.
pub(crate) fn dismiss_welcome(session: &Session) -> cloakroom::Result<()> {
    dismiss(session, WELCOME, Value::Bool(true))
}

/// Records that the visitor dismissed the notice about these overdue copies.
pub(crate) fn dismiss_overdue(session: &Session, copies: Vec<String>) -> cloakroom::Result<()> {
    dismiss(session, OVERDUE, copies.into())
}

fn dismiss(session: &Session, slug: &'static str, value: Value) -> cloakroom::Result<()> {
    let insert = move |notices: &mut Map<_, _>| {
        notices.insert(slug.to_owned(), value.clone());
    };
    session.update_or_reset(DISMISSED_NOTICES, insert).map(drop)
}

/// Returns the ids of the recently viewed books, most recently viewed first.
pub(crate) fn recent_books(session: &Session) -> Vec<i64> {
    read(session, RECENT_BOOKS).unwrap_or_default()
}

/// Puts `book` in front of the other recently viewed books.
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

/// Stores the token of a password reset.
pub(crate) fn set_reset_token(session: &Session, token: &str) -> cloakroom::Result<()> {
    session.set(PASSWORD_RESET_TOKEN, token.to_owned())
}

/// Returns the token of a password reset.
pub(crate) fn reset_token(session: &Session) -> Option<String> {
    read(session, PASSWORD_RESET_TOKEN)
}

/// Removes the token of a password reset.
pub(crate) fn discard_reset_token(session: &Session) -> cloakroom::Result<()> {
    session.discard(PASSWORD_RESET_TOKEN).map(drop)
}

/// Stores a message for the next page to show.
pub(crate) fn add_message(session: &Session, text: impl Into<String>) -> cloakroom::Result<()> {
    messages::add(session, Message::new(Level::SUCCESS, text))
}

/// Returns whether the session has no items except messages. Such a session need not be kept.
pub(crate) fn is_empty(session: &Session) -> bool {
    session.names().iter().all(|name| name == MESSAGES)
}

/// Removes the stored messages and returns them.
pub(crate) fn take_messages(session: &Session) -> Vec<Message> {
    messages::take(session).unwrap_or_default()
}

/// Returns the value of `item`. Returns `None` if the item is not set, or if its value has another
/// type: a program that shares the store may have written it.
fn read<T: DeserializeOwned>(session: &Session, item: Item<T>) -> Option<T> {
    session.get(item).ok().flatten()
}
