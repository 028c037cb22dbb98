use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::{Cursor, Draft, Meta, Page, Store};
use cloakroom::{Result, StoreKey};
use tokio::task::JoinSet;

use super::owners::MAX_PAGES;
use super::race::join_all;
use super::rename::rename_moves_the_entry_once;
use super::sample::{
    MILLI, assert_absent, assert_holds, assert_stale, assert_written, create_entry, draft, now,
    store_key,
};

/// `rename` writes the given [tombstone](cloakroom::store::Tombstone) to the old key. The tombstone
/// is an entry: it can be loaded and deleted, but not overwritten by `create` or by a late `save`
/// or `touch`.
///
/// A store without the guarantee `tombstones` must keep the promise of
/// [`rename_moves_the_entry_once`] instead. This applies to all tests of tombstones.
pub async fn rename_leaves_the_tombstone<S: Store>(store: S) {
    if !store.guarantees().tombstones {
        return rename_moves_the_entry_once(store).await;
    }
    let promise = "rename leaves the tombstone";
    let (from, to) = (store_key(1), store_key(2));
    let seen = create_entry(&store, &from, &draft(1)).await;
    let (new, tombstone) = moved(2);

    let outcome = store
        .rename(&from, &seen, &to, &new, Some(&tombstone))
        .await;
    let version = assert_written(outcome, promise);

    assert_holds(&store, &to, &new, &version, promise).await;
    assert_holds(&store, &from, &tombstone, &tombstone.version(), promise).await;
    assert_stale(store.create(&from, &draft(3)).await, promise);
    assert_stale(store.save(&from, &seen, &draft(3)).await, promise);
    assert_stale(store.touch(&from, &seen, &draft(3).meta).await, promise);
    assert_holds(&store, &from, &tombstone, &tombstone.version(), promise).await;

    store.delete(&from).await.expect("delete answers");
    assert_absent(&store, &from, promise).await;
    assert_holds(&store, &to, &new, &version, promise).await;
    let _ = create_entry(&store, &from, &draft(3)).await;
}

/// A `rename` that returns `Stale` leaves no tombstone.
pub async fn a_stale_rename_leaves_no_tombstone<S: Store>(store: S) {
    if !store.guarantees().tombstones {
        return rename_moves_the_entry_once(store).await;
    }
    let promise = "a stale rename leaves no tombstone";
    let (from, to) = (store_key(1), store_key(2));
    let (new, tombstone) = moved(3);
    let seen = draft(1).version();
    assert_stale(
        store
            .rename(&from, &seen, &to, &new, Some(&tombstone))
            .await,
        promise,
    );
    assert_absent(&store, &from, promise).await;

    let current = create_entry(&store, &from, &draft(1)).await;
    let taken = create_entry(&store, &to, &draft(2)).await;
    assert_stale(
        store
            .rename(&from, &current, &to, &new, Some(&tombstone))
            .await,
        promise,
    );

    assert_holds(&store, &from, &draft(1), &current, promise).await;
    assert_holds(&store, &to, &draft(2), &taken, promise).await;
}

/// Of concurrent renames of one entry, exactly one succeeds. Its tombstone is at the old key.
pub async fn concurrent_renames_leave_the_tombstone_of_the_winner<S: Store>(store: S) {
    if !store.guarantees().tombstones {
        return rename_moves_the_entry_once(store).await;
    }
    let promise = "concurrent renames leave the tombstone of the winner";
    let store = Arc::new(store);
    for round in 0..ROUNDS {
        let first = 10 * round;
        let from = store_key(first);
        let seen = create_entry(&*store, &from, &draft(1)).await;
        let mut rivals = JoinSet::new();
        for rival in 1..=RIVALS {
            let (store, from, seen) = (store.clone(), from.clone(), seen.clone());
            rivals.spawn(async move {
                let (to, (new, tombstone)) = (store_key(first + rival), moved(rival));
                let outcome = store
                    .rename(&from, &seen, &to, &new, Some(&tombstone))
                    .await;
                let outcome = outcome.expect("rename answers");
                outcome
                    .written()
                    .map(|version| (to, new, version, tombstone))
            });
        }

        let mut winners = join_all(rivals).await.into_iter().flatten();
        let (Some((to, new, version, tombstone)), None) = (winners.next(), winners.next()) else {
            panic!("{promise}; not exactly one succeeded");
        };
        assert_holds(&*store, &to, &new, &version, promise).await;
        assert_holds(&*store, &from, &tombstone, &tombstone.version(), promise).await;
    }
}

