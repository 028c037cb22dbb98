//! Tests calls whose answers were lost, and calls whose connections broke.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::time::Duration;

use cloakroom::store::{Outcome, Store};
use cloakroom::{ErrorKind, Item, Sessions};
use cloakroom_harness::servers::{self, Kind};
use cloakroom_testkit::Proxy;
use support::{
    Neighbour, ask_every_node, at, command, draft, nodes, owned, unique_prefix, user, with_prefix,
    written,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_whose_answer_was_lost_is_applied_once_and_succeeds() {
    let Some(server) = servers::redis() else {
        return;
    };
    let proxy = Proxy::to(server.url());
    let sessions = Sessions::new(with_prefix(proxy.url(), &unique_prefix()).await);
    let session = sessions.new_session();
    session.set(VISITS, 0).unwrap();
    session.save().await.unwrap();
    let key = session.key().unwrap();

    for visits in 1..=20 {
        let session = sessions.open(&key).await.unwrap().unwrap();
        session.update(VISITS, |visits| *visits += 1).unwrap();
        proxy.lose_answer_after(0);
        session.save().await.unwrap();

        let session = sessions.open(&key).await.unwrap().unwrap();
        assert_eq!(session.get(VISITS).unwrap(), Some(visits));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rename_that_loses_an_answer_leaves_the_session_at_one_key() {
    let Some(server) = servers::redis() else {
        return;
    };
    let proxy = Proxy::to(server.url());
    let prefix = unique_prefix();
    let store = with_prefix(proxy.url(), &prefix).await;
    let observer = with_prefix(server.url(), &prefix).await;
    // These calls load the scripts into the server, so that each step gets one answer.
    let seen = written(store.create(&at(0), &owned("ada")).await);
    written(
        store
            .rename(&at(0), &seen, &at(1), &owned("ada"), None)
            .await,
    );

    for (n, lost) in (0..).zip(0..ROUNDS) {
        let (from, to) = (at(10 + n), at(20 + n));
        let old = owned("ada");
        let seen = written(store.create(&from, &old).await);
        let new = owned("ada");

        proxy.lose_answer_after(lost);
        let moved = store.rename(&from, &seen, &to, &new, None).await;
        proxy.heal();

        let (left, arrived) = (
            observer.load(&from).await.unwrap(),
            observer.load(&to).await.unwrap(),
        );
        let is_at_old_key = left.as_ref().is_some_and(|left| left.version == seen);
        // A marker with the version of `new` proves that the session moved.
        let is_marker = left
            .as_ref()
            .is_some_and(|left| left.version == new.version());
        match moved {
            Ok(Outcome::Written(version)) => {
                assert!(
                    !is_at_old_key,
                    "answer {lost} was lost, and the session is still at the old key"
                );
                assert!(arrived.is_some_and(|arrived| arrived.version == version));
            }
            Ok(Outcome::Stale) => {
                panic!("answer {lost} was lost, and the rename is stale without another request")
            }
            Err(_) => {
                assert!(
                    is_at_old_key || (is_marker && arrived.is_some()),
                    "answer {lost} was lost, and the session is at neither key"
                );
                assert!(arrived.is_none_or(|arrived| arrived.version != new.version()));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_call_after_a_server_came_back_succeeds() {
    let Some(server) = servers::redis() else {
        return;
    };
    let proxy = Proxy::to(server.url());
    let store = with_prefix(proxy.url(), &unique_prefix()).await;
    written(store.create(&at(1), &draft("")).await);

    for n in 2..5 {
        proxy.refuse().await;
        // The first load finds the connection broken; the other loads cannot connect.
        for _ in 0..3 {
            store.load(&at(1)).await.unwrap_err();
        }
        // Waits until no attempt to connect is in progress; otherwise the call below would not be
        // the first to connect.
        tokio::time::sleep(Duration::from_millis(300)).await;
        proxy.heal();

        written(store.create(&at(n), &draft("")).await);
        assert!(store.load(&at(n)).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_that_may_have_been_applied_is_not_sent_again() {
    // Separate servers: `CLIENT PAUSE` would delay the calls of other tests.
    let kinds = [
        (Kind::Redis, servers::redis()),
        (Kind::RedisCluster, servers::redis_cluster()),
    ];
    for (kind, shared) in kinds {
        let Some(server) = shared.and_then(|_| kind.start()) else {
            continue;
        };
        let (name, url) = user(server.url(), &["+@all", "~*", "&*"]).await;
        let store = with_prefix(&url, &unique_prefix()).await;
        let seen = written(store.create(&at(1), &draft("")).await);
        let every_node =
            async |words: &[&[u8]]| ask_every_node(server.url(), &command(words)).await;

        every_node(&[b"CLIENT", b"PAUSE", b"60000", b"WRITE"]).await;
        let save = tokio::spawn({
            let (store, seen) = (store.clone(), seen.clone());
            async move { store.save(&at(1), &seen, &draft("saved")).await }
        });
        until_held(server.url(), &name).await;
        every_node(&[b"CLIENT", b"KILL", b"USER", name.as_bytes()]).await;
        every_node(&[b"CLIENT", b"UNPAUSE"]).await;

        let error = save.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        // A load over a new connection shows that the save was not applied.
        assert!(store.load(&at(1)).await.unwrap().unwrap().version == seen);
    }
}

/// Waits until the server holds back a command of this user.
async fn until_held(url: &str, user: &str) {
    let held = |list: &str| {
        let mut lines = list.lines().filter(|line| line.contains(user));
        lines.any(|line| line.contains(" flags=b "))
    };
    for _ in 0..10_000 {
        for node in nodes(url) {
            let list = command(&[b"CLIENT", b"LIST"]);
            let list: String = Neighbour::of(&node).await.ask(&list).await;
            if held(&list) {
                return;
            }
        }
    }
    panic!("the server never received the command");
}

const VISITS: Item<u64> = Item::new("num_visits");

/// Each round loses the answer with the number of the round, counted from 0. A rename gets five
/// answers, so the last two rounds lose no answer.
const ROUNDS: usize = 7;
