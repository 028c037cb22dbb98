//! Tests what calls return after deadlocks, while a row is locked, and on killed connections.

use std::time::Duration;

use cloakroom::ErrorKind;
use cloakroom::store::{Outcome, Store};
use cloakroom_mysql::MysqlStore;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::support::{at, draft, new_database, on, other_client, store, written};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_a_deadlock_has_rolled_back_is_tried_again() {
    let (Some(store), Some(mut other_client)) = (store().await, other_client().await) else {
        return;
    };
    let table = table_of(&store);
    let seen = written(store.create(&at(1), &draft("old")).await);
    // In a deadlock, MySQL rolls back the transaction that has written less. The other client
    // inserts many rows, so that MySQL rolls back the transaction of the store.
    other_client.query_drop("START TRANSACTION").await.unwrap();
    for n in 100..150 {
        insert(&mut other_client, &table, n).await;
    }
    insert(&mut other_client, &table, 2).await;

    // The store locks key 1 and waits for key 2.
    let moving = {
        let store = store.clone();
        let seen = seen.clone();
        tokio::spawn(async move {
            store
                .rename(&at(1), &seen, &at(2), &draft("moved"), None)
                .await
        })
    };
    wait_for_a_lock(&table).await;
    // The other client has locked key 2 and waits for key 1.
    let lock = format!("SELECT 1 FROM {table} WHERE lookup = ? FOR UPDATE");
    other_client
        .exec_drop(lock, (at(1).as_bytes(),))
        .await
        .unwrap();
    other_client.query_drop("ROLLBACK").await.unwrap();

    written(moving.await.unwrap());
    assert!(store.load(&at(1)).await.unwrap().is_none());
    assert_eq!(store.load(&at(2)).await.unwrap().unwrap().data, "moved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_of_a_locked_row_is_unavailable_but_loads_still_succeed() {
    let (Some(store), Some(mut other_client)) = (store().await, other_client().await) else {
        return;
    };
    let table = table_of(&store);
    let seen = written(store.create(&at(1), &draft("old")).await);
    other_client.query_drop("START TRANSACTION").await.unwrap();
    let lock = format!("SELECT 1 FROM {table} WHERE lookup = ? FOR UPDATE");
    other_client
        .exec_drop(lock, (at(1).as_bytes(),))
        .await
        .unwrap();

    let error = store.save(&at(1), &seen, &draft("new")).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error
            .to_string()
            .contains("kept the row or the table locked"),
        "{error}"
    );
    assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, "old");
    other_client.query_drop("ROLLBACK").await.unwrap();
    written(store.save(&at(1), &seen, &draft("new")).await);
}

#[tokio::test]
async fn loads_deletes_and_sweeps_succeed_although_their_connection_was_killed() {
    let Some((store, database)) = store_in_new_database().await else {
        return;
    };
    written(store.create(&at(1), &draft("kept")).await);

    kill_all(&database).await;
    assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, "kept");
    kill_all(&database).await;
    store.delete(&at(1)).await.unwrap();
    kill_all(&database).await;
    assert_eq!(store.sweep(draft("").meta.expires, 10).await.unwrap(), 0);
}

#[tokio::test]
async fn a_save_on_a_killed_connection_is_unavailable_and_the_next_save_succeeds() {
    let Some((store, database)) = store_in_new_database().await else {
        return;
    };
    let seen = written(store.create(&at(1), &draft("old")).await);

    kill_all(&database).await;
    let error = store.save(&at(1), &seen, &draft("lost")).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, "old");
    written(store.save(&at(1), &seen, &draft("new")).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_save_is_lost_when_connections_are_killed_under_load() {
    let Some((store, database)) = store_in_new_database().await else {
        return;
    };
    let mut visitors = tokio::task::JoinSet::new();
    for n in 0..8 {
        let store = store.clone();
        visitors.spawn(async move { count_to_a_hundred(&store, n).await });
    }

    while !visitors.is_empty() {
        kill_all(&database).await;
        // Between two kills, the visitors make progress.
        if let Some(done) = visitors.try_join_next() {
            done.unwrap();
        }
    }

    // The last kill may have closed the connections of the store. This load is tried again on a new
    // connection, so the creation below does not use a killed one.
    assert!(store.load(&at(100)).await.unwrap().is_none());
    written(store.create(&at(100), &draft("")).await);
}

/// Increments a counter in a session. Each increment is written once, whichever connections are
/// killed.
///
/// If the outcome of a save is unknown, saves the same draft again. If the second save returns
/// `Stale`, the first one was carried out. A load might come too early to show the outcome, because
/// the statement of the first save may still be running.
async fn count_to_a_hundred(store: &MysqlStore, n: u64) {
    let new = draft("0");
    let mut seen = loop {
        match store.create(&at(n), &new).await {
            Ok(Outcome::Written(version)) => break version,
            Ok(Outcome::Stale) => break entry(store, n).await.1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
        }
    };
    for count in 1..=100 {
        let new = draft(&count.to_string());
        seen = loop {
            match store.save(&at(n), &seen, &new).await {
                Ok(Outcome::Written(version)) => break version,
                Ok(Outcome::Stale) => {
                    let (data, version) = entry(store, n).await;
                    assert!(version == new.version(), "another draft was saved");
                    assert_eq!(data, count.to_string());
                    break version;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
            }
        };
        let (data, version) = entry(store, n).await;
        assert_eq!(
            data,
            count.to_string(),
            "an acknowledged save was lost, or a save was done twice"
        );
        assert!(version == seen);
    }
}

/// Loads an entry. Tries again until the load succeeds.
async fn entry(store: &MysqlStore, n: u64) -> (String, cloakroom::store::Version) {
    loop {
        match store.load(&at(n)).await {
            Ok(entry) => {
                let entry = entry.unwrap();
                return (
                    String::from_utf8(entry.data.to_vec()).unwrap(),
                    entry.version,
                );
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
        }
    }
}

/// Returns a store in a new database, and the name of the database.
async fn store_in_new_database() -> Option<(MysqlStore, String)> {
    let (url, database) = new_database().await?;
    let store = on(&url, "s").await;
    store.migrate().await.unwrap();
    Some((store, database))
}

/// Kills every connection to the database.
async fn kill_all(database: &str) {
    let mut other_client = other_client().await.unwrap();
    let theirs = "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = ?";
    let connections: Vec<u64> = other_client.exec(theirs, (database,)).await.unwrap();
    for id in connections {
        // An error is ignored, because the connection may already be closed.
        let _ = other_client
            .query_drop(format!("KILL CONNECTION {id}"))
            .await;
    }
}

async fn insert(other_client: &mut Conn, table: &str, n: u64) {
    let statement = format!("INSERT INTO {table} VALUES (?, 1, 0, 0, 0, 0, NULL, NULL, 'theirs')");
    other_client
        .exec_drop(statement, (at(n).as_bytes(),))
        .await
        .unwrap();
}

/// Waits until a transaction waits for a lock on a row of the table.
async fn wait_for_a_lock(table: &str) {
    let mut other_client = other_client().await.unwrap();
    let waiting = format!(
        "SELECT COUNT(*) FROM information_schema.INNODB_TRX
            WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE '%{table}%'"
    );
    for _ in 0..100 {
        let found: Option<u64> = other_client.query_first(&waiting).await.unwrap();
        if found > Some(0) {
            return;
        }
        // The server updates `INNODB_TRX` only if no client has read it for 0.1 s.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    panic!("no transaction waits for {table}");
}

fn table_of(store: &MysqlStore) -> String {
    store.schema().split('`').nth(1).unwrap().to_owned()
}
