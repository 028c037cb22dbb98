//! The promises of a store on Django's cache, which are the same on every kind of cache server.
//!
//! A *draft* is an entry that a store is asked to write.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::store::{Draft, Meta, Outcome, SaveId, Store, Version, from_millis};
use cloakroom::{ErrorKind, StoreKey};
use tokio::task::JoinSet;

use super::{holds, is_free, key, stale, written};

/// A store on Django's cache, and a second client of the same server. The second client reads and
/// writes as Django does.
pub trait Site {
    /// The type of the store.
    type Cache: Store + Clone;

    /// Returns the store that is tested.
    fn cache(&self) -> Self::Cache;

    /// Opens another store on the same sessions, as another process would.
    fn open(&self) -> impl Future<Output = Self::Cache>;

    /// Reads the data of an existing session with the second client.
    fn get(&mut self, key: &StoreKey) -> impl Future<Output = Vec<u8>>;

    /// Writes a session with the second client. The session expires after `secs` seconds.
    fn set(&mut self, key: &StoreKey, data: &[u8], secs: i64) -> impl Future<Output = ()>;

    /// Returns the number of seconds after which the server deletes a session.
    fn left(&mut self, key: &StoreKey) -> impl Future<Output = i64>;
}

/// The server stores the data of an entry, but not its `Meta`. A loaded entry has the latest
/// possible expiry, because only the server knows when the entry expires.
pub async fn only_the_data_of_an_entry_is_stored(site: &mut impl Site) {
    let (cache, at) = (site.cache(), key(1));
    // Every byte value, and byte strings that have a meaning in the servers' protocols.
    let bytes: Vec<u8> = (0..=255).chain(*b"\r\n$3\r\n*1\r\nEND\r\nHD\r\n").collect();
    for data in [&b""[..], &bytes, &vec![0x80; 1 << 19]] {
        let mut new = lasting(data, 60);
        new.meta.label = Some("kitchen laptop".into());
        let version = written(cache.create(&at, &new).await);

        let entry = cache.load(&at).await.expect("load answers");
        let entry = entry.expect("it was created");
        assert_eq!(entry.data, new.data);
        assert!(entry.version == version);
        let forever = Meta::new(UNIX_EPOCH, UNIX_EPOCH, from_millis(i64::MAX));
        assert_eq!(entry.meta, forever, "only the server knows the expiry");
        assert_eq!(site.get(&at).await, data);
        cache.delete(&at).await.expect("delete answers");
    }
}

/// `create` never overwrites a session, even if the new draft has already expired. `save`, `touch`
/// and `rename` never create a session.
pub async fn create_never_overwrites_and_save_never_creates(site: &mut impl Site) {
    let cache = site.cache();
    let seen = written(cache.create(&key(1), &draft("first")).await);

    stale(cache.create(&key(1), &draft("second")).await);
    stale(cache.create(&key(1), &lasting(b"expired", 0)).await);
    holds(&cache, &key(1), "first").await;

    stale(cache.save(&key(2), &seen, &draft("none")).await);
    stale(cache.touch(&key(2), &seen, &draft("").meta).await);
    stale(
        cache
            .rename(&key(2), &seen, &key(3), &draft("none"), None)
            .await,
    );
    is_free(&cache, &key(2)).await;
    is_free(&cache, &key(3)).await;
}

