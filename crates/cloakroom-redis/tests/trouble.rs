//! Tests servers that lose scripts, break connections, are full, are missing or refuse a login.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use cloakroom::store::{Store, from_millis};
use cloakroom::{ErrorKind, Item, SessionKey, Sessions};
use cloakroom_harness::servers::{self, Kind};
use cloakroom_redis::RedisStore;
use support::{
    EXPIRES, Neighbour, ask_every_node, at, command, draft, open, owned, two, unique_prefix, user,
    with_prefix, written,
};
use tokio::task::JoinSet;

#[tokio::test]
async fn scripts_are_loaded_again_after_the_server_dropped_them() {
    for server in [
        servers::redis(),
        servers::redis_cluster(),
        servers::valkey(),
    ] {
        let Some(server) = server else { continue };
        let store = open(server).await;
        let flush = async || ask_every_node(server.url(), &command(&[b"SCRIPT", b"FLUSH"])).await;

        flush().await;
        let seen = written(store.create(&at(1), &owned("ada")).await);
        flush().await;
        let seen = written(store.save(&at(1), &seen, &owned("grace")).await);
        flush().await;
        let mut later = draft("").meta;
        later.expires = from_millis(2 * EXPIRES);
        let seen = written(store.touch(&at(1), &seen, &later).await);
        flush().await;
        written(
            store
                .rename(&at(1), &seen, &at(2), &owned("ada"), None)
                .await,
        );
        flush().await;
        assert_eq!(
            store
                .owned_by(&"ada".into(), None, usize::MAX)
                .await
                .unwrap()
                .entries
                .len(),
            1
        );
        flush().await;
        store.delete(&at(2)).await.unwrap();
        assert!(store.load(&at(2)).await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_increments_through_two_stores_add_up() {
    for server in [
        servers::redis(),
        servers::redis_cluster(),
        servers::valkey(),
    ] {
        let Some(server) = server else { continue };
        let (one, other) = two(server).await;
        let (one, other) = (Sessions::new(one), Sessions::new(other));
        let key = visitor(&one).await;

        let mut visitors = JoinSet::new();
        for task in 0..10 {
            let sessions = if task % 2 == 0 { &one } else { &other };
            let (sessions, key) = (sessions.clone(), key.clone());
            visitors.spawn(async move {
                for _ in 0..100 {
                    visit(&sessions, &key).await.unwrap();
                }
            });
        }
        visitors.join_all().await;

        assert_eq!(visits(&other, &key).await, 1_000);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_edit_is_lost_or_repeated_when_connections_are_killed_under_load() {
    for server in [servers::redis(), servers::redis_cluster()] {
        let Some(server) = server else { continue };
        let (name, url) = user(server.url(), &["+@all", "~*", "&*"]).await;
        let kill = command(&[b"CLIENT", b"KILL", b"USER", name.as_bytes()]);
        let sessions = Sessions::new(with_prefix(&url, &unique_prefix()).await);
        let key = visitor(&sessions).await;
        let acknowledged = Arc::new(AtomicU64::new(0));
        let unknown = Arc::new(AtomicU64::new(0));

        let mut visitors = JoinSet::new();
        for _ in 0..4 {
            let (sessions, key) = (sessions.clone(), key.clone());
            let (acknowledged, unknown) = (Arc::clone(&acknowledged), Arc::clone(&unknown));
            visitors.spawn(async move {
                for _ in 0..250 {
                    match visit(&sessions, &key).await {
                        Ok(()) => acknowledged.fetch_add(1, SeqCst),
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                            unknown.fetch_add(1, SeqCst)
                        }
                    };
                }
            });
        }
        for kills in 1..=5 {
            while acknowledged.load(SeqCst) + unknown.load(SeqCst) < kills * 100 {
                tokio::task::yield_now().await;
            }
            ask_every_node(server.url(), &kill).await;
        }
        visitors.join_all().await;

        let (acknowledged, unknown) = (acknowledged.load(SeqCst), unknown.load(SeqCst));
        let counted = visits(&sessions, &key).await;
        assert!(
            (acknowledged..=acknowledged + unknown).contains(&counted),
            "{acknowledged} visits were acknowledged, {unknown} failed, and {counted} were counted"
        );
        assert!(
            acknowledged > 900,
            "only {acknowledged} of 1000 visits were acknowledged"
        );
    }
}

#[tokio::test]
async fn a_load_succeeds_after_an_idle_connection_was_killed() {
    for server in [servers::redis(), servers::redis_cluster()] {
        let Some(server) = server else { continue };
        let (name, url) = user(server.url(), &["+@all", "~*", "&*"]).await;
        let store = with_prefix(&url, &unique_prefix()).await;
        written(store.create(&at(1), &draft("")).await);

        let kill = command(&[b"CLIENT", b"KILL", b"USER", name.as_bytes()]);
        ask_every_node(server.url(), &kill).await;

        assert!(store.load(&at(1)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_full_server_refuses_writes_and_keeps_its_sessions() {
    // A separate server: the memory limit would affect other tests.
    let Some(server) = servers::redis().and_then(|_| Kind::Redis.start()) else {
        return;
    };
    let store = open(&server).await;
    let neighbour = Neighbour::of(server.url()).await;
    let seen = written(store.create(&at(1), &owned("ada")).await);

    neighbour
        .ask::<()>(&command(&[b"CONFIG", b"SET", b"maxmemory", b"1"]))
        .await;

    for refused in [
        store.create(&at(2), &draft("")).await,
        store.create(&at(2), &owned("ada")).await,
        store.save(&at(1), &seen, &draft("")).await,
        store.save(&at(1), &seen, &owned("ada")).await,
    ] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Full);
    }
    assert!(store.load(&at(1)).await.unwrap().unwrap().version == seen);
    store.delete(&at(1)).await.unwrap();
    assert!(store.load(&at(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_user_can_log_out_while_the_server_is_full() {
    let Some(server) = servers::redis().and_then(|_| Kind::Redis.start()) else {
        return;
    };
    let sessions = Sessions::new(open(&server).await);
    let session = sessions.new_session();
    session.log_in("ada").unwrap();
    session.save().await.unwrap();
    let key = session.key().unwrap();
    let neighbour = Neighbour::of(server.url()).await;
    neighbour
        .ask::<()>(&command(&[b"CONFIG", b"SET", b"maxmemory", b"1"]))
        .await;

    session.flush().unwrap();
    session.save().await.unwrap();

    assert!(sessions.open(&key).await.unwrap().is_none());
}

#[tokio::test]
async fn a_missing_server_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);

    let url = format!("redis://:s3cret@{address}");
    let error = RedisStore::connect(&url).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "connecting to Redis: no server listens at the address; start the server or check the URL"
    );
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn debug_output_shows_no_password() {
    for server in [servers::redis(), servers::redis_cluster()] {
        let Some(server) = server else { continue };
        let (name, url) = user(server.url(), &["+@all", "~*"]).await;
        let builder = RedisStore::builder(&url);

        let shown = format!("{builder:?} {:?}", builder.clone().connect().await.unwrap());

        assert!(
            !shown.contains("s3cret") && !shown.contains(&name),
            "{shown}"
        );
        assert!(shown.contains("127.0.0.1:"), "{shown}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_reported_but_not_shown() {
    let Some(server) = servers::redis() else {
        return;
    };
    let (_, url) = user(server.url(), &["+@all", "~*"]).await;

    let error = RedisStore::connect(&url.replace("s3cret", "wr0ng"))
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert!(error.to_string().contains("check the URL"), "{error}");
    assert!(!format!("{error:?}").contains("wr0ng"), "{error:?}");
}

/// Creates a session that counts visits, and returns its key.
async fn visitor(sessions: &Sessions) -> SessionKey {
    let session = sessions.new_session();
    session.set(VISITS, 0).unwrap();
    session.save().await.unwrap();
    session.key().expect("a saved session has a key")
}

async fn visit(sessions: &Sessions, key: &SessionKey) -> cloakroom::Result<()> {
    let session = sessions.open(key).await?.expect("the session exists");
    session.update(VISITS, |visits| *visits += 1)?;
    session.save().await
}

async fn visits(sessions: &Sessions, key: &SessionKey) -> u64 {
    let session = sessions
        .open(key)
        .await
        .unwrap()
        .expect("the session exists");
    session.get(VISITS).unwrap().unwrap()
}

const VISITS: Item<u64> = Item::new("num_visits");
