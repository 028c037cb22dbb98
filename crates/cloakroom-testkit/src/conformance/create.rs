use std::sync::Arc;

use cloakroom::store::{Outcome, Store};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::race::all_of;
use super::sample::{draft, holds, is_free, put, stale, store_key, written};

/// What `create` wrote is what `load` finds: data, facts and the version that was returned. Nothing is found
/// elsewhere.
pub async fn a_created_entry_is_loaded_unchanged<S: Store>(store: S) {
    let promise = "what was created is loaded whole";
    let version = put(&store, &store_key(1), &draft(1)).await;

    holds(&store, &store_key(1), &draft(1), &version, promise).await;
    is_free(
        &store,
        &store_key(2),
        "there is nothing where nothing was created",
    )
    .await;
}

/// An entry without owner and label comes back without them.
pub async fn an_entry_without_owner_keeps_none<S: Store>(store: S) {
    let mut new = draft(1);
    new.meta.owner = None;
    new.meta.label = None;
    let version = put(&store, &store_key(1), &new).await;

    holds(
        &store,
        &store_key(1),
        &new,
        &version,
        "no owner is no owner and no label is no label",
    )
    .await;
}

/// `create` where there is an entry is `Stale` and leaves it as it is.
pub async fn create_never_overwrites<S: Store>(store: S) {
    let promise = "create never overwrites";
    let version = put(&store, &store_key(1), &draft(1)).await;

    stale(store.create(&store_key(1), &draft(2)).await, promise);

    holds(&store, &store_key(1), &draft(1), &version, promise).await;
}

/// Of many creates of one lookup at once, one is written and the others are `Stale`.
pub async fn exactly_one_of_concurrent_creates_wins<S: Store>(store: S) {
    let store = Arc::new(store);
    // Without a common start, the first may be done on a busy machine before the last has begun.
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
    for (n, outcome) in all_of(creates).await {
        match outcome.expect("create answers while others create the same entry") {
            Outcome::Written(version) => won.push((n, version)),
            Outcome::Stale => {}
        }
    }
    assert_eq!(
        won.len(),
        1,
        "of creates at once exactly one wins; {} did",
        won.len()
    );
    let (n, version) = &won[0];
    holds(
        &*store,
        &store_key(1),
        &draft(*n),
        version,
        "the create that won is what is there",
    )
    .await;
}

/// A thousand creates at once are a thousand entries.
pub async fn a_thousand_concurrent_creates_all_succeed<S: Store>(store: S) {
    let store = Arc::new(store);
    let mut creates = JoinSet::new();
    for n in 0..MANY {
        let store = store.clone();
        creates.spawn(async move { (n, store.create(&store_key(n), &draft(n)).await) });
    }

    for (n, outcome) in all_of(creates).await {
        let version = written(
            outcome,
            "creates of different entries do not disturb each other",
        );
        let promise = "every one of a thousand creates at once has landed";
        holds(&*store, &store_key(n), &draft(n), &version, promise).await;
    }
}

/// The store answers when asked whether it does.
pub async fn a_ping_is_answered<S: Store>(store: S) {
    store
        .ping()
        .await
        .expect("a store that works answers a ping");
}

const RIVALS: u64 = 16;

const MANY: u64 = 1_000;