/// A tombstone is in no list: neither `owned_by` nor `scan` returns it.
pub async fn a_tombstone_is_in_no_list<S: Store>(store: S) {
    if !store.guarantees().tombstones {
        return rename_moves_the_entry_once(store).await;
    }
    let promise = "a tombstone is in no list";
    let (from, to) = (store_key(1), store_key(2));
    let seen = create_entry(&store, &from, &draft(1)).await;
    let (new, tombstone) = moved(1);
    let outcome = store
        .rename(&from, &seen, &to, &new, Some(&tombstone))
        .await;
    let _ = assert_written(outcome, promise);

    let (guarantees, store) = (store.guarantees(), &store);
    let owner = new.meta.owner.as_ref().expect("the draft has an owner");
    if guarantees.owners {
        let page =
            |after: Option<Cursor>| async move { store.owned_by(owner, after.as_ref(), 10).await };
        assert!(
            all_keys(page).await.into_iter().eq([to.clone()]),
            "{promise}"
        );
    }
    if guarantees.scans {
        let page = |after: Option<Cursor>| async move { store.scan(after.as_ref(), 10).await };
        assert!(all_keys(page).await.into_iter().eq([to]), "{promise}");
    }
}

/// Returns the keys of a whole list. `read` returns the page after a cursor.
async fn all_keys<F>(read: impl Fn(Option<Cursor>) -> F) -> BTreeSet<StoreKey>
where
    F: Future<Output = Result<Page>>,
{
    let (mut keys, mut after) = (BTreeSet::new(), None);
    for _ in 0..MAX_PAGES {
        let page = read(after).await.expect("the store lists a page");
        keys.extend(page.entries.into_iter().map(|listed| listed.key));
        after = page.next;
        if after.is_none() {
            return keys;
        }
    }
    panic!("the list has no last page")
}

/// `sweep` deletes a tombstone once it has expired, and not before.
pub async fn sweep_deletes_expired_tombstones<S: Store>(store: S) {
    if !store.guarantees().tombstones {
        return rename_moves_the_entry_once(store).await;
    }
    let promise = "sweep deletes expired tombstones";
    let (from, to) = (store_key(1), store_key(2));
    let seen = create_entry(&store, &from, &draft(1)).await;
    let (new, tombstone) = moved(2);
    let outcome = store
        .rename(&from, &seen, &to, &new, Some(&tombstone))
        .await;
    let version = assert_written(outcome, promise);
    let ends = tombstone.meta.expires;

    for (now, expected) in [(ends - MILLI, 0), (ends, 1)] {
        let swept = store.sweep(now, 10).await.expect("sweep answers");
        assert_eq!(swept, expected, "{promise}");
    }

    assert_absent(&store, &from, promise).await;
    assert_holds(&store, &to, &new, &version, promise).await;
}

/// Returns a draft for the new key, and a tombstone for the old key that expires after a minute.
fn moved(n: u64) -> (Draft, Draft) {
    let new = draft(n);
    let meta = Meta::tombstone(now(), now() + Duration::from_secs(60));
    let tombstone = Draft::new(format!("moved {n}").into(), meta, new.save_id);
    (new, tombstone)
}

const ROUNDS: u64 = 10;

/// The number of concurrent renames of one entry.
const RIVALS: u64 = 4;
