//! Tests what calls return when the server, the connection or a concurrent transaction fails.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloakroom::ErrorKind;
use cloakroom::store::{Outcome, Store, Version};
use cloakroom_harness::servers;
use cloakroom_postgres::PostgresStore;
use cloakroom_testkit::Proxy;
use cloakroom_testkit::conformance::{draft, store_key};
use cloakroom_testkit::unique_name;
use support::{migrated, on, other_client, until, with_option, written};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_missing_server_is_unavailable_and_the_error_names_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);

    let url = format!("postgres://ada:s3cret@{address}/library");
    let error = PostgresStore::connect(&url).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        format!(
            "connecting to PostgreSQL: {address}/library: the server cannot be reached; \
             is it running?"
        )
    );
    assert!(format!("{error:#}").contains("refused"), "{error:#}");
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_a_config_error() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let (before, _) = server.url().rsplit_once('/').unwrap();

    let error = PostgresStore::connect(&format!("{before}/nowhere"))
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error
            .to_string()
            .ends_with("/nowhere: the database does not exist; create it or correct the URL"),
        "{error}"
    );
}

#[tokio::test]
async fn a_missing_table_is_an_error_with_advice_and_calls_work_once_it_exists() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let store = on(server.url(), unique_name()).connect().await.unwrap();

    let error = store.load(&store_key(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "loading a session from PostgreSQL: the table is not there; call `migrate`, or run the SQL \
         that `schema` prints"
    );
    assert!(
        store.ping().await.is_err(),
        "a ping succeeded without the table"
    );

    store.migrate().await.unwrap();
    written(store.create(&store_key(1), &draft(1)).await);
    store.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_save_is_lost_when_connections_are_killed_under_load() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let name = unique_name();
    let url = with_option(server.url(), &format!("application_name={name}"));
    let store = migrated(&url).await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let admin = other_client(server.url()).await;

    let mut writers = JoinSet::new();
    for n in 0..8 {
        let (store, acknowledged) = (store.clone(), Arc::clone(&acknowledged));
        let mut seen = written(store.create(&store_key(n), &draft(0)).await);
        writers.spawn(async move {
            let mut count = 0;
            while acknowledged.load(Ordering::SeqCst) < STOP {
                count += 1;
                seen = save_for_certain(&store, n, seen, count).await;
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            (n, count)
        });
    }
    let mut killed = 0;
    for _ in 0..5 {
        let kill =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
        killed += admin.query(kill, &[&name]).await.unwrap().len();
        let before = acknowledged.load(Ordering::SeqCst);
        while acknowledged.load(Ordering::SeqCst) < before + 40 {
            admin.query("SELECT pg_sleep(0.001)", &[]).await.unwrap();
        }
    }
    acknowledged.store(STOP, Ordering::SeqCst);

    assert!(killed >= 5, "only {killed} connections were killed");
    for (n, count) in writers.join_all().await {
        let entry = store.load(&store_key(n)).await.unwrap().unwrap();
        assert_eq!(entry.data, draft(count).data);
    }
}

/// Saves as the session layer does: if a save fails, loads the session to find out whether the save
/// was written.
async fn save_for_certain(store: &PostgresStore, n: u64, seen: Version, count: u64) -> Version {
    let new = draft(count);
    for _ in 0..100 {
        match store.save(&store_key(n), &seen, &new).await {
            Ok(Outcome::Written(version)) => return version,
            Ok(Outcome::Stale) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:#}"),
        }
        let entry = store.load(&store_key(n)).await.unwrap().unwrap();
        if entry.version == new.version() {
            return entry.version;
        }
        assert!(
            entry.version == seen,
            "an acknowledged save was lost, or a save was done twice"
        );
    }
    panic!("the store does not recover");
}

#[tokio::test]
async fn idle_connections_that_are_killed_are_replaced_before_the_next_call() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let name = unique_name();
    let url = with_option(server.url(), &format!("application_name={name}"));
    let store = migrated(&url).await;
    let admin = other_client(server.url()).await;
    let mut seen = written(store.create(&store_key(1), &draft(0)).await);

    for count in 1..=5 {
        let kill = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                    WHERE application_name = $1";
        let killed = match admin.query(kill, &[&name]).await {
            Ok(killed) => killed.len(),
            Err(_) => return eprintln!("not run: needs PostgreSQL 14"),
        };
        assert!(killed > 0);
        store.ping().await.unwrap();
        seen = written(store.save(&store_key(1), &seen, &draft(count)).await);
    }
}

