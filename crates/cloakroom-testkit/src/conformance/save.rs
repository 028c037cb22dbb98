use std::time::UNIX_EPOCH;

use cloakroom::Owner;
use cloakroom::store::{Draft, Outcome, Store, Version};

use super::sample::{
    assert_absent, assert_holds, assert_is, assert_stale, assert_written, create_entry, draft,
    load, store_key,
};

/// `save` replaces the data and the meta, and returns the same version as the next `load`.
pub async fn save_replaces_the_whole_entry<S: Store>(store: S) {
    let promise = "save replaces the whole entry and returns its version";
    let mut seen = create_entry(&store, &store_key(1), &draft(1)).await;

    for n in 2..5 {
        seen = assert_written(store.save(&store_key(1), &seen, &draft(n)).await, promise);
        assert_holds(&store, &store_key(1), &draft(n), &seen, promise).await;
    }
}

/// `save` changes one entry and leaves the others alone.
pub async fn save_leaves_other_entries_alone<S: Store>(store: S) {
    let seen = create_entry(&store, &store_key(1), &draft(1)).await;
    let other = create_entry(&store, &store_key(2), &draft(2)).await;

    let _ = assert_written(
        store.save(&store_key(1), &seen, &draft(3)).await,
        "save writes",
    );

    assert_holds(
        &store,
        &store_key(2),
        &draft(2),
        &other,
        "save leaves other entries alone",
    )
    .await;
}

/// `save` under a key without an entry returns `Stale` and creates no entry.
pub async fn save_never_creates<S: Store>(store: S) {
    let promise = "save never creates";
    let elsewhere = create_entry(&store, &store_key(1), &draft(1)).await;

    assert_stale(
        store.save(&store_key(2), &elsewhere, &draft(2)).await,
        promise,
    );

    assert_absent(&store, &store_key(2), promise).await;
}

/// `save` with an old version returns `Stale` and changes neither the data, the meta nor the
/// version.
///
/// A store that does not compare versions may write the whole entry instead.
pub async fn a_stale_save_changes_nothing<S: Store>(store: S) {
    let promise = "a stale save changes nothing";
    let old = create_entry(&store, &store_key(1), &draft(1)).await;
    let current = assert_written(
        store.save(&store_key(1), &old, &draft(2)).await,
        "save writes",
    );

    let outcome = store.save(&store_key(1), &old, &draft(3)).await;

    let was = (&draft(2), &current);
    refused_or_last_write_wins(&store, outcome, was, &draft(3), promise).await;
}

/// `save` accepts only the latest version of an entry. With any earlier version, it returns
/// `Stale`.
///
/// A store that does not compare versions may write the whole entry instead.
pub async fn each_save_makes_earlier_versions_stale<S: Store>(store: S) {
    let promise = "each save makes earlier versions stale";
    let mut seen = vec![create_entry(&store, &store_key(1), &draft(1)).await];
    for n in 2..6 {
        let last = seen.last().expect("`seen` has at least one version");
        let next = assert_written(
            store.save(&store_key(1), last, &draft(n)).await,
            "save writes",
        );
        seen.push(next);
    }

    let mut current = seen.pop().expect("`seen` has five versions");
    let mut there = draft(5);
    for (old, n) in seen.iter().zip(10..) {
        let outcome = store.save(&store_key(1), old, &draft(n)).await;
        let was = (&there, &current);
        if let Some(version) =
            refused_or_last_write_wins(&store, outcome, was, &draft(n), promise).await
        {
            (current, there) = (version, draft(n));
        }
    }
}

/// `save` with the version of another entry returns `Stale`.
///
/// A store that does not compare versions may write the whole entry instead.
pub async fn a_version_is_valid_only_for_its_own_entry<S: Store>(store: S) {
    let promise = "a version is valid only for its own entry";
    let there = create_entry(&store, &store_key(1), &draft(1)).await;
    let foreign = create_entry(&store, &store_key(2), &draft(2)).await;

    let outcome = store.save(&store_key(1), &foreign, &draft(3)).await;

    let was = (&draft(1), &there);
    refused_or_last_write_wins(&store, outcome, was, &draft(3), promise).await;
}

/// Checks the `outcome` of a save of `new` under `store_key(1)` with a version that is not current.
/// Asserts that the save was refused and changed nothing. In a store that does not compare
/// versions, the save may have written all of `new` instead. In that case, returns the new version.
async fn refused_or_last_write_wins<S: Store>(
    store: &S,
    outcome: cloakroom::Result<Outcome>,
    (there, version): (&Draft, &Version),
    new: &Draft,
    promise: &str,
) -> Option<Version> {
    match outcome {
        Ok(Outcome::Written(version)) if !store.guarantees().compares => {
            assert_holds(
                store,
                &store_key(1),
                new,
                &version,
                "a save that was written has replaced the whole entry",
            )
            .await;
            Some(version)
        }
        refused => {
            assert_stale(refused, promise);
            assert_holds(store, &store_key(1), there, version, promise).await;
            None
        }
    }
}

/// A `save` may set an expiry in the past. Afterwards, `delete` succeeds, even if the backend has
/// already deleted the expired entry, and the key can be used again.
pub async fn an_entry_saved_with_a_past_expiry_can_be_deleted<S: Store>(store: S) {
    let promise = "an entry saved with a past expiry can be deleted";
    let key = store_key(1);
    for owner in [None, Some(Owner::from("ada"))] {
        let mut new = draft(1);
        new.meta.owner = owner;
        let seen = create_entry(&store, &key, &new).await;
        new.meta.expires = UNIX_EPOCH;
        new.save_id = draft(1).save_id;
        let _ = assert_written(store.save(&key, &seen, &new).await, promise);

        if let Some(entry) = load(&store, &key).await {
            assert_is(&entry, &new, promise);
        }
        store.delete(&key).await.expect("delete answers");

        assert_absent(&store, &key, promise).await;
    }
    let _ = create_entry(&store, &key, &draft(2)).await;
}
