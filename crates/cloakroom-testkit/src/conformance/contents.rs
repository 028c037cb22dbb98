use std::time::Duration;

use bytes::Bytes;
use cloakroom::store::{Store, from_millis};
use cloakroom::{ErrorKind, Owner, StoreKey, limits};

use super::sample::{
    assert_absent, assert_holds, assert_stale, assert_written, create_entry, draft, draft_of, meta,
    now, store_key,
};

/// Data may contain any byte at any position. It is not text and does not end at a NUL.
pub async fn every_byte_survives<S: Store>(store: S) {
    let promise = "every byte of the data is kept";
    let all: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
    let samples: [&[u8]; 5] = [
        &all,
        b"\0",
        b"before\0after",
        b"\0\0\0",
        b" \t\r\n'\"\\%_$1?",
    ];

    for (n, data) in (0..).zip(samples) {
        let new = draft_of(data.to_vec(), meta(n));
        let seen = create_entry(&store, &store_key(n), &new).await;
        assert_holds(&store, &store_key(n), &new, &seen, promise).await;

        let reversed: Vec<u8> = data.iter().rev().chain(b"\0").copied().collect();
        let new = draft_of(reversed, meta(n));
        let seen = assert_written(store.save(&store_key(n), &seen, &new).await, promise);
        assert_holds(&store, &store_key(n), &new, &seen, promise).await;
    }
}

/// An entry with empty data is loaded like any other.
pub async fn empty_data_survives<S: Store>(store: S) {
    let promise = "an entry with empty data is kept";
    let empty = draft_of(Bytes::new(), meta(1));
    let seen = create_entry(&store, &store_key(1), &empty).await;
    assert_holds(&store, &store_key(1), &empty, &seen, promise).await;

    let seen = assert_written(
        store.save(&store_key(1), &seen, &draft(2)).await,
        "save writes",
    );
    let seen = assert_written(store.save(&store_key(1), &seen, &empty).await, promise);
    assert_holds(&store, &store_key(1), &empty, &seen, promise).await;
}

/// Data of 1 MiB, or of `max_size` bytes if that is less, is loaded unchanged.
///
/// If `max_size` is at most 1 MiB, data that is one byte larger than `max_size` is refused with
/// [`TooLarge`](ErrorKind::TooLarge) and changes nothing.
pub async fn large_data_survives<S: Store>(store: S) {
    let promise = "data of the maximum size is kept";
    let max_size = store.guarantees().max_size;
    let size = max_size.unwrap_or(LARGE).min(LARGE);
    let large = draft_of(noise(size), meta(1));
    let seen = create_entry(&store, &store_key(1), &large).await;
    assert_holds(&store, &store_key(1), &large, &seen, promise).await;

    let seen = assert_written(
        store.save(&store_key(1), &seen, &draft(2)).await,
        "save writes",
    );
    let seen = assert_written(store.save(&store_key(1), &seen, &large).await, promise);
    assert_holds(&store, &store_key(1), &large, &seen, promise).await;

    let Some(max_size) = max_size.filter(|max_size| *max_size <= LARGE) else {
        return;
    };
    let promise = "data above the maximum size is refused and changes nothing";
    let too_large = draft_of(noise(max_size + 1), meta(3));
    for refused in [
        store.create(&store_key(2), &too_large).await,
        store.save(&store_key(1), &seen, &too_large).await,
        store
            .rename(&store_key(1), &seen, &store_key(2), &too_large, None)
            .await,
    ] {
        let kind = refused.as_ref().map_err(|error| error.kind());
        assert_eq!(
            kind.err(),
            Some(ErrorKind::TooLarge),
            "{promise}; the answer was {refused:?}"
        );
    }
    assert_absent(&store, &store_key(2), promise).await;
    assert_holds(&store, &store_key(1), &large, &seen, promise).await;
}

