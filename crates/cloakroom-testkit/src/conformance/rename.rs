use std::sync::Arc;

use cloakroom::Result;
use cloakroom::store::{Outcome, Store, Version};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::race::{join_all, join_both};
use super::sample::{
    assert_absent, assert_holds, assert_stale, assert_written, create_entry, draft, store_key,
};

/// `rename` deletes the old entry and creates the new one. A second `rename` from the same key
/// returns `Stale`.
pub async fn rename_moves_the_entry_once<S: Store>(store: S) {
    let promise = "rename moves the entry once";
    let seen = create_entry(&store, &store_key(1), &draft(1)).await;

    let outcome = store
        .rename(&store_key(1), &seen, &store_key(2), &draft(2), None)
        .await;
    let version = assert_written(outcome, promise);
    assert_absent(&store, &store_key(1), promise).await;
    assert_holds(&store, &store_key(2), &draft(2), &version, promise).await;

    assert_stale(
        store
            .rename(&store_key(1), &seen, &store_key(3), &draft(3), None)
            .await,
        promise,
    );
    assert_absent(&store, &store_key(3), promise).await;
    assert_holds(&store, &store_key(2), &draft(2), &version, promise).await;
}

/// A renamed entry can be saved, renamed again and deleted.
pub async fn a_renamed_entry_can_be_saved_and_deleted<S: Store>(store: S) {
    let promise = "a renamed entry can be saved and deleted";
    let seen = create_entry(&store, &store_key(1), &draft(1)).await;
    let seen = assert_written(
        store
            .rename(&store_key(1), &seen, &store_key(2), &draft(2), None)
            .await,
        promise,
    );

    let seen = assert_written(store.save(&store_key(2), &seen, &draft(3)).await, promise);
    let seen = assert_written(
        store
            .rename(&store_key(2), &seen, &store_key(1), &draft(4), None)
            .await,
        promise,
    );
    assert_holds(&store, &store_key(1), &draft(4), &seen, promise).await;
    assert_absent(&store, &store_key(2), promise).await;

    store.delete(&store_key(1)).await.expect("delete answers");
    assert_absent(&store, &store_key(1), promise).await;
}

/// After `rename`, a save or touch under the old key with the old version returns `Stale` and
/// changes nothing under either key.
pub async fn rename_makes_the_old_version_stale<S: Store>(store: S) {
    let promise = "rename makes the old version stale";
    let seen = create_entry(&store, &store_key(1), &draft(1)).await;
    let outcome = store
        .rename(&store_key(1), &seen, &store_key(2), &draft(2), None)
        .await;
    let version = assert_written(outcome, "rename writes");

    assert_stale(store.save(&store_key(1), &seen, &draft(3)).await, promise);
    assert_stale(
        store.touch(&store_key(1), &seen, &draft(3).meta).await,
        promise,
    );

    assert_absent(&store, &store_key(1), promise).await;
    assert_holds(&store, &store_key(2), &draft(2), &version, promise).await;
}

/// `rename` to a key that already has an entry returns `Stale` and changes nothing under either
/// key. This includes a `rename` to the same key.
pub async fn rename_never_overwrites<S: Store>(store: S) {
    let promise = "rename never overwrites";
    let seen = create_entry(&store, &store_key(1), &draft(1)).await;
    let taken = create_entry(&store, &store_key(2), &draft(2)).await;

    assert_stale(
        store
            .rename(&store_key(1), &seen, &store_key(2), &draft(3), None)
            .await,
        promise,
    );
    assert_stale(
        store
            .rename(&store_key(1), &seen, &store_key(1), &draft(3), None)
            .await,
        promise,
    );

    assert_holds(&store, &store_key(1), &draft(1), &seen, promise).await;
    assert_holds(&store, &store_key(2), &draft(2), &taken, promise).await;
}

/// `rename` with an old version returns `Stale` and changes nothing under either key.
///
/// A store that does not compare versions may move the whole entry instead.
pub async fn a_stale_rename_changes_nothing<S: Store>(store: S) {
    let promise = "a stale rename changes nothing";
    let old = create_entry(&store, &store_key(1), &draft(1)).await;
    let current = assert_written(
        store.save(&store_key(1), &old, &draft(2)).await,
        "save writes",
    );

    match store
        .rename(&store_key(1), &old, &store_key(2), &draft(3), None)
        .await
    {
        Ok(Outcome::Written(version)) if !store.guarantees().compares => {
            let promise = "a rename that was written has moved the entry";
            assert_absent(&store, &store_key(1), promise).await;
            assert_holds(&store, &store_key(2), &draft(3), &version, promise).await;
        }
        refused => {
            assert_stale(refused, promise);
            assert_absent(&store, &store_key(2), promise).await;
            assert_holds(&store, &store_key(1), &draft(2), &current, promise).await;
        }
    }
}

