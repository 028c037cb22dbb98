use cloakroom::store::Store;

use super::sample::{draft, holds, is_free, meta, put, stale, store_key};

/// After `delete`, only a `create` makes an entry: a save, touch or rename with the last version
/// returns `Stale`.
pub async fn a_deleted_entry_stays_deleted<S: Store>(store: S) {
    let promise = "a deleted entry stays deleted";
    let seen = put(&store, &store_key(1), &draft(1)).await;

    store.delete(&store_key(1)).await.expect("delete answers");
    is_free(&store, &store_key(1), promise).await;

    stale(store.save(&store_key(1), &seen, &draft(2)).await, promise);
    is_free(&store, &store_key(1), promise).await;

    stale(store.touch(&store_key(1), &seen, &meta(3)).await, promise);
    is_free(&store, &store_key(1), promise).await;

    stale(
        store
            .rename(&store_key(1), &seen, &store_key(2), &draft(4))
            .await,
        promise,
    );
    is_free(&store, &store_key(1), promise).await;
    is_free(&store, &store_key(2), promise).await;
}

/// `delete` deletes one entry and leaves the others alone.
pub async fn delete_leaves_other_entries_alone<S: Store>(store: S) {
    let _ = put(&store, &store_key(1), &draft(1)).await;
    let other = put(&store, &store_key(2), &draft(2)).await;

    store.delete(&store_key(1)).await.expect("delete answers");

    holds(
        &store,
        &store_key(2),
        &draft(2),
        &other,
        "delete leaves other entries alone",
    )
    .await;
}

/// `delete` succeeds if there is no entry, also right after another delete.
pub async fn deleting_a_missing_entry_succeeds<S: Store>(store: S) {
    let promise = "deleting a missing entry succeeds";
    store.delete(&store_key(1)).await.expect(promise);

    let _ = put(&store, &store_key(1), &draft(1)).await;
    store.delete(&store_key(1)).await.expect("delete answers");
    store.delete(&store_key(1)).await.expect(promise);

    is_free(&store, &store_key(1), promise).await;
}

/// An entry that is created under the key of a deleted one rejects versions of the deleted one.
pub async fn a_recreated_entry_rejects_old_versions<S: Store>(store: S) {
    let promise = "a recreated entry rejects old versions";
    let old = put(&store, &store_key(1), &draft(1)).await;
    store.delete(&store_key(1)).await.expect("delete answers");
    let version = put(&store, &store_key(1), &draft(2)).await;

    if store.guarantees().compares {
        stale(store.save(&store_key(1), &old, &draft(3)).await, promise);
    }

    holds(&store, &store_key(1), &draft(2), &version, promise).await;
}
