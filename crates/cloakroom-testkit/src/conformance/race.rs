use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use cloakroom::StoreKey;
use cloakroom::store::{Outcome, Store};
use tokio::sync::{Barrier, mpsc};
use tokio::task::{JoinSet, yield_now};

use crate::soak;

use super::sample::{
    assert_absent, assert_stale, create_entry, draft, draft_of, load, meta, store_key,
};

/// Concurrent tasks increment a number in one entry. Each task loads and saves the entry until the
/// save is not stale. No increment is lost.
///
/// In a store that does not compare versions, increments may be lost, but the entry stays valid.
pub async fn concurrent_increments_add_up<S: Store>(store: S) {
    let store = Arc::new(store);
    test_increments(store.clone(), store).await;
}

/// If an entry is deleted while other tasks keep saving it, the entry is gone and stays gone after
/// those tasks have finished.
///
/// In a store that does not compare versions, a concurrent save may restore the entry. There, the
/// entry must be gone after a second delete, which runs when the other tasks have finished.
pub async fn a_logout_is_not_undone_by_concurrent_saves<S: Store>(store: S) {
    let store = Arc::new(store);
    test_logout(store.clone(), store).await;
}

/// Tests [`concurrent_increments_add_up`] with half of the tasks on each store.
pub(super) async fn test_increments<S: Store, T: Store>(one: Arc<S>, other: Arc<T>) {
    for round in soak::rounds(1) {
        test_one_increment_race(&one, &other, store_key(round as u64)).await;
    }
}

async fn test_one_increment_race<S: Store, T: Store>(one: &Arc<S>, other: &Arc<T>, key: StoreKey) {
    let _ = create_entry(&**one, &key, &draft_of("0", meta(1))).await;
    let start = Arc::new(Barrier::new(TASKS as usize));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS / 2 {
        tasks.spawn(increment_repeatedly(
            one.clone(),
            key.clone(),
            start.clone(),
        ));
        tasks.spawn(increment_repeatedly(
            other.clone(),
            key.clone(),
            start.clone(),
        ));
    }
    let _ = join_all(tasks).await;

    let entry = load(&**one, &key)
        .await
        .expect("the counted entry is there");
    let counted = number(&entry.data);
    let sum = TASKS * EACH;
    if one.guarantees().compares {
        assert_eq!(counted, sum, "concurrent increments add up; some were lost");
    } else {
        assert!(
            (1..=sum).contains(&counted),
            "the entry stays valid; its count is {counted}"
        );
    }
}

async fn increment_repeatedly<S: Store>(store: Arc<S>, key: StoreKey, start: Arc<Barrier>) {
    for n in 0..EACH {
        let mut tries = 0;
        loop {
            // Each stale save means that another save was written, so the number of tries stays far
            // below this limit if the store compares versions.
            tries += 1;
            assert!(
                tries <= 2 * TASKS * EACH,
                "a save is stale only if another task has saved"
            );
            let entry = load(&*store, &key)
                .await
                .expect("the counted entry is not deleted");
            if n == 0 && tries == 1 {
                // Lets all tasks load the same entry before one of them saves. Otherwise there
                // might be no race: on a busy machine, the first task might finish before the last
                // task has begun.
                start.wait().await;
            } else {
                // Lets the other tasks run between load and save, even if the store never waits.
                yield_now().await;
            }
            let next = draft_of((number(&entry.data) + 1).to_string(), entry.meta);
            let outcome = store.save(&key, &entry.version, &next).await;
            match outcome.expect("save answers while others save") {
                Outcome::Written(_) => break,
                Outcome::Stale => {}
            }
        }
    }
}

fn number(data: &Bytes) -> u64 {
    let text = std::str::from_utf8(data).ok();
    text.and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("saved data is loaded unchanged; a count became {data:?}"))
}

