//! Tests `DjangoCache`: its guarantees, its keys and values in the server, and its use together
//! with a Django site. The vectors are cases that were recorded from Django. A CAS number is
//! memcached's number for compare-and-swap.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;
#[path = "../../cloakroom-django/tests/vectors/cases.rs"]
mod vectors;

use cloakroom::store::SaveId;
use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use cloakroom::store::{Draft, Store, Version, from_millis, millis};
use cloakroom::{ErrorKind, StoreKey};
use cloakroom_harness::django::cache::{self, COOKIE_AGE, Site as _, draft, lasting, lasts};
use cloakroom_harness::django::{holds, is_free, key, stale, written};
use cloakroom_harness::servers::{self, Kind, Server};
use cloakroom_memcached::{DjangoCache, DjangoCacheBuilder};
use cloakroom_testkit::Proxy;
use cloakroom_testkit::unique_name;
use data_encoding::BASE64;
use serde_json::Value;
use support::fake::{Fake, Peer, in_time};
use support::plain::Plain;

cloakroom_harness::django_cache!(djangos_cache, {
    let Some(site) = Site::new().await else {
        return;
    };
    site
});

#[tokio::test]
async fn keys_values_flags_and_times_are_sent_as_django_sends_them() {
    let cases = vectors::cases("memcached");
    assert!(cases.len() >= 7);
    for case in cases {
        let name = &case["id"];
        let fake = Fake::start().await;
        let cache = cache_of_case(&case, DjangoCache::builder(&fake.url()));
        let (at, new) = session(&case);
        let (key, exptime) = (case["key"].as_str().unwrap(), &case["exptime"]);
        let (len, flags) = (new.data.len(), &case["flags"]);
        let command = format!("{key} {flags} {exptime} {len}");

        let (seen, mut peer) = both(async { written(cache.create(&at, &new).await) }, async {
            let mut peer = fake.accept().await;
            let request = peer.store(7).await;
            assert_eq!(request.line, format!("add {command}"), "{name}");
            assert_eq!(request.value, new.data, "{name}");
            peer
        })
        .await;
        let save = cache.save(&at, &seen, &new);
        let (saved, request) = both(save, peer.store(8)).await;
        written(saved);
        assert_eq!(request.line, format!("cas {command} 7"), "{name}");
        assert_eq!(request.value, new.data, "{name}");
        let meta = &new.meta;
        let touch = cache.touch(&at, &seen, meta);
        let (touched, request) = both(touch, peer.answer("HD")).await;
        assert!(written(touched) == seen);
        let command = format!("md {key} I T{exptime} C8");
        assert_eq!(request.command(), command, "{name}");
    }
}

