use cloakroom::store::{Cursor, Draft, OwnedEntry, Store};
use cloakroom::{ErrorKind, Owner, StoreKey};

use super::sample::{
    MILLI, assert_absent, assert_stale, assert_written, create_entry, draft, meta, now, store_key,
};

/// Reads a whole list, page by page. `$read` returns the page after a cursor.
macro_rules! all_pages {
    (|$after:ident| $read:expr) => {{
        let mut listed: Vec<OwnedEntry> = Vec::new();
        let mut cursor: Option<Cursor> = None;
        for page in 0.. {
            assert!(page < MAX_PAGES, "the list has no last page");
            let $after = cursor.as_ref();
            let page = $read.await.expect("the store lists a page");
            assert!(
                page.entries.len() <= PAGE,
                "a page has {} entries, more than the limit of {PAGE}",
                page.entries.len()
            );
            for entry in page.entries {
                // An entry may be listed more than once.
                if listed.iter().all(|known| known.key != entry.key) {
                    listed.push(entry);
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        listed
    }};
}

/// `owned_by` lists the entries of one owner, each with its store key and meta. The list reflects
/// saves, touches, renames, deletes and changes of the owner.
///
/// A store whose guarantees exclude owners returns [`Unsupported`](ErrorKind::Unsupported).
pub async fn owned_by_lists_exactly_the_owners_entries<S: Store>(store: S) {
    let ada = |n| of("ada", n);
    let mut seen = Vec::new();
    for n in 0..5 {
        seen.push(create_entry(&store, &store_key(n), &ada(n)).await);
    }
    let _ = create_entry(&store, &store_key(10), &of("grace", 10)).await;
    let mut without_owner = draft(11);
    without_owner.meta.owner = None;
    let joining = create_entry(&store, &store_key(11), &without_owner).await;

    if !store.guarantees().owners {
        let error = store.owned_by(&Owner::from("ada"), None, 1).await.err();
        let kind = error.map(|error| error.kind());
        assert_eq!(
            kind,
            Some(ErrorKind::Unsupported),
            "owned_by returns `Unsupported` if the guarantees exclude owners"
        );
        return;
    }
    let all = (0..5).map(|n| (store_key(n), ada(n))).collect();
    assert_lists(&store, "ada", all, "owned_by lists what was created").await;

    let outcome = store.save(&store_key(0), &seen[0], &ada(20)).await;
    let _ = assert_written(outcome, "save writes");
    let outcome = store.touch(&store_key(1), &seen[1], &meta(21)).await;
    let _ = assert_written(outcome, "touch writes");
    let outcome = store
        .rename(&store_key(2), &seen[2], &store_key(22), &ada(22), None)
        .await;
    let _ = assert_written(outcome, "rename writes");
    let outcome = store.save(&store_key(3), &seen[3], &of("grace", 23)).await;
    let _ = assert_written(outcome, "save writes");
    store.delete(&store_key(4)).await.expect("delete answers");
    let outcome = store.save(&store_key(11), &joining, &ada(24)).await;
    let _ = assert_written(outcome, "save writes");

    let mut touched = ada(1);
    touched.meta.touched = meta(21).touched;
    touched.meta.expires = meta(21).expires;
    let adas = vec![
        (store_key(0), ada(20)),
        (store_key(1), touched),
        (store_key(22), ada(22)),
        (store_key(11), ada(24)),
    ];
    assert_lists(&store, "ada", adas, "owned_by lists the current entries").await;
    let graces = vec![
        (store_key(10), of("grace", 10)),
        (store_key(3), of("grace", 23)),
    ];
    assert_lists(
        &store,
        "grace",
        graces,
        "owned_by lists the entries of a new owner",
    )
    .await;
    assert_lists(
        &store,
        "unknown",
        vec![],
        "owned_by lists nothing for an owner without entries",
    )
    .await;
}

/// `owned_by` compares owners as bytes: owners that differ only in case, an accent or a space are
/// different owners.
pub async fn owners_are_compared_exactly<S: Store>(store: S) {
    if !store.guarantees().owners {
        return owned_by_lists_exactly_the_owners_entries(store).await;
    }
    for (n, owner) in (0..).zip(SIMILAR_OWNERS) {
        let _ = create_entry(&store, &store_key(n), &of(owner, n)).await;
    }
    for (n, owner) in (0..).zip(SIMILAR_OWNERS) {
        let only = vec![(store_key(n), of(owner, n))];
        assert_lists(&store, owner, only, "owned_by compares owners exactly").await;
    }
}

/// `owned_by` lists exactly those entries of the owner that `load` returns. These include expired
/// entries until they are swept.
pub async fn owned_by_agrees_with_load_and_sweep<S: Store>(store: S) {
    if !store.guarantees().owners {
        return owned_by_lists_exactly_the_owners_entries(store).await;
    }
    let mut expiring = of("ada", 1);
    expiring.meta.expires = now() + MILLI;
    let _ = create_entry(&store, &store_key(1), &expiring).await;
    let _ = create_entry(&store, &store_key(2), &of("ada", 2)).await;

    let _ = store
        .sweep(now() + MILLI, 100)
        .await
        .expect("sweep answers");

    let mut there = vec![(store_key(2), of("ada", 2))];
    // A store whose backend deletes expired entries may still have the expired entry.
    if store
        .load(&store_key(1))
        .await
        .expect("load answers")
        .is_some()
    {
        there.push((store_key(1), expiring));
    }
    assert_lists(
        &store,
        "ada",
        there,
        "owned_by lists the entries that load returns and no others",
    )
    .await;
}

/// `revoke_owned` deletes the entries of one owner in batches of at most `limit`, and returns their
/// keys. It keeps the entry under the key `except`. An empty batch means that no entry is left to
/// delete.
///
/// A store whose guarantees exclude owners returns [`Unsupported`](ErrorKind::Unsupported).
pub async fn revoke_owned_deletes_the_owners_entries_in_batches<S: Store>(store: S) {
    let promise = "revoke_owned deletes the owner's entries in batches";
    let ada = Owner::from("ada");
    if !store.guarantees().owners {
        assert!(
            is_unsupported(store.revoke_owned(&ada, None, 1).await),
            "revoke_owned returns `Unsupported` if the guarantees exclude owners"
        );
        return;
    }
    let mut seen = Vec::new();
    for n in 0..7 {
        seen.push(create_entry(&store, &store_key(n), &of("ada", n)).await);
    }
    let others = [(10, of("grace", 10)), (11, of("Ada", 11))];
    for (n, other) in &others {
        let _ = create_entry(&store, &store_key(*n), other).await;
    }

    let kept = store_key(3);
    let mut deleted = Vec::new();
    for _ in 0..MAX_PAGES {
        let batch = store.revoke_owned(&ada, Some(&kept), PAGE).await;
        let batch = batch.expect("revoke_owned answers");
        assert!(batch.len() <= PAGE, "{promise}; a batch exceeds its limit");
        if batch.is_empty() {
            break;
        }
        deleted.extend(batch);
    }
    deleted.sort();
    let mut expected: Vec<_> = [0, 1, 2, 4, 5, 6].map(store_key).into();
    expected.sort();
    assert!(deleted == expected, "{promise}; it returned other keys");
    for (n, seen) in (0..).zip(&seen).filter(|(n, _)| *n != 3) {
        assert_absent(&store, &store_key(n), promise).await;
        let late = store.save(&store_key(n), seen, &of("ada", 20)).await;
        assert_stale(late, "a late save does not restore a revoked entry");
    }
    assert_lists(&store, "ada", vec![(kept.clone(), of("ada", 3))], promise).await;

    let last = store.revoke_owned(&ada, None, PAGE).await;
    assert!(last.expect("revoke_owned answers") == [kept], "{promise}");
    assert_lists(&store, "ada", vec![], promise).await;
    for (n, other) in others {
        let owner = other.meta.owner.clone().expect("the draft has an owner");
        assert_lists(&store, owner.as_str(), vec![(store_key(n), other)], promise).await;
    }
}

/// `scan` lists every entry of the store page by page, whether or not the entry has an owner.
///
/// A store whose guarantees exclude scans returns [`Unsupported`](ErrorKind::Unsupported).
pub async fn scan_lists_every_entry<S: Store>(store: S) {
    if !store.guarantees().scans {
        assert!(
            is_unsupported(store.scan(None, 1).await),
            "scan returns `Unsupported` if the guarantees exclude scans"
        );
        return;
    }
    let promise = "scan lists every entry";
    let mut expected = Vec::new();
    for n in 0..9 {
        let mut new = of("ada", n);
        new.meta.owner = new.meta.owner.filter(|_| n % 2 == 0);
        let _ = create_entry(&store, &store_key(n), &new).await;
        expected.push((store_key(n), new));
    }
    let (gone, _) = expected.remove(4);
    store.delete(&gone).await.expect("delete answers");

    let listed = all_pages!(|after| store.scan(after, PAGE));

    assert_equal_lists(listed, expected, promise);
}

/// `find` returns the store key that starts with a prefix of 12 bytes, or `None` if there is no
/// such key or more than one.
///
/// A store that does not implement `find` always returns [`Unsupported`](ErrorKind::Unsupported).
pub async fn find_returns_the_only_key_with_the_prefix<S: Store>(store: S) {
    let promise = "find returns the only key with the prefix";
    let hash = |start: &[u8], rest: u8| {
        let mut bytes = [rest; 32];
        bytes[..start.len()].copy_from_slice(start);
        StoreKey::new(&bytes)
    };
    let alone = hash(b"alone 12 byt", 7);
    let last = hash(&[0xff; 12], 0xff);
    let first = hash(&[0; 12], 0);
    let twins = [hash(b"a pair of tw", 0), hash(b"a pair of tw", 0xff)];
    let odd = [hash(b"100%_of*[a?]", 1), hash(b"100 Xof*[a?]", 1)];
    let store_keys = [
        &alone, &last, &first, &twins[0], &twins[1], &odd[0], &odd[1],
    ];
    for (n, key) in (0..).zip(store_keys) {
        let _ = create_entry(&store, key, &draft(n)).await;
    }

    let questions: [(&[u8], Option<&StoreKey>); 8] = [
        (b"alone 12 byt", Some(&alone)),
        (&[0xff; 12], Some(&last)),
        (&[0; 12], Some(&first)),
        (b"100%_of*[a?]", Some(&odd[0])),
        (b"100 Xof*[a?]", Some(&odd[1])),
        (b"a pair of tw", None),
        (b"ALONE 12 BYT", None),
        (b"there is non", None),
    ];
    let unsupported = is_unsupported(store.find(questions[0].0).await);
    for (prefix, expected) in questions {
        let found = store.find(prefix).await;
        if unsupported {
            assert!(
                is_unsupported(found),
                "a store without find returns `Unsupported` every time"
            );
        } else {
            let found = found.expect("find answers");
            let prefix = prefix.escape_ascii();
            assert!(
                found.as_ref() == expected,
                "{promise}; the prefix was {prefix}"
            );
        }
    }
    if unsupported {
        return;
    }

    store.delete(&twins[0]).await.expect("delete answers");
    let found = store.find(b"a pair of tw").await.expect("find answers");
    assert!(
        found.as_ref() == Some(&twins[1]),
        "{promise}; the other key with the prefix was deleted"
    );
}

fn is_unsupported<T>(answer: cloakroom::Result<T>) -> bool {
    answer.is_err_and(|error| error.kind() == ErrorKind::Unsupported)
}

fn of(owner: &str, n: u64) -> Draft {
    let mut draft = draft(n);
    draft.meta.owner = Some(Owner::from(owner));
    draft
}

async fn assert_lists<S: Store>(
    store: &S,
    owner: &str,
    all: Vec<(StoreKey, Draft)>,
    promise: &str,
) {
    let promise = format!("{promise}; the owner is {owner:?}");
    let owner = Owner::from(owner);
    let listed = all_pages!(|after| store.owned_by(&owner, after, PAGE));
    assert_equal_lists(listed, all, &promise);
}

fn assert_equal_lists(mut listed: Vec<OwnedEntry>, mut all: Vec<(StoreKey, Draft)>, promise: &str) {
    // A store may list entries in any order.
    listed.sort_by(|a, b| a.key.cmp(&b.key));
    all.sort_by(|(a, _), (b, _)| a.cmp(b));

    let listed_len = listed.len();
    assert_eq!(
        listed_len,
        all.len(),
        "{promise}; it lists {listed_len} entries"
    );
    for (OwnedEntry { key, meta, .. }, (expected, draft)) in listed.iter().zip(&all) {
        assert!(key == expected, "{promise}; it lists the wrong key");
        assert_eq!(*meta, draft.meta, "{promise}; it lists a different meta");
    }
}

/// The maximum size of a page. It is small, so that the few entries of a test fill several pages.
const PAGE: usize = 2;

pub(super) const MAX_PAGES: usize = 1_000;

/// Owners that a store would confuse if it compared owners with a collation, by prefix or as
/// patterns.
const SIMILAR_OWNERS: [&str; 8] = [
    "ada",
    "Ada",
    "ada ",
    " ada",
    "àda",
    "a\u{300}da",
    "ad",
    "ada%",
];
