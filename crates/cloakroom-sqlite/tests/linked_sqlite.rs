//! The SQLite that the program is linked with. The warning is logged once per process, so this test
//! is the only one of its program. `scripts/check-sqlite-versions` also runs it with an old SQLite.

mod support;

use cloakroom::store::Store;
use cloakroom_sqlite::SqliteStore;
use cloakroom_testkit::Log;
use support::{at, django, draft, folder, written};
use tracing::instrument::WithSubscriber;

#[tokio::test]
async fn an_sqlite_that_can_damage_a_database_is_reported_once_and_usable() {
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
