//! Tests that sweeps run concurrently with each other and with requests, and never wait for locks.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::time::SystemTime;

use cloakroom::store::{Store, from_millis, millis};
use cloakroom_harness::servers;
use cloakroom_postgres::PostgresStore;
use cloakroom_testkit::conformance::{draft, store_key};
use cloakroom_testkit::faults;
use cloakroom_testkit::unique_name;
use support::{on, other_client, written};
use tokio_postgres::Client;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_concurrent_sweeps_delete_each_of_ten_thousand_sessions_once() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let one = on(server.url(), &table).connect().await.unwrap();
    one.migrate().await.unwrap();
    let other = on(server.url(), &table).connect().await.unwrap();
    let other_client = other_client(server.url()).await;
    fill(&other_client, &table, 10_000).await;
    let alive = written(one.create(&store_key(1), &draft(1)).await);

    let (by_one, by_other) = tokio::join!(
        tokio::spawn(sweep_all(one.clone())),
        tokio::spawn(sweep_all(other))
    );

    assert_eq!(by_one.unwrap() + by_other.unwrap(), 10_000);
    assert_eq!(count(&other_client, &table).await, 1);
    assert!(one.load(&store_key(1)).await.unwrap().unwrap().version == alive);
}

#[test]
fn a_backlog_of_expired_sessions_is_swept_while_requests_continue() {
    faults::run("a backlog of expired sessions is swept", async || {
        let Some(server) = servers::postgres() else {
            return;
        };
        let table = unique_name();
        let open = async || on(server.url(), &table).connect().await.unwrap();
        open().await.migrate().await.unwrap();
        let other_client = other_client(server.url()).await;
        faults::a_backlog_of_expired_sessions_is_swept_while_requests_continue(
            open,
            async |count| insert_expired(&other_client, &table, count).await,
            async |now| count_expired(&other_client, &table, now).await,
        )
        .await;
    });
}

/// Inserts `count` sessions. The n-th of them expired n seconds ago.
async fn insert_expired(other_client: &Client, table: &str, count: usize) {
    let now = millis(SystemTime::now());
    let insert = format!(
        "INSERT INTO {table} SELECT sha256(int8send(n)), n, 0, 0,
            {now} - 1000 * n, ({now} - 1000 * n) / 3600000, NULL, NULL,
            decode(repeat(md5(n::text), 12), 'hex') FROM generate_series(1, {count}) AS n"
    );
    other_client.batch_execute(&insert).await.unwrap();
    other_client
        .batch_execute(&format!("ANALYZE {table}"))
        .await
        .unwrap();
}

async fn count_expired(other_client: &Client, table: &str, now: SystemTime) -> usize {
    let count = format!("SELECT COUNT(*) FROM {table} WHERE expires_at <= $1");
    let rows = other_client.query(&count, &[&millis(now)]).await.unwrap();
    usize::try_from(rows[0].get::<_, i64>(0)).unwrap()
}

#[tokio::test]
async fn a_sweep_of_several_steps_stops_at_its_limit() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let store = on(server.url(), &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let other_client = other_client(server.url()).await;
    fill(&other_client, &table, 3_000).await;

    assert_eq!(store.sweep(now(), 2_500).await.unwrap(), 2_500);
    assert_eq!(count(&other_client, &table).await, 500);
    assert_eq!(store.sweep(now(), usize::MAX).await.unwrap(), 500);
}

#[tokio::test]
async fn a_sweep_skips_locked_rows_and_deletes_them_later() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let store = on(server.url(), &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let other_client = other_client(server.url()).await;
    fill(&other_client, &table, 10).await;

    let lock = format!("BEGIN; SELECT FROM {table} LIMIT 3 FOR UPDATE");
    other_client.batch_execute(&lock).await.unwrap();
    assert_eq!(store.sweep(now(), 100).await.unwrap(), 7);
    other_client.batch_execute("COMMIT").await.unwrap();

    assert_eq!(store.sweep(now(), 100).await.unwrap(), 3);
}

/// Sweeps in batches, as the session layer does, until a batch is not full.
async fn sweep_all(store: PostgresStore) -> usize {
    let mut swept = 0;
    loop {
        let batch = store.sweep(now(), 200).await.unwrap();
        swept += batch;
        if batch < 200 {
            return swept;
        }
    }
}

/// Inserts rows. The n-th of them expires n seconds after the start of 1970.
async fn fill(other_client: &Client, table: &str, rows: usize) {
    let fill = format!(
        "INSERT INTO {table} SELECT sha256(n::TEXT::BYTEA), n, 0, 0,
            n * 1000, n * 1000 / 3600000, NULL, NULL, '' FROM generate_series(1, {rows}) n"
    );
    other_client.batch_execute(&fill).await.unwrap();
}

async fn count(other_client: &Client, table: &str) -> i64 {
    let count = format!("SELECT COUNT(*) FROM {table}");
    other_client.query_one(&count, &[]).await.unwrap().get(0)
}

/// Returns the time that the tests pass to a sweep. By then, the first 10,000 rows of [`fill`] have
/// expired.
fn now() -> SystemTime {
    from_millis(10_000 * 1_000)
}
