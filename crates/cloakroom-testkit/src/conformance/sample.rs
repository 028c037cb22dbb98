use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cloakroom::store::{Draft, Entry, Meta, Outcome, SaveId, Store, Version, from_millis};
use cloakroom::{Owner, Result, StoreKey};

/// Returns a store key like those of the default format: 32 bytes that look random.
///
/// The same `n` gives the same key.
///
/// # Examples
/// ```
/// use cloakroom_testkit::conformance::store_key;
///
/// assert_eq!(store_key(1), store_key(1));
/// assert_ne!(store_key(1), store_key(2));
/// ```
pub fn store_key(n: u64) -> StoreKey {
    let mut bytes = [0; 32];
    for (place, word) in (0..).zip(bytes.chunks_exact_mut(8)) {
        word.copy_from_slice(&scattered(4 * n + place).to_be_bytes());
    }
    StoreKey::new(&bytes)
}

/// Returns a draft whose data and meta depend only on `n`, with a random save id.
///
/// Drafts of different numbers differ in their data and in every field of their meta. They expire
/// in the year 2100, so that no backend deletes their entries as expired.
///
/// # Examples
/// ```
/// use cloakroom_testkit::conformance::draft;
///
/// assert_eq!(draft(1).data, draft(1).data);
/// assert_ne!(draft(1).data, draft(2).data);
/// assert_ne!(draft(1).version(), draft(1).version());
/// ```
pub fn draft(n: u64) -> Draft {
    draft_of(Bytes::from(format!("state {n}")), meta(n))
}

pub(super) fn draft_of(data: impl Into<Bytes>, meta: Meta) -> Draft {
    Draft::new(
        data.into(),
        meta,
        SaveId::random().expect("the operating system has random numbers"),
    )
}

pub(super) fn meta(n: u64) -> Meta {
    Meta::new(
        now() - Duration::from_secs(60 + n),
        now() - Duration::from_millis(1 + n),
        now() + Duration::from_secs(14 * 24 * 60 * 60 + n),
    )
    .with_owner(Some(Owner::from(format!("owner {n}"))))
    .with_label(Some(format!("label {n}").into()))
}

/// The first instant of the year 2100, which the suite uses as the current time.
pub(super) fn now() -> SystemTime {
    from_millis(4_102_444_800_000)
}

pub(super) const MILLI: Duration = Duration::from_millis(1);

/// Creates an entry under a free key and returns its version.
pub(super) async fn create_entry<S: Store>(store: &S, key: &StoreKey, new: &Draft) -> Version {
    let outcome = store.create(key, new).await;
    assert_written(outcome, "create writes under a free key")
}

/// Asserts that the outcome is `Written`, as `promise` requires, and returns the version.
pub(super) fn assert_written(outcome: Result<Outcome>, promise: &str) -> Version {
    match outcome {
        Ok(Outcome::Written(version)) => version,
        other => panic!("{promise}; the answer was {other:?}"),
    }
}

/// Asserts that the outcome is `Stale`, as `promise` requires.
pub(super) fn assert_stale(outcome: Result<Outcome>, promise: &str) {
    assert!(
        matches!(outcome, Ok(Outcome::Stale)),
        "{promise}, so the answer must be `Stale`; it was {outcome:?}"
    );
}

pub(super) async fn load<S: Store>(store: &S, key: &StoreKey) -> Option<Entry> {
    store.load(key).await.expect("load answers")
}

/// Asserts that the entry under `key` has the data and meta of `draft`, and this version.
pub(super) async fn assert_holds<S: Store>(
    store: &S,
    key: &StoreKey,
    draft: &Draft,
    version: &Version,
    promise: &str,
) {
    let Some(entry) = load(store, key).await else {
        panic!("{promise}; there is no entry");
    };
    assert_is(&entry, draft, promise);
    assert!(
        entry.version == *version,
        "{promise}; the version that is loaded is not the one that was returned"
    );
}

/// Asserts that there is no entry under `key`.
pub(super) async fn assert_absent<S: Store>(store: &S, key: &StoreKey, promise: &str) {
    let entry = load(store, key).await;
    assert!(entry.is_none(), "{promise}; there is {entry:?}");
}

/// Asserts that `entry` has the data and meta of `draft`. The version is not checked.
pub(super) fn assert_is(entry: &Entry, draft: &Draft, promise: &str) {
    if entry.data != draft.data {
        panic!(
            "{promise}; the data is {}, not {}",
            shown(&entry.data),
            shown(&draft.data)
        );
    }
    assert_eq!(entry.meta, draft.meta, "{promise}; the meta differs");
}

pub(super) fn equals(entry: &Entry, draft: &Draft) -> bool {
    entry.data == draft.data && entry.meta == draft.meta
}

fn shown(data: &Bytes) -> String {
    match data.len() {
        ..=SHOWN_LEN => format!("{data:?}"),
        len => format!("{len} bytes that start with {:?}", data.slice(..SHOWN_LEN)),
    }
}

const SHOWN_LEN: usize = 300;

/// SplitMix64. Neighbouring numbers give unrelated results, which are the same in every run.
fn scattered(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn store_keys_and_data_depend_on_the_number_and_every_draft_has_a_new_version() {
        let store_keys: BTreeSet<StoreKey> = (0..1_000).map(store_key).collect();
        let data: BTreeSet<Bytes> = (0..1_000).map(|n| draft(n).data).collect();

        assert_eq!((store_keys.len(), data.len()), (1_000, 1_000));
        assert!(draft(1).version() != draft(1).version());
    }
}