/// An entry of the maximum size is kept. Owner, label and data together have the maximum size of a
/// session, or the store's `max_size` if that is smaller. The owner has the maximum length in
/// [`limits`]; so has the label, unless `max_size` is too small for such a label.
pub async fn an_entry_at_all_limits_survives<S: Store>(store: S) {
    let promise = "an entry at all limits is kept";
    let max_size = store.guarantees().max_size.unwrap_or(usize::MAX);
    let size = max_size.min(limits::SESSION_BYTES);
    let owner = format!("{}ada", WIDE.repeat(limits::OWNER_BYTES / WIDE.len()));
    assert_eq!(owner.len(), limits::OWNER_BYTES);
    let rest = size.saturating_sub(owner.len());
    let label = WIDE.repeat(limits::LABEL_CHARS.min(rest / WIDE.len()));
    let data = noise(LARGE).repeat(size / LARGE + 1);
    let mut large = draft_of(Bytes::from(data).slice(..rest - label.len()), meta(1));
    large.meta.owner = Some(Owner::from(&owner));
    large.meta.label = Some(label.into());

    let (from, to) = (store_key(1), store_key(2));
    let seen = create_entry(&store, &from, &large).await;
    let renamed = store.rename(&from, &seen, &to, &large, None).await;
    let seen = assert_written(renamed, promise);
    let touched = store.touch(&to, &seen, &large.meta).await;
    let seen = assert_written(touched, promise);
    assert_holds(&store, &to, &large, &seen, promise).await;
    if store.guarantees().owners {
        let listed = store.owned_by(&Owner::from(owner), None, 2).await;
        let listed = listed.expect("owned_by answers").entries;
        let listed: Vec<_> = listed.into_iter().map(|owned| owned.meta).collect();
        assert_eq!(
            listed,
            [large.meta],
            "an owner of the maximum length is listed"
        );
    }
}

/// Owners and labels may be any text: in any script, with quotes or control characters, empty or
/// long.
pub async fn unusual_text_survives<S: Store>(store: S) {
    let promise = "every text is kept as owner and as label";
    for (n, text) in (0..).zip(ODD_TEXTS) {
        let mut new = draft(n);
        new.meta.owner = Some(Owner::from(text));
        new.meta.label = Some(text.into());
        let seen = create_entry(&store, &store_key(n), &new).await;
        assert_holds(&store, &store_key(n), &new, &seen, promise).await;
    }
}

/// Times are kept to the millisecond, from 1970 to 9999.
pub async fn times_survive<S: Store>(store: S) {
    let promise = "times are kept to the millisecond";
    let (first, last) = (from_millis(0), from_millis(i64::MAX));
    let odd = now() + Duration::from_millis(987);
    // No entry expires in the past, because a backend may delete such an entry at once.
    let samples = [
        (first, first, last),
        (last, last, last),
        (odd, first, odd),
        (first, odd, now()),
    ];

    for (n, (created, touched, expires)) in (0..).zip(samples) {
        let mut new = draft(n);
        (new.meta.created, new.meta.touched, new.meta.expires) = (created, touched, expires);
        let seen = create_entry(&store, &store_key(n), &new).await;
        assert_holds(&store, &store_key(n), &new, &seen, promise).await;

        new.meta.expires = new.meta.expires.max(odd);
        new.meta.touched = odd;
        let _ = assert_written(
            store.touch(&store_key(n), &seen, &new.meta).await,
            "touch writes",
        );
        assert_holds(&store, &store_key(n), &new, &seen, promise).await;
    }
}

