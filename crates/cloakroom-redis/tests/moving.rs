//! Tests a rename that is interrupted between two of its three steps. A rename writes a copy to the
//! new key, replaces the old entry with a marker, and deletes the marker. In these tests, the store
//! logs in as a user that lacks the right to take one of the steps. This has the same effect as a
//! crash before that step.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::collections::HashSet;
use std::time::UNIX_EPOCH;

use cloakroom::StoreKey;
use cloakroom::store::{Draft, Outcome, Store};
use cloakroom_harness::servers::{self, Server};
use cloakroom_redis::RedisStore;
use support::{Neighbour, command, owned, session_key, unique_prefix, user, with_prefix, written};

#[tokio::test]
async fn a_crash_before_the_old_entry_is_replaced_leaves_the_old_entry_and_an_unused_copy() {
    for server in servers() {
        let moves = Moves::new(server).await;
        let rights = [
            "+@all",
            &format!("~{}s:to*", moves.prefix),
            &format!("~{}o:*", moves.prefix),
        ];
        let (_, url) = user(server.url(), &rights).await;
        let interrupted = with_prefix(&url, &moves.prefix).await;

        for n in 0..PAIRS {
            let (from, to) = (Moves::from(n), Moves::to(n));
            let old = owned("ada");
            let seen = written(moves.store.create(&from, &old).await);
            let new = owned("ada");

            interrupted
                .rename(&from, &seen, &to, &new, None)
                .await
                .unwrap_err();

            moves.holds(&from, &old).await;
            let copy = moves.store.load(&to).await.unwrap().unwrap();
            assert!(
                copy.version != new.version(),
                "the copy must not have the version that would prove that the session moved"
            );
            // The session is still at its old key, and can be moved.
            written(
                moves
                    .store
                    .rename(&from, &seen, &Moves::elsewhere(n), &new, None)
                    .await,
            );
        }
    }
}

#[tokio::test]
async fn a_crash_after_the_old_entry_is_replaced_leaves_the_new_entry_and_an_expired_marker() {
    for server in servers() {
        let moves = Moves::new(server).await;
        let neighbour = Neighbour::of(server.url()).await;
        let (_, url) = user(server.url(), &["+@all", "~*", "-del", "-zrem"]).await;
        let interrupted = with_prefix(&url, &moves.prefix).await;

        for n in 0..PAIRS {
            let (from, to) = (Moves::from(n), Moves::to(n));
            let owner = format!("ada {n}");
            let seen = written(moves.store.create(&from, &owned(&owner)).await);
            let new = owned(&owner);

            let moved = written(interrupted.rename(&from, &seen, &to, &new, None).await);

            moves.holds(&to, &new).await;
            let left = moves.store.load(&from).await.unwrap().unwrap();
            assert_eq!(
                left.meta.expires, UNIX_EPOCH,
                "the marker must not be a valid session"
            );
            assert!(
                left.version == new.version(),
                "the version of the marker must prove that the session moved"
            );
            assert!(left.data.is_empty() && left.meta.owner.is_none());
            let key = session_key(&moves.prefix, &from);
            let stays: i64 = neighbour.ask(&command(&[b"PTTL", &key])).await;
            assert!(
                (1..=60_000).contains(&stays),
                "the server must delete the marker within a minute, not in {stays} ms"
            );

            let listed = moves
                .store
                .owned_by(&owner.as_str().into(), None, usize::MAX)
                .await
                .unwrap()
                .entries;
            let listed: Vec<&StoreKey> = listed.iter().map(|owned| &owned.key).collect();
            assert_eq!(listed, [&to]);
            let stale = moves.store.save(&from, &seen, &owned(&owner)).await;
            assert_eq!(stale.unwrap(), Outcome::Stale);
            written(moves.store.save(&to, &moved, &owned(&owner)).await);
        }
    }
}

#[tokio::test]
async fn the_tests_above_move_sessions_from_every_node_to_every_node() {
    let Some(server) = servers::redis_cluster() else {
        return;
    };
    let moves = Moves::new(server).await;
    let neighbour = Neighbour::of(server.url()).await;
    // The three nodes have about a third of the 16,384 slots each.
    let node_of = async |at: &StoreKey| {
        let key = session_key(&moves.prefix, at);
        let slot: u32 = neighbour
            .ask(&command(&[b"CLUSTER", b"KEYSLOT", &key]))
            .await;
        slot / 5_462
    };

    let mut crossed = HashSet::new();
    for n in 0..PAIRS {
        crossed.insert((node_of(&Moves::from(n)).await, node_of(&Moves::to(n)).await));
    }

    let pairs_of_nodes = (0..3).flat_map(|a| (0..3).map(move |b| (a, b)));
    for pair in pairs_of_nodes {
        assert!(
            crossed.contains(&pair),
            "no session moves between the nodes {pair:?}; raise PAIRS"
        );
    }
}

#[tokio::test]
async fn a_stale_rename_leaves_no_copy() {
    for server in servers() {
        let moves = Moves::new(server).await;
        let seen = written(moves.store.create(&Moves::from(0), &owned("ada")).await);
        let newer = owned("ada");
        written(moves.store.save(&Moves::from(0), &seen, &newer).await);

        let stale = moves
            .store
            .rename(&Moves::from(0), &seen, &Moves::to(0), &owned("ada"), None)
            .await;

        assert_eq!(stale.unwrap(), Outcome::Stale);
        assert!(moves.store.load(&Moves::to(0)).await.unwrap().is_none());
        moves.holds(&Moves::from(0), &newer).await;
    }
}

/// A store, and the keys from which and to which the tests rename sessions.
struct Moves {
    prefix: String,
    store: RedisStore,
}

impl Moves {
    async fn new(server: &Server) -> Self {
        let prefix = unique_prefix();
        let store = with_prefix(server.url(), &prefix).await;
        Self { prefix, store }
    }

    fn from(n: u64) -> StoreKey {
        StoreKey::new(format!("from {n}").as_bytes())
    }

    fn to(n: u64) -> StoreKey {
        // Not `n` again: with the same digits in both keys, their slots would always differ in the
        // same bits, and some pairs of nodes would never occur.
        StoreKey::new(format!("to {}", 31 * n * n).as_bytes())
    }

    fn elsewhere(n: u64) -> StoreKey {
        StoreKey::new(format!("elsewhere {n}").as_bytes())
    }

    async fn holds(&self, key: &StoreKey, draft: &Draft) {
        let entry = self.store.load(key).await.unwrap().unwrap();
        assert_eq!(
            (entry.data, entry.meta),
            (draft.data.clone(), draft.meta.clone())
        );
    }
}

fn servers() -> impl Iterator<Item = &'static Server> {
    [servers::redis(), servers::redis_cluster()]
        .into_iter()
        .flatten()
}

/// Enough pairs to move a session from each of three nodes to each of the three.
const PAIRS: u64 = 64;