/// Tests [`a_logout_is_not_undone_by_concurrent_saves`] with saves through one store and the delete
/// through another.
pub(super) async fn test_logout<S: Store, T: Store>(saving: Arc<S>, deleting: Arc<T>) {
    let promise = "a logout is not undone by concurrent saves";
    let compares = saving.guarantees().compares;
    for round in soak::rounds(ROUNDS) {
        let key = store_key(round as u64);
        let _ = create_entry(&*saving, &key, &draft(0)).await;

        let (saved, mut saves) = mpsc::unbounded_channel();
        let is_deleted = Arc::new(AtomicBool::new(false));
        let mut savers = JoinSet::new();
        for saver in 1..=SAVERS {
            let (store, key) = (saving.clone(), key.clone());
            let (saved, is_deleted) = (saved.clone(), is_deleted.clone());
            savers.spawn(save_until_gone(store, key, saver, saved, is_deleted));
        }
        drop(saved);
        for _ in 0..SAVED_FIRST {
            saves
                .recv()
                .await
                .expect("the savers keep saving until the entry is gone");
        }
        deleting
            .delete(&key)
            .await
            .expect("delete answers while others save");
        is_deleted.store(true, Ordering::SeqCst);
        if compares {
            assert_absent(&*deleting, &key, promise).await;
        }
        let _ = join_all(savers).await;

        if !compares {
            deleting.delete(&key).await.expect("delete answers");
        }
        assert_absent(&*saving, &key, promise).await;
        assert_absent(&*deleting, &key, promise).await;
    }
}

async fn save_until_gone<S: Store>(
    store: Arc<S>,
    key: StoreKey,
    saver: u64,
    saved: mpsc::UnboundedSender<()>,
    is_deleted: Arc<AtomicBool>,
) {
    let compares = store.guarantees().compares;
    let mut seen = None;
    // How many times the entry was loaded although its delete had already returned.
    let mut late = 0;
    for n in 0.. {
        let was_deleted = is_deleted.load(Ordering::SeqCst);
        let Some(entry) = load(&*store, &key).await else {
            break;
        };
        // Each save writes different data, for stores whose version is the data.
        let new = draft(n * SAVERS + saver);
        let outcome = store.save(&key, &entry.version, &new).await;
        match outcome.expect("save answers while another deletes") {
            Outcome::Written(version) => {
                seen = Some(version);
                // Reports the save to the test, which waits for a few saves before the delete.
                let _ = saved.send(());
            }
            Outcome::Stale => seen = Some(entry.version),
        }
        if !compares && n > SAVED_FIRST {
            return;
        }
        late += u64::from(was_deleted);
        assert!(
            late < LATE_LOADS,
            "a deleted entry is gone; it was still loaded {LATE_LOADS} times after the delete"
        );
        yield_now().await;
    }
    if let Some(seen) = seen.filter(|_| compares) {
        let promise = "no late save, touch or rename restores a deleted entry";
        let (new, elsewhere) = (draft(saver), store_key(1_000 + saver));
        assert_stale(store.save(&key, &seen, &new).await, promise);
        assert_stale(store.touch(&key, &seen, &new.meta).await, promise);
        assert_stale(
            store.rename(&key, &seen, &elsewhere, &new, None).await,
            promise,
        );
        assert_absent(&*store, &elsewhere, promise).await;
    }
}

/// Polls both futures in turn, `first` first, and returns both outputs.
pub(super) async fn join_both<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut one, mut other) = (None, None);
    poll_fn(|cx| {
        poll_into(&mut one, first.as_mut(), cx);
        poll_into(&mut other, second.as_mut(), cx);
        match (one.take(), other.take()) {
            (Some(one), Some(other)) => Poll::Ready((one, other)),
            unfinished => {
                (one, other) = unfinished;
                Poll::Pending
            }
        }
    })
    .await
}

fn poll_into<F: Future>(done: &mut Option<F::Output>, future: Pin<&mut F>, cx: &mut Context<'_>) {
    if done.is_none()
        && let Poll::Ready(output) = future.poll(cx)
    {
        *done = Some(output);
    }
}

/// Returns the outputs of all tasks, and panics if one of them has panicked.
pub(super) async fn join_all<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut all = Vec::with_capacity(tasks.len());
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(value) => all.push(value),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    all
}

const TASKS: u64 = 8;

/// The number of increments of each task.
const EACH: u64 = 25;

const ROUNDS: usize = 5;

const SAVERS: u64 = 4;

/// The number of saves before the delete.
const SAVED_FIRST: u64 = 20;

/// How many times a saver may load the entry after `delete` has returned. A cache may serve an old
/// copy for a moment.
const LATE_LOADS: u64 = 10_000;