#[tokio::test]
async fn a_save_whose_answer_is_lost_returns_unavailable_and_a_load_shows_the_new_version() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let proxy = Proxy::to(server.url());
    let store = migrated(proxy.url()).await;
    let seen = written(store.create(&store_key(1), &draft(1)).await);
    written(store.save(&store_key(1), &seen, &draft(2)).await);
    let seen = store.load(&store_key(1)).await.unwrap().unwrap().version;

    proxy.lose_answer_after(0);
    let new = draft(3);
    let error = store.save(&store_key(1), &seen, &new).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "saving a session in PostgreSQL: the connection was lost before the answer came"
    );
    let entry = store.load(&store_key(1)).await.unwrap().unwrap();
    assert!(entry.version == new.version());
}

#[tokio::test]
async fn a_load_or_a_delete_whose_answer_is_lost_is_sent_again() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let proxy = Proxy::to(server.url());
    let store = migrated(proxy.url()).await;
    written(store.create(&store_key(1), &draft(1)).await);

    // Run each statement once before its answer is lost. If the first use prepared the statement,
    // the lost answer would be the answer to the preparation.
    store.load(&store_key(2)).await.unwrap();
    proxy.lose_answer_after(0);
    assert!(store.load(&store_key(1)).await.unwrap().is_some());
    store.delete(&store_key(2)).await.unwrap();
    proxy.lose_answer_after(0);
    store.delete(&store_key(1)).await.unwrap();

    assert!(store.load(&store_key(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_connection_that_does_not_respond_is_replaced() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let proxy = Proxy::to(server.url());
    let store = migrated(proxy.url()).await;
    written(store.create(&store_key(1), &draft(1)).await);

    proxy.freeze();
    let patience = Duration::from_millis(100);
    let mut given_up = 0;
    // Like the session layer, drop each call that is not answered within a time limit.
    while tokio::time::timeout(patience, store.load(&store_key(1)))
        .await
        .is_err()
    {
        given_up += 1;
        assert!(given_up < 200, "the silent connection is never replaced");
    }

    assert!(given_up > 0, "a frozen connection answered");
    assert!(store.load(&store_key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn calls_are_unavailable_during_an_outage_and_succeed_after_it() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let proxy = Proxy::to(server.url());
    let store = migrated(proxy.url()).await;
    let seen = written(store.create(&store_key(1), &draft(1)).await);

    proxy.refuse().await;
    let error = store.load(&store_key(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let error = store
        .save(&store_key(1), &seen, &draft(2))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);

    proxy.heal();
    let mut failed = 0;
    // Until the next attempt to connect is due, calls return the error of the last attempt.
    while store.ping().await.is_err() {
        failed += 1;
        assert!(failed < 1_000_000, "the store does not recover");
        tokio::task::yield_now().await;
    }
    written(store.save(&store_key(1), &seen, &draft(2)).await);
}

#[tokio::test]
async fn a_standby_refuses_saves_with_advice_and_still_serves_loads() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let store = on(server.url(), &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let seen = written(store.create(&store_key(1), &draft(1)).await);

    // A connection that is read-only by default refuses saves with the same error as a standby.
    let standby = with_option(
        server.url(),
        "options=-c%20default_transaction_read_only%3Don",
    );
    let standby = on(&standby, &table).connect().await.unwrap();
    let error = standby
        .save(&store_key(1), &seen, &draft(2))
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error
            .to_string()
            .contains("the server is a standby and accepts no writes"),
        "{error}"
    );
    assert!(standby.load(&store_key(1)).await.unwrap().unwrap().version == seen);
}

#[tokio::test]
async fn a_save_that_waits_too_long_for_a_lock_fails_and_the_next_save_succeeds() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let url = with_option(server.url(), "options=-c%20lock_timeout%3D50ms");
    let store = on(&url, &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let seen = written(store.create(&store_key(1), &draft(1)).await);
    let other_client = other_client(server.url()).await;

    let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    other_client.batch_execute(&lock).await.unwrap();
    let error = store
        .save(&store_key(1), &seen, &draft(2))
        .await
        .unwrap_err();
    other_client.batch_execute("ROLLBACK").await.unwrap();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error
            .to_string()
            .contains("another transaction held a lock on the table or the row for too long"),
        "{error}"
    );
    written(store.save(&store_key(1), &seen, &draft(2)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_a_deadlock_has_rolled_back_is_tried_again() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let (table, name) = (unique_name(), unique_name());
    // A statement that waits for a lock checks for a deadlock once, after `deadlock_timeout`, and
    // is rolled back if it finds one. The store's statement checks after 5 s. By then, the other
    // client waits too, so there is a deadlock. The other client would check only after 60 s.
    let options = "options=-c%20deadlock_timeout%3D5s%20-c%20lock_timeout%3D30s";
    let url = with_option(server.url(), &format!("application_name={name}&{options}"));
    let store = on(&url, &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let (other_client, admin) = (
        other_client(server.url()).await,
        other_client(server.url()).await,
    );

    let seen = written(store.create(&store_key(1), &draft(1)).await);
    // The other client inserts the key to which the session moves. The move locks the session and
    // waits for that key.
    other_client
        .batch_execute("SET deadlock_timeout = '60s'; BEGIN")
        .await
        .unwrap();
    let insert = format!("INSERT INTO {table} VALUES ($1, 1, 0, 0, 0, 0, NULL, NULL, '')");
    other_client
        .execute(&insert, &[&store_key(2).as_bytes()])
        .await
        .unwrap();
    let moving = tokio::spawn({
        let (store, seen) = (store.clone(), seen.clone());
        async move {
            store
                .rename(&store_key(1), &seen, &store_key(2), &draft(2), None)
                .await
        }
    });
    let waits = format!(
        "SELECT EXISTS (SELECT FROM pg_stat_activity
            WHERE application_name = '{name}' AND wait_event_type = 'Lock')"
    );
    until(&admin, "the move waits", &waits).await;
    // Now the other client waits for the session. PostgreSQL resolves this deadlock by rolling back
    // the store's statement.
    let touch = format!("UPDATE {table} SET touched_at = 0 WHERE lookup = $1");
    let touched = other_client
        .execute(&touch, &[&store_key(1).as_bytes()])
        .await;
    assert_eq!(touched.unwrap(), 1, "the other client was rolled back");
    other_client.batch_execute("ROLLBACK").await.unwrap();

    written(moving.await.unwrap());
    assert!(store.load(&store_key(1)).await.unwrap().is_none());
    assert_eq!(
        store.load(&store_key(2)).await.unwrap().unwrap().data,
        draft(2).data
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_is_stale_if_its_target_is_created_concurrently() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let (table, name) = (unique_name(), unique_name());
    let url = with_option(server.url(), &format!("application_name={name}"));
    let store = on(&url, &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let (other_client, admin) = (
        other_client(server.url()).await,
        other_client(server.url()).await,
    );
    let seen = written(store.create(&store_key(1), &draft(1)).await);

    other_client.batch_execute("BEGIN").await.unwrap();
    let insert = format!("INSERT INTO {table} VALUES ($1, 1, 0, 0, 0, 0, NULL, NULL, '')");
    other_client
        .execute(&insert, &[&store_key(2).as_bytes()])
        .await
        .unwrap();
    let moving = tokio::spawn({
        let (store, seen) = (store.clone(), seen.clone());
        async move {
            store
                .rename(&store_key(1), &seen, &store_key(2), &draft(2), None)
                .await
        }
    });
    let waits = format!(
        "SELECT EXISTS (SELECT FROM pg_stat_activity
            WHERE application_name = '{name}' AND wait_event_type = 'Lock')"
    );
    until(&admin, "the move waits", &waits).await;
    other_client.batch_execute("COMMIT").await.unwrap();

    assert_eq!(moving.await.unwrap().unwrap(), Outcome::Stale);
    assert!(store.load(&store_key(1)).await.unwrap().unwrap().version == seen);
    assert!(store.load(&store_key(2)).await.unwrap().unwrap().version != draft(2).version());
}

#[tokio::test]
async fn errors_of_the_server_do_not_show_the_row_that_caused_them() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let store = on(server.url(), &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let forbid = format!("ALTER TABLE {table} ADD CHECK (label <> 's3cret')");
    other_client(server.url())
        .await
        .batch_execute(&forbid)
        .await
        .unwrap();
    let mut new = draft(1);
    new.meta.label = Some("s3cret".into());

    let error = store.create(&store_key(1), &new).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let shown = format!("{error:#} {error:?}");
    assert!(shown.contains("violates check constraint"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

/// The value of `acknowledged` that stops the writers. The number of acknowledged saves does not
/// reach it.
const STOP: u64 = 1 << 40;
