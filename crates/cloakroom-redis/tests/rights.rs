//! Tests that servers accept the access lists in the documentation, that these lists are enough,
//! and that every right in them is needed.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use cloakroom::ErrorKind;
use cloakroom::store::{Draft, Meta, SaveId, Store};
use cloakroom_harness::servers::{self, Kind, Replicas, Server};
use cloakroom_redis::{DjangoCache, RedisStore};
use support::{
    Neighbour, ask_every_node, at, command, documented_rights, documented_rights_of_sentinels,
    draft, nodes, owned, unique_prefix, user, with_prefix, written,
};

#[tokio::test]
async fn the_documented_rights_are_enough_for_a_store() {
    for (server, row) in servers_and_rows() {
        let Some(server) = server else { continue };
        let prefix = unique_prefix();
        let keys = format!("~{prefix}*");
        let mut rights = documented_rights(STORE, row);
        rights.push(&keys);

        let (_, url) = user(server.url(), &rights).await;

        use_store(&with_prefix(&url, &prefix).await).await;
    }
}

#[tokio::test]
async fn the_documented_rights_are_enough_for_djangos_cache() {
    for (server, row) in servers_and_rows() {
        let Some(server) = server else { continue };
        let prefix = unique_prefix();
        let keys = format!("~{prefix}:1:django.contrib.sessions.cache*");
        let mut rights = documented_rights(DJANGO, row);
        rights.push(&keys);

        let (_, url) = user(server.url(), &rights).await;

        use_djangos_cache(&djangos_cache(&url, &prefix).await).await;
    }
}

#[tokio::test]
async fn every_documented_right_is_needed() {
    // A separate server: if another test had loaded the scripts, `eval` would not be needed.
    let Some(server) = servers::redis().and_then(|_| Kind::Redis.start()) else {
        return;
    };
    // Every connection may use `auth` and `hello`, whatever its rights are. `zrem` cleans up after
    // a deletion, and the deletion succeeds even if the cleanup fails.
    let not_tested = ["+auth", "+hello", "+zrem"];
    for source in [STORE, DJANGO] {
        for left_out in documented_rights(source, None) {
            if not_tested.contains(&left_out) {
                continue;
            }
            let prefix = unique_prefix();
            let mut rights = documented_rights(source, None);
            rights.retain(|right| *right != left_out);
            rights.push("~*");
            let (_, url) = user(server.url(), &rights).await;
            // A database other than the first, so that `select` is needed.
            let url = format!("{url}/1");
            ask_every_node(server.url(), &command(&[b"SCRIPT", b"FLUSH"])).await;

            let used = tokio::spawn(async move {
                match source == STORE {
                    true => use_store(&with_prefix(&url, &prefix).await).await,
                    false => use_djangos_cache(&djangos_cache(&url, &prefix).await).await,
                }
            });
            assert!(used.await.is_err(), "all calls succeed without {left_out}");
        }
    }
}

#[tokio::test]
async fn a_scan_of_a_cluster_needs_a_right_that_other_calls_do_not_need() {
    let Some(server) = servers::redis_cluster() else {
        return;
    };
    let prefix = unique_prefix();
    let keys = format!("~{prefix}*");
    let mut rights = documented_rights(STORE, Some("a Cluster"));
    rights.retain(|right| *right != "+cluster|nodes");
    rights.push(&keys);
    let (_, url) = user(server.url(), &rights).await;
    let store = with_prefix(&url, &prefix).await;
    written(store.create(&at(1), &owned("ada")).await);

    let error = store.scan(None, 10).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
}

