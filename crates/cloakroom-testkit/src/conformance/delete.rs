use cloakroom::store::Store;

use super::sample::{draft, holds, is_free, meta, put, stale, store_key};

/// After `delete`, nothing brings the entry back but a `create`: no save, touch or rename with a version that was
/// good before.
pub async fn a_deleted_entry_stays_deleted<S: Store>(store: S) {
    let promise = "gone is gone";
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

/// `delete` takes one entry and leaves the others.
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

/// `delete` where there is no entry is no error, the first time and the second.
pub async fn deleting_a_missing_entry_succeeds<S: Store>(store: S) {
    let promise = "delete of nothing is fine";
    store.delete(&store_key(1)).await.expect(promise);

    let _ = put(&store, &store_key(1), &draft(1)).await;
    store.delete(&store_key(1)).await.expect("delete answers");
    store.delete(&store_key(1)).await.expect(promise);

    is_free(&store, &store_key(1), promise).await;
}

/// What is created where an entry was deleted is another entry: the old version is not good for it.
pub async fn a_recreated_entry_rejects_old_versions<S: Store>(store: S) {
    let promise = "a new entry at an old key is not the old one";
    let old = put(&store, &store_key(1), &draft(1)).await;
    store.delete(&store_key(1)).await.expect("delete answers");
    let version = put(&store, &store_key(1), &draft(2)).await;

    if store.guarantees().compares {
        stale(store.save(&store_key(1), &old, &draft(3)).await, promise);
    }

    holds(&store, &store_key(1), &draft(2), &version, promise).await;
}
