//! Tests what the statements write and what they cost the server.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::time::Duration;

use cloakroom::store::{Draft, Store};
use cloakroom::{ErrorKind, Owner};
use cloakroom_harness::servers;
use cloakroom_testkit::Proxy;
use cloakroom_testkit::conformance::{draft, store_key};
use cloakroom_testkit::unique_name;
use support::{database, migrated, on, other_client, until, with_option, written};
use tokio_postgres::Client;

#[tokio::test]
async fn saves_and_touches_are_heap_only_unless_the_hour_of_expiry_or_the_owner_changes() {
    let Some(server) = servers::postgres() else {
        return;
    };
    // Use a separate database: in a shared one, open transactions of other tests would prevent the
    // server from reusing the space of old row versions.
    let url = database(server.url()).await;
    let other_client = other_client(&url).await;
    let at = |n| store_key(n);

    let store = on(&url, "in_place").connect().await.unwrap();
    store.migrate().await.unwrap();
    for n in 0..20 {
        let mut seen = written(store.create(&at(n), &in_hour(1, n)).await);
        for minute in 1..=20 {
            seen = written(store.save(&at(n), &seen, &in_hour(1, minute)).await);
            seen = written(store.touch(&at(n), &seen, &in_hour(1, minute).meta).await);
        }
    }
    drop(store);
    let (updates, heap_only) = updates_of(&other_client, "in_place", 800).await;
    // Not all updates are heap-only (HOT): the server cannot clean up a page while the background
    // writer uses it.
    assert!(
        updates == 800 && heap_only > 700,
        "{heap_only} of {updates} updates were heap-only"
    );

    let store = on(&url, "moving").connect().await.unwrap();
    store.migrate().await.unwrap();
    let seen = written(store.create(&at(1), &in_hour(1, 0)).await);
    let seen = written(store.save(&at(1), &seen, &in_hour(2, 0)).await);
    let mut logged_in = in_hour(2, 0);
    logged_in.meta.owner = Some(Owner::from("grace"));
    written(store.save(&at(1), &seen, &logged_in).await);
    drop(store);
    assert_eq!(updates_of(&other_client, "moving", 2).await, (2, 0));
}

#[tokio::test]
async fn each_call_is_one_round_trip() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let proxy = Proxy::to(server.url());
    let store = on(proxy.url(), unique_name()).connections(1);
    let store = store.connect().await.unwrap();
    store.migrate().await.unwrap();
    let owner = draft(1).meta.owner.unwrap();

    let mut costs = Vec::new();
    // Only the second round counts: in the first one, the server may have to prepare statements.
    for _ in 0..2 {
        costs.clear();
        let mut before = proxy.round_trips();
        let mut record = |call: &'static str| {
            let now = proxy.round_trips();
            costs.push((call, now - before));
            before = now;
        };
        let seen = written(store.create(&store_key(1), &draft(1)).await);
        record("create");
        store.load(&store_key(1)).await.unwrap();
        record("load");
        let seen = written(store.save(&store_key(1), &seen, &draft(2)).await);
        record("save");
        let seen = written(store.touch(&store_key(1), &seen, &draft(3).meta).await);
        record("touch");
        let (from, to, new) = (store_key(1), store_key(2), draft(4));
        written(store.rename(&from, &seen, &to, &new, None).await);
        record("rename");
        store.owned_by(&owner, None, usize::MAX).await.unwrap();
        record("owned_by");
        store.find(&store_key(2).as_bytes()[..12]).await.unwrap();
        record("find");
        store.ping().await.unwrap();
        record("ping");
        store.sweep(draft(1).meta.created, 200).await.unwrap();
        record("sweep");
        store.delete(&store_key(2)).await.unwrap();
        record("delete");
    }

    for (call, round_trips) in costs {
        assert_eq!(round_trips, 1, "{call}");
    }
}

