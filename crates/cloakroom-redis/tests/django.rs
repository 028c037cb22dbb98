//! Tests `DjangoCache`: its guarantees, its keys and values in the server, and its use together
//! with a Django site. The vectors are cases that were recorded from Django.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;
#[path = "../../cloakroom-django/tests/vectors/cases.rs"]
mod vectors;

use bytes::Bytes;
use cloakroom::store::{Store, Version, from_millis, millis};
use cloakroom::{ErrorKind, StoreKey};
use cloakroom_harness::django::cache::{
    self, COOKIE_AGE, Site as _, TOUCHED, draft, lasting, lasts,
};
use cloakroom_harness::django::{holds, is_free, key, stale, written};
use cloakroom_harness::servers::{self, Kind, Server};
use cloakroom_redis::DjangoCache;
use cloakroom_testkit::Proxy;
use data_encoding::BASE64;
use serde_json::Value;
use support::{Neighbour, ask_every_node, command, unique_prefix, user};

cloakroom_harness::django_cache!(djangos_cache_in_redis, {
    let Some(server) = servers::redis() else {
        return;
    };
    Site::on(server).await
});

cloakroom_harness::django_cache!(djangos_cache_in_redis_cluster, {
    let Some(server) = servers::redis_cluster() else {
        return;
    };
    Site::on(server).await
});

cloakroom_harness::django_cache!(djangos_cache_in_valkey, {
    let Some(server) = servers::valkey() else {
        return;
    };
    Site::on(server).await
});

