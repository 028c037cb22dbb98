//! How the writer groups what is waiting, and what a failure in a group does and does not do.
#![allow(
    clippy::unwrap_used,
    reason = "these are tests, though clippy does not see it in helpers"
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
use support::{answer, at, begin, draft, folder, labelled, neighbour, written};

#[tokio::test]
async fn saves_that_wait_together_are_committed_together_and_acknowledged_after_that() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let neighbour = neighbour(&path);
    let mut seen = Vec::new();
    for n in 0..200 {
        seen.push(written(store.create(&at(n), &draft("old")).await));
    }
    neighbour
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();

    neighbour.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (store_keys, new): (Vec<_>, Vec<_>) = (0..200).map(|n| (at(n), draft("new"))).unzip();
    let mut saves: Vec<_> = (0..200)
        .map(|n| begin(store.save(&store_keys[n], &seen[n], &new[n])))
        .collect();
    assert!(saves.iter_mut().all(|save| answer(save).is_none()));
    neighbour.execute_batch("ROLLBACK").unwrap();

    for (n, save) in saves.into_iter().enumerate() {
        assert_eq!(written(save.await), new[n].version());
        let committed: Vec<u8> = neighbour
            .query_row(
                "SELECT data FROM cloakroom_session WHERE lookup = ?1",
                [at(n as u64).as_bytes()],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(committed, b"new", "acknowledged before the commit");
    }
    // One for what the writer had already taken when the others came, one for all the others.
    let commits = commits_in_the_log_of(&path);
    assert!(
        (1..=2).contains(&commits),
        "{commits} commits for 200 saves"
    );
}

#[tokio::test]
async fn a_call_that_fails_fails_alone() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let neighbour = neighbour(&path);
    let trigger =
        "CREATE TRIGGER poison BEFORE INSERT ON cloakroom_session WHEN NEW.label = 'poison'
                   BEGIN SELECT RAISE(ABORT, 'poisoned'); END";
    neighbour.execute_batch(trigger).unwrap();

    neighbour.execute_batch("BEGIN IMMEDIATE").unwrap();
    let store_keys: Vec<_> = (0..30).map(at).collect();
    let drafts: Vec<_> = (0..30)
        .map(|n| labelled(if n % 10 == 5 { "poison" } else { "good" }))
        .collect();
    let calls: Vec<_> = (0..30)
        .map(|n| begin(store.create(&store_keys[n], &drafts[n])))
        .collect();
    neighbour.execute_batch("ROLLBACK").unwrap();

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
async fn a_lock_of_another_process_is_waited_out() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let neighbour = neighbour(&path);

    neighbour.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (at, draft) = (at(1), draft("late"));
    let mut create = begin(store.create(&at, &draft));
    assert!(
        store.load(&at).await.unwrap().is_none(),
        "loads go on meanwhile"
    );
    assert!(answer(&mut create).is_none());
    neighbour.execute_batch("COMMIT").unwrap();

    written(create.await);
}

#[tokio::test]
async fn a_lock_that_stays_is_reported_and_the_next_save_after_it_works() {
    let (_folder, path) = folder();
    let store = SqliteStore::builder(&path)
        .busy_timeout(Duration::from_millis(100))
        .open()
        .unwrap();
    let neighbour = neighbour(&path);

    neighbour.execute_batch("BEGIN IMMEDIATE").unwrap();
    let start = Instant::now();
    let error = store.create(&at(1), &draft("")).await.unwrap_err();
    assert!(
        start.elapsed() >= Duration::from_millis(100),
        "gave up too early"
    );
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "creating a session in SQLite: another process kept the database locked for 100 ms; \
         raise busy_timeout or find the long transaction"
    );
    neighbour.execute_batch("COMMIT").unwrap();

    written(store.create(&at(1), &draft("")).await);
}

#[tokio::test]
async fn when_too_many_wait_the_next_is_refused_at_once() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let neighbour = neighbour(&path);
    let (at, draft) = (at(1), draft(""));

    neighbour.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut waiting = Vec::new();
    let refused = loop {
        let mut call: support::Call<'_, Outcome> = Box::pin(store.create(&at, &draft));
        match answer(&mut call) {
            None => waiting.push(call),
            Some(answer) => break answer.unwrap_err(),
        }
        assert!(waiting.len() < 10_000, "the queue has no bound");
    };
    neighbour.execute_batch("ROLLBACK").unwrap();

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
        "those that waited were all answered, and one of them was first"
    );
}

#[tokio::test]
async fn a_caller_that_gives_up_disturbs_nobody() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let neighbour = neighbour(&path);

    neighbour.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (store_keys, draft): (Vec<_>, _) = ((0..20).map(at).collect(), draft(""));
    let mut calls: Vec<_> = store_keys
        .iter()
        .map(|at| Some(begin(store.create(at, &draft))))
        .collect();
    for call in calls.iter_mut().step_by(2) {
        *call = None;
    }
    neighbour.execute_batch("ROLLBACK").unwrap();

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
        !log_of(&path).exists(),
        "the last connection to close leaves no log"
    );
}

#[test]
fn the_last_clone_may_be_dropped_by_the_answer_itself() {
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

    // A deadlock would be a panic of the thread, and the channel would be closed.
    drop((task, waker));
    is_dropped.recv().unwrap();
}

/// A task that nobody polls again: waking it drops its future, on the thread that wakes it.
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

/// How many transactions the write-ahead log holds: the frames that end one say so.
fn commits_in_the_log_of(path: &Path) -> usize {
    let log = fs::read(log_of(path)).unwrap();
    let (header, frames) = log.split_at(32);
    let page_size = u32::from_be_bytes(header[8..12].try_into().unwrap()) as usize;
    frames
        .chunks_exact(24 + page_size)
        .take_while(|frame| frame[8..16] == header[16..24])
        .filter(|frame| frame[4..8] != [0; 4])
        .count()
}

fn log_of(path: &Path) -> PathBuf {
    path.with_extension("sqlite-wal")
}