#[tokio::test]
async fn keys_and_values_are_those_that_django_writes() {
    // The server is not shared with other tests, because some cases use Django's default prefix.
    let Some(server) = servers::memcached().and_then(|_| Kind::Memcached.start()) else {
        return;
    };
    let mut plain = Plain::of(&server).await;
    for case in vectors::cases("memcached") {
        let name = &case["id"];
        let cache = cache_of_case(&case, DjangoCache::builder(server.url()));
        let (at, mut new) = session(&case);
        let left = millis(new.meta.expires) - millis(new.meta.touched);
        let now = SystemTime::now();
        (new.meta.touched, new.meta.expires) = match u64::try_from(left) {
            Ok(left) => (now, now + Duration::from_millis(left)),
            Err(_) => (now, now - Duration::from_millis(left.unsigned_abs())),
        };
        let seen = written(cache.create(&at, &lasting(b"before", 60)).await);
        written(cache.save(&at, &seen, &new).await);

        let key = case["key"].as_str().unwrap();
        if left <= 0 {
            assert!(plain.get(key).await.is_none(), "{name}");
            continue;
        }
        assert_eq!(plain.get(key).await.unwrap(), (1, new.data.to_vec()));
        lasts(plain.left(key).await, left / 1_000);
        cache.delete(&at).await.unwrap();
        assert!(plain.get(key).await.is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_session_has_the_key_that_django_gives_it() {
    let Some(server) = servers::memcached().and_then(|_| Kind::Memcached.start()) else {
        return;
    };
    let mut plain = Plain::of(&server).await;
    let cases = vectors::cases("cache_keys");
    assert!(cases.len() >= 3);
    for case in cases {
        let cache = cache_of_case(&case, DjangoCache::builder(server.url()));
        let at = StoreKey::new(case["session_key"].as_str().unwrap().as_bytes());
        written(cache.create(&at, &draft("here")).await);

        let key = case["cache_key"].as_str().unwrap();
        assert_eq!(plain.get(key).await.unwrap(), (1, b"here".to_vec()));
    }
}

#[tokio::test]
async fn an_expiry_beyond_thirty_days_is_kept_and_one_beyond_2038_becomes_2038() {
    let Some(mut site) = Site::new().await else {
        return;
    };
    let cache = site.cache.clone();
    let now = SystemTime::now();
    let since_1970 = millis(now).div_euclid(1_000);
    let until_2038 = i64::from(i32::MAX) - since_1970;
    let thirty_days = 30 * 24 * 60 * 60;
    for (secs, left) in [
        (thirty_days, thirty_days),
        (thirty_days + 1, thirty_days + 1),
        (until_2038, until_2038),
        (until_2038 + 1, until_2038),
        (i64::from(i32::MAX) + 1, until_2038),
        (9_000_000_000, until_2038),
    ] {
        let mut new = draft("kept");
        new.meta.touched = now;
        new.meta.expires = now + Duration::from_secs(secs.unsigned_abs());
        let seen = written(cache.create(&key(1), &new).await);
        lasts(site.left(&key(1)).await, left);
        let seen = written(cache.touch(&key(1), &seen, &new.meta).await);
        written(cache.save(&key(1), &seen, &new).await);
        lasts(site.left(&key(1)).await, left);
        holds(&cache, &key(1), "kept").await;
        cache.delete(&key(1)).await.unwrap();
    }
}

#[tokio::test]
async fn caches_with_different_prefixes_versions_or_engines_never_see_each_others_sessions() {
    let Some(server) = servers::memcached() else {
        return;
    };
    let prefix = unique_name();
    let builder = || DjangoCache::builder(server.url()).key_prefix(&prefix);
    let caches = [
        builder().open().unwrap(),
        builder().version(2).open().unwrap(),
        builder().cached_db().open().unwrap(),
        builder().key_prefix(unique_name()).open().unwrap(),
    ];
    cache::none_sees_another(&caches).await;
}

#[tokio::test]
async fn a_key_that_django_would_not_send_has_no_session_and_is_not_sent() {
    // No server listens at this address.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let cache = DjangoCache::open(&format!("memcached://{address}")).unwrap();
    let seen = Version::from(SaveId::random().unwrap());
    let too_long = "x".repeat(250);
    let umlauts = "ü".repeat(120);

    for text in [
        "two words",
        "line\r\nflush_all",
        "nul\0",
        "del\x7f",
        "tab\t",
        &too_long,
        &umlauts,
    ] {
        let at = StoreKey::new(text.as_bytes());
        assert!(cache.load(&at).await.unwrap().is_none());
        stale(cache.save(&at, &seen, &draft("")).await);
        stale(cache.touch(&at, &seen, &draft("").meta).await);
        cache.delete(&at).await.unwrap();
        let refused = cache.create(&at, &draft("")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert!(!format!("{refused:?}").contains(text), "{refused:?}");
    }
    assert!(cache.load(&StoreKey::new(b"\xff")).await.unwrap().is_none());
    // A ping always sends a command, so it reports that no server listens.
    let down = cache.ping().await.unwrap_err();
    assert_eq!(down.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_key_may_be_any_text_that_memcached_allows() {
    let Some(Site { cache, .. }) = Site::new().await else {
        return;
    };
    let long = "x".repeat(180);
    cache::may_be_keys(&cache, &["", "é", ":1:", "%00", &long]).await;
}

#[tokio::test]
async fn an_item_that_is_not_a_pickle_is_corrupt_and_stays_unchanged() {
    let Some(mut site) = Site::new().await else {
        return;
    };
    let (cache, name) = (site.cache.clone(), site.name(&key(1)));
    let seen = written(cache.create(&key(1), &draft("ours")).await);
    // The flags of bytes, an integer, a compressed pickle and a text, and all flags at once.
    for flags in [0, 2, 9, 16, u32::MAX] {
        site.plain.set(&name, flags, 100, b"ours").await;

        stale(cache.create(&key(1), &draft("")).await);
        for refused in [
            cache.load(&key(1)).await.map(drop),
            cache.save(&key(1), &seen, &draft("late")).await.map(drop),
            cache.touch(&key(1), &seen, &draft("").meta).await.map(drop),
            cache
                .rename(&key(1), &seen, &key(2), &draft(""), None)
                .await
                .map(drop),
        ] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        }
        let unchanged = site.plain.get(&name).await.unwrap();
        assert_eq!(unchanged, (flags, b"ours".to_vec()));
        cache.delete(&key(2)).await.unwrap();
    }
}

#[tokio::test]
async fn a_call_whose_answer_was_lost_is_applied_once_and_a_load_shows_its_effect() {
    let Some(mut site) = Site::new().await else {
        return;
    };
    let observer = site.cache.clone();
    let fake = Fake::start().await;
    let builder = DjangoCache::builder(&fake.url()).key_prefix(&site.prefix);
    let cache = builder.open().unwrap();

    let new = draft("one");
    let (lost, ()) = both(
        cache.create(&key(1), &new),
        apply_without_answer(&fake, &mut site, "STORED"),
    )
    .await;
    assert_eq!(lost.unwrap_err().kind(), ErrorKind::Unavailable);
    let seen = observer.load(&key(1)).await.unwrap().unwrap().version;

    let new = draft("two");
    let (lost, ()) = both(cache.save(&key(1), &seen, &new), async {
        // The store has no CAS number for the item yet, so it loads the item first.
        let mut peer = fake.accept().await;
        let cas = site.cas(&key(1)).await;
        peer.answer_flagged(b"one", cas, 1).await;
        apply_and_close(&mut peer, &mut site, "STORED").await;
    })
    .await;
    assert_eq!(lost.unwrap_err().kind(), ErrorKind::Unavailable);
    holds(&observer, &key(1), "two").await;
    stale(observer.save(&key(1), &seen, &draft("two")).await);

    let (lost, ()) = both(
        cache.delete(&key(1)),
        apply_without_answer(&fake, &mut site, "HD"),
    )
    .await;
    assert_eq!(lost.unwrap_err().kind(), ErrorKind::Unavailable);
    is_free(&observer, &key(1)).await;
}

#[tokio::test]
async fn a_move_whose_answer_was_lost_leaves_the_old_session_or_the_new_one() {
    let Some(mut site) = Site::new().await else {
        return;
    };
    let observer = site.cache.clone();
    let fake = Fake::start().await;
    let builder = DjangoCache::builder(&fake.url()).key_prefix(&site.prefix);
    let cache = builder.open().unwrap();
    let new = draft("new");

    let seen = written(observer.create(&key(1), &draft("old")).await);
    let (from, to) = (key(1), key(2));
    let (lost, ()) = both(
        cache.rename(&from, &seen, &to, &new, None),
        apply_without_answer(&fake, &mut site, "STORED"),
    )
    .await;
    assert_eq!(lost.unwrap_err().kind(), ErrorKind::Unavailable);
    holds(&observer, &key(1), "old").await;

    let to = key(3);
    let (lost, ()) = both(cache.rename(&from, &seen, &to, &new, None), async {
        let mut peer = fake.accept().await;
        peer.store(1).await;
        let cas = site.cas(&key(1)).await;
        peer.answer_flagged(b"old", cas, 1).await;
        apply_and_close(&mut peer, &mut site, "HD").await;
    })
    .await;
    assert_eq!(lost.unwrap_err().kind(), ErrorKind::Unavailable);
    is_free(&observer, &key(1)).await;
    stale(observer.save(&key(1), &seen, &draft("late")).await);
}

#[tokio::test]
async fn a_save_to_a_restarted_server_does_not_use_an_old_cas_number() {
    let (Some(before), Some(after)) = (Kind::Memcached.start(), Kind::Memcached.start()) else {
        return;
    };
    let proxy = Proxy::to(before.url());
    let cache = DjangoCache::open(proxy.url()).unwrap();
    let seen = written(cache.create(&key(1), &draft("before")).await);

    // Each of the two items is the first on its server, so the two have the same CAS number. In
    // production, Django's engine `cached_db` writes a session to the cache again after a restart,
    // under the same key.
    let mut plain = Plain::of(&after).await;
    let name = ":1:django.contrib.sessions.cache".to_owned() + text(&key(1));
    plain.set(&name, 1, 100, b"after").await;
    proxy.lead_to(after.url());
    proxy.cut().await;

    stale(cache.touch(&key(1), &seen, &draft("").meta).await);
    stale(cache.save(&key(1), &seen, &draft("late")).await);
    holds(&cache, &key(1), "after").await;
}

#[tokio::test]
async fn the_largest_session_is_stored_and_a_larger_one_changes_nothing() {
    let Some(mut site) = Site::new().await else {
        return;
    };
    let cache = site.cache.clone();
    let max_size = cache.guarantees().max_size.unwrap();
    // The longest key that memcached allows.
    let room = 250 - site.name(&StoreKey::new(b"")).len();
    let at = StoreKey::new(&vec![b'k'; room]);
    let seen = written(cache.create(&at, &lasting(&vec![0; max_size], 60)).await);
    let seen = written(
        cache
            .save(&at, &seen, &lasting(&vec![1; max_size], 60))
            .await,
    );

    let larger = lasting(&vec![2; max_size + 1], 60);
    for refused in [
        cache.save(&at, &seen, &larger).await,
        cache.create(&key(2), &larger).await,
        cache.rename(&at, &seen, &key(2), &larger, None).await,
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.to_string().contains("max_size"), "{error}");
    }
    let entry = cache.load(&at).await.unwrap().unwrap();
    assert!(entry.version == seen && entry.data == vec![1; max_size]);

    // Django does not limit the size. The store can read a larger session if memcached accepted it.
    // The 400 bytes are for memcached's header and the key.
    let djangos = vec![3; (1 << 20) - 400];
    site.plain.set(&site.name(&key(2)), 1, 60, &djangos).await;
    let entry = cache.load(&key(2)).await.unwrap().unwrap();
    assert_eq!(entry.data, djangos);
    written(
        cache
            .touch(&key(2), &entry.version, &lasting(b"", 90).meta)
            .await,
    );
    written(cache.save(&key(2), &entry.version, &draft("small")).await);
    holds(&cache, &key(2), "small").await;
}

#[tokio::test]
async fn create_load_save_and_delete_take_one_round_trip_each_and_rename_takes_two() {
    let fake = Fake::start().await;
    let cache = DjangoCache::open(&fake.url()).unwrap();
    let (one, two) = (draft("one"), draft("two"));
    let (from, to) = (key(1), key(2));

    let (seen, mut peer) = both(async { written(cache.create(&from, &one).await) }, async {
        let mut peer = fake.accept().await;
        peer.store(1).await;
        peer
    })
    .await;
    let (loaded, _) = both(cache.load(&from), peer.answer_flagged(b"one", 2, 1)).await;
    assert!(loaded.unwrap().unwrap().version == seen);
    // The save uses the CAS number that the load returned.
    let (saved, request) = both(cache.save(&from, &seen, &two), peer.store(3)).await;
    let seen = written(saved);
    assert!(request.line.ends_with(" 2"), "{}", request.line);
    let (moved, requests) = both(cache.rename(&from, &seen, &to, &one, None), async {
        [peer.store(4).await, peer.answer("HD").await]
    })
    .await;
    written(moved);
    let [copy, gone] = requests;
    assert!(copy.line.starts_with("add "), "{}", copy.line);
    assert_eq!(copy.value, "one".as_bytes());
    let start = ":1:django.contrib.sessions.cache".to_owned() + text(&from);
    assert_eq!(gone.command(), format!("md {start} C3"));
    let (deleted, request) = both(cache.delete(&to), peer.answer("HD")).await;
    deleted.unwrap();
    assert!(request.line.starts_with("md "));
}

#[tokio::test]
async fn django_reads_and_replaces_a_session_that_was_touched() {
    let Some(mut site) = Site::new().await else {
        return;
    };
    let cache = site.cache.clone();
    let new = draft("data");
    let seen = written(cache.create(&key(1), &new).await);

    for _ in 0..2 {
        assert!(written(cache.touch(&key(1), &seen, &new.meta).await) == seen);
        let name = site.name(&key(1));
        assert_eq!(site.plain.get(&name).await.unwrap(), (1, b"data".to_vec()));
        holds(&cache, &key(1), "data").await;
    }
    let seen = written(cache.save(&key(1), &seen, &draft("saved")).await);
    written(cache.touch(&key(1), &seen, &new.meta).await);
    let name = site.name(&key(1));
    site.plain.set(&name, 1, 60, b"by Django").await;
    stale(cache.touch(&key(1), &seen, &new.meta).await);
    holds(&cache, &key(1), "by Django").await;
    assert!(site.plain.left(&name).await <= 60);
}

/// A cache, and a second client of its server that acts as a Django site.
struct Site {
    server: &'static Server,
    prefix: String,
    cache: DjangoCache,
    plain: Plain,
}

impl Site {
    async fn new() -> Option<Self> {
        let server = servers::memcached()?;
        let prefix = unique_name();
        let builder = DjangoCache::builder(server.url()).key_prefix(&prefix);
        Some(Self {
            server,
            cache: builder.open().unwrap(),
            plain: Plain::of(server).await,
            prefix,
        })
    }

    fn name(&self, key: &StoreKey) -> String {
        format!(
            "{}:1:django.contrib.sessions.cache{}",
            self.prefix,
            text(key)
        )
    }

    async fn cas(&mut self, key: &StoreKey) -> u64 {
        let line = self.plain.ask(format!("mg {} c\r\n", self.name(key))).await;
        line.strip_prefix("HD c").unwrap().parse().unwrap()
    }
}

impl cache::Site for Site {
    type Cache = DjangoCache;

    fn cache(&self) -> DjangoCache {
        self.cache.clone()
    }

    async fn open(&self) -> DjangoCache {
        let builder = DjangoCache::builder(self.server.url());
        builder.key_prefix(&self.prefix).open().unwrap()
    }

    async fn get(&mut self, key: &StoreKey) -> Vec<u8> {
        let (flags, value) = self.plain.get(&self.name(key)).await.unwrap();
        assert_eq!(flags, 1);
        value
    }

    async fn set(&mut self, key: &StoreKey, data: &[u8], secs: i64) {
        self.plain.set(&self.name(key), 1, secs, data).await;
    }

    async fn left(&mut self, key: &StoreKey) -> i64 {
        self.plain.left(&self.name(key)).await
    }
}

/// Lets the server carry out the only command of the next connection, and discards the server's
/// answer, which must start with `code`.
async fn apply_without_answer(fake: &Fake, site: &mut Site, code: &str) {
    let mut peer = fake.accept().await;
    apply_and_close(&mut peer, site, code).await;
}

/// Lets the server carry out the next command, whose answer must start with `code`, and closes the
/// connection instead of answering.
async fn apply_and_close(peer: &mut Peer, site: &mut Site, code: &str) {
    let request = peer.request().await;
    let end: &[u8] = match request.check {
        Some(_) => b"\r\n",
        None => b"",
    };
    let bytes = [request.line.as_bytes(), b"\r\n", &request.value, end].concat();
    let answer = site.plain.ask(bytes).await;
    assert!(answer.starts_with(code), "{answer}");
    peer.close().await;
}

/// Runs two futures concurrently and returns both outputs.
async fn both<A: Future, B: Future>(one: A, other: B) -> (A::Output, B::Output) {
    in_time(async { tokio::join!(one, other) }).await
}

/// Opens the cache with the options of a vector.
fn cache_of_case(case: &Value, mut builder: DjangoCacheBuilder) -> DjangoCache {
    if let Some(key_prefix) = case["cache_options"]["KEY_PREFIX"].as_str() {
        builder = builder.key_prefix(key_prefix);
    }
    if let Some(version) = case["cache_options"]["VERSION"].as_u64() {
        builder = builder.version(version.try_into().unwrap());
    }
    if case["engine"] == "cached_db" {
        builder = builder.cached_db();
    }
    builder.open().unwrap()
}

/// Returns the store key and the session of a vector.
fn session(case: &Value) -> (StoreKey, Draft) {
    let age = match case["value"]["_session_expiry"].as_i64() {
        None | Some(0) => COOKIE_AGE,
        Some(age) => age,
    };
    let now = 1_000 * case["now"].as_i64().unwrap();
    let bytes = case["bytes_b64"].as_str().unwrap();
    let mut new = lasting(&BASE64.decode(bytes.as_bytes()).unwrap(), age);
    new.meta.touched = from_millis(now);
    new.meta.expires = from_millis(now + 1_000 * age);
    let at = StoreKey::new(case["session_key"].as_str().unwrap().as_bytes());
    (at, new)
}

fn text(key: &StoreKey) -> &str {
    str::from_utf8(key.as_bytes()).unwrap()
}
