//! The warning about an SQLite with the WAL-reset bug. The store logs it once per process, so this
//! file contains only one test. `scripts/check-sqlite-versions` also runs the test with an SQLite
//! that has the bug.

mod support;

use cloakroom::store::Store;
use cloakroom_sqlite::SqliteStore;
use cloakroom_testkit::Log;
use support::{at, django, draft, folder, written};
use tracing::instrument::WithSubscriber;

#[tokio::test]
async fn an_sqlite_with_the_wal_reset_bug_works_and_is_reported_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();

    let opened = async {
        let (_folder, path) = folder();
        for n in 1..=2 {
            let store = SqliteStore::open(&path).unwrap();
            written(store.create(&at(n), &draft("seen")).await);
            assert_eq!(store.load(&at(n)).await.unwrap().unwrap().data, "seen");
        }
        let (_folder, path) = folder();
        django(&path).await;
    };
    opened.with_subscriber(subscriber).await;

    let text = log.text();
    let has_the_bug = rusqlite::version_number() < 3_051_003;
    let warnings = text.lines().filter(|line| line.contains("WAL-reset bug"));
    assert_eq!(warnings.count(), usize::from(has_the_bug), "{text}");
    assert_eq!(text.contains(rusqlite::version()), has_the_bug, "{text}");
}
