//! Sweeping: which sessions a sweep deletes, and that other calls do not wait for it.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::path::Path;
use std::time::{Duration, SystemTime};

use cloakroom::store::{Draft, Store, millis};
use cloakroom_sqlite::SqliteStore;
use cloakroom_testkit::faults;
use support::{answer, at, begin, draft, folder, other_connection, written};

#[tokio::test]
async fn loads_are_answered_while_ten_thousand_expired_sessions_are_swept() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let (expired, live) = (draft("expired"), later(&draft("live"), 1));
    for hundred in 0..102 {
        let new = if hundred < 100 { &expired } else { &live };
        let store_keys: Vec<_> = (0..100).map(|n| at(hundred * 100 + n)).collect();
        let creates: Vec<_> = store_keys
            .iter()
            .map(|at| begin(store.create(at, new)))
            .collect();
        for create in creates {
            written(create.await);
        }
    }

    let mut swept = 0;
    // In each round, loads run while a sweep deletes up to 1,000 sessions.
    for round in 0..100 {
        let mut sweep = begin(store.sweep(expired.meta.expires, 1_000));
        for n in 0..20 {
            let live = at(10_000 + (round * 20 + n) % 200);
            assert_eq!(store.load(&live).await.unwrap().unwrap().data, "live");
            // Poll the sweep, so that it starts its next step if the previous step is done.
            if let Some(done) = answer(&mut sweep) {
                sweep = Box::pin(async move { done });
                break;
            }
        }
        let batch = sweep.await.unwrap();
        swept += batch;
        if batch < 1_000 {
            break;
        }
    }

    assert_eq!(swept, 10_000);
    assert!(store.load(&at(9_999)).await.unwrap().is_none());
    for n in 10_000..10_200 {
        assert!(store.load(&at(n)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn sessions_that_expire_later_in_the_same_hour_are_not_swept() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let first = draft("");
    // A step of the sweep reads 256 rows, so the first two steps find only unexpired rows.
    for n in 0..600 {
        written(store.create(&at(n), &later(&first, 1_000)).await);
    }
    for n in 600..610 {
        written(store.create(&at(n), &first).await);
    }

    assert_eq!(
        store
            .sweep(first.meta.expires - Duration::from_millis(1), 100)
            .await
            .unwrap(),
        0
    );
    assert_eq!(store.sweep(first.meta.expires, 7).await.unwrap(), 7);
    assert_eq!(store.sweep(first.meta.expires, 100).await.unwrap(), 3);
    assert!(store.load(&at(599)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_session_whose_expiry_was_extended_is_not_swept_early() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let old = draft("");
    let saved = later(&draft(""), 7_200_000);
    for n in 0..3 {
        written(store.create(&at(n), &old).await);
    }
    written(store.save(&at(0), &old.version(), &saved).await);
    written(store.touch(&at(1), &old.version(), &saved.meta).await);
    written(
        store
            .rename(&at(2), &old.version(), &at(3), &saved, None)
            .await,
    );

    assert_eq!(store.sweep(old.meta.expires, 100).await.unwrap(), 0);
    assert_eq!(store.sweep(saved.meta.expires, 100).await.unwrap(), 3);
}

#[tokio::test]
async fn a_session_whose_expiry_was_shortened_is_swept_at_the_new_time() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let short = draft("");
    let long = later(&short, 7_200_000);
    for n in 0..3 {
        written(store.create(&at(n), &long).await);
    }
    written(store.save(&at(0), &long.version(), &short).await);
    written(store.touch(&at(1), &long.version(), &short.meta).await);
    written(
        store
            .rename(&at(2), &long.version(), &at(3), &short, None)
            .await,
    );

    assert_eq!(store.sweep(short.meta.expires, 100).await.unwrap(), 3);
}

#[test]
fn a_backlog_of_expired_sessions_is_swept_while_requests_continue() {
    faults::run("a backlog of expired sessions is swept", async || {
        let (_folder, path) = folder();
        faults::a_backlog_of_expired_sessions_is_swept_while_requests_continue(
            async || SqliteStore::open(&path).unwrap(),
            async |count| insert_expired(&path, count),
            async |now| count_expired(&path, now),
        )
        .await;
    });
}

/// Inserts `count` sessions. The n-th of them expired n seconds ago.
fn insert_expired(path: &Path, count: usize) {
    let now = millis(SystemTime::now());
    let insert = "WITH RECURSIVE expired (n, expires) AS (
            SELECT 1, ?2 - 1000 UNION ALL SELECT n + 1, expires - 1000 FROM expired WHERE n < ?1
        )
        INSERT INTO cloakroom_session
            (lookup, version, created_at, touched_at, expires_at, sweep_bucket, data)
        SELECT randomblob(32), n, expires - 1, expires - 1, expires, expires / 3600000,
            randomblob(200) FROM expired";
    let numbers = (i64::try_from(count).unwrap(), now);
    let inserted = other_connection(path).execute(insert, numbers).unwrap();
    assert_eq!(inserted, count);
}

fn count_expired(path: &Path, now: SystemTime) -> usize {
    let count = "SELECT COUNT(*) FROM cloakroom_session WHERE expires_at <= ?1";
    let count = other_connection(path).query_row(count, [millis(now)], |row| row.get::<_, i64>(0));
    usize::try_from(count.unwrap()).unwrap()
}

fn later(draft: &Draft, millis: u64) -> Draft {
    let mut later = draft.clone();
    later.meta.expires += Duration::from_millis(millis);
    later
}
