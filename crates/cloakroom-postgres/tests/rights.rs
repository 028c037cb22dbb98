//! Tests that the rights in the documentation are enough, and that each of them is needed.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::time::UNIX_EPOCH;

use cloakroom::store::{Draft, Meta, SaveId, Store, from_millis};
use cloakroom_harness::servers;
use cloakroom_postgres::{DjangoTable, PostgresStore};
use cloakroom_testkit::conformance::{draft, store_key};
use cloakroom_testkit::unique_name;
use support::{django, migrated_on, on, other_client, written};

#[tokio::test]
async fn the_documented_rights_are_enough() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    migrated_on(server.url(), &table).await;

    let url = role(server.url(), &documented_rights(), &table).await;

    let store = on(&url, &table).connect().await.unwrap();
    // A site may call `migrate` each time it starts.
    store.migrate().await.unwrap();
    use_store(&store).await;
}

#[tokio::test]
async fn the_documented_rights_are_enough_for_djangos_table() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    django(server.url(), &table).await;

    let url = role(server.url(), &documented_rights(), &table).await;

    let store = DjangoTable::builder(&url)
        .table(&table)
        .connect()
        .await
        .unwrap();
    store.migrate().await.unwrap();
    use_django(&store).await;
}

#[tokio::test]
async fn every_documented_right_is_needed() {
    let Some(server) = servers::postgres() else {
        return;
    };
    for left_out in documented_rights() {
        let table = unique_name();
        migrated_on(server.url(), &table).await;
        let mut rights = documented_rights();
        rights.retain(|right| *right != left_out);
        let url = role(server.url(), &rights, &table).await;
        let store = on(&url, &table).connect().await.unwrap();

        let used = tokio::spawn(async move { use_store(&store).await });

        assert!(used.await.is_err(), "all calls succeed without {left_out}");
    }
}

/// Returns the rights that the documentation lists.
fn documented_rights() -> Vec<&'static str> {
    let page = include_str!("../src/lib.rs");
    let (_, list) = page
        .split_once("Then the store's user needs only ")
        .unwrap();
    let (list, _) = list.split_once(" on the table.").unwrap();
    let rights = list
        .split('`')
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_uppercase()));
    let rights: Vec<&str> = rights.filter(|word| !word.is_empty()).collect();
    assert_eq!(rights.len(), 4, "{rights:?}");
    rights
}

/// Creates a role with these rights on the table and no other rights. Returns a URL that logs in as
/// this role.
async fn role(url: &str, rights: &[&str], table: &str) -> String {
    let name = unique_name();
    let rights = rights.join(", ");
    let sql = format!(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC;
         CREATE ROLE {name} LOGIN PASSWORD 's3cret';
         GRANT {rights} ON {table} TO {name}"
    );
    // The tests run concurrently, and concurrent revocations of the same right conflict, so a lock
    // makes the revocations wait for each other.
    let locked = format!("BEGIN; SELECT pg_advisory_xact_lock(5); {sql}; COMMIT");
    other_client(url)
        .await
        .batch_execute(&locked)
        .await
        .unwrap();
    let (_, server) = url.rsplit_once('@').unwrap();
    format!("postgres://{name}:s3cret@{server}")
}

/// Makes every call that a site makes.
async fn use_store(store: &PostgresStore) {
    let mut owned = draft(1);
    owned.meta.owner = Some("ada".into());
    let seen = written(store.create(&store_key(1), &owned).await);
    let seen = written(store.save(&store_key(1), &seen, &owned).await);
    written(store.touch(&store_key(1), &seen, &owned.meta).await);
    written(
        store
            .rename(&store_key(1), &seen, &store_key(2), &owned, None)
            .await,
    );
    assert!(store.load(&store_key(2)).await.unwrap().is_some());
    let found = store.owned_by(&"ada".into(), None, 10).await.unwrap();
    assert_eq!(found.entries.len(), 1);
    store.delete(&store_key(2)).await.unwrap();
    written(store.create(&store_key(3), &draft(3)).await);
    store.delete(&store_key(3)).await.unwrap();
    written(store.create(&store_key(4), &draft(4)).await);
    let later = from_millis(i64::MAX);
    assert_eq!(store.sweep(later, 10).await.unwrap(), 1);
    store.ping().await.unwrap();
}

/// Makes every call that a site makes, on Django's table.
async fn use_django(store: &DjangoTable) {
    let key = |n: u8| cloakroom::StoreKey::new(&[b'a' + n; 32]);
    let draft = |data: &'static str, expires| {
        let meta = Meta::new(UNIX_EPOCH, UNIX_EPOCH, from_millis(expires));
        Draft::new(data.into(), meta, SaveId::random().unwrap())
    };
    let (one, two, ended) = (
        draft("one", LATER),
        draft("two", LATER),
        draft("ended", 1_000),
    );
    let seen = written(store.create(&key(1), &one).await);
    let seen = written(store.save(&key(1), &seen, &two).await);
    written(store.touch(&key(1), &seen, &two.meta).await);
    let seen = store.load(&key(1)).await.unwrap().unwrap().version;
    written(store.rename(&key(1), &seen, &key(2), &one, None).await);
    assert!(store.load(&key(2)).await.unwrap().is_some());
    store.delete(&key(2)).await.unwrap();
    written(store.create(&key(3), &ended).await);
    assert_eq!(store.sweep(from_millis(2_000), 10).await.unwrap(), 1);
    store.ping().await.unwrap();
}

/// The start of the year 2100, in milliseconds since 1970.
const LATER: i64 = 4_102_444_800_000;
