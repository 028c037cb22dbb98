//! The promises about two stores that share their entries, like stores opened by two processes.

use std::sync::Arc;

use cloakroom::store::Store;

use super::logout::logout_ends_held_requests;
use super::race::{test_increments, test_logout};
use super::sample::{
    assert_absent, assert_holds, assert_stale, assert_written, create_entry, draft, store_key,
};
use super::take::test_taking;

/// An entry that was created through one store is loaded through the other store. A second create
/// through the other store is stale.
pub async fn a_create_through_one_is_loaded_through_the_other<S: Store, T: Store>(
    one: S,
    other: T,
) {
    let promise = "a create through one store is loaded through the other";
    assert_absent(&other, &store_key(1), "a store for a test is empty").await;
    let version = create_entry(&one, &store_key(1), &draft(1)).await;

    assert_holds(&other, &store_key(1), &draft(1), &version, promise).await;
    assert_stale(other.create(&store_key(1), &draft(2)).await, promise);
    assert_holds(&one, &store_key(1), &draft(1), &version, promise).await;
}

/// A save through one store is loaded through the other. The version that the other store loaded
/// before the save is stale.
///
/// In stores that do not compare versions, the earlier version may stay valid.
pub async fn a_save_through_one_is_stale_for_the_other<S: Store, T: Store>(one: S, other: T) {
    let promise = "a save through one store makes the version of the other stale";
    let seen = create_entry(&one, &store_key(1), &draft(1)).await;
    assert_holds(
        &other,
        &store_key(1),
        &draft(1),
        &seen,
        "a store loads what another store created",
    )
    .await;
    let outcome = one.save(&store_key(1), &seen, &draft(2)).await;
    let version = assert_written(outcome, "save writes");

    assert_holds(&other, &store_key(1), &draft(2), &version, promise).await;
    if one.guarantees().compares {
        assert_stale(other.save(&store_key(1), &seen, &draft(3)).await, promise);
        assert_holds(&one, &store_key(1), &draft(2), &version, promise).await;
    }
    let outcome = other.save(&store_key(1), &version, &draft(4)).await;
    let version = assert_written(
        outcome,
        "a version is valid for every store on the same entries",
    );
    assert_holds(&one, &store_key(1), &draft(4), &version, promise).await;
}

/// After a delete through one store, the other store no longer loads the entry, even if it has
/// loaded the entry before the delete. Saves and touches through the other store are stale.
///
/// A store without the guarantee `revokes` may still load the entry for a while. Saves and touches
/// are tested only in stores that compare versions.
pub async fn a_delete_through_one_is_seen_by_the_other<S: Store, T: Store>(one: S, other: T) {
    let promise = "a delete through one store is seen by the other";
    let seen = create_entry(&one, &store_key(1), &draft(1)).await;
    assert_holds(
        &other,
        &store_key(1),
        &draft(1),
        &seen,
        "a store loads what another store created",
    )
    .await;

    one.delete(&store_key(1)).await.expect("delete answers");

    if one.guarantees().revokes {
        assert_absent(&other, &store_key(1), promise).await;
    }
    if one.guarantees().compares {
        assert_stale(other.save(&store_key(1), &seen, &draft(2)).await, promise);
        assert_stale(
            other.touch(&store_key(1), &seen, &draft(2).meta).await,
            promise,
        );
    }
    assert_absent(
        &one,
        &store_key(1),
        "a deleted entry is gone for the store that deleted it",
    )
    .await;
}

/// After a rename through one store, the other store loads nothing under the old key, and a rename
/// of the same entry through the other store is stale.
pub async fn a_rename_through_one_is_stale_for_the_other<S: Store, T: Store>(one: S, other: T) {
    let promise = "a rename through one store is stale for the other";
    let seen = create_entry(&one, &store_key(1), &draft(1)).await;
    assert_holds(
        &other,
        &store_key(1),
        &draft(1),
        &seen,
        "a store loads what another store created",
    )
    .await;
    let outcome = one
        .rename(&store_key(1), &seen, &store_key(2), &draft(2), None)
        .await;
    let version = assert_written(outcome, "rename writes");

    if one.guarantees().revokes {
        assert_absent(&other, &store_key(1), promise).await;
    }
    assert_stale(
        other
            .rename(&store_key(1), &seen, &store_key(3), &draft(3), None)
            .await,
        promise,
    );
    assert_absent(&other, &store_key(3), promise).await;
    assert_holds(&other, &store_key(2), &draft(2), &version, promise).await;
}

/// Like [`concurrent_increments_add_up`](super::concurrent_increments_add_up), with half of the
/// tasks on each store.
pub async fn concurrent_increments_through_both_add_up<S: Store, T: Store>(one: S, other: T) {
    test_increments(Arc::new(one), Arc::new(other)).await;
}

/// Like [`one_of_parallel_requests_takes_an_item`](super::one_of_parallel_requests_takes_an_item),
/// with half of the requests on each store.
pub async fn one_of_parallel_requests_through_both_takes_an_item<S: Store, T: Store>(
    one: S,
    other: T,
) {
    test_taking(Arc::new(one), Arc::new(other)).await;
}

/// Like [`super::a_logout_is_not_undone_by_concurrent_saves`], with the saves through one store and
/// the delete through the other.
pub async fn a_logout_through_one_is_not_undone_by_saves_through_the_other<S: Store, T: Store>(
    one: S,
    other: T,
) {
    test_logout(Arc::new(one), Arc::new(other)).await;
}

/// A visitor logs out through one store while a request through the other store is held before or
/// after one of its store calls. When the request continues, the session stays gone.
///
/// The request reads the session, writes to it, extends it or gives it a new key. The promise is
/// tested a second time with a [`CachedBackend`](cloakroom::CachedBackend) on each store, and one
/// cache for both. Only stores with the guarantees `compares` and `revokes` are tested.
pub async fn a_logout_through_one_ends_requests_in_progress_through_the_other<
    S: Store,
    T: Store,
>(
    one: S,
    other: T,
) {
    logout_ends_held_requests(Arc::new(one), Arc::new(other)).await;
}