/// A write with an outdated or foreign version is stale: it changes neither data nor lifetime. A
/// touch keeps the version, so a later save with that version is written. The results are the same
/// for the store that wrote the session and for a second store.
pub async fn a_stale_write_changes_nothing_and_a_touch_makes_no_save_stale(site: &mut impl Site) {
    let (cache, other) = (site.cache(), site.open().await);
    let first = written(cache.create(&key(1), &lasting(b"first", 1_000)).await);
    let second = lasting(b"second", 1_000);
    let second = written(cache.save(&key(1), &first, &second).await);

    for store in [&cache, &other] {
        for seen in [
            &first,
            &Version::from(SaveId::new(7)),
            &Version::from_bytes("short".into()),
        ] {
            stale(store.save(&key(1), seen, &draft("lost")).await);
            stale(store.touch(&key(1), seen, &lasting(b"", 9).meta).await);
            stale(
                store
                    .rename(&key(1), seen, &key(2), &draft("lost"), None)
                    .await,
            );
        }
        holds(store, &key(1), "second").await;
        is_free(store, &key(2)).await;
    }
    lasts(site.left(&key(1)).await, 1_000);

    let meta = lasting(b"", 5_000).meta;
    assert!(written(other.touch(&key(1), &second, &meta).await) == second);
    lasts(site.left(&key(1)).await, 5_000);
    holds(&cache, &key(1), "second").await;
    let third = written(cache.save(&key(1), &second, &lasting(b"third", 300)).await);
    lasts(site.left(&key(1)).await, 300);
    written(other.save(&key(1), &third, &draft("fourth")).await);
    holds(&cache, &key(1), "fourth").await;
}

/// A session that one request deletes stays deleted, even if other requests touch, save and delete
/// it concurrently.
pub async fn a_deleted_session_is_not_restored_by_concurrent_requests(site: &mut impl Site) {
    let cache = site.cache();
    for round in 0..20 {
        let at = key(round);
        let seen = written(cache.create(&at, &draft("0")).await);
        let mut requests = JoinSet::new();
        for n in 0..8 {
            let (cache, at, seen) = (cache.clone(), at.clone(), seen.clone());
            requests.spawn(async move {
                let meta = lasting(b"", 60 + n).meta;
                let done = match n % 3 {
                    0 => cache.touch(&at, &seen, &meta).await.map(drop),
                    1 => cache.save(&at, &seen, &draft("late")).await.map(drop),
                    _ => cache.delete(&at).await,
                };
                done.expect("the store answers");
            });
        }
        requests.join_all().await;

        is_free(&cache, &at).await;
    }
}

/// Concurrent increments through two stores add up. Two requests that read the same number write
/// equal data, so the data does not show which of the two wrote it. Even so, the later of the two
/// saves must be stale.
pub async fn a_thousand_increments_through_two_stores_add_up(site: &mut impl Site) {
    let stores = [site.cache(), site.open().await];
    written(stores[0].create(&key(1), &draft("0")).await);

    let mut requests = JoinSet::new();
    for task in 0..10 {
        let cache = stores[task % 2].clone();
        requests.spawn(async move {
            for _ in 0..100 {
                increment(&cache, &key(1)).await;
            }
        });
    }
    requests.join_all().await;

    holds(&stores[1], &key(1), "1000").await;
}

/// A rename leaves nothing under the old key. A rename with a stale version changes nothing. Nor
/// does a rename to a key that already has a session.
pub async fn a_rename_moves_the_whole_session_or_nothing(site: &mut impl Site) {
    let cache = site.cache();
    for store in [&cache, &site.open().await] {
        let seen = written(cache.create(&key(1), &draft("old")).await);

        let new = lasting(b"new", 70);
        let moved = written(store.rename(&key(1), &seen, &key(2), &new, None).await);

        is_free(store, &key(1)).await;
        holds(store, &key(2), "new").await;
        lasts(site.left(&key(2)).await, 70);
        stale(cache.save(&key(1), &seen, &draft("late")).await);
        written(cache.save(&key(2), &moved, &draft("newer")).await);
        cache.delete(&key(2)).await.expect("delete answers");
    }

    let seen = written(cache.create(&key(1), &draft("one")).await);
    let other = written(cache.create(&key(2), &draft("two")).await);
    stale(
        cache
            .rename(&key(1), &seen, &key(2), &draft(""), None)
            .await,
    );
    stale(
        cache
            .rename(&key(1), &seen, &key(1), &draft(""), None)
            .await,
    );
    stale(
        cache
            .rename(&key(1), &other, &key(3), &draft(""), None)
            .await,
    );
    // Key 9 has no session, and a rename from key 9 to key 9 must not create one. A store that
    // writes the new key first would then find its own draft under the old key. The data of the
    // draft has the version `seen`, so the store would report the rename as written.
    stale(
        cache
            .rename(&key(9), &seen, &key(9), &draft("one"), None)
            .await,
    );
    holds(&cache, &key(1), "one").await;
    holds(&cache, &key(2), "two").await;
    is_free(&cache, &key(3)).await;
    is_free(&cache, &key(9)).await;
}