#[tokio::test]
async fn the_documented_rights_are_enough_with_sentinels() {
    let Some(mut servers) = Replicas::start(Kind::Redis) else {
        return;
    };
    let url = servers.start_sentinels().unwrap();
    let (prefix, name) = (unique_prefix(), cloakroom_testkit::unique_name());
    let all_keys = ["~*"];
    let of_store = documented_rights(STORE, Some("Sentinels"));
    let of_django = documented_rights(DJANGO, Some("Sentinels"));
    let rights = [of_store, of_django].concat();
    let of_sentinels = documented_rights_of_sentinels(STORE);
    assert_eq!(of_sentinels, documented_rights_of_sentinels(DJANGO));
    for server in [servers.primary(), servers.replica()] {
        set_user(&server, &name, &[&rights, &all_keys[..]].concat()).await;
    }
    let sentinels = url.strip_prefix("redis+sentinel://").unwrap();
    let (sentinels, _) = sentinels.split_once('/').unwrap();
    for sentinel in nodes(&format!("redis+cluster://{sentinels}")) {
        set_user(&sentinel, &name, &of_sentinels).await;
        set_user(&sentinel, "admin", &["+@all"]).await;
        let default_off = command(&[b"ACL", b"SETUSER", b"default", b"off"]);
        ask_every_node(&sentinel, &default_off).await;
    }
    let with_user = url.replacen("://", &format!("://{name}:s3cret@"), 1);

    let with_both = format!("{with_user}?sentinel_user={name}&sentinel_password=s3cret");
    let store = with_prefix(&with_both, &prefix).await;
    use_store(&store).await;
    use_djangos_cache(&djangos_cache(&with_both, &prefix).await).await;
    // The calls above also succeed without the rights `+subscribe` and `&+switch-master`. So wait
    // until a Sentinel lists the subscription that needs these rights.
    let list = command(&[b"CLIENT", b"LIST"]);
    let is_watched = async || {
        for sentinel in sentinels.split(',') {
            let admin = format!("redis://admin:s3cret@{sentinel}");
            let list: String = Neighbour::of(&admin).await.ask(&list).await;
            let mut clients = list.lines().filter(|client| client.contains(" sub=1 "));
            if clients.any(|client| client.contains(&format!("user={name} "))) {
                return true;
            }
        }
        false
    };
    for tries in 0.. {
        if is_watched().await {
            break;
        }
        assert!(tries < 1_000, "no Sentinel lists the subscription");
    }

    // The Sentinels refuse a store whose URL has no login for them.
    let error = RedisStore::connect(&with_user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}

/// Returns the servers, each with the row of the documented table that applies to it.
fn servers_and_rows() -> [(Option<&'static Server>, Option<&'static str>); 3] {
    [
        (servers::redis(), None),
        (servers::valkey(), None),
        (servers::redis_cluster(), Some("a Cluster")),
    ]
}

async fn set_user(url: &str, name: &str, rights: &[&str]) {
    let mut set = redis::cmd("ACL");
    set.arg("SETUSER")
        .arg(name)
        .arg("on")
        .arg(">s3cret")
        .arg(rights);
    ask_every_node(url, &set).await;
}

/// Makes every call that a site makes.
async fn use_store(store: &RedisStore) {
    let seen = written(store.create(&at(1), &owned("ada")).await);
    let seen = written(store.save(&at(1), &seen, &owned("grace")).await);
    let mut meta = owned("grace").meta;
    meta.expires += std::time::Duration::from_secs(2 * 60 * 60);
    written(store.touch(&at(1), &seen, &meta).await);
    written(
        store
            .rename(&at(1), &seen, &at(2), &owned("ada"), None)
            .await,
    );
    let ada = "ada".into();
    written(store.create(&at(3), &owned("ada")).await);
    let page = store.owned_by(&ada, None, 2).await.unwrap();
    let second = store.owned_by(&ada, page.next.as_ref(), 1).await.unwrap();
    assert_eq!((page.entries.len(), second.entries.len()), (1, 1));
    // The other session is at the key 2.
    let first = store.scan(None, 1).await.unwrap();
    let (mut scanned, mut after) = (first.entries.len(), first.next);
    assert!(after.is_some(), "there is a second page");
    while let Some(cursor) = after {
        let page = store.scan(Some(&cursor), 1).await.unwrap();
        scanned += page.entries.len();
        after = page.next;
    }
    assert_eq!(scanned, 2);
    // The page after a cursor whose entry is gone.
    store.delete(&page.entries[0].key).await.unwrap();
    let second = store.owned_by(&ada, page.next.as_ref(), 9).await.unwrap();
    assert_eq!(second.entries.len(), 1);
    let revoked = store.revoke_owned(&ada, None, 10).await.unwrap();
    assert_eq!(revoked.len(), 1);
    let seen = written(store.create(&at(4), &draft("")).await);
    let tombstone = Draft::new(
        "moved".into(),
        Meta::tombstone(meta.touched, meta.expires),
        SaveId::new(1),
    );
    let renamed = store
        .rename(&at(4), &seen, &at(5), &draft(""), Some(&tombstone))
        .await;
    written(renamed);
    store.delete(&at(5)).await.unwrap();
    assert!(store.load(&at(5)).await.unwrap().is_none());
    store.ping().await.unwrap();
}

async fn use_djangos_cache(cache: &DjangoCache) {
    let mut ended = draft("");
    ended.meta.expires = std::time::UNIX_EPOCH;
    written(cache.create(&at(1), &ended).await);
    let seen = written(cache.create(&at(1), &draft("one")).await);
    let seen = written(cache.save(&at(1), &seen, &draft("two")).await);
    written(cache.touch(&at(1), &seen, &draft("").meta).await);
    let seen = written(
        cache
            .rename(&at(1), &seen, &at(2), &draft("three"), None)
            .await,
    );
    written(cache.touch(&at(2), &seen, &ended.meta).await);
    cache.delete(&at(2)).await.unwrap();
    assert!(cache.load(&at(2)).await.unwrap().is_none());
    cache.ping().await.unwrap();
}

async fn djangos_cache(url: &str, prefix: &str) -> DjangoCache {
    DjangoCache::builder(url)
        .key_prefix(prefix)
        .connect()
        .await
        .unwrap()
}

const STORE: &str = include_str!("../src/lib.rs");

const DJANGO: &str = include_str!("../src/django/store.rs");
