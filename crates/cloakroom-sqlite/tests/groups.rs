//! Tests the writer thread, which commits waiting calls in groups: how calls wait, which calls
//! fail, and what happens if a call or the store is dropped.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use cloakroom::ErrorKind;
use cloakroom::store::{Outcome, Store};
use cloakroom_sqlite::SqliteStore;
use support::{answer, at, begin, draft, folder, labelled, other_connection, written};

#[tokio::test]
async fn a_call_whose_second_statement_fails_changes_nothing() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let mut owned = draft("one");
    owned.meta.owner = Some("ada".into());
    let seen = written(store.create(&at(1), &owned).await);
    written(store.create(&at(2), &owned).await);
    let other_connection = other_connection(&path);
    let fail = "CREATE TRIGGER no_insert BEFORE INSERT ON cloakroom_session
            BEGIN SELECT RAISE(ABORT, 'on purpose'); END;
        CREATE TRIGGER one_delete BEFORE DELETE ON cloakroom_session
            WHEN (SELECT COUNT(*) FROM cloakroom_session) < 2
            BEGIN SELECT RAISE(ABORT, 'on purpose'); END";
    other_connection.execute_batch(fail).unwrap();

    let tombstone = draft("moved");
    let renamed = store
        .rename(&at(1), &seen, &at(3), &owned, Some(&tombstone))
        .await;
    assert!(renamed.is_err());
    assert!(store.load(&at(1)).await.unwrap().is_some());
    assert!(store.load(&at(3)).await.unwrap().is_none());

    let revoked = store.revoke_owned(&"ada".into(), None, 10).await;
    assert!(revoked.is_err());
    for n in [1, 2] {
        assert!(store.load(&at(n)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn waiting_saves_share_a_commit_and_are_acknowledged_after_it() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let other_connection = other_connection(&path);
    let mut seen = Vec::new();
    for n in 0..200 {
        seen.push(written(store.create(&at(n), &draft("old")).await));
    }
    other_connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();

    other_connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (store_keys, new): (Vec<_>, Vec<_>) = (0..200).map(|n| (at(n), draft("new"))).unzip();
    let mut saves: Vec<_> = (0..200)
        .map(|n| begin(store.save(&store_keys[n], &seen[n], &new[n])))
        .collect();
    assert!(saves.iter_mut().all(|save| answer(save).is_none()));
    other_connection.execute_batch("ROLLBACK").unwrap();

    for (n, save) in saves.into_iter().enumerate() {
        assert_eq!(written(save.await), new[n].version());
        let committed: Vec<u8> = other_connection
            .query_row(
                "SELECT data FROM cloakroom_session WHERE lookup = ?1",
                [at(n as u64).as_bytes()],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(
            committed, b"new",
            "a save was acknowledged before its commit"
        );
    }
    // There are at most two groups: the saves that the writer had taken from the queue before the
    // lock was released, and the saves that were still in the queue.
    let commits = commits_in_log(&path);
    assert!(
        (1..=2).contains(&commits),
        "{commits} commits for 200 saves"
    );
}

#[tokio::test]
async fn a_failing_call_does_not_fail_the_rest_of_its_group() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let other_connection = other_connection(&path);
    let trigger =
        "CREATE TRIGGER poison BEFORE INSERT ON cloakroom_session WHEN NEW.label = 'poison'
                   BEGIN SELECT RAISE(ABORT, 'poisoned'); END";
    other_connection.execute_batch(trigger).unwrap();

    other_connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let store_keys: Vec<_> = (0..30).map(at).collect();
    let drafts: Vec<_> = (0..30)
        .map(|n| labelled(if n % 10 == 5 { "poison" } else { "good" }))
        .collect();
    let calls: Vec<_> = (0..30)
        .map(|n| begin(store.create(&store_keys[n], &drafts[n])))
        .collect();
    other_connection.execute_batch("ROLLBACK").unwrap();

    for (n, call) in calls.into_iter().enumerate() {
        let answer = call.await;
        let entry = store.load(&store_keys[n]).await.unwrap();
        if n % 10 == 5 {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable);
            assert!(entry.is_none());
        } else {
            assert_eq!(entry.unwrap().version, written(answer));
        }
    }
}

#[tokio::test]
async fn a_save_waits_for_the_lock_of_another_connection() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let other_connection = other_connection(&path);

    other_connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (at, draft) = (at(1), draft("late"));
    let mut create = begin(store.create(&at, &draft));
    assert!(
        store.load(&at).await.unwrap().is_none(),
        "a load returned an entry that is not committed"
    );
    assert!(answer(&mut create).is_none());
    other_connection.execute_batch("COMMIT").unwrap();

    written(create.await);
}

