//! The promises of Django's cache, whichever server it is in.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::store::{Draft, Meta, Outcome, SaveId, Store, Version, from_millis};
use cloakroom::{ErrorKind, StoreKey};
use tokio::task::JoinSet;

use super::{holds, is_free, key, stale, written};

/// A cache, and somebody else who looks at its entries: what a Django would be.
pub trait Site {
    /// The store.
    type Cache: Store + Clone;

    /// The store that is tested.
    fn cache(&self) -> Self::Cache;

    /// Another store on the same sessions, as another process has it.
    fn open(&self) -> impl Future<Output = Self::Cache>;

    /// What Django reads of a session that is there.
    fn get(&mut self, key: &StoreKey) -> impl Future<Output = Vec<u8>>;

    /// Writes a session as Django does, to be kept for so many seconds.
    fn set(&mut self, key: &StoreKey, data: &[u8], secs: i64) -> impl Future<Output = ()>;

    /// For how many seconds the server keeps a session.
    fn left(&mut self, key: &StoreKey) -> impl Future<Output = i64>;
}

/// What the server keeps of a draft is the data, and for how long; everything else is gone when it is loaded.
pub async fn an_entry_is_djangos_bytes_and_nothing_else(site: &mut impl Site) {
    let (cache, at) = (site.cache(), key(1));
    // Everything that a byte can be, and everything that the servers' own protocols are made of.
    let bytes: Vec<u8> = (0..=255).chain(*b"\r\n$3\r\n*1\r\nEND\r\nHD\r\n").collect();
    for data in [&b""[..], &bytes, &vec![0x80; 1 << 19]] {
        let mut new = lasting(data, 60);
        new.meta.label = Some("kitchen laptop".into());
        let version = written(cache.create(&at, &new).await);

        let entry = cache.load(&at).await.expect("load answers");
        let entry = entry.expect("it was created");
        assert_eq!(entry.data, new.data);
        assert!(entry.version == version);
        let forever = Meta {
            created: UNIX_EPOCH,
            touched: UNIX_EPOCH,
            expires: from_millis(i64::MAX),
            owner: None,
            label: None,
        };
        assert_eq!(entry.meta, forever, "the server decides when it is over");
        assert_eq!(site.get(&at).await, data);
        cache.delete(&at).await.expect("delete answers");
    }
}

/// Not even by a draft that is over already.
pub async fn create_never_overwrites_and_save_never_creates(site: &mut impl Site) {
    let cache = site.cache();
    let seen = written(cache.create(&key(1), &draft("first")).await);

    stale(cache.create(&key(1), &draft("second")).await);
    stale(cache.create(&key(1), &lasting(b"dead", 0)).await);
    holds(&cache, &key(1), "first").await;

    stale(cache.save(&key(2), &seen, &draft("none")).await);
    stale(cache.touch(&key(2), &seen, &draft("").meta).await);
    stale(cache.rename(&key(2), &seen, &key(3), &draft("none")).await);
    is_free(&cache, &key(2)).await;
    is_free(&cache, &key(3)).await;
}

