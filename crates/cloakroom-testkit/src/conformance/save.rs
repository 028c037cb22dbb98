use cloakroom::store::{Draft, Outcome, Store, Version};

use super::sample::{draft, holds, is_free, put, stale, store_key, written};

/// `save` replaces data and facts, and returns the version that is loaded from then on.
pub async fn save_replaces_the_whole_entry<S: Store>(store: S) {
    let promise = "save replaces the whole entry and returns its version";
    let mut seen = put(&store, &store_key(1), &draft(1)).await;

    for n in 2..5 {
        seen = written(store.save(&store_key(1), &seen, &draft(n)).await, promise);
        holds(&store, &store_key(1), &draft(n), &seen, promise).await;
    }
}

/// `save` of one entry leaves the others alone.
pub async fn save_leaves_other_entries_alone<S: Store>(store: S) {
    let seen = put(&store, &store_key(1), &draft(1)).await;
    let other = put(&store, &store_key(2), &draft(2)).await;

    let _ = written(
        store.save(&store_key(1), &seen, &draft(3)).await,
        "save writes",
    );

    holds(
        &store,
        &store_key(2),
        &draft(2),
        &other,
        "save leaves other entries alone",
    )
    .await;
}

/// `save` where there is no entry is `Stale` and makes none.
pub async fn save_never_creates<S: Store>(store: S) {
    let promise = "save never creates";
    let elsewhere = put(&store, &store_key(1), &draft(1)).await;

    stale(
        store.save(&store_key(2), &elsewhere, &draft(2)).await,
        promise,
    );

    is_free(&store, &store_key(2), promise).await;
}

/// `save` with a version that is not the entry's is `Stale`; data, facts and version stay.
///
/// A store that does not compare may write instead; then all of it is written.
pub async fn a_stale_save_changes_nothing<S: Store>(store: S) {
    let promise = "a stale save changes nothing";
    let old = put(&store, &store_key(1), &draft(1)).await;
    let current = written(
        store.save(&store_key(1), &old, &draft(2)).await,
        "save writes",
    );

    let outcome = store.save(&store_key(1), &old, &draft(3)).await;

    let was = (&draft(2), &current);
    refused_or_last_write_wins(&store, outcome, was, &draft(3), promise).await;
}

/// No version but the last is good for a save, however many there were.
///
/// A store that does not compare may write instead; then all of it is written.
pub async fn each_save_makes_earlier_versions_stale<S: Store>(store: S) {
    let promise = "every save makes the versions before it stale";
    let mut seen = vec![put(&store, &store_key(1), &draft(1)).await];
    for n in 2..6 {
        let last = seen.last().expect("one was put in above");
        let next = written(
            store.save(&store_key(1), last, &draft(n)).await,
            "save writes",
        );
        seen.push(next);
    }

    let mut current = seen.pop().expect("five were put in above");
    let mut there = draft(5);
    for (old, n) in seen.iter().zip(10..) {
        let outcome = store.save(&store_key(1), old, &draft(n)).await;
        let was = (&there, &current);
        if let Some(version) =
            refused_or_last_write_wins(&store, outcome, was, &draft(n), promise).await
        {
            (current, there) = (version, draft(n));
        }
    }
}

/// The version of one entry is good for no other.
///
/// A store that does not compare may write instead; then all of it is written.
pub async fn a_version_is_valid_only_for_its_own_entry<S: Store>(store: S) {
    let promise = "the version of another entry is stale";
    let there = put(&store, &store_key(1), &draft(1)).await;
    let foreign = put(&store, &store_key(2), &draft(2)).await;

    let outcome = store.save(&store_key(1), &foreign, &draft(3)).await;

    let was = (&draft(1), &there);
    refused_or_last_write_wins(&store, outcome, was, &draft(3), promise).await;
}

/// A save with an old version, at `store_key(1)`, was refused, and then nothing has changed; or it was written, which
/// only a store may do that says it does not compare, and then all of it was.
async fn refused_or_last_write_wins<S: Store>(
    store: &S,
    outcome: cloakroom::Result<Outcome>,
    (there, version): (&Draft, &Version),
    new: &Draft,
    promise: &str,
) -> Option<Version> {
    match outcome {
        Ok(Outcome::Written(version)) if !store.guarantees().compares => {
            holds(
                store,
                &store_key(1),
                new,
                &version,
                "what a save says it wrote is there",
            )
            .await;
            Some(version)
        }
        refused => {
            stale(refused, promise);
            holds(store, &store_key(1), there, version, promise).await;
            None
        }
    }
}