#[tokio::test]
async fn keys_and_values_are_those_that_django_writes() {
    // A separate server: the test expects the session's key to be the only one.
    let Some(server) = servers::redis().and_then(|_| Kind::Redis.start()) else {
        return;
    };
    let neighbour = Neighbour::of(server.url()).await;
    let cases = vectors::cases("redis");
    assert!(cases.len() >= 11);
    for case in cases {
        let name = &case["id"];
        let cache = cache_of_case(&case, server.url()).await;
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
            lasts(ttl(&neighbour, key).await, case["ttl"].as_i64().unwrap());
            let loaded = cache.load(&at).await.unwrap().unwrap();
            assert_eq!(loaded.data, new.data, "{name}");
            cache.delete(&at).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_key_of_a_session_is_the_one_that_django_uses() {
    // A separate server: the test expects the session's key to be the only one.
    let Some(server) = servers::redis().and_then(|_| Kind::Redis.start()) else {
        return;
    };
    let neighbour = Neighbour::of(server.url()).await;
    let cases = vectors::cases("cache_keys");
    assert!(cases.len() >= 3);
    for case in cases {
        let cache = cache_of_case(&case, server.url()).await;
        let at = text(&case["session_key"]);
        written(cache.create(&at, &draft("")).await);

        let keys: Vec<String> = neighbour.ask(&command(&[b"KEYS", b"*"])).await;
        assert_eq!(keys, [case["cache_key"].as_str().unwrap()]);
        cache.delete(&at).await.unwrap();
    }
}

#[tokio::test]
async fn a_session_moves_between_any_two_nodes_and_leaves_no_copy_behind() {
    for mut site in sites().await {
        let cache = &site.cache();
        for n in 0..PAIRS {
            // Not `n` again: with the same digits in both keys, their slots would always differ in
            // the same bits, and some pairs of nodes would never occur.
            let (from, to) = (
                key(n),
                StoreKey::new(format!("to {}", 31 * n * n).as_bytes()),
            );
            let seen = written(cache.create(&from, &draft("old")).await);

            let moved = cache
                .rename(&from, &seen, &to, &lasting(b"new", 70), None)
                .await;

            let moved = written(moved);
            is_free(cache, &from).await;
            holds(cache, &to, "new").await;
            lasts(site.left(&to).await, 70);
            stale(cache.save(&from, &seen, &draft("late")).await);
            written(cache.save(&to, &moved, &draft("newer")).await);
            cache.delete(&to).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_session_that_lasts_many_years_is_kept_that_long() {
    for mut site in sites().await {
        // In seconds: more than thirty days, more than an `i32` can hold, and the latest possible
        // expiry.
        let thirty_days = 30 * 24 * 60 * 60;
        let until_9999 = (millis(from_millis(i64::MAX)) - TOUCHED).div_euclid(1_000);
        for age in [thirty_days + 1, i64::from(i32::MAX) + 1, until_9999] {
            let seen = written(site.cache.create(&key(1), &lasting(b"", age)).await);
            lasts(site.left(&key(1)).await, age);
            let seen = written(site.cache.save(&key(1), &seen, &lasting(b"", age)).await);
            let meta = lasting(b"", age).meta;
            written(site.cache.touch(&key(1), &seen, &meta).await);
            lasts(site.left(&key(1)).await, age);
            site.cache.delete(&key(1)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn caches_with_different_prefixes_versions_or_engines_share_no_session() {
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
    cache::none_sees_another(&caches).await;
}

#[tokio::test]
async fn a_key_may_be_any_text_that_a_browser_sends() {
    for Site { cache, .. } in sites().await {
        let long = "x".repeat(5_000);
        cache::may_be_keys(&cache, &["", " \r\n\0", "é {} }{", "{slot}", &long]).await;
    }
}

#[tokio::test]
async fn scripts_are_loaded_again_after_the_server_dropped_them() {
    for site in sites().await {
        let cache = &site.cache;
        let flush_scripts = command(&[b"SCRIPT", b"FLUSH"]);
        let seen = written(cache.create(&key(1), &draft("one")).await);

        ask_every_node(&site.url, &flush_scripts).await;
        let seen = written(cache.save(&key(1), &seen, &draft("two")).await);
        ask_every_node(&site.url, &flush_scripts).await;
        let seen = written(cache.touch(&key(1), &seen, &draft("").meta).await);
        ask_every_node(&site.url, &flush_scripts).await;
        written(
            cache
                .rename(&key(1), &seen, &key(2), &draft("three"), None)
                .await,
        );

        is_free(cache, &key(1)).await;
        holds(cache, &key(2), "three").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_answer_was_lost_is_applied_once_and_a_load_shows_its_effect() {
    // A separate server: if another test flushed the scripts, a call would get two answers.
    let Some(server) = servers::redis().and_then(|_| Kind::Redis.start()) else {
        return;
    };
    let prefix = unique_prefix();
    let observer = open(server.url(), &prefix).await;
    // These calls load the scripts into the server, so that each call below gets one answer.
    let seen = written(observer.create(&key(0), &draft("")).await);
    let seen = written(observer.save(&key(0), &seen, &draft("")).await);
    written(observer.touch(&key(0), &seen, &draft("").meta).await);

    let (_proxy, cache) = losing(0, server.url(), &prefix).await;
    let lost = cache.create(&key(1), &draft("one")).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Unavailable, "{lost:?}");
    let seen = observer.load(&key(1)).await.unwrap().unwrap().version;

    let (_proxy, cache) = losing(0, server.url(), &prefix).await;
    cache.save(&key(1), &seen, &draft("two")).await.unwrap_err();
    holds(&observer, &key(1), "two").await;
    stale(cache.save(&key(1), &seen, &draft("two")).await);

    let seen = observer.load(&key(1)).await.unwrap().unwrap().version;
    let (_proxy, cache) = losing(0, server.url(), &prefix).await;
    let touch = cache.touch(&key(1), &seen, &lasting(b"", 777).meta).await;
    touch.unwrap_err();
    let neighbour = Neighbour::of(server.url()).await;
    lasts(ttl(&neighbour, &full_key(&prefix, &key(1))).await, 777);

    let (_proxy, cache) = losing(0, server.url(), &prefix).await;
    cache.delete(&key(1)).await.unwrap_err();
    is_free(&observer, &key(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_loses_an_answer_leaves_the_session_at_one_known_key() {
    // A separate server: if another test flushed the scripts, a step would get two answers.
    let Some(server) = servers::redis().and_then(|_| Kind::Redis.start()) else {
        return;
    };
    let prefix = unique_prefix();
    let observer = open(server.url(), &prefix).await;
    // This rename loads the script into the server, so that each step below gets one answer.
    let seen = written(observer.create(&key(0), &draft("")).await);
    written(
        observer
            .rename(&key(0), &seen, &key(9), &draft(""), None)
            .await,
    );

    for (lost, is_at_old_key) in [(0_u8, true), (1, false)] {
        let (from, to) = (key(10 + u64::from(lost)), key(20 + u64::from(lost)));
        let seen = written(observer.create(&from, &draft("old")).await);

        let (_proxy, cache) = losing(lost.into(), server.url(), &prefix).await;
        cache
            .rename(&from, &seen, &to, &draft("new"), None)
            .await
            .unwrap_err();

        assert_eq!(observer.load(&from).await.unwrap().is_some(), is_at_old_key);
        holds(&observer, &to, "new").await;
        let seen = written(cache.create(&key(1), &draft("old")).await);
        written(
            cache
                .rename(&key(1), &seen, &key(2), &draft("new"), None)
                .await,
        );
        cache.delete(&key(2)).await.unwrap();
    }
}

/// Opens a cache through a new proxy that forwards `answers` answers and then loses the next one.
///
/// Each proxy loses only one answer: the driver may open two connections to replace the broken one,
/// and the proxy could then lose the greeting on the second connection instead of an answer.
async fn losing(answers: usize, server: &str, prefix: &str) -> (Proxy, DjangoCache) {
    let proxy = Proxy::to(server);
    let cache = open(proxy.url(), prefix).await;
    proxy.lose_answer_after(answers);
    (proxy, cache)
}

#[tokio::test]
async fn a_value_that_is_not_a_string_is_an_error_and_stays_unchanged() {
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
                .rename(&key(1), &seen, &key(2), &draft(""), None)
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
async fn a_full_server_refuses_writes_and_keeps_its_sessions() {
    // A separate server: the memory limit would affect other tests.
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
async fn debug_output_shows_no_password() {
    for server in [servers::redis(), servers::redis_cluster()] {
        let Some(server) = server else { continue };
        let (name, url) = user(server.url(), &["+@all", "~*"]).await;
        let builder = DjangoCache::builder(&url);

        let shown = format!("{builder:?} {:?}", builder.clone().connect().await.unwrap());

        assert!(
            !shown.contains("s3cret") && !shown.contains(&name),
            "{shown}"
        );
    }
}

/// A cache, and a second connection to its server that reads and writes as a Django site does.
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

    fn key(&self, key: &StoreKey) -> Vec<u8> {
        full_key(&self.prefix, key)
    }

    async fn ask<T: redis::FromRedisValue>(&self, words: &[&[u8]]) -> T {
        self.django.ask(&command(words)).await
    }
}

impl cache::Site for Site {
    type Cache = DjangoCache;

    fn cache(&self) -> DjangoCache {
        self.cache.clone()
    }

    async fn open(&self) -> DjangoCache {
        open(&self.url, &self.prefix).await
    }

    async fn get(&mut self, key: &StoreKey) -> Vec<u8> {
        self.ask(&[b"GET", &self.key(key)]).await
    }

    async fn set(&mut self, key: &StoreKey, data: &[u8], secs: i64) {
        let secs = secs.to_string();
        self.ask(&[b"SET", &self.key(key), data, b"EX", secs.as_bytes()])
            .await
    }

    async fn left(&mut self, key: &StoreKey) -> i64 {
        ttl(&self.django, &self.key(key)).await
    }
}

/// Returns one site on each kind of server that is installed.
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

/// Opens the cache with the options of a vector.
async fn cache_of_case(case: &Value, url: &str) -> DjangoCache {
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

fn text(value: &Value) -> StoreKey {
    StoreKey::new(value.as_str().unwrap().as_bytes())
}

/// Returns the time to live of a key in seconds.
async fn ttl(neighbour: &Neighbour, key: &[u8]) -> i64 {
    neighbour.ask(&command(&[b"TTL", key])).await
}

fn full_key(prefix: &str, key: &StoreKey) -> Vec<u8> {
    let start = format!("{prefix}:1:django.contrib.sessions.cache");
    [start.as_bytes(), key.as_bytes()].concat()
}

/// Enough moves that some are between two nodes of a Cluster and some within one node.
const PAIRS: u64 = 64;
