//! Tests failovers: the server becomes a replica, its host name leads to another server, the server
//! stops answering, or Sentinels promote the replica.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::time::Duration;

use cloakroom::store::Store;
use cloakroom::{ErrorKind, Sessions};
use cloakroom_harness::servers::{Kind, Replicas};
use cloakroom_redis::{DjangoCache, RedisStore};
use cloakroom_testkit::Proxy;
use cloakroom_testkit::conformance::OnlyBytes;
use cloakroom_testkit::faults::FAILOVER_LIMIT;
use support::{
    Neighbour, ask_every_node, at, command, draft, ended, owned, unique_prefix, user,
    visit_until_counted, visitor, with_prefix, written,
};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_a_demoted_server_refuses_is_sent_to_the_new_primary() {
    for kind in KINDS {
        let Some(servers) = Replicas::start(kind) else {
            continue;
        };
        let proxy = Proxy::to(&servers.primary());
        let (prefix, django) = (unique_prefix(), unique_prefix());
        let store = with_prefix(proxy.url(), &prefix).await;
        let cache = djangos_cache(proxy.url(), &django).await;
        let seen = written(store.create(&at(1), &owned("ada")).await);
        let seen_in_cache = written(cache.create(&at(1), &draft("old")).await);
        servers.wait_until_replicated();

        demote(&servers.primary(), &servers.replica()).await;
        proxy.lead_to(&servers.replica());

        // The old server refuses the first call of `store`, which runs a script, and the first call
        // of `cache`, which is a plain command. The later calls use the new connection.
        let seen = written(store.save(&at(1), &seen, &owned("grace")).await);
        written(cache.create(&at(2), &draft("new")).await);
        written(cache.save(&at(1), &seen_in_cache, &draft("new")).await);
        written(
            store
                .rename(&at(1), &seen, &at(2), &owned("ada"), None)
                .await,
        );
        store.delete(&at(2)).await.unwrap();

        let observer = with_prefix(&servers.replica(), &prefix).await;
        assert!(observer.load(&at(2)).await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saves_fail_and_loads_succeed_while_the_host_name_leads_to_a_replica() {
    let Some(servers) = Replicas::start(Kind::Redis) else {
        return;
    };
    let proxy = Proxy::to(&servers.primary());
    let store = with_prefix(proxy.url(), &unique_prefix()).await;
    let seen = written(store.create(&at(1), &draft("")).await);
    servers.wait_until_replicated();

    demote(&servers.primary(), &servers.replica()).await;

    for _ in 0..3 {
        let error = store.save(&at(1), &seen, &draft("")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(
            error.to_string(),
            "saving a session in Redis: the server is a replica, and the URL still leads to it; \
             connect to the primary, or use `redis+sentinel://`"
        );
        assert!(store.load(&at(1)).await.unwrap().unwrap().version == seen);
    }
    proxy.lead_to(&servers.replica());
    written(store.save(&at(1), &seen, &draft("")).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_leaves_a_silent_server_for_the_server_that_the_host_name_now_leads_to() {
    let Some(servers) = Replicas::start(Kind::Redis) else {
        return;
    };
    let proxy = Proxy::to(&servers.primary());
    let store = with_prefix(proxy.url(), &unique_prefix()).await;
    let seen = written(store.create(&at(1), &draft("")).await);
    servers.wait_until_replicated();

    proxy.freeze();
    demote(&servers.primary(), &servers.replica()).await;
    proxy.lead_to(&servers.replica());

    let time_limit = Duration::from_millis(100);
    let mut given_up = 0;
    // Drops each call after a time limit, as the session layer does.
    while timeout(time_limit, store.load(&at(1))).await.is_err() {
        given_up += 1;
        assert!(given_up < 200, "the silent connection was not replaced");
    }
    assert!(given_up > 0, "a frozen connection must not answer");
    written(store.save(&at(1), &seen, &draft("")).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_does_not_use_a_connection_that_is_known_to_be_broken() {
    let Some(servers) = Replicas::start(Kind::Redis) else {
        return;
    };
    let (name, url) = user(&servers.primary(), &["+@all", "~*", "&*"]).await;
    let kill = command(&[b"CLIENT", b"KILL", b"USER", name.as_bytes()]);
    let list = command(&[b"CLIENT", b"LIST"]);
    let admin = Neighbour::of(&servers.primary()).await;
    let cache = djangos_cache(&url, &unique_prefix()).await;
    let mut seen = written(cache.create(&at(1), &draft("0")).await);

    for count in 1..=20 {
        admin.ask::<()>(&kill).await;
        // Waits until the store has noticed the broken connection and opened a new one.
        while !admin
            .ask::<String>(&list)
            .await
            .contains(&format!("user={name} "))
        {}
        seen = written(cache.save(&at(1), &seen, &draft(&count.to_string())).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_survive_failovers_by_sentinels() {
    let Some(servers) = Replicas::start(Kind::Redis) else {
        return;
    };
    assert_sessions_survive(servers, &[Replicas::fail_over, Replicas::kill_primary]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_survive_a_planned_failover_by_sentinels_over_tls() {
    let Some(servers) = Replicas::start(Kind::RedisTls) else {
        return;
    };
    assert_sessions_survive(servers, &[Replicas::fail_over]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_survive_the_end_of_the_primary_that_sentinels_watch_over_tls() {
    let Some(servers) = Replicas::start(Kind::RedisTls) else {
        return;
    };
    assert_sessions_survive(servers, &[Replicas::kill_primary]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_the_sentinels_have_replaced_is_not_used_even_if_it_accepts_writes() {
    assert_a_replaced_primary_is_not_used(Kind::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_the_sentinels_have_replaced_over_tls_is_not_used() {
    assert_a_replaced_primary_is_not_used(Kind::RedisTls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentinel_that_is_down_is_skipped_and_an_unknown_name_is_reported() {
    let Some(mut servers) = Replicas::start(Kind::Redis) else {
        return;
    };
    let url = servers.start_sentinels().unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let prefix = unique_prefix();

    let some_gone = url.replacen("127.0.0.1", &format!("{address},127.0.0.1"), 1);
    let store = with_prefix(&some_gone, &prefix).await;
    written(store.create(&at(1), &draft("")).await);

    let all_gone = format!("redis+sentinel://{address}/{}", Replicas::NAME);
    let error = RedisStore::connect(&all_gone).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let error = RedisStore::connect(&format!("{url}s")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert_eq!(
        error.to_string(),
        "connecting to Redis: the Sentinels watch no primary with the name at the end of the URL; \
         correct the name"
    );
}

/// Makes the replica the primary and the primary its replica, as an administrator does.
async fn demote(primary: &str, replica: &str) {
    let promote = command(&[b"REPLICAOF", b"NO", b"ONE"]);
    ask_every_node(replica, &promote).await;
    let port = replica.rsplit_once(':').unwrap().1;
    let demote = command(&[b"REPLICAOF", b"127.0.0.1", port.as_bytes()]);
    ask_every_node(primary, &demote).await;
}

async fn djangos_cache(url: &str, prefix: &str) -> DjangoCache {
    DjangoCache::builder(url)
        .key_prefix(prefix)
        .connect()
        .await
        .unwrap()
}

/// Opens two sites through Sentinels and lets the primary fail over. Asserts that each visit after
/// a failover is counted in time, that no visit is lost or counted twice, and that no session that
/// was logged out is valid again.
async fn assert_sessions_survive(mut servers: Replicas, failovers: &[fn(&mut Replicas)]) {
    let Some(url) = servers.start_sentinels() else {
        panic!("redis-server is installed without redis-sentinel");
    };
    let sites = [
        Sessions::new(with_prefix(&url, &unique_prefix()).await),
        Sessions::new(OnlyBytes::new(djangos_cache(&url, &unique_prefix()).await)),
    ];
    let mut visitors = Vec::new();
    for site in &sites {
        visitors.push((site, visitor(site).await, ended(site).await, 0));
    }

    for fail_over in failovers {
        servers.wait_until_replicated();
        fail_over(&mut servers);
        for (site, key, ended, visits) in &mut visitors {
            let counted = timeout(FAILOVER_LIMIT, visit_until_counted(site, key)).await;
            let (counted, unknown) = counted.expect("requests succeed soon after a failover");
            assert!(
                (*visits + 1..=*visits + 1 + unknown).contains(&counted),
                "{visits} visits became {counted}, and {unknown} failed visits may be among them"
            );
            *visits = counted;
            assert!(
                site.open(ended).await.unwrap().is_none(),
                "a logged-out session is valid again"
            );
        }
    }
}

/// Lets Sentinels replace a primary that still accepts writes. Asserts that the store writes to the
/// new primary as soon as the Sentinels name it.
async fn assert_a_replaced_primary_is_not_used(kind: Kind) {
    let Some(mut servers) = Replicas::start(kind) else {
        return;
    };
    let url = servers.start_sentinels().unwrap();
    let prefix = unique_prefix();
    let store = with_prefix(&url, &prefix).await;
    let (old, new) = (servers.primary(), servers.replica());
    let observer = with_prefix(&new, &prefix).await;
    let admin = Neighbour::of(&old).await;

    servers.begin_fail_over();

    // The Sentinels make the old primary a replica after eight seconds at the earliest. Until then,
    // the old primary accepts writes, but the store must already write to the new primary. The
    // Sentinels close the connections of a server whose role they change, so a call may fail.
    for n in 0.. {
        let info: String = admin.ask(&command(&[b"INFO", b"replication"])).await;
        assert!(
            info.contains("role:master"),
            "the old primary became a replica before the store used the new primary"
        );
        // While the new primary still replicates the old one, it also has the entries that the
        // store writes to the old one.
        let is_replicated = info.contains("connected_slaves:1");
        let _ = store.create(&at(n), &draft("")).await;
        if !is_replicated && matches!(observer.load(&at(n)).await, Ok(Some(_))) {
            break;
        }
    }
}

const KINDS: [Kind; 2] = [Kind::Redis, Kind::Valkey];
