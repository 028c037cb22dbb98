use std::time::SystemTime;

use cloakroom::store::{Draft, Store, from_millis};

use super::sample::{
    MILLI, assert_absent, assert_holds, assert_written, create_entry, draft, now, store_key,
};

/// `sweep` deletes the entries that expire at or before the given time, keeps one that expires a
/// millisecond later, and returns the number of deleted entries.
pub async fn sweep_deletes_exactly_the_expired<S: Store>(store: S) {
    let promise = "sweep deletes exactly the expired entries";
    let (at_now, later) = (expiring(1, now()), expiring(2, now() + MILLI));
    let _ = create_entry(&store, &store_key(1), &at_now).await;
    let kept = create_entry(&store, &store_key(2), &later).await;
    let _ = create_entry(&store, &store_key(3), &expiring(3, from_millis(0))).await;

    let swept = store.sweep(now(), usize::MAX).await.expect("sweep answers");

    assert_eq!(swept, 2, "{promise}; it reported {swept} of 2");
    assert_absent(&store, &store_key(1), "an entry that expires now is swept").await;
    assert_absent(
        &store,
        &store_key(3),
        "an entry that expired long ago is swept",
    )
    .await;
    assert_holds(
        &store,
        &store_key(2),
        &later,
        &kept,
        "an entry that expires a millisecond later is kept",
    )
    .await;
}

/// `sweep` deletes at most as many entries as its limit, and none if the limit is zero.
pub async fn sweep_respects_its_limit<S: Store>(store: S) {
    let promise = "sweep respects its limit";
    for n in 0..EXPIRED {
        let _ = create_entry(&store, &store_key(n), &expiring(n, now())).await;
    }

    for (limit, left) in [(0, EXPIRED), (3, EXPIRED - 3)] {
        let swept = store.sweep(now(), limit).await.expect("sweep answers");
        assert_eq!(swept, limit, "{promise}; enough entries had expired");
        assert_eq!(
            still_there(&store).await,
            left,
            "{promise}; the wrong number of entries is left"
        );
    }
}

/// Repeated sweeps delete all expired entries, and the numbers that they return add up.
pub async fn repeated_sweeps_delete_all_expired<S: Store>(store: S) {
    let promise = "repeated sweeps delete all expired entries";
    for n in 0..EXPIRED {
        let _ = create_entry(&store, &store_key(n), &expiring(n, now())).await;
    }
    let unexpired = create_entry(&store, &store_key(EXPIRED), &draft(EXPIRED)).await;

    let mut swept = 0;
    // Enough sweeps even if each deletes only one entry.
    for _ in 0..EXPIRED + 2 {
        let deleted = store.sweep(now(), 3).await.expect("sweep answers");
        assert!(
            deleted <= 3,
            "sweep respects its limit of 3; it deleted {deleted}"
        );
        swept += deleted;
    }

    assert_eq!(
        swept as u64, EXPIRED,
        "{promise}; the sweeps reported {swept} of {EXPIRED}"
    );
    assert_eq!(still_there(&store).await, 0, "{promise}; some are left");
    assert_holds(
        &store,
        &store_key(EXPIRED),
        &draft(EXPIRED),
        &unexpired,
        "sweep keeps unexpired entries",
    )
    .await;
}

/// `sweep` uses the expiry that was written last, by a save, a touch or a rename.
pub async fn sweep_uses_the_latest_expiry<S: Store>(store: S) {
    let promise = "sweep uses the latest expiry";
    let (expired, unexpired) = (now(), now() + MILLI);

    let mut versions = Vec::new();
    let changes = [(expired, unexpired), (unexpired, expired)];
    for (n, (first, last)) in changes.into_iter().enumerate() {
        let [saved, touched, renamed] = [0, 1, 2].map(|place| 10 * n as u64 + place);
        for place in [saved, touched, renamed] {
            versions.push(create_entry(&store, &store_key(place), &expiring(place, first)).await);
        }
        let seen = &versions[3 * n..];
        let draft = |place| expiring(place + 100, last);
        let outcome = store.save(&store_key(saved), &seen[0], &draft(saved)).await;
        let _ = assert_written(outcome, "save writes");
        let outcome = store
            .touch(&store_key(touched), &seen[1], &draft(touched).meta)
            .await;
        let _ = assert_written(outcome, "touch writes");
        let to = store_key(renamed + 100);
        let outcome = store
            .rename(&store_key(renamed), &seen[2], &to, &draft(renamed), None)
            .await;
        let _ = assert_written(outcome, "rename writes");
    }

    let swept = store.sweep(now(), 100).await.expect("sweep answers");

    // The first three entries were extended. The third one was renamed from key 2 to key 102.
    for n in [0, 1, 102] {
        let entry = store.load(&store_key(n)).await.expect("load answers");
        assert!(
            entry.is_some(),
            "{promise}; it deleted an entry that was extended"
        );
    }
    // The other three have expired. The third one was renamed from key 12 to key 112.
    for n in [10, 11, 112] {
        assert_absent(&store, &store_key(n), promise).await;
    }
    assert_eq!(swept, 3, "{promise}; it reported {swept} of 3");
}

/// Until an expired entry is swept, it is loaded, saved, touched and renamed like any other entry.
/// Only the session layer decides, by its clock, whether a session has expired.
pub async fn expired_entries_stay_until_they_are_swept<S: Store>(store: S) {
    let promise = "an expired entry stays until it is swept";
    let past = |n| expiring(n, from_millis(1_000 + n as i64));
    let seen = create_entry(&store, &store_key(1), &past(1)).await;
    assert_holds(&store, &store_key(1), &past(1), &seen, promise).await;

    let seen = assert_written(store.save(&store_key(1), &seen, &past(2)).await, promise);
    assert_holds(&store, &store_key(1), &past(2), &seen, promise).await;

    let seen = assert_written(
        store.touch(&store_key(1), &seen, &past(2).meta).await,
        promise,
    );
    let seen = assert_written(
        store
            .rename(&store_key(1), &seen, &store_key(2), &past(3), None)
            .await,
        promise,
    );
    assert_holds(&store, &store_key(2), &past(3), &seen, promise).await;
}

/// `sweep` keeps an unexpired entry and returns zero.
///
/// This is the only promise about `sweep` for a store whose backend deletes expired entries.
pub async fn sweep_keeps_unexpired_entries<S: Store>(store: S) {
    let unexpired = expiring(1, now() + MILLI);
    let version = create_entry(&store, &store_key(1), &unexpired).await;

    let swept = store.sweep(now(), 100).await.expect("sweep answers");

    assert_eq!(swept, 0, "no entry had expired; sweep reported {swept}");
    assert_holds(
        &store,
        &store_key(1),
        &unexpired,
        &version,
        "sweep keeps unexpired entries",
    )
    .await;
}

fn expiring(n: u64, expires: SystemTime) -> Draft {
    let mut draft = draft(n);
    draft.meta.expires = expires;
    draft
}

/// Counts the expired entries that can still be loaded.
async fn still_there<S: Store>(store: &S) -> u64 {
    let mut there = 0;
    for n in 0..EXPIRED {
        let entry = store.load(&store_key(n)).await.expect("load answers");
        there += u64::from(entry.is_some());
    }
    there
}

const EXPIRED: u64 = 10;