/// A session that is written with less than a second left is gone at once, whichever call writes
/// it.
pub async fn a_session_with_less_than_a_second_left_is_gone_at_once(site: &mut impl Site) {
    let cache = site.cache();
    let mut nearly = draft("nearly a second");
    nearly.meta.expires = nearly.meta.touched + Duration::from_millis(999);
    let ended = |secs| lasting(b"expired", secs);
    let before_1970 = ended(-5_000_000_000);
    for (n, expired) in (1..).zip([ended(0), ended(-1), before_1970, nearly]) {
        let at = key(n);
        written(cache.create(&at, &expired).await);
        is_free(&cache, &at).await;

        let seen = written(cache.create(&at, &draft("unexpired")).await);
        written(cache.save(&at, &seen, &expired).await);
        is_free(&cache, &at).await;

        let seen = written(cache.create(&at, &draft("unexpired")).await);
        written(cache.touch(&at, &seen, &expired.meta).await);
        is_free(&cache, &at).await;

        let seen = written(cache.create(&at, &draft("unexpired")).await);
        written(cache.rename(&at, &seen, &key(9), &expired, None).await);
        is_free(&cache, &at).await;
        is_free(&cache, &key(9)).await;
    }
}

/// After Django has written other data, a write with the earlier version is stale. This is true for
/// the store that wrote the session and for a second store.
pub async fn data_that_django_writes_concurrently_is_not_overwritten(site: &mut impl Site) {
    let cache = site.cache();
    for store in [&cache, &site.open().await] {
        let seen = written(cache.create(&key(1), &draft("ours")).await);

        site.set(&key(1), b"django's", 100).await;

        stale(store.save(&key(1), &seen, &draft("late")).await);
        stale(store.touch(&key(1), &seen, &draft("").meta).await);
        stale(
            store
                .rename(&key(1), &seen, &key(2), &draft(""), None)
                .await,
        );
        let entry = store.load(&key(1)).await.expect("load answers");
        let entry = entry.expect("Django wrote it");
        assert_eq!(entry.data, "django's");
        lasts(site.left(&key(1)).await, 100);

        // Django writes the same bytes again. Overwriting these bytes loses no edit, so a save with
        // the version of Django's first write is written. This is true even if the server counts
        // Django's second write as a change.
        site.set(&key(1), b"django's", 100).await;
        let new = draft("ours again");
        written(store.save(&key(1), &entry.version, &new).await);
        holds(&cache, &key(1), "ours again").await;
        cache.delete(&key(1)).await.expect("delete answers");
    }
}

