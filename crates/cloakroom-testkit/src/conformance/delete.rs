use cloakroom::store::Store;

use super::sample::{
    assert_absent, assert_holds, assert_stale, create_entry, draft, meta, store_key,
};

/// After `delete`, only `create` makes an entry under the key again. A save, touch or rename with
/// the last version returns `Stale`.
pub async fn a_deleted_entry_stays_deleted<S: Store>(store: S) {
    let promise = "a deleted entry stays deleted";
    let seen = create_entry(&store, &store_key(1), &draft(1)).await;

    store.delete(&store_key(1)).await.expect("delete answers");
    assert_absent(&store, &store_key(1), promise).await;

    assert_stale(store.save(&store_key(1), &seen, &draft(2)).await, promise);
    assert_absent(&store, &store_key(1), promise).await;

    assert_stale(store.touch(&store_key(1), &seen, &meta(3)).await, promise);
    assert_absent(&store, &store_key(1), promise).await;

    assert_stale(
        store
            .rename(&store_key(1), &seen, &store_key(2), &draft(4), None)
            .await,
        promise,
    );
    assert_absent(&store, &store_key(1), promise).await;
    assert_absent(&store, &store_key(2), promise).await;
}

/// `delete` deletes one entry and leaves the others alone.
pub async fn delete_leaves_other_entries_alone<S: Store>(store: S) {
    let _ = create_entry(&store, &store_key(1), &draft(1)).await;
    let other = create_entry(&store, &store_key(2), &draft(2)).await;

    store.delete(&store_key(1)).await.expect("delete answers");

    assert_holds(
        &store,
        &store_key(2),
        &draft(2),
        &other,
        "delete leaves other entries alone",
    )
    .await;
}

/// `delete` succeeds even if there is no entry, for example right after another delete.
pub async fn deleting_a_missing_entry_succeeds<S: Store>(store: S) {
    let promise = "deleting a missing entry succeeds";
    store.delete(&store_key(1)).await.expect(promise);

    let _ = create_entry(&store, &store_key(1), &draft(1)).await;
    store.delete(&store_key(1)).await.expect("delete answers");
    store.delete(&store_key(1)).await.expect(promise);

    assert_absent(&store, &store_key(1), promise).await;
}

/// An entry that is created under the key of a deleted entry rejects the versions of the deleted
/// entry.
pub async fn a_recreated_entry_rejects_old_versions<S: Store>(store: S) {
    let promise = "a recreated entry rejects old versions";
    let old = create_entry(&store, &store_key(1), &draft(1)).await;
    store.delete(&store_key(1)).await.expect("delete answers");
    let version = create_entry(&store, &store_key(1), &draft(2)).await;

    if store.guarantees().compares {
        assert_stale(store.save(&store_key(1), &old, &draft(3)).await, promise);
    }

    assert_holds(&store, &store_key(1), &draft(2), &version, promise).await;
}
