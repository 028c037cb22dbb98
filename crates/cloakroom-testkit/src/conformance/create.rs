use std::sync::Arc;

use cloakroom::store::{Outcome, Store};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::race::join_all;
use super::sample::{
    assert_absent, assert_holds, assert_stale, assert_written, create_entry, draft, store_key,
};

/// `load` returns the entry that `create` has written: its data, its meta and the version that
/// `create` returned. There is no entry under any other key.
pub async fn a_created_entry_is_loaded_unchanged<S: Store>(store: S) {
    let promise = "a created entry is loaded unchanged";
    let version = create_entry(&store, &store_key(1), &draft(1)).await;

    assert_holds(&store, &store_key(1), &draft(1), &version, promise).await;
    assert_absent(
        &store,
        &store_key(2),
        "there is no entry under a key that was not created",
    )
    .await;
}

/// An entry that was created without an owner and a label is loaded without them.
pub async fn an_entry_created_without_an_owner_has_no_owner<S: Store>(store: S) {
    let mut new = draft(1);
    new.meta.owner = None;
    new.meta.label = None;
    let version = create_entry(&store, &store_key(1), &new).await;

    assert_holds(
        &store,
        &store_key(1),
        &new,
        &version,
        "an entry that was created without owner and label has none",
    )
    .await;
}

/// `create` under a key that has an entry returns `Stale` and leaves the entry alone.
pub async fn create_never_overwrites<S: Store>(store: S) {
    let promise = "create never overwrites";
    let version = create_entry(&store, &store_key(1), &draft(1)).await;

    assert_stale(store.create(&store_key(1), &draft(2)).await, promise);

    assert_holds(&store, &store_key(1), &draft(1), &version, promise).await;
}

/// Of several concurrent creates under one key, exactly one is written and the others return
/// `Stale`.
pub async fn exactly_one_of_concurrent_creates_wins<S: Store>(store: S) {
    let store = Arc::new(store);
    // Without this barrier, the first task might finish before the last has begun.
    let start = Arc::new(Barrier::new(RIVALS as usize));
    let mut creates = JoinSet::new();
    for n in 0..RIVALS {
        let (store, start) = (store.clone(), start.clone());
        creates.spawn(async move {
            start.wait().await;
            (n, store.create(&store_key(1), &draft(n)).await)
        });
    }

    let mut won = Vec::new();
    for (n, outcome) in join_all(creates).await {
        match outcome.expect("create answers while others create the same entry") {
            Outcome::Written(version) => won.push((n, version)),
            Outcome::Stale => {}
        }
    }
    assert_eq!(
        won.len(),
        1,
        "exactly one of concurrent creates wins; {} won",
        won.len()
    );
    let (n, version) = &won[0];
    assert_holds(
        &*store,
        &store_key(1),
        &draft(*n),
        version,
        "the entry is the one of the create that won",
    )
    .await;
}

/// A thousand concurrent creates under different keys make a thousand entries.
pub async fn a_thousand_concurrent_creates_all_succeed<S: Store>(store: S) {
    let store = Arc::new(store);
    let mut creates = JoinSet::new();
    for n in 0..MANY {
        let store = store.clone();
        creates.spawn(async move { (n, store.create(&store_key(n), &draft(n)).await) });
    }

    for (n, outcome) in join_all(creates).await {
        let version = assert_written(
            outcome,
            "concurrent creates under different keys all succeed",
        );
        let promise = "each of a thousand concurrent creates makes an entry";
        assert_holds(&*store, &store_key(n), &draft(n), &version, promise).await;
    }
}

/// `ping` succeeds.
pub async fn a_ping_is_answered<S: Store>(store: S) {
    store.ping().await.expect("ping answers");
}

/// The number of concurrent creates under one key.
const RIVALS: u64 = 16;

const MANY: u64 = 1_000;