/// Writing a draft with an owner, listing an owner's sessions, and `find` return `Unsupported`, as
/// `guarantees` declares, and change nothing. `sweep` deletes nothing.
pub async fn owners_are_refused_and_lists_and_find_are_unsupported(site: &mut impl Site) {
    let cache = site.cache();
    let mut owned = draft("");
    owned.meta.owner = Some("ada".into());
    let seen = written(cache.create(&key(1), &draft("without owner")).await);

    let guarantees = cache.guarantees();
    assert!(guarantees.compares && guarantees.revokes && guarantees.shared);
    assert!(!guarantees.owners && !guarantees.durable && guarantees.evicts);
    let renamed = cache.rename(&key(1), &seen, &key(2), &owned, None).await;
    for refused in [
        cache.create(&key(2), &owned).await.map(drop),
        cache.save(&key(1), &seen, &owned).await.map(drop),
        renamed.map(drop),
        cache.owned_by(&"ada".into(), None, 1).await.map(drop),
        cache.find(b"0").await.map(drop),
    ] {
        let error = refused.expect_err("the call is unsupported");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    let swept = cache.sweep(from_millis(i64::MAX), 100).await;
    assert_eq!(swept.expect("sweep answers"), 0);
    cache.ping().await.expect("ping answers");
    holds(&cache, &key(1), "without owner").await;
    is_free(&cache, &key(2)).await;
}

/// Asserts that these caches, which differ in `KEY_PREFIX`, `VERSION` or engine, share no sessions.
pub async fn none_sees_another(caches: &[impl Store]) {
    for (n, cache) in caches.iter().enumerate() {
        let here = format!("cache {n}");
        let seen = written(cache.create(&key(1), &draft(&here)).await);
        for other in &caches[n + 1..] {
            is_free(other, &key(1)).await;
            stale(other.save(&key(1), &seen, &draft("")).await);
            other.delete(&key(1)).await.expect("delete answers");
        }
    }
    for (n, cache) in caches.iter().enumerate() {
        holds(cache, &key(1), &format!("cache {n}")).await;
    }
}

/// Asserts that each of these texts works as a key.
pub async fn may_be_keys(cache: &impl Store, texts: &[&str]) {
    for text in texts {
        let at = StoreKey::new(text.as_bytes());
        is_free(cache, &at).await;
        let seen = written(cache.create(&at, &draft("one")).await);
        written(cache.save(&at, &seen, &draft("two")).await);
        holds(cache, &at, "two").await;
        cache.delete(&at).await.expect("delete answers");
        is_free(cache, &at).await;
    }
}

/// Asserts that `left`, the remaining seconds of a session, is about `secs`, the lifetime that was
/// written.
///
/// The server uses the real clock, so a difference of up to 30 seconds is allowed.
///
/// # Panics
/// If the difference is larger.
#[track_caller]
pub fn lasts(left: i64, secs: i64) {
    assert!((secs - 30..=secs + 30).contains(&left), "{left} of {secs}");
}

/// Returns a draft with Django's default lifetime, [`COOKIE_AGE`].
pub fn draft(data: &str) -> Draft {
    lasting(data.as_bytes(), COOKIE_AGE)
}

/// Returns a draft with a lifetime of `secs` seconds.
pub fn lasting(data: &[u8], secs: i64) -> Draft {
    Draft::new(
        Bytes::copy_from_slice(data),
        Meta::new(
            from_millis(1_764_000_000_001),
            from_millis(TOUCHED),
            from_millis(TOUCHED + 1_000 * secs),
        ),
        SaveId::random().expect("the operating system has random numbers"),
    )
}

/// Adds one to the number in a session. Repeats load and save until the save is written.
async fn increment(cache: &impl Store, key: &StoreKey) {
    for _ in 0..10_000 {
        let entry = cache.load(key).await.expect("load answers");
        let entry = entry.expect("the session is there");
        let count = str::from_utf8(&entry.data)
            .ok()
            .and_then(|n| n.parse().ok());
        let count: u64 = count.expect("the session contains a number");
        let new = draft(&(count + 1).to_string());
        let saved = cache.save(key, &entry.version, &new).await;
        if let Outcome::Written(_) = saved.expect("save answers") {
            return;
        }
    }
    panic!("every save was stale");
}

/// Django's default for `SESSION_COOKIE_AGE`, in seconds.
pub const COOKIE_AGE: i64 = 1_209_600;

/// The time at which every draft was last touched, in milliseconds since 1970.
pub const TOUCHED: i64 = 1_767_323_045_250;
