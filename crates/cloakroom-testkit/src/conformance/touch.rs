use cloakroom::store::{Draft, Meta, Outcome, Store};

use super::sample::{
    assert_absent, assert_holds, assert_stale, assert_written, create_entry, draft, meta, store_key,
};

/// `touch` writes `touched` and `expires` of the given meta. The data, the version, `created`, the
/// owner and the label stay the same.
pub async fn touch_changes_only_touched_and_expires<S: Store>(store: S) {
    let promise = "touch changes only `touched` and `expires`";
    let seen = create_entry(&store, &store_key(1), &draft(1)).await;
    let other = create_entry(&store, &store_key(2), &draft(2)).await;

    let version = assert_written(store.touch(&store_key(1), &seen, &meta(3)).await, promise);

    assert!(version == seen, "{promise}; it returned another version");
    let touched = touched(draft(1), &meta(3));
    assert_holds(&store, &store_key(1), &touched, &seen, promise).await;
    assert_holds(
        &store,
        &store_key(2),
        &draft(2),
        &other,
        "touch leaves other entries alone",
    )
    .await;
}

/// A save is written even if the version that it replaces was loaded before a touch.
pub async fn touch_makes_no_save_stale<S: Store>(store: S) {
    let promise = "touch makes no save stale";
    let seen = create_entry(&store, &store_key(1), &draft(1)).await;
    let _ = assert_written(
        store.touch(&store_key(1), &seen, &meta(2)).await,
        "touch writes",
    );

    let version = assert_written(store.save(&store_key(1), &seen, &draft(3)).await, promise);

    assert_holds(&store, &store_key(1), &draft(3), &version, promise).await;
}

/// `touch` with an old version returns `Stale` and changes nothing.
///
/// A store that does not compare versions may write the two times instead, and nothing else.
pub async fn a_stale_touch_changes_nothing<S: Store>(store: S) {
    let promise = "a stale touch changes nothing";
    let old = create_entry(&store, &store_key(1), &draft(1)).await;
    let current = assert_written(
        store.save(&store_key(1), &old, &draft(2)).await,
        "save writes",
    );

    match store.touch(&store_key(1), &old, &meta(3)).await {
        Ok(Outcome::Written(_)) if !store.guarantees().compares => {
            let touched = touched(draft(2), &meta(3));
            assert_holds(
                &store,
                &store_key(1),
                &touched,
                &current,
                "touch changes only `touched` and `expires`",
            )
            .await;
        }
        refused => {
            assert_stale(refused, promise);
            assert_holds(&store, &store_key(1), &draft(2), &current, promise).await;
        }
    }
}

/// `touch` under a key without an entry returns `Stale` and creates no entry.
pub async fn touch_never_creates<S: Store>(store: S) {
    let promise = "touch never creates";
    let elsewhere = create_entry(&store, &store_key(1), &draft(1)).await;

    assert_stale(
        store.touch(&store_key(2), &elsewhere, &meta(2)).await,
        promise,
    );

    assert_absent(&store, &store_key(2), promise).await;
}

fn touched(mut entry: Draft, by: &Meta) -> Draft {
    entry.meta.touched = by.touched;
    entry.meta.expires = by.expires;
    entry
}
