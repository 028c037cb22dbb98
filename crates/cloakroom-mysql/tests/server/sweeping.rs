//! Sweeping: what goes, what stays, and that two at once are as good as one.

use std::time::Duration;

use cloakroom::store::{Store, from_millis, millis};
use cloakroom_mysql::MysqlStore;
use mysql_async::prelude::Queryable;

use crate::support::{at, draft, neighbour, store, two_stores, written};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_that_sweep_at_once_delete_each_of_ten_thousand_sessions_once() {
    let (Some((one, other)), Some(mut neighbour)) = (two_stores().await, neighbour().await) else {
        return;
    };
    let dead = draft("").meta.expires;
    let rows: Vec<String> = (0..10_000)
        .map(|n| {
            let expires = millis(dead) - n * 10_000;
            let hour = expires.div_euclid(3_600_000);
            format!("(UNHEX(SHA2('{n}', 256)), {n}, 0, 0, {expires}, {hour}, NULL, NULL, 'dead')")
        })
        .collect();
    let table = one.schema().split('`').nth(1).unwrap().to_owned();
    neighbour
        .query_drop(format!("INSERT INTO {table} VALUES {}", rows.join(",")))
        .await
        .unwrap();
    let mut alive = draft("alive");
    alive.meta.expires += Duration::from_millis(1);
    written(one.create(&at(1), &alive).await);

    let sweeps = [one.clone(), other]
        .map(|store| tokio::spawn(async move { sweep_all(&store, dead).await }));
    let mut swept = 0;
    for sweep in sweeps {
        swept += sweep.await.unwrap();
    }

    assert_eq!(swept, 10_000);
    let left: Option<u64> = neighbour
        .query_first(format!("SELECT COUNT(*) FROM {table}"))
        .await
        .unwrap();
    assert_eq!(left, Some(1));
    assert_eq!(one.load(&at(1)).await.unwrap().unwrap().data, "alive");
}

async fn sweep_all(store: &MysqlStore, now: std::time::SystemTime) -> usize {
    let mut swept = 0;
    loop {
        match store.sweep(now, 200).await.unwrap() {
            0 => return swept,
            batch => swept += batch,
        }
    }
}

#[tokio::test]
async fn within_the_hour_only_what_has_expired_goes() {
    let Some(store) = store().await else { return };
    let dead = draft("");
    let mut alive = draft("");
    alive.meta.expires += Duration::from_millis(1);
    // More than one step of each.
    for n in 0..120 {
        written(store.create(&at(n), &alive).await);
        written(store.create(&at(1_000 + n), &dead).await);
    }

    let before = dead.meta.expires - Duration::from_millis(1);
    assert_eq!(store.sweep(before, 1_000).await.unwrap(), 0);
    assert_eq!(store.sweep(dead.meta.expires, 107).await.unwrap(), 107);
    assert_eq!(store.sweep(dead.meta.expires, 1_000).await.unwrap(), 13);
    assert!(store.load(&at(119)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_dead_session_that_somebody_has_locked_is_left_for_the_next_sweep() {
    let (Some(store), Some(mut neighbour)) = (store().await, neighbour().await) else {
        return;
    };
    for n in 0..3 {
        written(store.create(&at(n), &draft("")).await);
    }
    let table = store.schema().split('`').nth(1).unwrap().to_owned();
    neighbour.query_drop("START TRANSACTION").await.unwrap();
    let lock = format!("SELECT 1 FROM {table} WHERE lookup = ? FOR UPDATE");
    neighbour
        .exec_drop(lock, (at(1).as_bytes(),))
        .await
        .unwrap();

    assert_eq!(store.sweep(from_millis(i64::MAX), 10).await.unwrap(), 2);
    neighbour.query_drop("ROLLBACK").await.unwrap();
    assert_eq!(store.sweep(from_millis(i64::MAX), 10).await.unwrap(), 1);
}