/// `rename` from a key without an entry returns `Stale` and creates no entry.
pub async fn rename_never_creates<S: Store>(store: S) {
    let promise = "rename never creates";
    let elsewhere = create_entry(&store, &store_key(1), &draft(1)).await;

    assert_stale(
        store
            .rename(&store_key(2), &elsewhere, &store_key(3), &draft(2), None)
            .await,
        promise,
    );

    assert_absent(&store, &store_key(2), promise).await;
    assert_absent(&store, &store_key(3), promise).await;
}

/// Of several concurrent renames of one entry, exactly one is written. The others return `Stale`
/// and write nothing.
///
/// In a store that does not compare versions, several renames may be written, each as a whole.
pub async fn exactly_one_of_concurrent_renames_wins<S: Store>(store: S) {
    let store = Arc::new(store);
    for round in 0..ROUNDS {
        let place = |n| store_key(round * 100 + n);
        let from = place(0);
        let seen = create_entry(&*store, &from, &draft(0)).await;

        let start = Arc::new(Barrier::new(RIVALS as usize));
        let mut renames = JoinSet::new();
        for n in 1..=RIVALS {
            let (store, start) = (store.clone(), start.clone());
            let (from, seen, to) = (from.clone(), seen.clone(), place(n));
            renames.spawn(async move {
                start.wait().await;
                (n, store.rename(&from, &seen, &to, &draft(n), None).await)
            });
        }

        let mut won = 0;
        for (n, outcome) in join_all(renames).await {
            let promise = "a concurrent rename writes its entry if it wins, and otherwise nothing";
            match outcome.expect("rename answers while others rename the same entry") {
                Outcome::Written(version) => {
                    won += 1;
                    assert_holds(&*store, &place(n), &draft(n), &version, promise).await;
                }
                Outcome::Stale => assert_absent(&*store, &place(n), promise).await,
            }
        }
        let most = if store.guarantees().compares {
            1
        } else {
            RIVALS
        };
        assert!(
            (1..=most).contains(&won),
            "at least one and at most {most} of concurrent renames win; {won} won"
        );
        assert_absent(&*store, &from, "after a rename the old entry is gone").await;
    }
}

/// If a save and a rename with the same version run concurrently, exactly one is written: the entry
/// is saved under its key, or has moved.
///
/// In a store that does not compare versions, both the save and the rename may be written. In that
/// case, the entry has moved.
pub async fn exactly_one_of_a_concurrent_rename_and_save_wins<S: Store>(store: S) {
    let store = Arc::new(store);
    for round in 0..ROUNDS {
        let (from, to) = (store_key(2 * round), store_key(2 * round + 1));
        let seen = create_entry(&*store, &from, &draft(1)).await;
        let rename = rename_entry(store.clone(), round, seen.clone());
        let save = save_entry(store.clone(), round, seen);

        // In one task, the two calls interleave at every await. On two threads, they also
        // interleave between awaits.
        let (renamed, saved) = match round % 3 {
            0 => join_both(rename, save).await,
            1 => {
                let (saved, renamed) = join_both(save, rename).await;
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
                assert_absent(&*store, &from, promise).await;
                assert_holds(&*store, &to, &draft(3), &version, promise).await;
            }
            (Outcome::Stale, Outcome::Written(version)) => {
                assert_absent(&*store, &to, promise).await;
                assert_holds(&*store, &from, &draft(2), &version, promise).await;
            }
            (Outcome::Written(version), Outcome::Written(_)) if !store.guarantees().compares => {
                assert_holds(
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

async fn rename_entry<S: Store>(store: Arc<S>, round: u64, seen: Version) -> Result<Outcome> {
    let (from, to) = (store_key(2 * round), store_key(2 * round + 1));
    store.rename(&from, &seen, &to, &draft(3), None).await
}

async fn save_entry<S: Store>(store: Arc<S>, round: u64, seen: Version) -> Result<Outcome> {
    store.save(&store_key(2 * round), &seen, &draft(2)).await
}

const ROUNDS: u64 = 20;

/// The number of concurrent renames of one entry.
const RIVALS: u64 = 4;
