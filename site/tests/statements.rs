//! The number of SQL statements of a page does not depend on the number of rows.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    fmt::Debug,
    sync::atomic::{AtomicUsize, Ordering},
};

use common::{Site, visitor::Visitor};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

static STATEMENTS: AtomicUsize = AtomicUsize::new(0);

/// The statement that [`settle`] runs. It is not counted.
const MARK: &str = "SELECT 'settled'";

/// Counts the log events of the database driver, one for each statement.
struct Counter;

impl<S: Subscriber> Layer<S> for Counter {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut is_mark = IsMark(false);
        event.record(&mut is_mark);
        if event.metadata().target() == "sqlx::query" && !is_mark.0 {
            STATEMENTS.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Records whether a field of a log event contains the statement [`MARK`].
struct IsMark(bool);

impl Visit for IsMark {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        self.0 |= format!("{value:?}").contains(MARK);
    }
}

/// Waits until all earlier statements have been logged.
///
/// A connection may log a statement later than it returns the rows, but always before it starts the
/// next statement. So this function runs one more statement on each connection.
async fn settle(site: &Site) {
    let db = site.application.db();
    let mut connections = Vec::new();
    for _ in 0..db.options().get_max_connections() {
        let mut connection = db.acquire().await.unwrap();
        sqlx::query(MARK).execute(&mut *connection).await.unwrap();
        connections.push(connection);
    }
}

// Statements run on threads of the database driver, so the counter is global. To keep the counts of
// tests apart, this file has only one test.
#[tokio::test]
async fn the_number_of_statements_of_a_page_is_fixed() {
    tracing_subscriber::registry().with(Counter).init();
    let site = Site::new().await;
    for (path, expected) in [
        ("/catalog/", 1),
        ("/catalog/books/", 2),
        ("/catalog/books/?page=last", 2),
        ("/catalog/book/1", 3),
        ("/catalog/book/92", 3),
        ("/catalog/authors/", 2),
        ("/catalog/author/1", 2),
        ("/catalog/author/40", 2),
        ("/catalog/genres/", 2),
        ("/catalog/genre/1", 3),
        ("/catalog/genre/24", 3),
        ("/catalog/languages/", 2),
        ("/catalog/language/1", 3),
        ("/catalog/bookinstances/", 2),
        (
            "/catalog/bookinstance/a2f73175-924d-4524-ac9a-e0b94e759058",
            1,
        ),
        ("/catalog/search/?q=a", 5),
        ("/catalog/search/?q=a&page=last", 5),
        ("/nothing", 0),
    ] {
        let stranger = site.stranger();
        assert_eq!(statements(&site, &stranger, path).await, expected, "{path}");
    }
    // A logged-in user costs two more statements: for the user with their permissions, and for
    // their overdue copies. The home page and the page of a book also load the recently viewed
    // books.
    let librarian = site.visitor("librarian").await;
    librarian.get("/catalog/book/2").await;
    for (path, expected) in [
        ("/catalog/", 4),
        ("/catalog/books/", 4),
        ("/catalog/book/1", 6),
        ("/catalog/bookinstances/?page=last", 4),
        ("/catalog/mybooks/", 4),
        ("/catalog/borrowed/", 4),
        ("/catalog/borrowed/?page=last", 4),
        (
            "/catalog/book/a2f73175-924d-4524-ac9a-e0b94e759058/renew/",
            3,
        ),
        ("/catalog/author/1/update/", 3),
        ("/catalog/author/1/delete/", 4),
        ("/catalog/book/create/", 5),
        ("/catalog/book/1/update/", 7),
        ("/catalog/bookinstance/create/", 4),
        ("/catalog/remembered/", 3),
        ("/catalog/preferences/", 2),
        ("/accounts/password_change/", 2),
    ] {
        assert_eq!(
            statements(&site, &librarian, path).await,
            expected,
            "{path}"
        );
    }
    // The staff area does not load overdue copies.
    let admin = site.visitor("admin").await;
    for (path, expected) in [
        ("/admin/", 2),
        ("/admin/catalog/author/", 3),
        ("/admin/catalog/book/", 3),
        ("/admin/catalog/bookinstance/", 3),
        ("/admin/catalog/bookinstance/?page=last&status__exact=a", 3),
        ("/admin/auth/user/", 4),
        ("/admin/catalog/author/1/change/", 6),
        ("/admin/catalog/author/40/change/", 6),
        ("/admin/catalog/book/1/change/", 7),
        ("/admin/auth/user/1/change/", 4),
        ("/admin/auth/group/3/change/", 3),
        ("/admin/catalog/author/1/delete/", 3),
        ("/admin/catalog/author/40/delete/", 3),
        ("/admin/catalog/author/1/history/", 3),
        ("/admin/sessions/session/", 3),
    ] {
        assert_eq!(statements(&site, &admin, path).await, expected, "{path}");
    }
}

/// Returns the number of statements that a request for this page runs.
async fn statements(site: &Site, visitor: &Visitor, path: &str) -> usize {
    settle(site).await;
    STATEMENTS.store(0, Ordering::SeqCst);
    visitor.get(path).await;
    settle(site).await;
    STATEMENTS.load(Ordering::SeqCst)
}
