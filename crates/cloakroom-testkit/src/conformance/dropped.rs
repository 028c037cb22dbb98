use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use cloakroom::store::Store;

use super::sample::{
    assert_absent, assert_is, assert_written, create_entry, draft, equals, load, store_key,
};

/// A `create` whose future is dropped early has written the whole entry or nothing.
pub async fn a_dropped_create_is_all_or_nothing<S: Store>(store: S) {
    for polls in 1..=MAX_POLLS {
        let key = store_key(polls);
        drop_after(polls, store.create(&key, &draft(1))).await;

        if let Some(entry) = load(&store, &key).await {
            assert_is(&entry, &draft(1), "a dropped create is all or nothing");
        }
        assert_still_works(&store, polls).await;
    }
}

/// A `save` whose future is dropped early has replaced the whole entry or changed nothing.
pub async fn a_dropped_save_is_all_or_nothing<S: Store>(store: S) {
    for polls in 1..=MAX_POLLS {
        let key = store_key(polls);
        let seen = create_entry(&store, &key, &draft(1)).await;
        drop_after(polls, store.save(&key, &seen, &draft(2))).await;

        let entry = load(&store, &key)
            .await
            .expect("a dropped save leaves an entry");
        if !equals(&entry, &draft(2)) {
            assert_is(&entry, &draft(1), "a dropped save is all or nothing");
        }
        assert_still_works(&store, polls).await;
    }
}

/// A `touch` whose future is dropped early has written both times or neither.
pub async fn a_dropped_touch_is_all_or_nothing<S: Store>(store: S) {
    for polls in 1..=MAX_POLLS {
        let key = store_key(polls);
        let seen = create_entry(&store, &key, &draft(1)).await;
        let mut touched = draft(1);
        touched.meta.touched = draft(2).meta.touched;
        touched.meta.expires = draft(2).meta.expires;
        drop_after(polls, store.touch(&key, &seen, &touched.meta)).await;

        let entry = load(&store, &key)
            .await
            .expect("a dropped touch leaves an entry");
        if !equals(&entry, &touched) {
            assert_is(&entry, &draft(1), "a dropped touch is all or nothing");
        }
        assert_still_works(&store, polls).await;
    }
}

/// A `delete` whose future is dropped early has deleted the whole entry or nothing.
pub async fn a_dropped_delete_is_all_or_nothing<S: Store>(store: S) {
    for polls in 1..=MAX_POLLS {
        let key = store_key(polls);
        let _ = create_entry(&store, &key, &draft(1)).await;
        drop_after(polls, store.delete(&key)).await;

        if let Some(entry) = load(&store, &key).await {
            assert_is(&entry, &draft(1), "a dropped delete is all or nothing");
        }
        assert_still_works(&store, polls).await;
    }
}

/// A `rename` whose future is dropped early leaves at least one of the old and the new entry.
///
/// Both entries may exist if a browser can use only one of them. For example, the provided `rename`
/// of the trait may leave a copy under the new key before any browser has received this key, or may
/// leave the old entry with an expiry in the past.
pub async fn a_dropped_rename_leaves_the_old_or_the_new<S: Store>(store: S) {
    let promise = "a dropped rename leaves the old entry or the new one";
    for polls in 1..=MAX_POLLS {
        let (from, to) = (store_key(polls), store_key(1_000 + polls));
        let seen = create_entry(&store, &from, &draft(1)).await;
        drop_after(polls, store.rename(&from, &seen, &to, &draft(2), None)).await;

        // The old key is loaded first, so that an entry that moves between the two loads is seen.
        let old = load(&store, &from).await;
        let new = load(&store, &to).await;
        if let Some(new) = &new {
            assert_is(new, &draft(2), promise);
        }
        assert!(
            old.is_some() || new.is_some(),
            "{promise}; neither entry is there"
        );
        if let Some(old) = old.filter(|old| !equals(old, &draft(1))) {
            assert!(
                new.is_some(),
                "{promise}; the old entry was changed, and there is no new entry"
            );
            assert!(
                old.meta.expires < draft(2).meta.expires,
                "{promise}; both entries are live sessions"
            );
        }
        assert_still_works(&store, polls).await;
    }
}

/// Polls `future` up to `polls` times, with a waker that does nothing, and then drops it.
async fn drop_after<F: Future>(polls: u64, future: F) {
    let mut future = pin!(future);
    for _ in 0..polls {
        if future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
        {
            return;
        }
        // Lets the store's tasks run, so that the next poll gets further.
        tokio::task::yield_now().await;
    }
}

/// Asserts that the store still works after a future was dropped.
async fn assert_still_works<S: Store>(store: &S, n: u64) {
    let promise = "a store keeps working after a future was dropped";
    let key = store_key(10_000 + n);
    let seen = create_entry(store, &key, &draft(1)).await;
    let _ = assert_written(store.save(&key, &seen, &draft(2)).await, promise);
    store.delete(&key).await.expect(promise);
    assert_absent(store, &key, promise).await;
}

/// How many times a future is polled at most before it is dropped. The calls of most stores have
/// fewer await points, so the tests drop a call at each of its await points.
const MAX_POLLS: u64 = 12;
