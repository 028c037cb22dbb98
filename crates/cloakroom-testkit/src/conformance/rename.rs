use std::sync::Arc;

use cloakroom::Result;
use cloakroom::store::{Outcome, Store, Version};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::race::{all_of, both};
use super::sample::{draft, holds, is_free, put, stale, store_key, written};

/// `rename` deletes the old entry and creates the new one. A second `rename` from the same key
/// returns `Stale`.
pub async fn rename_moves_the_entry_once<S: Store>(store: S) {
    let promise = "rename moves the entry once";
    let seen = put(&store, &store_key(1), &draft(1)).await;

    let outcome = store
        .rename(&store_key(1), &seen, &store_key(2), &draft(2))
        .await;
    let version = written(outcome, promise);
    is_free(&store, &store_key(1), promise).await;
    holds(&store, &store_key(2), &draft(2), &version, promise).await;

    stale(
        store
            .rename(&store_key(1), &seen, &store_key(3), &draft(3))
            .await,
        promise,
    );
    is_free(&store, &store_key(3), promise).await;
    holds(&store, &store_key(2), &draft(2), &version, promise).await;
}

/// A renamed entry can be saved, renamed again and deleted.
pub async fn a_renamed_entry_can_be_saved_and_deleted<S: Store>(store: S) {
    let promise = "a renamed entry can be saved and deleted";
    let seen = put(&store, &store_key(1), &draft(1)).await;
    let seen = written(
        store
            .rename(&store_key(1), &seen, &store_key(2), &draft(2))
            .await,
        promise,
    );

    let seen = written(store.save(&store_key(2), &seen, &draft(3)).await, promise);
    let seen = written(
        store
            .rename(&store_key(2), &seen, &store_key(1), &draft(4))
            .await,
        promise,
    );
    holds(&store, &store_key(1), &draft(4), &seen, promise).await;
    is_free(&store, &store_key(2), promise).await;

    store.delete(&store_key(1)).await.expect("delete answers");
    is_free(&store, &store_key(1), promise).await;
}

/// After `rename`, a save or touch under the old key with the old version returns `Stale` and
/// changes nothing under either key.
pub async fn rename_makes_the_old_version_stale<S: Store>(store: S) {
    let promise = "rename makes the old version stale";
    let seen = put(&store, &store_key(1), &draft(1)).await;
    let outcome = store
        .rename(&store_key(1), &seen, &store_key(2), &draft(2))
        .await;
    let version = written(outcome, "rename writes");

    stale(store.save(&store_key(1), &seen, &draft(3)).await, promise);
    stale(
        store.touch(&store_key(1), &seen, &draft(3).meta).await,
        promise,
    );

    is_free(&store, &store_key(1), promise).await;
    holds(&store, &store_key(2), &draft(2), &version, promise).await;
}

/// `rename` to a key that has an entry, which includes the key itself, returns `Stale` and changes
/// nothing under either key.
pub async fn rename_never_overwrites<S: Store>(store: S) {
    let promise = "rename never overwrites";
    let seen = put(&store, &store_key(1), &draft(1)).await;
    let taken = put(&store, &store_key(2), &draft(2)).await;

    stale(
        store
            .rename(&store_key(1), &seen, &store_key(2), &draft(3))
            .await,
        promise,
    );
    stale(
        store
            .rename(&store_key(1), &seen, &store_key(1), &draft(3))
            .await,
        promise,
    );

    holds(&store, &store_key(1), &draft(1), &seen, promise).await;
    holds(&store, &store_key(2), &draft(2), &taken, promise).await;
}

/// `rename` with an old version returns `Stale` and changes nothing under either key.
///
/// A store that does not compare may move the entry instead, as a whole.
pub async fn a_stale_rename_changes_nothing<S: Store>(store: S) {
    let promise = "a stale rename changes nothing";
    let old = put(&store, &store_key(1), &draft(1)).await;
    let current = written(
        store.save(&store_key(1), &old, &draft(2)).await,
        "save writes",
    );

    match store
        .rename(&store_key(1), &old, &store_key(2), &draft(3))
        .await
    {
        Ok(Outcome::Written(version)) if !store.guarantees().compares => {
            let promise = "a rename that was written has moved the entry";
            is_free(&store, &store_key(1), promise).await;
            holds(&store, &store_key(2), &draft(3), &version, promise).await;
        }
        refused => {
            stale(refused, promise);
            is_free(&store, &store_key(2), promise).await;
            holds(&store, &store_key(1), &draft(2), &current, promise).await;
        }
    }
}

