//! Tests sessions whose slot moves from one node of a Cluster to another.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use cloakroom::StoreKey;
use cloakroom::store::Store;
use cloakroom_harness::servers::{self, Kind};
use support::{Neighbour, command, draft, nodes, session_key, unique_prefix, with_prefix, written};

#[tokio::test]
async fn sessions_can_be_used_while_their_slot_moves_and_afterwards() {
    // A separate Cluster: in the shared one, the slots of other tests must not move.
    let Some(server) = servers::redis_cluster().and_then(|_| Kind::RedisCluster.start()) else {
        return;
    };
    let prefix = unique_prefix();
    let store = with_prefix(server.url(), &prefix).await;
    let seen = written(store.create(&in_slot(1), &draft("before")).await);
    let key = session_key(&prefix, &in_slot(1));
    let slot: u64 = Neighbour::of(server.url())
        .await
        .ask(&command(&[b"CLUSTER", b"KEYSLOT", &key]))
        .await;
    let slot = slot.to_string();
    let [from, to] = source_and_target(server.url(), &slot).await;
    let set_slot = async |node: &Node, state: &str, other: &Node| {
        let words = ["CLUSTER", "SETSLOT", &slot, state, &other.id];
        node.neighbour
            .ask::<()>(&command(&words.map(str::as_bytes)))
            .await;
    };

    set_slot(&to, "IMPORTING", &from).await;
    set_slot(&from, "MIGRATING", &to).await;
    assert_eq!(
        store.load(&in_slot(1)).await.unwrap().unwrap().data,
        "before"
    );

    let move_key: [&[u8]; 6] = [
        b"MIGRATE",
        b"127.0.0.1",
        to.port.as_bytes(),
        &key,
        b"0",
        b"5000",
    ];
    from.neighbour.ask::<()>(&command(&move_key)).await;
    assert_eq!(
        store.load(&in_slot(1)).await.unwrap().unwrap().data,
        "before"
    );
    let seen = written(store.save(&in_slot(1), &seen, &draft("during")).await);
    assert_eq!(
        store.load(&in_slot(1)).await.unwrap().unwrap().data,
        "during"
    );
    assert!(store.load(&in_slot(2)).await.unwrap().is_none());

    for node in [&to, &from] {
        set_slot(node, "NODE", &to).await;
    }
    assert_eq!(
        store.load(&in_slot(1)).await.unwrap().unwrap().data,
        "during"
    );
    written(store.save(&in_slot(1), &seen, &draft("after")).await);
    assert_eq!(
        store.load(&in_slot(1)).await.unwrap().unwrap().data,
        "after"
    );
    store.delete(&in_slot(1)).await.unwrap();
    assert!(store.load(&in_slot(1)).await.unwrap().is_none());
}

struct Node {
    neighbour: Neighbour,
    id: String,
    port: String,
}

/// Returns the node that has keys in the slot, and another node.
async fn source_and_target(url: &str, slot: &str) -> [Node; 2] {
    let (mut source, mut target) = (None, None);
    for url in nodes(url) {
        let neighbour = Neighbour::of(&url).await;
        let count = command(&[b"CLUSTER", b"COUNTKEYSINSLOT", slot.as_bytes()]);
        let keys: u64 = neighbour.ask(&count).await;
        let node = Node {
            id: neighbour.ask(&command(&[b"CLUSTER", b"MYID"])).await,
            port: url.rsplit_once(':').unwrap().1.to_owned(),
            neighbour,
        };
        match keys {
            0 => target = Some(node),
            _ => source = Some(node),
        }
    }
    [source.unwrap(), target.unwrap()]
}

/// Returns the store key with number `n`. All these store keys have the same slot: if a key
/// contains braces, Redis hashes only the text between them.
fn in_slot(n: u64) -> StoreKey {
    StoreKey::new(format!("{{one slot}} {n}").as_bytes())
}