#[tokio::test]
async fn a_save_fails_if_a_lock_outlasts_the_timeout_and_later_saves_work() {
    let (_folder, path) = folder();
    let store = SqliteStore::builder(&path)
        .busy_timeout(Duration::from_millis(100))
        .open()
        .unwrap();
    let other_connection = other_connection(&path);

    other_connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let start = Instant::now();
    let error = store.create(&at(1), &draft("")).await.unwrap_err();
    assert!(
        start.elapsed() >= Duration::from_millis(100),
        "the call returned before its timeout"
    );
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "creating a session in SQLite: another connection kept the database locked for 100 ms; \
         raise busy_timeout or find the long transaction"
    );
    other_connection.execute_batch("COMMIT").unwrap();

    written(store.create(&at(1), &draft("")).await);
}

#[tokio::test]
async fn a_call_that_finds_the_queue_full_is_refused_at_once() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let other_connection = other_connection(&path);
    let (at, draft) = (at(1), draft(""));

    other_connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut waiting = Vec::new();
    let refused = loop {
        let mut call: support::Call<'_, Outcome> = Box::pin(store.create(&at, &draft));
        match answer(&mut call) {
            None => waiting.push(call),
            Some(answer) => break answer.unwrap_err(),
        }
        assert!(waiting.len() < 10_000, "the queue is unbounded");
    };
    other_connection.execute_batch("ROLLBACK").unwrap();

    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(
        refused
            .to_string()
            .contains("4096 calls are waiting already"),
        "{refused}"
    );
    let mut created = 0;
    for call in waiting {
        created += usize::from(call.await.unwrap() != Outcome::Stale);
    }
    assert_eq!(
        created, 1,
        "exactly one waiting call must have created the entry"
    );
}

#[tokio::test]
async fn dropping_a_waiting_call_does_not_disturb_other_calls() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let other_connection = other_connection(&path);

    other_connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (store_keys, draft): (Vec<_>, _) = ((0..20).map(at).collect(), draft(""));
    let mut calls: Vec<_> = store_keys
        .iter()
        .map(|at| Some(begin(store.create(at, &draft))))
        .collect();
    for call in calls.iter_mut().step_by(2) {
        *call = None;
    }
    other_connection.execute_batch("ROLLBACK").unwrap();

    for call in calls.into_iter().flatten() {
        written(call.await);
    }
}

#[tokio::test]
async fn dropping_the_last_clone_closes_the_file() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let clone = store.clone();
    written(store.create(&at(1), &draft("kept")).await);
    drop(store);

    assert_eq!(clone.load(&at(1)).await.unwrap().unwrap().data, "kept");
    drop(clone);

    assert!(
        !log_path(&path).exists(),
        "the last connection did not remove the write-ahead log when it closed"
    );
}

#[test]
fn the_last_clone_can_be_dropped_on_the_thread_that_sends_the_result() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let (dropped, is_dropped) = mpsc::channel();
    let create = async move { store.create(&at(1), &draft("")).await };
    let task = Arc::new(Task {
        future: Mutex::new(Some(Box::pin(create))),
        dropped,
    });

    let waker = Waker::from(Arc::clone(&task));
    let mut future = task.future.lock().unwrap();
    let poll = future
        .as_mut()
        .unwrap()
        .as_mut()
        .poll(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
    drop(future);

    // After this line, only the writer thread has the task. When the writer thread wakes the task,
    // `wake` drops the store on the writer thread. If dropping the store made the thread join
    // itself, the join would panic, `wake` would send no message, and `recv` would return an error.
    drop((task, waker));
    is_dropped.recv().unwrap();
}

/// A task that drops its future on the thread that wakes the task.
struct Task<F> {
    future: Mutex<Option<Pin<Box<F>>>>,
    dropped: mpsc::Sender<()>,
}

impl<F: Future + Send> Wake for Task<F> {
    fn wake(self: Arc<Self>) {
        *self.future.lock().unwrap() = None;
        self.dropped.send(()).unwrap();
    }
}

/// Counts the transactions in the write-ahead log.
///
/// The log is a header and a sequence of frames, each with one written page. The header and each
/// frame contain random numbers, the salts. A frame of the current log has the salts of the header;
/// a frame with other salts is left from an earlier log. The last frame of a transaction contains
/// the size of the database, and all other frames contain 0 in the same place.
fn commits_in_log(path: &Path) -> usize {
    let log = fs::read(log_path(path)).unwrap();
    let (header, frames) = log.split_at(32);
    let page_size = u32::from_be_bytes(header[8..12].try_into().unwrap()) as usize;
    frames
        .chunks_exact(24 + page_size)
        .take_while(|frame| frame[8..16] == header[16..24])
        .filter(|frame| frame[4..8] != [0; 4])
        .count()
}

fn log_path(path: &Path) -> PathBuf {
    path.with_extension("sqlite-wal")
}
