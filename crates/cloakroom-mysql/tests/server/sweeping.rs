//! Tests sweeps: what they delete, what they keep, and that they can run concurrently.

use std::time::{Duration, SystemTime};

use cloakroom::store::{Store, from_millis, millis};
use cloakroom_mysql::MysqlStore;
use mysql_async::prelude::Queryable;

use cloakroom_testkit::faults;
use cloakroom_testkit::unique_name;

use crate::support::{at, draft, on, other_client, store, two_stores, url, written};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_concurrent_sweeps_delete_each_of_ten_thousand_sessions_once() {
    let (Some((one, other)), Some(mut other_client)) = (two_stores().await, other_client().await)
    else {
        return;
    };
    let now = draft("").meta.expires;
    let rows: Vec<String> = (0..10_000)
        .map(|n| {
            let expires = millis(now) - n * 10_000;
            let hour = expires.div_euclid(3_600_000);
            format!(
                "(UNHEX(SHA2('{n}', 256)), {n}, 0, 0, {expires}, {hour}, NULL, NULL, 'expired')"
            )
        })
        .collect();
    let table = one.schema().split('`').nth(1).unwrap().to_owned();
    other_client
        .query_drop(format!("INSERT INTO {table} VALUES {}", rows.join(",")))
        .await
        .unwrap();
    let mut alive = draft("alive");
    alive.meta.expires += Duration::from_millis(1);
    written(one.create(&at(1), &alive).await);

    let sweeps =
        [one.clone(), other].map(|store| tokio::spawn(async move { sweep_all(&store, now).await }));
    let mut swept = 0;
    for sweep in sweeps {
        swept += sweep.await.unwrap();
    }

    assert_eq!(swept, 10_000);
    let left: Option<u64> = other_client
        .query_first(format!("SELECT COUNT(*) FROM {table}"))
        .await
        .unwrap();
    assert_eq!(left, Some(1));
    assert_eq!(one.load(&at(1)).await.unwrap().unwrap().data, "alive");
}

async fn sweep_all(store: &MysqlStore, now: SystemTime) -> usize {
    let mut swept = 0;
    loop {
        match store.sweep(now, 200).await.unwrap() {
            0 => return swept,
            batch => swept += batch,
        }
    }
}

#[test]
fn a_backlog_of_expired_sessions_is_swept_while_requests_continue() {
    faults::run("a backlog of expired sessions is swept", async || {
        let Some(url) = url() else { return };
        let table = unique_name();
        on(url, &table).await.migrate().await.unwrap();
        faults::a_backlog_of_expired_sessions_is_swept_while_requests_continue(
            async || on(url, &table).await,
            async |count| insert_expired(&table, count).await,
            async |now| count_expired(&table, now).await,
        )
        .await;
    });
}

/// Inserts `count` sessions. The n-th of them, counted from 0, expired n seconds ago.
async fn insert_expired(table: &str, count: usize) {
    let now = millis(SystemTime::now());
    // Insert in steps, because a million rows in one statement would be one long transaction.
    for first in (0..count).step_by(STEP) {
        let rows = STEP.min(count - first);
        let insert = format!(
            "INSERT INTO {table}
            WITH RECURSIVE expired (n) AS (
                SELECT {first} UNION ALL SELECT n + 1 FROM expired WHERE n < {first} + {rows} - 1)
            SELECT UNHEX(SHA2(n, 256)), n, 0, 0,
                {now} - 1000 * n, ({now} - 1000 * n) DIV 3600000, NULL, NULL,
                REPEAT('d', 200) FROM expired"
        );
        let mut other_client = other_client().await.unwrap();
        other_client
            .query_drop(format!("SET SESSION max_recursive_iterations = {STEP}"))
            .await
            .unwrap();
        other_client.query_drop(insert).await.unwrap();
    }
}

async fn count_expired(table: &str, now: SystemTime) -> usize {
    let now = millis(now);
    let count = format!("SELECT COUNT(*) FROM {table} WHERE expires_at <= {now}");
    let count: Option<usize> = other_client()
        .await
        .unwrap()
        .query_first(count)
        .await
        .unwrap();
    count.unwrap()
}

/// The number of rows that one statement of [`insert_expired`] inserts.
const STEP: usize = 20_000;

#[tokio::test]
async fn a_sweep_keeps_sessions_that_expire_later_in_the_same_hour() {
    let Some(store) = store().await else { return };
    let expired = draft("");
    let mut alive = draft("");
    alive.meta.expires += Duration::from_millis(1);
    // A step of a sweep deletes up to 100 sessions, so the expired sessions need two steps.
    for n in 0..120 {
        written(store.create(&at(n), &alive).await);
        written(store.create(&at(1_000 + n), &expired).await);
    }

    let before = expired.meta.expires - Duration::from_millis(1);
    assert_eq!(store.sweep(before, 1_000).await.unwrap(), 0);
    assert_eq!(store.sweep(expired.meta.expires, 107).await.unwrap(), 107);
    assert_eq!(store.sweep(expired.meta.expires, 1_000).await.unwrap(), 13);
    assert!(store.load(&at(119)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_sweep_skips_a_locked_session_and_a_later_sweep_deletes_it() {
    let (Some(store), Some(mut other_client)) = (store().await, other_client().await) else {
        return;
    };
    for n in 0..3 {
        written(store.create(&at(n), &draft("")).await);
    }
    let table = store.schema().split('`').nth(1).unwrap().to_owned();
    other_client.query_drop("START TRANSACTION").await.unwrap();
    let lock = format!("SELECT 1 FROM {table} WHERE lookup = ? FOR UPDATE");
    other_client
        .exec_drop(lock, (at(1).as_bytes(),))
        .await
        .unwrap();

    assert_eq!(store.sweep(from_millis(i64::MAX), 10).await.unwrap(), 2);
    other_client.query_drop("ROLLBACK").await.unwrap();
    assert_eq!(store.sweep(from_millis(i64::MAX), 10).await.unwrap(), 1);
}

#[tokio::test]
async fn a_sweep_of_a_small_table_skips_a_locked_session() {
    let (Some(store), Some(mut other_client)) = (store().await, other_client().await) else {
        return;
    };
    // In a table of this size, the server may scan all rows instead of using the primary key. Such
    // a scan waits for the locked row.
    let expired = draft("");
    for n in 0..550 {
        written(store.create(&at(n), &expired).await);
    }
    let table = store.schema().split('`').nth(1).unwrap().to_owned();
    other_client.query_drop("START TRANSACTION").await.unwrap();
    let lock = format!("SELECT 1 FROM {table} WHERE lookup = ? FOR UPDATE");
    let locked = at(7);
    other_client
        .exec_drop(lock, (locked.as_bytes(),))
        .await
        .unwrap();

    assert_eq!(store.sweep(expired.meta.expires, 1_000).await.unwrap(), 549);
    other_client.query_drop("ROLLBACK").await.unwrap();
    assert_eq!(store.sweep(expired.meta.expires, 1_000).await.unwrap(), 1);
}
