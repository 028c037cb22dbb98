//! Helpers for the integration tests.
#![allow(dead_code, reason = "each test file uses only some of the helpers")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

use cloakroom::Result;
use cloakroom::store::{Outcome, Version};
use cloakroom_postgres::{Builder, DjangoTable, PostgresStore};
use cloakroom_testkit::unique_name;
use tokio_postgres::{Client, NoTls, Row};

/// Returns the options of a store on a table of this name.
pub(crate) fn on(url: &str, table: impl Into<String>) -> Builder {
    PostgresStore::builder(url).table(table)
}

/// Returns a store on a new table that no other test uses.
pub(crate) async fn migrated(url: &str) -> PostgresStore {
    migrated_on(url, unique_name()).await
}

/// Returns a store on a table of this name, and creates the table if it does not exist.
pub(crate) async fn migrated_on(url: &str, table: impl Into<String>) -> PostgresStore {
    let store = on(url, table).connect().await.unwrap();
    store.migrate().await.unwrap();
    store
}

/// Returns a store on a table with Django's columns, and creates the table if it does not exist.
pub(crate) async fn django(url: &str, table: impl Into<String>) -> DjangoTable {
    let store = DjangoTable::builder(url).table(table).connect().await;
    let store = store.unwrap();
    store.migrate().await.unwrap();
    store
}

/// Creates a database for one test on the server of `url`, and returns the URL of the database.
pub(crate) async fn database(url: &str) -> String {
    let name = unique_name();
    let create = format!("CREATE DATABASE {name}");
    other_client(url)
        .await
        .batch_execute(&create)
        .await
        .unwrap();
    with_database(url, &name)
}

/// Returns the URL of another database on the same server.
pub(crate) fn with_database(url: &str, database: &str) -> String {
    let (before, options) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = before.rsplit_once('/').unwrap();
    let url = format!("{server}/{database}");
    if options.is_empty() {
        url
    } else {
        with_option(&url, options)
    }
}

/// Appends a parameter to `url`. `=` and spaces in its value must be percent-encoded.
pub(crate) fn with_option(url: &str, option: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{option}")
}

/// Returns a connection that does not belong to the store, like one of the application or an
/// administrator.
pub(crate) async fn other_client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client
}

/// Repeats the query `question` until it returns true. If it does not within ten seconds, panics
/// with `what`.
pub(crate) async fn until(other_client: &Client, what: &str, question: &str) {
    for _ in 0..1_000 {
        let rows: Vec<Row> = other_client.query(question, &[]).await.unwrap();
        if rows[0].get(0) {
            return;
        }
        other_client
            .query("SELECT pg_sleep(0.01)", &[])
            .await
            .unwrap();
    }
    panic!("not true within ten seconds: {what}");
}

pub(crate) fn written(outcome: Result<Outcome>) -> Version {
    match outcome {
        Ok(Outcome::Written(version)) => version,
        other => panic!("expected `Written`, got {other:?}"),
    }
}
