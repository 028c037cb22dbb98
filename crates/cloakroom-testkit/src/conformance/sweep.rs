use std::time::SystemTime;

use cloakroom::store::{Draft, Store, from_millis};

use super::sample::{MILLI, draft, holds, is_free, now, put, store_key, written};

/// `sweep` takes what expired before or at the time it is told, and nothing that expires a millisecond later.
pub async fn sweep_deletes_exactly_the_expired<S: Store>(store: S) {
    let promise = "sweep takes exactly the dead";
    let (at_now, later) = (expiring(1, now()), expiring(2, now() + MILLI));
    let _ = put(&store, &store_key(1), &at_now).await;
    let alive = put(&store, &store_key(2), &later).await;
    let _ = put(&store, &store_key(3), &expiring(3, from_millis(0))).await;

    let swept = store
        .sweep(now(), usize::MAX)
        .await
        .expect("sweep answers without a limit to speak of");

    assert_eq!(swept, 2, "{promise}; it says that it took another number");
    is_free(&store, &store_key(1), "what expires now is dead").await;
    is_free(&store, &store_key(3), "what expired long ago is dead").await;
    holds(
        &store,
        &store_key(2),
        &later,
        &alive,
        "what expires a millisecond later is alive",
    )
    .await;
}

/// `sweep` takes no more than it is told, and no entry is taken by a sweep of none.
pub async fn sweep_respects_its_limit<S: Store>(store: S) {
    let promise = "sweep respects its limit";
    for n in 0..DEAD {
        let _ = put(&store, &store_key(n), &expiring(n, now())).await;
    }

    for (limit, left) in [(0, DEAD), (3, DEAD - 3)] {
        let swept = store.sweep(now(), limit).await.expect("sweep answers");
        assert_eq!(swept, limit, "{promise}; there were enough dead entries");
        assert_eq!(
            still_there(&store).await,
            left,
            "{promise}; another number is left"
        );
    }
}

/// Sweeps that are repeated take all the dead, and say how many they took.
pub async fn repeated_sweeps_delete_all_expired<S: Store>(store: S) {
    let promise = "repeated sweeps take all the dead";
    for n in 0..DEAD {
        let _ = put(&store, &store_key(n), &expiring(n, now())).await;
    }
    let alive = put(&store, &store_key(DEAD), &draft(DEAD)).await;

    let mut swept = 0;
    // Each sweep but the last two takes one at least.
    for _ in 0..DEAD + 2 {
        let took = store.sweep(now(), 3).await.expect("sweep answers");
        assert!(
            took <= 3,
            "sweep takes no more than it is told; it took {took}"
        );
        swept += took;
    }

    assert_eq!(
        swept as u64, DEAD,
        "{promise}; they say that they took another number"
    );
    assert_eq!(still_there(&store).await, 0, "{promise}; some are left");
    holds(
        &store,
        &store_key(DEAD),
        &draft(DEAD),
        &alive,
        "no sweep takes the living",
    )
    .await;
}

/// The expiry that counts is the one that was written last, by a save, a touch or a rename.
pub async fn sweep_uses_the_latest_expiry<S: Store>(store: S) {
    let promise = "sweep goes by the expiry that was written last";
    let (dead, alive) = (now(), now() + MILLI);

    let mut versions = Vec::new();
    for (n, (first, last)) in [(dead, alive), (alive, dead)].into_iter().enumerate() {
        let [saved, touched, renamed] = [0, 1, 2].map(|place| 10 * n as u64 + place);
        for place in [saved, touched, renamed] {
            versions.push(put(&store, &store_key(place), &expiring(place, first)).await);
        }
        let seen = &versions[3 * n..];
        let draft = |place| expiring(place + 100, last);
        let outcome = store.save(&store_key(saved), &seen[0], &draft(saved)).await;
        let _ = written(outcome, "save writes");
        let outcome = store
            .touch(&store_key(touched), &seen[1], &draft(touched).meta)
            .await;
        let _ = written(outcome, "touch writes");
        let to = store_key(renamed + 100);
        let outcome = store
            .rename(&store_key(renamed), &seen[2], &to, &draft(renamed))
            .await;
        let _ = written(outcome, "rename writes");
    }

    let swept = store.sweep(now(), 100).await.expect("sweep answers");

    for n in [0, 1, 102] {
        let entry = store.load(&store_key(n)).await.expect("load answers");
        assert!(
            entry.is_some(),
            "{promise}; it took one that lives longer now"
        );
    }
    for n in [10, 11, 112] {
        is_free(&store, &store_key(n), promise).await;
    }
    assert_eq!(swept, 3, "{promise}; it says that it took another number");
}

/// An entry that has expired is loaded, saved, touched and moved like any other until it is swept: the core decides,
/// by its own clock.
pub async fn expired_entries_stay_until_they_are_swept<S: Store>(store: S) {
    let promise = "an entry that has expired is there until it is swept";
    let past = |n| expiring(n, from_millis(1_000 + n as i64));
    let seen = put(&store, &store_key(1), &past(1)).await;
    holds(&store, &store_key(1), &past(1), &seen, promise).await;

    let seen = written(store.save(&store_key(1), &seen, &past(2)).await, promise);
    holds(&store, &store_key(1), &past(2), &seen, promise).await;

    let seen = written(
        store.touch(&store_key(1), &seen, &past(2).meta).await,
        promise,
    );
    let seen = written(
        store
            .rename(&store_key(1), &seen, &store_key(2), &past(3))
            .await,
        promise,
    );
    holds(&store, &store_key(2), &past(3), &seen, promise).await;
}

/// For a store that leaves sweeping to its backend: `sweep` answers, and takes nothing that is alive.
pub async fn sweep_keeps_unexpired_entries<S: Store>(store: S) {
    let alive = expiring(1, now() + MILLI);
    let version = put(&store, &store_key(1), &alive).await;

    let swept = store.sweep(now(), 100).await.expect("sweep answers");

    assert_eq!(swept, 0, "there was nothing dead to sweep");
    holds(
        &store,
        &store_key(1),
        &alive,
        &version,
        "sweep leaves the living alone",
    )
    .await;
}

fn expiring(n: u64, expires: SystemTime) -> Draft {
    let mut draft = draft(n);
    draft.meta.expires = expires;
    draft
}

/// How many of the first entries there are.
async fn still_there<S: Store>(store: &S) -> u64 {
    let mut there = 0;
    for n in 0..DEAD {
        let entry = store.load(&store_key(n)).await.expect("load answers");
        there += u64::from(entry.is_some());
    }
    there
}

const DEAD: u64 = 10;