/// For the store that has written and for one that has to look; and times are those of the last write.
pub async fn what_is_stale_changes_nothing_and_a_touch_makes_nothing_stale(site: &mut impl Site) {
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
            stale(store.rename(&key(1), seen, &key(2), &draft("lost")).await);
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

/// No touch, save or second delete that comes late brings a session back.
pub async fn what_was_deleted_stays_deleted_whatever_is_under_way(site: &mut impl Site) {
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

/// Django's cache has no version of its own, and equal data are told apart nevertheless.
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

/// A move leaves nothing at the old key, and what is stale or in the way moves nothing.
pub async fn a_session_moves_whole_or_not_at_all(site: &mut impl Site) {
    let cache = site.cache();
    for store in [&cache, &site.open().await] {
        let seen = written(cache.create(&key(1), &draft("old")).await);

        let new = lasting(b"new", 70);
        let moved = written(store.rename(&key(1), &seen, &key(2), &new).await);

        is_free(store, &key(1)).await;
        holds(store, &key(2), "new").await;
        lasts(site.left(&key(2)).await, 70);
        stale(cache.save(&key(1), &seen, &draft("late")).await);
        written(cache.save(&key(2), &moved, &draft("newer")).await);
        cache.delete(&key(2)).await.expect("delete answers");
    }

    let seen = written(cache.create(&key(1), &draft("one")).await);
    let other = written(cache.create(&key(2), &draft("two")).await);
    stale(cache.rename(&key(1), &seen, &key(2), &draft("")).await);
    stale(cache.rename(&key(1), &seen, &key(1), &draft("")).await);
    stale(cache.rename(&key(1), &other, &key(3), &draft("")).await);
    // A draft that equals what was seen must not make a move to the same place a deletion.
    stale(cache.rename(&key(9), &seen, &key(9), &draft("one")).await);
    holds(&cache, &key(1), "one").await;
    holds(&cache, &key(2), "two").await;
    is_free(&cache, &key(3)).await;
    is_free(&cache, &key(9)).await;
}

/// Whichever call says that a session is over, it is not there afterwards.
pub async fn what_has_no_second_left_is_gone_at_once(site: &mut impl Site) {
    let cache = site.cache();
    let mut nearly = draft("nearly a second");
    nearly.meta.expires = nearly.meta.touched + Duration::from_millis(999);
    let of_age = |secs| lasting(b"dead", secs);
    for (n, dead) in (1..).zip([of_age(0), of_age(-1), of_age(-5_000_000_000), nearly]) {
        let at = key(n);
        written(cache.create(&at, &dead).await);
        is_free(&cache, &at).await;

        let seen = written(cache.create(&at, &draft("living")).await);
        written(cache.save(&at, &seen, &dead).await);
        is_free(&cache, &at).await;

        let seen = written(cache.create(&at, &draft("living")).await);
        written(cache.touch(&at, &seen, &dead.meta).await);
        is_free(&cache, &at).await;

        let seen = written(cache.create(&at, &draft("living")).await);
        written(cache.rename(&at, &seen, &key(9), &dead).await);
        is_free(&cache, &at).await;
        is_free(&cache, &key(9)).await;
    }
}

/// For the store that has written and for one that has to look.
pub async fn what_django_writes_in_between_is_another_version_and_is_not_lost_by_us(
    site: &mut impl Site,
) {
    let cache = site.cache();
    for store in [&cache, &site.open().await] {
        let seen = written(cache.create(&key(1), &draft("ours")).await);

        site.set(&key(1), b"django's", 100).await;

        stale(store.save(&key(1), &seen, &draft("late")).await);
        stale(store.touch(&key(1), &seen, &draft("").meta).await);
        stale(store.rename(&key(1), &seen, &key(2), &draft("")).await);
        let entry = store.load(&key(1)).await.expect("load answers");
        let entry = entry.expect("Django wrote it");
        assert_eq!(entry.data, "django's");
        lasts(site.left(&key(1)).await, 100);

        // The same bytes once more are nothing that anybody could lose, whatever number the server gives them.
        site.set(&key(1), b"django's", 100).await;
        let new = draft("ours again");
        written(store.save(&key(1), &entry.version, &new).await);
        holds(&cache, &key(1), "ours again").await;
        cache.delete(&key(1)).await.expect("delete answers");
    }
}

/// What the guarantees say it cannot do is `Unsupported`, and changes nothing.
pub async fn owners_are_refused_and_nothing_can_be_listed_found_or_swept(site: &mut impl Site) {
    let cache = site.cache();
    let mut owned = draft("");
    owned.meta.owner = Some("ada".into());
    let seen = written(cache.create(&key(1), &draft("nobody's")).await);

    let guarantees = cache.guarantees();
    assert!(guarantees.compares && guarantees.revokes && guarantees.shared);
    assert!(!guarantees.owners && !guarantees.durable && guarantees.evicts);
    let renamed = cache.rename(&key(1), &seen, &key(2), &owned).await;
    for refused in [
        cache.create(&key(2), &owned).await.map(drop),
        cache.save(&key(1), &seen, &owned).await.map(drop),
        renamed.map(drop),
        cache.owned_by(&"ada".into(), None, 1).await.map(drop),
        cache.find(b"0").await.map(drop),
    ] {
        let error = refused.expect_err("there are no owners and no list");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    let swept = cache.sweep(from_millis(i64::MAX), 100).await;
    assert_eq!(swept.expect("sweep answers"), 0);
    cache.ping().await.expect("ping answers");
    holds(&cache, &key(1), "nobody's").await;
    is_free(&cache, &key(2)).await;
}

/// Caches that differ in their prefix, their version or their engine never see each other's sessions.
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

/// Each of these texts is the key of a session as any other is.
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

/// These seconds are so many. The server's clock is the one clock here that nobody can turn by hand, so they may be a few
/// less, and a few more where it has not ticked yet.
///
/// # Panics
/// If they are others.
#[track_caller]
pub fn lasts(left: i64, secs: i64) {
    assert!((secs - 30..=secs + 30).contains(&left), "{left} of {secs}");
}

/// A draft that lasts for as long as Django's cookie.
pub fn draft(data: &str) -> Draft {
    lasting(data.as_bytes(), COOKIE_AGE)
}

/// A draft that lasts for so many seconds.
pub fn lasting(data: &[u8], secs: i64) -> Draft {
    Draft {
        data: Bytes::copy_from_slice(data),
        meta: Meta {
            created: from_millis(1_764_000_000_001),
            touched: from_millis(TOUCHED),
            expires: from_millis(TOUCHED + 1_000 * secs),
            owner: None,
            label: None,
        },
        save_id: SaveId::random().expect("the operating system has random numbers"),
    }
}

/// One request that counts, without the session layer: the comparison is what makes it add up.
async fn increment(cache: &impl Store, key: &StoreKey) {
    for _ in 0..10_000 {
        let entry = cache.load(key).await.expect("load answers");
        let entry = entry.expect("the session is there");
        let count = str::from_utf8(&entry.data)
            .ok()
            .and_then(|n| n.parse().ok());
        let count: u64 = count.expect("the session is a number");
        let new = draft(&(count + 1).to_string());
        let saved = cache.save(key, &entry.version, &new).await;
        if let Outcome::Written(_) = saved.expect("save answers") {
            return;
        }
    }
    panic!("it never got its turn");
}

/// `SESSION_COOKIE_AGE`, as it is if nobody says otherwise.
pub const COOKIE_AGE: i64 = 1_209_600;

/// When the drafts were touched, in milliseconds since 1970.
pub const TOUCHED: i64 = 1_767_323_045_250;
