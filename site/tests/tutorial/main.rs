//! LocalLibrary's own 40 tests, asked of this site: 6 of forms, 8 of models, 26 of views, for whoever moves here from
//! Django and wants to tick them off.
//!
//! They follow MDN's Django tutorial "LocalLibrary", the public repository `mdn/django-locallibrary-tutorial` (CC0) as
//! of its commit `3dbedbe` of August 2026: one test for each one there, in the same order, written anew. What is asked
//! there of forms, models and templates is asked here of the pages that people see; where this site means to do
//! otherwise, the test says why.

// A helper of tests may panic as a test does.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod forms;
mod models;
mod views;

use cloakroom_testkit::Page;
use common::{Site, visitor::Visitor};
use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};

/// The renewal of a copy of "Sense and Sensibility", which bela has on loan.
const RENEW: &str = "/catalog/book/a2f73175-924d-4524-ac9a-e0b94e759058/renew/";

const NEW_AUTHOR: &str = "/catalog/author/create/";

impl Site {
    /// When the copy of [`RENEW`] is due.
    async fn due_back(&self) -> String {
        let due_back = "SELECT due_back FROM catalog_bookinstance WHERE id = 'a2f73175924d4524ac9ae0b94e759058'";
        self.text(due_back).await.unwrap()
    }
}

impl Visitor {
    /// Renews the loan of [`RENEW`] until so long from today; gives the date as well.
    async fn renew(&self, by: Span) -> (Page, String) {
        today(async |today| {
            let date = (today + by).to_string();
            (self.send(RENEW, &[("renewal_date", &date)]).await, date)
        })
        .await
    }
}

/// What `act` makes of today in UTC, by which the library counts; once more if midnight came meanwhile.
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

/// What stands between these two, the first time that they are on the page.
fn between<'a>(page: &'a Page, start: &str, end: &str) -> &'a str {
    let body = page.text();
    let (_, rest) = body
        .split_once(start)
        .unwrap_or_else(|| panic!("no {start} in {body}"));
    rest.split_once(end).unwrap().0
}

/// The title of the page and its heading: what tells it from all others.
fn name_of(page: &Page) -> (String, String) {
    let title = between(page, "<title>", "</title>");
    let heading = between(page, "<h1>", "</h1>");
    (common::text(title), common::text(heading))
}

/// The texts of the list items in `<main>`, in order.
fn entries(page: &Page) -> Vec<String> {
    let main = between(page, "<main", "</main>");
    let items = main.split("<li>").skip(1);
    items
        .map(|item| common::text(item.split("</li>").next().unwrap()))
        .collect()
}

/// Where the link with these words leads.
fn link<'a>(page: &'a Page, words: &str) -> &'a str {
    let (before, _) = page
        .text()
        .split_once(&format!(">{words}</a>"))
        .unwrap_or_else(|| panic!("no link {words} in {}", page.text()));
    let (_, link) = before.rsplit_once("href=\"").unwrap();
    link.split_once('"').unwrap().0
}

/// What a field is called.
fn label(page: &Page, field: &str) -> String {
    let label = format!("<label for=\"id_{field}\">");
    common::text(between(page, &label, "</label>"))
}

/// The attributes of a field, from its name on.
fn input<'a>(page: &'a Page, field: &str) -> &'a str {
    between(page, &format!(" name=\"{field}\""), ">")
}

/// What is said to be wrong with a field.
fn error(page: &Page, field: &str) -> String {
    let errors = format!("id=\"error_{field}\">");
    common::text(between(page, &errors, "</ul>"))
}