/// `rename` from a key without an entry returns `Stale` and creates none.
pub async fn rename_never_creates<S: Store>(store: S) {
    let promise = "rename never creates";
    let elsewhere = put(&store, &store_key(1), &draft(1)).await;

    stale(
        store
            .rename(&store_key(2), &elsewhere, &store_key(3), &draft(2))
            .await,
        promise,
    );

    is_free(&store, &store_key(2), promise).await;
    is_free(&store, &store_key(3), promise).await;
}

/// Of concurrent renames of one entry, exactly one is written and the others return `Stale` and
/// write nothing.
///
/// In a store that does not compare, several may be written, each as a whole.
pub async fn exactly_one_of_concurrent_renames_wins<S: Store>(store: S) {
    let store = Arc::new(store);
    for round in 0..ROUNDS {
        let place = |n| store_key(round * 100 + n);
        let from = place(0);
        let seen = put(&*store, &from, &draft(0)).await;

        let start = Arc::new(Barrier::new(RIVALS as usize));
        let mut renames = JoinSet::new();
        for n in 1..=RIVALS {
            let (store, start) = (store.clone(), start.clone());
            let (from, seen, to) = (from.clone(), seen.clone(), place(n));
            renames.spawn(async move {
                start.wait().await;
                (n, store.rename(&from, &seen, &to, &draft(n)).await)
            });
        }

        let mut won = 0;
        for (n, outcome) in all_of(renames).await {
            let promise = "a concurrent rename writes its entry if it wins, and otherwise nothing";
            match outcome.expect("rename answers while others rename the same entry") {
                Outcome::Written(version) => {
                    won += 1;
                    holds(&*store, &place(n), &draft(n), &version, promise).await;
                }
                Outcome::Stale => is_free(&*store, &place(n), promise).await,
            }
        }
        let most = if store.guarantees().compares {
            1
        } else {
            RIVALS
        };
        assert!(
            (1..=most).contains(&won),
            "exactly one of concurrent renames wins; {won} did"
        );
        is_free(&*store, &from, "after a rename the old entry is gone").await;
    }
}

/// Of a concurrent save and rename with the same version, exactly one is written: the entry is
/// saved under its key, or has moved.
///
/// In a store that does not compare, both may be written. Then the entry has moved.
pub async fn exactly_one_of_a_concurrent_rename_and_save_wins<S: Store>(store: S) {
    let store = Arc::new(store);
    for round in 0..ROUNDS {
        let (from, to) = (store_key(2 * round), store_key(2 * round + 1));
        let seen = put(&*store, &from, &draft(1)).await;
        let rename = move_on(store.clone(), round, seen.clone());
        let save = save_in_place(store.clone(), round, seen);

        // In one task the two interleave at every await, on two threads also in between.
        let (renamed, saved) = match round % 3 {
            0 => both(rename, save).await,
            1 => {
                let (saved, renamed) = both(save, rename).await;
                (renamed, saved)
            }
            _ => {
                let (rename, save) = (tokio::spawn(rename), tokio::spawn(save));
                let renamed = rename.await.expect("rename does not panic");
                (renamed, save.await.expect("save does not panic"))
            }
        };
        let renamed = renamed.expect("rename answers while another saves");
        let saved = saved.expect("save answers while another renames");
        let promise = "exactly one of a concurrent rename and save wins";
        match (renamed, saved) {
            (Outcome::Written(version), Outcome::Stale) => {
                is_free(&*store, &from, promise).await;
                holds(&*store, &to, &draft(3), &version, promise).await;
            }
            (Outcome::Stale, Outcome::Written(version)) => {
                is_free(&*store, &to, promise).await;
                holds(&*store, &from, &draft(2), &version, promise).await;
            }
            (Outcome::Written(version), Outcome::Written(_)) if !store.guarantees().compares => {
                holds(
                    &*store,
                    &to,
                    &draft(3),
                    &version,
                    "a rename that was written has moved the entry",
                )
                .await;
            }
            other => panic!("{promise}; the answers were {other:?}"),
        }
    }
}

async fn move_on<S: Store>(store: Arc<S>, round: u64, seen: Version) -> Result<Outcome> {
    let (from, to) = (store_key(2 * round), store_key(2 * round + 1));
    store.rename(&from, &seen, &to, &draft(3)).await
}

async fn save_in_place<S: Store>(store: Arc<S>, round: u64, seen: Version) -> Result<Outcome> {
    store.save(&store_key(2 * round), &seen, &draft(2)).await
}

const ROUNDS: u64 = 20;

const RIVALS: u64 = 4;