/// Store keys are compared as bytes. Two keys belong to different entries even if they differ only
/// in one bit, in upper and lower case, or in an additional byte at the end.
pub async fn store_keys_are_bytes<S: Store>(store: S) {
    let promise = "store keys that differ in any byte lead to different entries";
    let store_keys = similar_store_keys().map(|bytes| StoreKey::new(&bytes));

    let mut versions = Vec::new();
    for (n, key) in (0..).zip(&store_keys) {
        assert_absent(&store, key, promise).await;
        let created = store.create(key, &draft(n)).await;
        versions.push(assert_written(created, promise));
    }
    for ((n, key), version) in (0..).zip(&store_keys).zip(&versions) {
        assert_holds(&store, key, &draft(n), version, promise).await;
    }

    store.delete(&store_keys[0]).await.expect("delete answers");
    assert_absent(&store, &store_keys[0], promise).await;
    for ((n, key), version) in (0..).zip(&store_keys).zip(&versions).skip(1) {
        assert_holds(&store, key, &draft(n), version, promise).await;
    }
}

/// Store keys may be shorter or longer than a hash, and may be text, as Django's are.
pub async fn store_keys_may_have_any_length<S: Store>(store: S) {
    let promise = "a store key may have any length";
    let store_keys: [&[u8]; 5] = [
        b"8 bytes.",
        b"k3y0fdj4ngow1th32l3tt3rs0rd1g1ts",
        b"an ASCII key that is forty bytes long...",
        b"x",
        &[0xff; 64],
    ];

    for (n, bytes) in (0..).zip(store_keys) {
        let (key, to) = (StoreKey::new(bytes), store_key(n));
        let seen = create_entry(&store, &key, &draft(n)).await;
        assert_stale(store.create(&key, &draft(n)).await, promise);
        let seen = assert_written(store.save(&key, &seen, &draft(n + 10)).await, promise);
        let seen = assert_written(store.touch(&key, &seen, &meta(n + 10)).await, promise);
        assert_holds(&store, &key, &draft(n + 10), &seen, promise).await;

        let seen = assert_written(
            store.rename(&key, &seen, &to, &draft(n + 20), None).await,
            promise,
        );
        assert_absent(&store, &key, promise).await;
        let seen = assert_written(
            store.rename(&to, &seen, &key, &draft(n + 30), None).await,
            promise,
        );
        assert_holds(&store, &key, &draft(n + 30), &seen, promise).await;

        store.delete(&key).await.expect("delete answers");
        assert_absent(&store, &key, promise).await;
    }
}

/// Returns store keys that a store would confuse if it compared keys as text, or padded or
/// truncated them.
fn similar_store_keys() -> [Vec<u8>; 16] {
    let hash = store_key(1).as_bytes().to_vec();
    let with = |index: usize, byte: u8| {
        let mut bytes = hash.clone();
        bytes[index] = byte;
        bytes
    };
    [
        hash.clone(),
        with(31, hash[31] ^ 1),
        with(31, hash[31] ^ 0x80),
        with(0, hash[0] ^ 1),
        with(16, b'a'),
        with(16, b'A'),
        with(16, 0),
        with(16, 0xff),
        [hash.as_slice(), b"\0"].concat(),
        hash[..31].to_vec(),
        b"sample".to_vec(),
        b"Sample".to_vec(),
        b"sample ".to_vec(),
        b"sample\0".to_vec(),
        b" sample".to_vec(),
        b"sample\0\0".to_vec(),
    ]
}

/// Returns bytes that cannot be compressed.
fn noise(len: usize) -> Bytes {
    let store_keys = (0..).flat_map(|n| store_key(n).as_bytes().to_vec());
    store_keys.take(len).collect()
}

/// The size of large data in bytes: 1 MiB.
const LARGE: usize = 1 << 20;

/// A character of four bytes.
const WIDE: &str = "🗝";

const ODD_TEXTS: [&str; 12] = [
    "",
    " ",
    "'; DROP TABLE cloakroom_session; --",
    "\"quoted\" `and` \\escaped\\ $1 ? %s :name",
    "Ärger – naïve café",
    "日本語のブラウザ",
    "👩‍👩‍👧‍👦 on 📱",
    "e\u{301} is not é",
    "\u{202e}right to left",
    "tab\tand\r\nlines",
    "%_*[a-z]{0}",
    "one hundred and thirty characters, which is more than some columns have, so that a store \
     which cuts labels without a word is found out.",
];
