//! Django's cache as the store: what it promises, what stands in the server, and what a Django does beside it.
#![allow(
    clippy::unwrap_used,
    reason = "these are tests, though clippy does not see it in helpers"
)]

mod support;
#[path = "../../cloakroom/tests/vectors/cases.rs"]
mod vectors;

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::store::{Draft, Meta, Outcome, Store, Version, from_millis, millis};
use cloakroom::{ErrorKind, Lookup};
use cloakroom_redis::DjangoCache;
use cloakroom_testkit::Proxy;
use cloakroom_testkit::servers::{self, Kind, Server};
use data_encoding::BASE64;
use serde_json::Value;
use support::{Neighbour, ask_every_node, command, unique_prefix, user, written};
use tokio::task::JoinSet;

#[tokio::test]
async fn what_stands_in_the_server_is_what_django_writes() {
    // One of its own: the keys are those of every Django.
    let Some(server) = servers::redis().and_then(|_| Kind::Redis.start()) else {
        return;
    };
    let neighbour = Neighbour::of(server.url()).await;
    let cases = vectors::cases("redis");
    assert!(cases.len() >= 11);
    for case in cases {
        let name = &case["id"];
        let cache = as_in(&case, server.url()).await;
        let at = text(&case["session_key"]);
        let age = match case["value"]["_session_expiry"].as_i64() {
            None | Some(0) => COOKIE_AGE,
            Some(age) => age,
        };
        let bytes = case["value_b64"].as_str().unwrap_or_default();
        let new = lasting(&BASE64.decode(bytes.as_bytes()).unwrap(), age);
        for saved in [false, true] {
            let seen = match saved {
                false => None,
                true => Some(written(cache.create(&at, &draft("before")).await)),
            };
            written(match &seen {
                None => cache.create(&at, &new).await,
                Some(seen) => cache.save(&at, seen, &new).await,
            });

            let keys: Vec<String> = neighbour.ask(&command(&[b"KEYS", b"*"])).await;
            let Some(key) = case["redis_key"].as_str() else {
                assert!(keys.is_empty(), "{name}");
                continue;
            };
            assert_eq!(keys, [key], "{name}");
            let key = key.as_bytes();
            let value: Vec<u8> = neighbour.ask(&command(&[b"GET", key])).await;
            assert_eq!(value, new.data, "{name}");
            assert_lasts(&neighbour, key, case["ttl"].as_i64().unwrap()).await;
            let loaded = cache.load(&at).await.unwrap().unwrap();
            assert_eq!(loaded.data, new.data, "{name}");
            cache.delete(&at).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_key_of_a_session_is_the_one_that_django_makes() {
    let Some(server) = servers::redis().and_then(|_| Kind::Redis.start()) else {
        return;
    };
    let neighbour = Neighbour::of(server.url()).await;
    let cases = vectors::cases("cache_keys");
    assert!(cases.len() >= 3);
    for case in cases {
        let cache = as_in(&case, server.url()).await;
        let at = text(&case["session_key"]);
        written(cache.create(&at, &draft("")).await);

        let keys: Vec<String> = neighbour.ask(&command(&[b"KEYS", b"*"])).await;
        assert_eq!(keys, [case["cache_key"].as_str().unwrap()]);
        cache.delete(&at).await.unwrap();
    }
}

#[tokio::test]
async fn an_entry_is_djangos_bytes_and_nothing_else() {
    for site in sites().await {
        let cache = &site.cache;
        let at = key(1);
        // Everything that a byte can be, and everything that Redis's own protocol is made of.
        let bytes: Vec<u8> = (0..=255).chain(*b"\r\n$3\r\n*1\r\n").collect();
        for data in [&b""[..], &bytes, &vec![0x80; 1 << 20]] {
            let mut new = lasting(data, 60);
            new.meta.label = Some("kitchen laptop".into());
            let version = written(cache.create(&at, &new).await);

            let entry = cache.load(&at).await.unwrap().unwrap();
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
            let value: Vec<u8> = site.ask(&[b"GET", &site.key(&at)]).await;
            assert_eq!(value, data);
            cache.delete(&at).await.unwrap();
        }
    }
}

#[tokio::test]
async fn create_never_overwrites_and_save_never_creates() {
    for Site { cache, .. } in sites().await {
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
}

#[tokio::test]
async fn what_is_stale_changes_nothing_and_a_touch_makes_nothing_stale() {
    for site in sites().await {
        let cache = &site.cache;
        let first = written(cache.create(&key(1), &lasting(b"first", 1_000)).await);
        let second = written(
            cache
                .save(&key(1), &first, &lasting(b"second", 1_000))
                .await,
        );

        stale(cache.save(&key(1), &first, &draft("lost")).await);
        stale(cache.touch(&key(1), &first, &lasting(b"", 9).meta).await);
        stale(cache.rename(&key(1), &first, &key(2), &draft("lost")).await);
        let foreign = Version::from_u64(7);
        stale(cache.save(&key(1), &foreign, &draft("lost")).await);
        stale(cache.touch(&key(1), &foreign, &draft("lost").meta).await);
        stale(cache.rename(&key(1), &foreign, &key(2), &draft("")).await);

        holds(cache, &key(1), "second").await;
        is_free(cache, &key(2)).await;
        site.lasts(&key(1), 1_000).await;

        let meta = lasting(b"", 5_000).meta;
        assert!(written(cache.touch(&key(1), &second, &meta).await) == second);
        site.lasts(&key(1), 5_000).await;
        written(cache.save(&key(1), &second, &lasting(b"third", 300)).await);
        site.lasts(&key(1), 300).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_stays_deleted_whatever_is_under_way() {
    for site in sites().await {
        for round in 0..20 {
            let at = key(round);
            let seen = written(site.cache.create(&at, &draft("0")).await);
            let mut requests = JoinSet::new();
            for n in 0..8 {
                let (cache, at, seen) = (site.cache.clone(), at.clone(), seen.clone());
                requests.spawn(async move {
                    let meta = lasting(b"", 60 + n).meta;
                    match n % 3 {
                        0 => drop(cache.touch(&at, &seen, &meta).await.unwrap()),
                        1 => drop(cache.save(&at, &seen, &draft("late")).await.unwrap()),
                        _ => cache.delete(&at).await.unwrap(),
                    }
                });
            }
            requests.join_all().await;

            is_free(&site.cache, &at).await;
        }
        site.cache.delete(&key(1)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_increments_through_two_stores_add_up() {
    for site in sites().await {
        let other = site.open().await;
        written(site.cache.create(&key(1), &draft("0")).await);

        let mut requests = JoinSet::new();
        for task in 0..10 {
            let cache = [&site.cache, &other][task % 2].clone();
            requests.spawn(async move {
                for _ in 0..100 {
                    increment(&cache, &key(1)).await;
                }
            });
        }
        requests.join_all().await;

        holds(&other, &key(1), "1000").await;
    }
}

#[tokio::test]
async fn a_session_moves_between_any_two_nodes_and_leaves_nothing() {
    for site in sites().await {
        let cache = &site.cache;
        for n in 0..PAIRS {
            // Not `n` again: the slots of two texts that differ in the same digit differ in the same bits.
            let (from, to) = (key(n), Lookup::new(format!("to {}", 31 * n * n).as_bytes()));
            let seen = written(cache.create(&from, &draft("old")).await);

            let moved = cache.rename(&from, &seen, &to, &lasting(b"new", 70)).await;

            let moved = written(moved);
            is_free(cache, &from).await;
            holds(cache, &to, "new").await;
            site.lasts(&to, 70).await;
            stale(cache.save(&from, &seen, &draft("late")).await);
            written(cache.save(&to, &moved, &draft("newer")).await);
            cache.delete(&to).await.unwrap();
        }
        let seen = written(cache.create(&key(1), &draft("one")).await);
        let other = written(cache.create(&key(2), &draft("two")).await);
        stale(cache.rename(&key(1), &seen, &key(2), &draft("")).await);
        stale(cache.rename(&key(1), &seen, &key(1), &draft("")).await);
        stale(cache.rename(&key(1), &other, &key(3), &draft("")).await);
        // A draft that equals what was seen must not make a move to the same place a deletion.
        stale(cache.rename(&key(9), &seen, &key(9), &draft("one")).await);
        holds(cache, &key(1), "one").await;
        holds(cache, &key(2), "two").await;
        is_free(cache, &key(3)).await;
        is_free(cache, &key(9)).await;
    }
}

#[tokio::test]
async fn what_has_no_second_left_is_gone_at_once() {
    for site in sites().await {
        let cache = &site.cache;
        for (n, age) in [(1, 0), (2, -1), (3, -5_000_000_000)] {
            let at = key(n);
            let dead = lasting(b"dead", age);
            written(cache.create(&at, &dead).await);
            is_free(cache, &at).await;

            let seen = written(cache.create(&at, &draft("living")).await);
            written(cache.save(&at, &seen, &dead).await);
            is_free(cache, &at).await;

            let seen = written(cache.create(&at, &draft("living")).await);
            written(cache.touch(&at, &seen, &dead.meta).await);
            is_free(cache, &at).await;

            let seen = written(cache.create(&at, &draft("living")).await);
            written(cache.rename(&at, &seen, &key(4), &dead).await);
            is_free(cache, &at).await;
            is_free(cache, &key(4)).await;
        }
        let mut nearly = draft("nearly a second");
        nearly.meta.expires = nearly.meta.touched + Duration::from_millis(999);
        written(cache.create(&key(5), &nearly).await);
        is_free(cache, &key(5)).await;
    }
}

#[tokio::test]
async fn a_session_of_many_years_is_kept_for_them() {
    for site in sites().await {
        let thirty_days = 30 * 24 * 60 * 60;
        let until_9999 = (millis(from_millis(i64::MAX)) - TOUCHED).div_euclid(1_000);
        for age in [thirty_days + 1, i64::from(i32::MAX) + 1, until_9999] {
            let seen = written(site.cache.create(&key(1), &lasting(b"", age)).await);
            site.lasts(&key(1), age).await;
            let seen = written(site.cache.save(&key(1), &seen, &lasting(b"", age)).await);
            let meta = lasting(b"", age).meta;
            written(site.cache.touch(&key(1), &seen, &meta).await);
            site.lasts(&key(1), age).await;
            site.cache.delete(&key(1)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_django_writes_in_between_is_another_version_and_is_not_lost_by_us() {
    for site in sites().await {
        let cache = &site.cache;
        let seen = written(cache.create(&key(1), &draft("ours")).await);

        let name = site.key(&key(1));
        site.ask::<()>(&[b"SET", &name, b"django's", b"EX", b"100"])
            .await;

        stale(cache.save(&key(1), &seen, &draft("late")).await);
        stale(cache.touch(&key(1), &seen, &draft("").meta).await);
        stale(cache.rename(&key(1), &seen, &key(2), &draft("")).await);
        let entry = cache.load(&key(1)).await.unwrap().unwrap();
        assert_eq!(entry.data, "django's");
        site.lasts(&key(1), 100).await;
        written(
            cache
                .save(&key(1), &entry.version, &draft("ours again"))
                .await,
        );
        holds(cache, &key(1), "ours again").await;
    }
}

#[tokio::test]
async fn caches_with_another_prefix_version_or_engine_never_see_each_other() {
    let Some(server) = servers::redis() else {
        return;
    };
    let prefix = unique_prefix();
    let builder = || DjangoCache::builder(server.url()).key_prefix(&prefix);
    let caches = [
        builder().connect().await.unwrap(),
        builder().version(2).connect().await.unwrap(),
        builder().cached_db().connect().await.unwrap(),
        builder()
            .key_prefix(unique_prefix())
            .connect()
            .await
            .unwrap(),
    ];
    for (n, cache) in caches.iter().enumerate() {
        let here = format!("cache {n}");
        let seen = written(cache.create(&key(1), &draft(&here)).await);
        for other in &caches[n + 1..] {
            is_free(other, &key(1)).await;
            stale(other.save(&key(1), &seen, &draft("")).await);
            other.delete(&key(1)).await.unwrap();
        }
    }
    for (n, cache) in caches.iter().enumerate() {
        holds(cache, &key(1), &format!("cache {n}")).await;
    }
}

#[tokio::test]
async fn a_key_may_be_any_text_that_a_browser_sends() {
    for Site { cache, .. } in sites().await {
        let long = "x".repeat(5_000);
        for at in ["", " \r\n\0", "é {} }{", "{slot}", &long] {
            let at = Lookup::new(at.as_bytes());
            is_free(&cache, &at).await;
            let seen = written(cache.create(&at, &draft("one")).await);
            written(cache.save(&at, &seen, &draft("two")).await);
            holds(&cache, &at, "two").await;
            cache.delete(&at).await.unwrap();
            is_free(&cache, &at).await;
        }
    }
}

#[tokio::test]
async fn owners_are_refused_and_nothing_can_be_listed_found_or_swept() {
    for Site { cache, .. } in sites().await {
        let mut owned = draft("");
        owned.meta.owner = Some("ada".into());
        let seen = written(cache.create(&key(1), &draft("nobody's")).await);

        let guarantees = cache.guarantees();
        assert!(guarantees.compares && guarantees.revokes && guarantees.shared);
        assert!(!guarantees.owners && !guarantees.durable && guarantees.evicts);
        for refused in [
            cache.create(&key(2), &owned).await.map(drop),
            cache.save(&key(1), &seen, &owned).await.map(drop),
            cache
                .rename(&key(1), &seen, &key(2), &owned)
                .await
                .map(drop),
            cache.owned_by(&"ada".into()).await.map(drop),
            cache.find(b"0").await.map(drop),
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
        }
        let later = from_millis(i64::MAX);
        assert_eq!(cache.sweep(later, 100).await.unwrap(), 0);
        cache.ping().await.unwrap();
        holds(&cache, &key(1), "nobody's").await;
        is_free(&cache, &key(2)).await;
    }
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_them_again() {
    for site in sites().await {
        let cache = &site.cache;
        let forget = command(&[b"SCRIPT", b"FLUSH"]);
        let seen = written(cache.create(&key(1), &draft("one")).await);

        ask_every_node(&site.url, &forget).await;
        let seen = written(cache.save(&key(1), &seen, &draft("two")).await);
        ask_every_node(&site.url, &forget).await;
        let seen = written(cache.touch(&key(1), &seen, &draft("").meta).await);
        ask_every_node(&site.url, &forget).await;
        written(cache.rename(&key(1), &seen, &key(2), &draft("three")).await);

        is_free(cache, &key(1)).await;
        holds(cache, &key(2), "three").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_answer_was_lost_has_happened_once_and_a_load_tells() {
    // One of its own: a script that another test has flushed would be one more answer.
    let Some(server) = servers::redis().and_then(|_| Kind::Redis.start()) else {
        return;
    };
    let proxy = Proxy::to(server.url());
    let prefix = unique_prefix();
    let cache = open(proxy.url(), &prefix).await;
    let looker = open(server.url(), &prefix).await;
    // The server learns the scripts, so that each call is one answer.
    let seen = written(cache.create(&key(0), &draft("")).await);
    let seen = written(cache.save(&key(0), &seen, &draft("")).await);
    let seen = written(cache.touch(&key(0), &seen, &draft("").meta).await);
    written(cache.rename(&key(0), &seen, &key(9), &draft("")).await);

    let lose = async || {
        // Over a connection that is open: else it were its greeting that is lost, and the call would not be sent.
        cache.ping().await.unwrap();
        proxy.lose_answer_after(0);
    };
    lose().await;
    let lost = cache.create(&key(1), &draft("one")).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Unavailable, "{lost:?}");
    let seen = looker.load(&key(1)).await.unwrap().unwrap().version;

    lose().await;
    cache.save(&key(1), &seen, &draft("two")).await.unwrap_err();
    holds(&looker, &key(1), "two").await;
    stale(cache.save(&key(1), &seen, &draft("two")).await);

    let seen = looker.load(&key(1)).await.unwrap().unwrap().version;
    lose().await;
    let touch = cache.touch(&key(1), &seen, &lasting(b"", 777).meta).await;
    touch.unwrap_err();
    let neighbour = Neighbour::of(server.url()).await;
    assert_lasts(&neighbour, &full_key(&prefix, &key(1)), 777).await;

    lose().await;
    cache.delete(&key(1)).await.unwrap_err();
    is_free(&looker, &key(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_answer_a_move_loses_the_session_lives_in_one_place_that_is_known() {
    // One of its own: a script that another test has flushed would be one more answer.
    let Some(server) = servers::redis().and_then(|_| Kind::Redis.start()) else {
        return;
    };
    let proxy = Proxy::to(server.url());
    let prefix = unique_prefix();
    let cache = open(proxy.url(), &prefix).await;
    let looker = open(server.url(), &prefix).await;
    let seen = written(cache.create(&key(0), &draft("")).await);
    written(cache.rename(&key(0), &seen, &key(9), &draft("")).await);

    for (lost, lives_there) in [(0_u8, true), (1, false)] {
        let (from, to) = (key(10 + u64::from(lost)), key(20 + u64::from(lost)));
        let seen = written(cache.create(&from, &draft("old")).await);

        proxy.lose_answer_after(lost.into());
        cache
            .rename(&from, &seen, &to, &draft("new"))
            .await
            .unwrap_err();
        proxy.heal();

        assert_eq!(looker.load(&from).await.unwrap().is_some(), lives_there);
        holds(&looker, &to, "new").await;
    }
    let seen = written(cache.create(&key(1), &draft("old")).await);
    written(cache.rename(&key(1), &seen, &key(2), &draft("new")).await);
}

#[tokio::test]
async fn a_value_that_is_no_string_is_an_error_and_left_as_it_is() {
    for site in sites().await {
        let cache = &site.cache;
        let name = site.key(&key(1));
        site.ask::<()>(&[b"RPUSH", &name, b"a poem"]).await;
        let seen = Version::from_bytes(Bytes::from_static(b"a poem"));

        stale(cache.create(&key(1), &draft("")).await);
        for refused in [
            cache.load(&key(1)).await.map(drop),
            cache.save(&key(1), &seen, &draft("")).await.map(drop),
            cache.touch(&key(1), &seen, &draft("").meta).await.map(drop),
            cache
                .rename(&key(1), &seen, &key(2), &draft(""))
                .await
                .map(drop),
        ] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        }

        let poem: Vec<String> = site.ask(&[b"LRANGE", &name, b"0", b"-1"]).await;
        assert_eq!(poem, ["a poem"]);
    }
}

#[tokio::test]
async fn a_full_server_says_so_and_keeps_what_it_has() {
    // One of its own: the limit would be everybody's.
    let Some(server) = servers::redis().and_then(|_| Kind::Redis.start()) else {
        return;
    };
    let cache = open(server.url(), "").await;
    let seen = written(cache.create(&key(1), &draft("kept")).await);

    let full = command(&[b"CONFIG", b"SET", b"maxmemory", b"1"]);
    Neighbour::of(server.url()).await.ask::<()>(&full).await;

    for refused in [
        cache.create(&key(2), &draft("")).await,
        cache.save(&key(1), &seen, &draft("")).await,
    ] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Full);
    }
    holds(&cache, &key(1), "kept").await;
    written(cache.touch(&key(1), &seen, &draft("").meta).await);
    written(cache.save(&key(1), &seen, &lasting(b"", 0)).await);
    is_free(&cache, &key(1)).await;
}

#[tokio::test]
async fn the_rights_that_the_page_names_are_enough_and_no_password_is_shown() {
    for server in [servers::redis(), servers::redis_cluster()] {
        let Some(server) = server else { continue };
        let prefix = unique_prefix();
        let keys = format!("~{prefix}:1:django.contrib.sessions.cache*");
        // Servers before 7.2 do not know `client|setinfo`, and the driver does not mind if it is refused.
        let rights = "+get +set +del +exists +expire +eval +evalsha +hello +auth +select +cluster|slots +asking";
        let rights: Vec<&str> = rights.split(' ').chain([&*keys]).collect();
        let (name, url) = user(server.url(), &rights).await;
        let builder = DjangoCache::builder(&url).key_prefix(&prefix);

        let cache = builder.clone().connect().await.unwrap();

        written(cache.create(&key(1), &lasting(b"", 0)).await);
        let seen = written(cache.create(&key(1), &draft("one")).await);
        let seen = written(cache.save(&key(1), &seen, &draft("two")).await);
        written(cache.touch(&key(1), &seen, &draft("").meta).await);
        written(cache.rename(&key(1), &seen, &key(2), &draft("three")).await);
        cache.delete(&key(2)).await.unwrap();
        is_free(&cache, &key(2)).await;
        let shown = format!("{builder:?} {cache:?}");
        assert!(
            !shown.contains("s3cret") && !shown.contains(&name),
            "{shown}"
        );
    }
}

/// A cache, and somebody else who looks at its keys: what a Django would be.
struct Site {
    url: String,
    prefix: String,
    cache: DjangoCache,
    django: Neighbour,
}

impl Site {
    async fn on(server: &Server) -> Self {
        let prefix = unique_prefix();
        Self {
            url: server.url().to_owned(),
            cache: open(server.url(), &prefix).await,
            django: Neighbour::of(server.url()).await,
            prefix,
        }
    }

    /// Another store on the same sessions.
    async fn open(&self) -> DjangoCache {
        open(&self.url, &self.prefix).await
    }

    fn key(&self, at: &Lookup) -> Vec<u8> {
        full_key(&self.prefix, at)
    }

    async fn ask<T: redis::FromRedisValue>(&self, words: &[&[u8]]) -> T {
        self.django.ask(&command(words)).await
    }

    async fn lasts(&self, at: &Lookup, secs: i64) {
        assert_lasts(&self.django, &self.key(at), secs).await;
    }
}

/// One on each kind of server.
async fn sites() -> Vec<Site> {
    let servers = [
        servers::redis(),
        servers::redis_cluster(),
        servers::valkey(),
    ];
    let mut sites = Vec::new();
    for server in servers.into_iter().flatten() {
        sites.push(Site::on(server).await);
    }
    sites
}

async fn open(url: &str, prefix: &str) -> DjangoCache {
    let builder = DjangoCache::builder(url).key_prefix(prefix);
    builder.connect().await.unwrap()
}

/// The cache of a case of the vectors.
async fn as_in(case: &Value, url: &str) -> DjangoCache {
    let mut builder = DjangoCache::builder(url);
    if let Some(key_prefix) = case["cache_options"]["KEY_PREFIX"].as_str() {
        builder = builder.key_prefix(key_prefix);
    }
    if let Some(version) = case["cache_options"]["VERSION"].as_u64() {
        builder = builder.version(version.try_into().unwrap());
    }
    if case["engine"] == "cached_db" {
        builder = builder.cached_db();
    }
    builder.connect().await.unwrap()
}

fn text(value: &Value) -> Lookup {
    Lookup::new(value.as_str().unwrap().as_bytes())
}

fn full_key(prefix: &str, at: &Lookup) -> Vec<u8> {
    let start = format!("{prefix}:1:django.contrib.sessions.cache");
    [start.as_bytes(), at.as_bytes()].concat()
}

/// A key as Django makes them.
fn key(n: u64) -> Lookup {
    Lookup::new(format!("{n:z>32}").as_bytes())
}

fn draft(data: &str) -> Draft {
    lasting(data.as_bytes(), COOKIE_AGE)
}

/// A draft that lasts for so many seconds from now on.
fn lasting(data: &[u8], secs: i64) -> Draft {
    Draft {
        data: Bytes::copy_from_slice(data),
        meta: Meta {
            created: from_millis(1_764_000_000_001),
            touched: from_millis(TOUCHED),
            expires: from_millis(TOUCHED + 1_000 * secs),
            owner: None,
            label: None,
        },
        version: Version::random().unwrap(),
    }
}

/// One request that counts, without the session layer: the comparison is what makes it add up.
async fn increment(cache: &DjangoCache, at: &Lookup) {
    for _ in 0..10_000 {
        let entry = cache.load(at).await.unwrap().unwrap();
        let count: u64 = str::from_utf8(&entry.data).unwrap().parse().unwrap();
        let new = draft(&(count + 1).to_string());
        if let Outcome::Written(_) = cache.save(at, &entry.version, &new).await.unwrap() {
            return;
        }
    }
    panic!("it never got its turn");
}

/// The key goes in so many seconds. The server's clock is the one clock here that nobody can turn by hand, so they may
/// be a few less.
async fn assert_lasts(neighbour: &Neighbour, key: &[u8], secs: i64) {
    let left: i64 = neighbour.ask(&command(&[b"TTL", key])).await;
    assert!((secs - 30..=secs).contains(&left), "{left} of {secs}");
}

#[track_caller]
fn stale(outcome: cloakroom::Result<Outcome>) {
    assert_eq!(outcome.unwrap(), Outcome::Stale);
}

async fn holds(cache: &DjangoCache, at: &Lookup, data: &str) {
    assert_eq!(cache.load(at).await.unwrap().unwrap().data, data);
}

async fn is_free(cache: &DjangoCache, at: &Lookup) {
    assert!(cache.load(at).await.unwrap().is_none());
}

/// `SESSION_COOKIE_AGE`.
const COOKIE_AGE: i64 = 1_209_600;

const TOUCHED: i64 = 1_767_323_045_250;

/// Enough for moves between the nodes of a Cluster and within one.
const PAIRS: u64 = 64;