#[tokio::test]
async fn no_statement_reads_more_of_the_table_than_it_needs() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let store = on(server.url(), &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let other_client = other_client(server.url()).await;
    let fill = format!(
        "INSERT INTO {table} SELECT sha256(n::TEXT::BYTEA), n, 0, 0,
            n * 60000::BIGINT, n / 60, 'owner ' || n, NULL, 'data'
            FROM generate_series(1, 20000) n;
         ANALYZE {table}"
    );
    other_client.batch_execute(&fill).await.unwrap();

    let at = store_key(1);
    let seen = written(store.create(&at, &draft(1)).await);
    let seen = written(store.save(&at, &seen, &draft(2)).await);
    let seen = written(store.touch(&at, &seen, &draft(3).meta).await);
    written(
        store
            .rename(&at, &seen, &store_key(2), &draft(4), None)
            .await,
    );
    store.load(&at).await.unwrap();
    store
        .owned_by(&Owner::from("owner 7"), None, usize::MAX)
        .await
        .unwrap();
    store.find(&at.as_bytes()[..12]).await.unwrap();
    store.ping().await.unwrap();
    store.delete(&store_key(2)).await.unwrap();
    store
        .sweep(cloakroom::store::from_millis(600_000), 100)
        .await
        .unwrap();
    drop(store);

    // Wait until the server's statistics contain the statements above.
    let seen = format!("SELECT idx_scan >= 10 FROM pg_stat_user_tables WHERE relname = '{table}'");
    until(&other_client, "the statistics arrive", &seen).await;
    let question = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = $1";
    let read: i64 = other_client
        .query_one(question, &[&table])
        .await
        .unwrap()
        .get(0);
    // A ping reads one row without an index. The rows that `ANALYZE` reads are not counted.
    assert!(read <= 1, "{read} rows were read without an index");
}

#[tokio::test]
async fn an_owner_or_a_label_with_nul_is_loaded_unchanged() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let store = migrated(server.url()).await;
    for (n, text) in (0..).zip(["\0", "a\0b", "a\u{1a}0b", "a\u{1a}\u{1a}0b", "\u{1a}"]) {
        let mut new = draft(n);
        new.meta.owner = Some(Owner::from(text));
        new.meta.label = Some(text.into());
        written(store.create(&store_key(n), &new).await);

        assert_eq!(
            store.load(&store_key(n)).await.unwrap().unwrap().meta,
            new.meta
        );
        let owned = store
            .owned_by(&Owner::from(text), None, usize::MAX)
            .await
            .unwrap()
            .entries;
        assert_eq!(owned.len(), 1);
        assert_eq!(owned[0].meta, new.meta);
    }
}

#[tokio::test]
async fn an_owner_too_long_for_an_index_returns_too_large_and_nothing_is_written() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let store = migrated(server.url()).await;
    // The text is random, because PostgreSQL compresses long texts before it checks their length.
    let long: String = (0..4_000).map(|_| unique_name()).collect();
    let mut new = draft(1);
    new.meta.owner = Some(Owner::from(long));

    let error = store.create(&store_key(1), &new).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(store.load(&store_key(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_row_of_an_altered_table_is_corrupt() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let store = on(server.url(), &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    written(store.create(&store_key(1), &draft(1)).await);
    let change = format!("ALTER TABLE {table} ALTER created_at TYPE TEXT");
    let other_client = other_client(server.url()).await;
    other_client.batch_execute(&change).await.unwrap();

    let error = store.load(&store_key(1)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn statements_still_work_after_the_table_is_recreated() {
    let Some(server) = servers::postgres() else {
        return;
    };
    for statements in ["unnamed", "named"] {
        let table = unique_name();
        let url = with_option(server.url(), &format!("statements={statements}"));
        let store = on(&url, &table).connect().await.unwrap();
        store.migrate().await.unwrap();
        written(store.create(&store_key(1), &draft(1)).await);
        assert!(store.load(&store_key(1)).await.unwrap().is_some());

        let other_client = other_client(server.url()).await;
        let drop_table = format!("DROP TABLE {table}");
        other_client.batch_execute(&drop_table).await.unwrap();
        assert!(store.load(&store_key(1)).await.is_err());
        store.migrate().await.unwrap();

        assert!(store.load(&store_key(1)).await.unwrap().is_none());
        written(store.create(&store_key(1), &draft(1)).await);
    }
}

/// Returns a draft that expires in the given minute of the given hour. All drafts have the same
/// owner and about the same size.
fn in_hour(hour: u64, minute: u64) -> Draft {
    let mut new = draft(minute);
    let hours = Duration::from_secs(hour * 60 * 60);
    let start = cloakroom::store::from_millis(4_102_444_800_000);
    new.meta.expires = start + hours + Duration::from_secs(minute * 60);
    new.meta.owner = Some(Owner::from("ada"));
    new
}

/// Waits until the server has counted at least `updates` updates of the table. Returns the numbers
/// of all updates and of heap-only updates.
async fn updates_of(other_client: &Client, table: &str, updates: i64) -> (i64, i64) {
    let known =
        format!("SELECT n_tup_upd >= {updates} FROM pg_stat_user_tables WHERE relname = '{table}'");
    until(other_client, "the statistics arrive", &known).await;
    let question = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = $1";
    let row = other_client.query_one(question, &[&table]).await.unwrap();
    (row.get(0), row.get(1))
}
