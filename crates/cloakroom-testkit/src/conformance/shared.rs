//! The promises of two stores that were opened on one place.

use std::sync::Arc;

use cloakroom::store::Store;

use super::logout::ends_what_is_under_way;
use super::race::{adds_up, logs_out};
use super::sample::{draft, holds, is_free, put, stale, store_key, written};

/// What is created through one store is loaded through the other, and cannot be created there again.
pub async fn a_create_through_one_is_loaded_through_the_other<S: Store, T: Store>(
    one: S,
    other: T,
) {
    let promise = "a create through one store is an entry of the other";
    is_free(
        &other,
        &store_key(1),
        "a store that is opened anew for a test is empty",
    )
    .await;
    let version = put(&one, &store_key(1), &draft(1)).await;

    holds(&other, &store_key(1), &draft(1), &version, promise).await;
    stale(other.create(&store_key(1), &draft(2)).await, promise);
    holds(&one, &store_key(1), &draft(1), &version, promise).await;
}

/// A save through one store is loaded through the other, whose version is stale then.
///
/// Of stores that do not compare, only the first half is asked.
pub async fn a_save_through_one_is_stale_for_the_other<S: Store, T: Store>(one: S, other: T) {
    let promise = "a save through one store makes what the other has seen stale";
    let seen = put(&one, &store_key(1), &draft(1)).await;
    holds(
        &other,
        &store_key(1),
        &draft(1),
        &seen,
        "a store loads what another created",
    )
    .await;
    let outcome = one.save(&store_key(1), &seen, &draft(2)).await;
    let version = written(outcome, "save writes");

    holds(&other, &store_key(1), &draft(2), &version, promise).await;
    if one.guarantees().compares {
        stale(other.save(&store_key(1), &seen, &draft(3)).await, promise);
        holds(&one, &store_key(1), &draft(2), &version, promise).await;
    }
    let outcome = other.save(&store_key(1), &version, &draft(4)).await;
    let version = written(
        outcome,
        "a version is good for every store on the same place",
    );
    holds(&one, &store_key(1), &draft(4), &version, promise).await;
}

/// A delete through one store is seen by the other, even if that has loaded the entry before, and its saves are
/// stale.
///
/// Stores that do not revoke may load it for a while; they still never create it again.
pub async fn a_delete_through_one_is_seen_by_the_other<S: Store, T: Store>(one: S, other: T) {
    let promise = "a delete through one store is seen by the other";
    let seen = put(&one, &store_key(1), &draft(1)).await;
    holds(
        &other,
        &store_key(1),
        &draft(1),
        &seen,
        "a store loads what another created",
    )
    .await;

    one.delete(&store_key(1)).await.expect("delete answers");

    if one.guarantees().revokes {
        is_free(&other, &store_key(1), promise).await;
    }
    if one.guarantees().compares {
        stale(other.save(&store_key(1), &seen, &draft(2)).await, promise);
        stale(
            other.touch(&store_key(1), &seen, &draft(2).meta).await,
            promise,
        );
    }
    is_free(&one, &store_key(1), "gone is gone for the one who deleted").await;
}

/// A rename through one store leaves nothing at the old lookup of the other, and its rename is stale.
pub async fn a_rename_through_one_is_stale_for_the_other<S: Store, T: Store>(one: S, other: T) {
    let promise = "a rename through one store is stale for the other";
    let seen = put(&one, &store_key(1), &draft(1)).await;
    holds(
        &other,
        &store_key(1),
        &draft(1),
        &seen,
        "a store loads what another created",
    )
    .await;
    let outcome = one
        .rename(&store_key(1), &seen, &store_key(2), &draft(2))
        .await;
    let version = written(outcome, "rename writes");

    if one.guarantees().revokes {
        is_free(&other, &store_key(1), promise).await;
    }
    stale(
        other
            .rename(&store_key(1), &seen, &store_key(3), &draft(3))
            .await,
        promise,
    );
    is_free(&other, &store_key(3), promise).await;
    holds(&other, &store_key(2), &draft(2), &version, promise).await;
}

/// As [`concurrent_increments_add_up`](super::concurrent_increments_add_up), half of the tasks
/// through each store.
pub async fn concurrent_increments_through_both_add_up<S: Store, T: Store>(one: S, other: T) {
    adds_up(Arc::new(one), Arc::new(other)).await;
}

/// As [`super::a_logout_is_not_undone_by_concurrent_saves`], the saves through one store
/// and the delete through the other.
pub async fn a_logout_through_one_is_not_undone_by_saves_through_the_other<S: Store, T: Store>(
    one: S,
    other: T,
) {
    logs_out(Arc::new(one), Arc::new(other)).await;
}

/// Requests through one store are held before and after each of its calls, while the visitor logs out through the other:
/// readers, writers, those that make the session last longer, and those that give it another key. Then they go on, and
/// the session is gone, for a server with a front in memory as well.
pub async fn a_logout_through_one_ends_requests_in_progress_through_the_other<
    S: Store,
    T: Store,
>(
    one: S,
    other: T,
) {
    ends_what_is_under_way(Arc::new(one), Arc::new(other)).await;
}
