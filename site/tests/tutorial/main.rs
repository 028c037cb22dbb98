//! The 40 tests of the Django site LocalLibrary, for this site: 6 of forms, 8 of models, 26 of
//! views.
//!
//! The original is MDN's Django tutorial "LocalLibrary", in the public repository
//! `mdn/django-locallibrary-tutorial` (CC0) at commit `3dbedbe` of August 2026. Each test here
//! corresponds to one test of the original, in the same order. The tests of the original also call
//! forms, models and templates directly; the tests here check the pages of the site instead. Where
//! this site differs from the original on purpose, a comment gives the reason.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod forms;
mod models;
mod views;

use cloakroom_testkit::Page;
use common::{Site, visitor::Visitor};
use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};

/// The form that renews a loan of the user bela, who has borrowed a copy of "Sense and
/// Sensibility".
const RENEW: &str = "/catalog/book/a2f73175-924d-4524-ac9a-e0b94e759058/renew/";

/// The form that adds an author.
const NEW_AUTHOR: &str = "/catalog/author/create/";

impl Site {
    /// Returns the due date of the copy whose loan the form at [`RENEW`] renews.
    async fn due_back(&self) -> String {
        let due_back = "SELECT due_back FROM catalog_bookinstance \
                        WHERE id = 'a2f73175924d4524ac9ae0b94e759058'";
        self.text(due_back).await.unwrap()
    }
}

impl Visitor {
    /// Submits the form at [`RENEW`] with today's date plus `by`. Returns the response and the
    /// date.
    async fn renew(&self, by: Span) -> (Page, String) {
        today(async |today| {
            let date = (today + by).to_string();
            (self.send(RENEW, &[("renewal_date", &date)]).await, date)
        })
        .await
    }
}

/// Runs `act` with today's date in UTC. If the date has changed in the meantime, runs `act` again.
async fn today<T>(act: impl AsyncFn(Date) -> T) -> T {
    let day = || Timestamp::now().to_zoned(TimeZone::UTC).date();
    let before = day();
    let done = act(before).await;
    if day() == before {
        done
    } else {
        act(day()).await
    }
}

/// Returns the part of the page between the first `start` and the next `end`.
fn between<'a>(page: &'a Page, start: &str, end: &str) -> &'a str {
    let body = page.text();
    let (_, rest) = body
        .split_once(start)
        .unwrap_or_else(|| panic!("no {start} in {body}"));
    rest.split_once(end).unwrap().0
}

/// Returns the title of the page and its heading.
fn title_and_heading(page: &Page) -> (String, String) {
    let title = between(page, "<title>", "</title>");
    let heading = between(page, "<h1>", "</h1>");
    (common::text(title), common::text(heading))
}

/// Returns the texts of the list items in `<main>`, in order.
fn entries(page: &Page) -> Vec<String> {
    let main = between(page, "<main", "</main>");
    let items = main.split("<li>").skip(1);
    items
        .map(|item| common::text(item.split("</li>").next().unwrap()))
        .collect()
}

/// Returns the target of the link with this text.
fn link<'a>(page: &'a Page, words: &str) -> &'a str {
    let (before, _) = page
        .text()
        .split_once(&format!(">{words}</a>"))
        .unwrap_or_else(|| panic!("no link {words} in {}", page.text()));
    let (_, link) = before.rsplit_once("href=\"").unwrap();
    link.split_once('"').unwrap().0
}

/// Returns the label of a field.
fn label(page: &Page, field: &str) -> String {
    let label = format!("<label for=\"id_{field}\">");
    common::text(between(page, &label, "</label>"))
}

/// Returns the attributes after the attribute `name` in the tag of a field.
fn input<'a>(page: &'a Page, field: &str) -> &'a str {
    between(page, &format!(" name=\"{field}\""), ">")
}

/// Returns the error of a field.
fn error(page: &Page, field: &str) -> String {
    let errors = format!("id=\"error_{field}\">");
    common::text(between(page, &errors, "</ul>"))
}
