use cloakroom::store::{Draft, Meta, Outcome, Store};

use super::sample::{draft, holds, is_free, meta, put, stale, store_key, written};

/// `touch` writes when the entry was touched and when it expires. Data, version, the beginning, owner and label stay,
/// whatever the facts say that it is given.
pub async fn touch_changes_only_touched_and_expires<S: Store>(store: S) {
    let promise = "touch changes two times and nothing else";
    let seen = put(&store, &store_key(1), &draft(1)).await;
    let other = put(&store, &store_key(2), &draft(2)).await;

    let version = written(store.touch(&store_key(1), &seen, &meta(3)).await, promise);

    assert!(version == seen, "{promise}; it returned another version");
    let touched = touched(draft(1), &meta(3));
    holds(&store, &store_key(1), &touched, &seen, promise).await;
    holds(
        &store,
        &store_key(2),
        &draft(2),
        &other,
        "touch leaves other entries alone",
    )
    .await;
}

/// A save with the version that was seen before a touch still goes through.
pub async fn touch_makes_no_save_stale<S: Store>(store: S) {
    let promise = "touch makes no save stale";
    let seen = put(&store, &store_key(1), &draft(1)).await;
    let _ = written(
        store.touch(&store_key(1), &seen, &meta(2)).await,
        "touch writes",
    );

    let version = written(store.save(&store_key(1), &seen, &draft(3)).await, promise);

    holds(&store, &store_key(1), &draft(3), &version, promise).await;
}

/// `touch` with a version that is not the entry's is `Stale` and changes nothing.
///
/// A store that does not compare may write the times instead, and never more than them.
pub async fn a_stale_touch_changes_nothing<S: Store>(store: S) {
    let promise = "a stale touch changes nothing";
    let old = put(&store, &store_key(1), &draft(1)).await;
    let current = written(
        store.save(&store_key(1), &old, &draft(2)).await,
        "save writes",
    );

    match store.touch(&store_key(1), &old, &meta(3)).await {
        Ok(Outcome::Written(_)) if !store.guarantees().compares => {
            let touched = touched(draft(2), &meta(3));
            holds(
                &store,
                &store_key(1),
                &touched,
                &current,
                "touch changes nothing but times",
            )
            .await;
        }
        refused => {
            stale(refused, promise);
            holds(&store, &store_key(1), &draft(2), &current, promise).await;
        }
    }
}

/// `touch` where there is no entry is `Stale` and makes none.
pub async fn touch_never_creates<S: Store>(store: S) {
    let promise = "touch never creates";
    let elsewhere = put(&store, &store_key(1), &draft(1)).await;

    stale(
        store.touch(&store_key(2), &elsewhere, &meta(2)).await,
        promise,
    );

    is_free(&store, &store_key(2), promise).await;
}

fn touched(mut entry: Draft, by: &Meta) -> Draft {
    entry.meta.touched = by.touched;
    entry.meta.expires = by.expires;
    entry
}
