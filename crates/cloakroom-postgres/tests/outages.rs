//! What calls see when the server, the connection to it or another transaction fails them.
#![allow(
    clippy::unwrap_used,
    reason = "these are tests, though clippy does not see it in helpers"
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
use support::{migrated, neighbour, on, until, with_option, written};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_the_error_says_where() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);

    let url = format!("postgres://ada:s3cret@{address}/library");
    let error = PostgresStore::connect(&url).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        format!(
            "connecting to PostgreSQL: {address}/library: it cannot be reached; is it running there?"
        )
    );
    assert!(format!("{error:#}").contains("refused"), "{error:#}");
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_an_error_of_the_configuration() {
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
async fn without_its_table_a_store_says_what_to_do_and_works_once_it_is_done() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let store = on(server.url(), unique_name()).connect().await.unwrap();

    let error = store.load(&store_key(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "loading a session from PostgreSQL: the table is not there; call `migrate`, or run the SQL that `schema` prints"
    );
    assert!(store.ping().await.is_err(), "a ping asks for the table");

    store.migrate().await.unwrap();
    written(store.create(&store_key(1), &draft(1)).await);
    store.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_connections_are_killed_in_the_middle_of_traffic_nothing_acknowledged_is_lost() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let name = unique_name();
    let url = with_option(server.url(), &format!("application_name={name}"));
    let store = migrated(&url).await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let admin = neighbour(server.url()).await;

    let mut writers = JoinSet::new();
    for n in 0..8 {
        let (store, acknowledged) = (store.clone(), Arc::clone(&acknowledged));
        let mut seen = written(store.create(&store_key(n), &draft(0)).await);
        writers.spawn(async move {
            let mut count = 0;
            while acknowledged.load(Ordering::SeqCst) < ENOUGH {
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
    acknowledged.store(ENOUGH, Ordering::SeqCst);

    assert!(killed >= 5, "{killed} connections were killed");
    for (n, count) in writers.join_all().await {
        let entry = store.load(&store_key(n)).await.unwrap().unwrap();
        assert_eq!(entry.data, draft(count).data);
    }
}

/// Saves as the core does: when nobody knows what became of a save, one load tells.
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
            "an acknowledged save is lost, or one was done twice"
        );
    }
    panic!("the store never comes back");
}

#[tokio::test]
async fn idle_connections_that_are_killed_are_replaced_before_the_next_call() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let name = unique_name();
    let url = with_option(server.url(), &format!("application_name={name}"));
    let store = migrated(&url).await;
    let admin = neighbour(server.url()).await;
    let mut seen = written(store.create(&store_key(1), &draft(0)).await);

    for count in 1..=5 {
        let kill = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = $1";
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
async fn a_save_whose_answer_is_lost_is_unavailable_and_a_load_tells_that_it_was_done() {
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

    // Each is prepared first, on the connection that is there: the answer that is lost must be its own.
    store.load(&store_key(2)).await.unwrap();
    proxy.lose_answer_after(0);
    assert!(store.load(&store_key(1)).await.unwrap().is_some());
    store.delete(&store_key(2)).await.unwrap();
    proxy.lose_answer_after(0);
    store.delete(&store_key(1)).await.unwrap();

    assert!(store.load(&store_key(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_given_up_for_a_new_one() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let proxy = Proxy::to(server.url());
    let store = migrated(proxy.url()).await;
    written(store.create(&store_key(1), &draft(1)).await);

    proxy.freeze();
    let patience = Duration::from_millis(100);
    let mut given_up = 0;
    // Each call is given up, as the session layer does; there is a bound to how often that happens.
    while tokio::time::timeout(patience, store.load(&store_key(1)))
        .await
        .is_err()
    {
        given_up += 1;
        assert!(given_up < 200, "the silent connection is never given up");
    }

    assert!(given_up > 0, "the connection was frozen");
    assert!(store.load(&store_key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn while_the_server_is_away_calls_are_unavailable_and_afterwards_they_work() {
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
    let mut told = 0;
    // Until the next try is due, calls are told of the last one.
    while store.ping().await.is_err() {
        told += 1;
        assert!(told < 1_000_000, "the store never comes back");
        tokio::task::yield_now().await;
    }
    written(store.save(&store_key(1), &seen, &draft(2)).await);
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_left_for_another_and_loads_go_on() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let store = on(server.url(), &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let seen = written(store.create(&store_key(1), &draft(1)).await);

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
            .contains("the server takes no writes, it is a standby"),
        "{error}"
    );
    assert!(standby.load(&store_key(1)).await.unwrap().unwrap().version == seen);
}

#[tokio::test]
async fn a_lock_that_stays_is_reported_and_the_next_save_after_it_works() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let url = with_option(server.url(), "options=-c%20lock_timeout%3D50ms");
    let store = on(&url, &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let seen = written(store.create(&store_key(1), &draft(1)).await);
    let neighbour = neighbour(server.url()).await;

    let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    neighbour.batch_execute(&lock).await.unwrap();
    let error = store
        .save(&store_key(1), &seen, &draft(2))
        .await
        .unwrap_err();
    neighbour.batch_execute("ROLLBACK").await.unwrap();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error
            .to_string()
            .contains("something held a lock on the table or the row for too long"),
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
    // PostgreSQL looks for a deadlock once, so long after a statement began to wait: long enough for the neighbour to
    // close the circle before the store's statement looks, and far longer until the neighbour's own would.
    let options = "options=-c%20deadlock_timeout%3D5s%20-c%20lock_timeout%3D30s";
    let url = with_option(server.url(), &format!("application_name={name}&{options}"));
    let store = on(&url, &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let (neighbour, admin) = (neighbour(server.url()).await, neighbour(server.url()).await);

    let seen = written(store.create(&store_key(1), &draft(1)).await);
    // The neighbour takes the place that the session moves to; the move locks the session and waits for the place.
    neighbour
        .batch_execute("SET deadlock_timeout = '60s'; BEGIN")
        .await
        .unwrap();
    let take = format!("INSERT INTO {table} VALUES ($1, 1, 0, 0, 0, 0, NULL, NULL, '')");
    neighbour
        .execute(&take, &[&store_key(2).as_bytes()])
        .await
        .unwrap();
    let moving = tokio::spawn({
        let (store, seen) = (store.clone(), seen.clone());
        async move {
            store
                .rename(&store_key(1), &seen, &store_key(2), &draft(2))
                .await
        }
    });
    let waits = format!(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = '{name}' AND wait_event_type = 'Lock')"
    );
    until(&admin, "the move waits", &waits).await;
    // Now it waits for the session: a deadlock, of which the store's statement is the victim.
    let touch = format!("UPDATE {table} SET touched_at = 0 WHERE lookup = $1");
    let touched = neighbour.execute(&touch, &[&store_key(1).as_bytes()]).await;
    assert_eq!(touched.unwrap(), 1, "the store was not the victim");
    neighbour.batch_execute("ROLLBACK").await.unwrap();

    written(moving.await.unwrap());
    assert!(store.load(&store_key(1)).await.unwrap().is_none());
    assert_eq!(
        store.load(&store_key(2)).await.unwrap().unwrap().data,
        draft(2).data
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_taken_at_the_same_moment_makes_a_move_stale() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let (table, name) = (unique_name(), unique_name());
    let url = with_option(server.url(), &format!("application_name={name}"));
    let store = on(&url, &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let (neighbour, admin) = (neighbour(server.url()).await, neighbour(server.url()).await);
    let seen = written(store.create(&store_key(1), &draft(1)).await);

    neighbour.batch_execute("BEGIN").await.unwrap();
    let insert = format!("INSERT INTO {table} VALUES ($1, 1, 0, 0, 0, 0, NULL, NULL, '')");
    neighbour
        .execute(&insert, &[&store_key(2).as_bytes()])
        .await
        .unwrap();
    let moving = tokio::spawn({
        let (store, seen) = (store.clone(), seen.clone());
        async move {
            store
                .rename(&store_key(1), &seen, &store_key(2), &draft(2))
                .await
        }
    });
    let waits = format!(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = '{name}' AND wait_event_type = 'Lock')"
    );
    until(&admin, "the move waits", &waits).await;
    neighbour.batch_execute("COMMIT").await.unwrap();

    assert_eq!(moving.await.unwrap().unwrap(), Outcome::Stale);
    assert!(store.load(&store_key(1)).await.unwrap().unwrap().version == seen);
    assert!(store.load(&store_key(2)).await.unwrap().unwrap().version != draft(2).version());
}

#[tokio::test]
async fn an_error_of_the_server_does_not_show_the_row_that_it_is_about() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let store = on(server.url(), &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let forbid = format!("ALTER TABLE {table} ADD CHECK (label <> 's3cret')");
    neighbour(server.url())
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

/// More than are acknowledged before the writers are told to stop.
const ENOUGH: u64 = 1 << 40;
