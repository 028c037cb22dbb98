//! Tests the list of all sessions: on one server, through failovers, and in a Cluster whose slots
//! move.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use cloakroom::store::{Cursor, Draft, Meta, OwnedEntry, Page, SaveId, Store, from_millis};
use cloakroom::{ErrorKind, Sessions, StoreKey};
use cloakroom_harness::servers::{self, ClusterReplicas, Kind, Replicas, Server};
use cloakroom_redis::RedisStore;
use cloakroom_testkit::wrap::{Call, Spy};
use futures_util::future::join_all;
use support::{
    EXPIRES, Neighbour, at, command, draft, index_key, nodes, owned, session_key, unique_prefix,
    with_prefix, written,
};

#[tokio::test]
async fn a_scan_of_more_keys_than_one_step_examines_lists_every_session() {
    for kind in [Kind::Redis, Kind::RedisCluster] {
        // A separate server, because the test writes many keys.
        let Some(server) = start(kind) else { continue };
        let prefix = unique_prefix();
        let store = with_prefix(server.url(), &prefix).await;
        create(&store, 0..3_000).await;
        for node in nodes(server.url()) {
            let size: u64 = Neighbour::of(&node).await.ask(&command(&[b"DBSIZE"])).await;
            assert!(size > 500, "a node has only {size} of the sessions");
        }

        for limit in [1_000, 70, usize::MAX] {
            let mut pages = Pages::of(&store, limit);
            let mut count = 0;
            while let Some(page) = pages.next().await {
                assert!(page.len() <= limit.min(1_000));
                count += 1;
            }
            assert_eq!(pages.numbers(), (0..3_000).collect());
            // At most one page is not full per node.
            assert!(count <= 3_000 / limit.min(1_000) + 6, "{count} pages");
        }
    }
}

#[tokio::test]
async fn one_call_examines_a_bounded_number_of_keys() {
    let Some(server) = start(Kind::Redis) else {
        return;
    };
    let neighbour = Neighbour::of(server.url()).await;
    let fill = b"for n = 1, 40000 do redis.call('SET', 'other:' .. n, n) end";
    neighbour.ask::<()>(&command(&[b"EVAL", fill, b"0"])).await;
    let store = with_prefix(server.url(), &unique_prefix()).await;
    create(&store, 0..3).await;

    let mut pages = Pages::of(&store, 2);
    while pages.next().await.is_some() {
        let stats: String = neighbour.ask(&command(&[b"INFO", b"commandstats"])).await;
        let scans = stats
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_scan:calls="));
        let scans = scans.unwrap().split(',').next().unwrap();
        assert!(scans.parse::<u32>().unwrap() <= 16, "{scans} steps");
        neighbour
            .ask::<()>(&command(&[b"CONFIG", b"RESETSTAT"]))
            .await;
    }

    assert_eq!(pages.numbers(), (0..3).collect());
}

#[tokio::test]
async fn the_keys_of_other_applications_and_prefixes_are_not_listed() {
    for server in [servers::redis(), servers::redis_cluster()] {
        let Some(server) = server else { continue };
        let neighbour = Neighbour::of(server.url()).await;
        let outer = unique_prefix();
        let prefix = format!("{outer}site:");
        let store = with_prefix(server.url(), &prefix).await;
        create(&store, 0..5).await;
        written(store.create(&at(5), &owned("ada")).await);

        // Prefixes that begin with ours, and one with which ours begins.
        for other in [
            outer,
            format!("{prefix}s:"),
            format!("{prefix}s:s:"),
            format!("{prefix}x"),
        ] {
            let other = with_prefix(server.url(), &other).await;
            create(&other, 100..110).await;
            // A store key that looks like that of the store with the longer prefix.
            let hostile = [&b"site:s:"[..], &[7; 25]].concat();
            written(other.create(&StoreKey::new(&hostile), &draft("")).await);
        }
        let foreign = |n| session_key(&prefix, &at(n));
        let commands: [&[&[u8]]; 5] = [
            &[b"SET", &foreign(20), b"a poem"],
            &[b"SET", &foreign(21), &[0xc7; 300]],
            &[b"RPUSH", &foreign(22), b"a poem"],
            &[b"HSET", &foreign(23), b"a", b"poem"],
            &[b"SET", &foreign(24), &[&[0xc7, 1], &[0; 60][..]].concat()],
        ];
        for words in commands {
            neighbour.ask::<()>(&command(words)).await;
        }
        let exists: bool = neighbour
            .ask(&command(&[b"EXISTS", &index_key(&prefix, "ada")]))
            .await;
        assert!(exists);

        let mut pages = Pages::of(&store, 3);
        while pages.next().await.is_some() {}

        assert_eq!(pages.numbers(), (0..6).collect());
    }
}

#[tokio::test]
async fn glob_characters_in_a_prefix_stand_for_themselves() {
    let Some(server) = servers::redis() else {
        return;
    };
    let unique = unique_prefix();
    let store = with_prefix(server.url(), &format!(r"{unique}a[b-z]*?\d^[:")).await;
    let similar = with_prefix(server.url(), &format!(r"{unique}acxx\d^[:")).await;
    create(&store, 0..5).await;
    create(&similar, 5..10).await;

    for (store, expected) in [(store, 0..5), (similar, 5..10)] {
        let mut pages = Pages::of(&store, 2);
        while pages.next().await.is_some() {}

        assert_eq!(pages.numbers(), expected.collect());
    }
}

#[tokio::test]
async fn sessions_that_begin_and_end_during_a_scan_do_not_disturb_it() {
    for server in [servers::redis(), servers::redis_cluster()] {
        let Some(server) = server else { continue };
        let store = with_prefix(server.url(), &unique_prefix()).await;
        create(&store, 0..200).await;

        let mut pages = Pages::of(&store, 10);
        let mut news = 1_000..;
        while pages.next().await.is_some() {
            // These make the server enlarge its hash table, which is the order of the scan.
            create(&store, news.by_ref().take(20)).await;
            let ended = pages.numbers().into_iter().find(|n| *n % 3 == 0);
            store.delete(&at(ended.unwrap_or(0))).await.unwrap();
        }

        let numbers = pages.numbers();
        let missing = (0..200).filter(|n| n % 3 != 0 && !numbers.contains(n));
        assert_eq!(missing.count(), 0);
    }
}

#[tokio::test]
async fn tombstones_are_left_out_and_expired_sessions_are_listed() {
    let Some(server) = servers::redis() else {
        return;
    };
    let store = with_prefix(server.url(), &unique_prefix()).await;
    for n in 0..20 {
        let seen = written(store.create(&at(n), &draft("")).await);
        let (touched, expires) = (from_millis(EXPIRES - 60_000), from_millis(EXPIRES));
        let meta = Meta::tombstone(touched, expires);
        let tombstone = Draft::new("moved".into(), meta, SaveId::new(1));
        let tombstone = (n % 2 == 0).then_some(&tombstone);
        let (to, new) = (at(n + 100), draft(""));
        written(store.rename(&at(n), &seen, &to, &new, tombstone).await);
    }
    let mut expired = draft("");
    expired.meta.expires = SystemTime::now() - Duration::from_secs(60);
    written(store.create(&at(120), &expired).await);

    let mut pages = Pages::of(&store, 7);
    while pages.next().await.is_some() {}

    assert_eq!(pages.numbers(), (100..121).collect());
}

#[tokio::test]
async fn the_meta_of_a_session_is_listed_whatever_its_size() {
    let Some(server) = servers::redis() else {
        return;
    };
    let store = with_prefix(server.url(), &unique_prefix()).await;
    let mut metas = Vec::new();
    for (n, len) in (0..).zip([0, 1, 197, 198, 199, 200, 201, 5_000]) {
        for label in [None, Some("tél".into())] {
            let mut new = owned(&"é".repeat(len));
            new.meta.label = label;
            new.data = vec![b'x'; 100_000].into();
            written(store.create(&at(metas.len() as u64), &new).await);
            metas.push((n, new.meta));
        }
    }

    let page = store.scan(None, 100).await.unwrap();

    assert_eq!(page.entries.len(), metas.len());
    for OwnedEntry { key, meta, .. } in page.entries {
        assert_eq!(meta, metas[usize::try_from(number(&key)).unwrap()].1);
    }
}

#[tokio::test]
async fn a_cursor_of_another_store_is_an_error() {
    let Some(server) = servers::redis() else {
        return;
    };
    let store = with_prefix(server.url(), &unique_prefix()).await;

    let error = store.scan(Some(&Cursor::at(&at(1))), 10).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_continues_on_the_new_primary_that_the_sentinels_name() {
    let Some(mut servers) = Replicas::start(Kind::Redis) else {
        return;
    };
    let url = servers.start_sentinels().unwrap();
    let store = with_prefix(&url, &unique_prefix()).await;
    create(&store, 0..300).await;
    servers.wait_until_replicated();

    let mut pages = Pages::of(&store, 20);
    for _ in 0..7 {
        pages.next().await.unwrap();
    }
    let before = pages.numbers().len();
    servers.fail_over();
    while pages.next().await.is_some() {}

    assert!(before < 300);
    assert_eq!(pages.numbers(), (0..300).collect());
    // The scan began again, so that some sessions were listed twice: a position in the hash table
    // of one server means nothing to another server.
    assert!(pages.listed.len() >= 300 + before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_of_a_cluster_continues_after_failovers() {
    let Some(mut cluster) = ClusterReplicas::start() else {
        return;
    };
    let store = with_prefix(cluster.url(), &unique_prefix()).await;
    create(&store, 0..300).await;

    let mut pages = Pages::of(&store, 20);
    for shard in 0..ClusterReplicas::SHARDS {
        pages.next().await.unwrap();
        pages.next().await.unwrap();
        cluster.swap_roles(shard);
    }
    cluster.kill_primary(0);
    cluster.wait_until_promoted(0);
    while pages.next().await.is_some() {}

    assert_eq!(pages.numbers(), (0..300).collect());
}

#[tokio::test]
async fn a_scan_lists_sessions_whose_slots_move_during_the_scan() {
    let Some(server) = start(Kind::RedisCluster) else {
        return;
    };
    let prefix = unique_prefix();
    let store = with_prefix(server.url(), &prefix).await;
    create(&store, 0..90).await;
    let cluster = Cluster::of(server.url()).await;

    // The first node that a scan reaches is the one with slot 0.
    let first = cluster.owner_of(0).await;
    let mut pages = Pages::of(&store, 10);
    let mut moved = 0;
    for n in 0..90 {
        // Between two pages, sessions move in both directions.
        if n % 10 == 0 && pages.next().await.is_none() {
            break;
        }
        let slot = cluster.slot(&session_key(&prefix, &at(n))).await;
        let from = cluster.owner_of(slot).await;
        let to = match from == first {
            true => (first + 1) % cluster.nodes.len(),
            false => first,
        };
        cluster.begin_move(slot, from, to).await;
        cluster.end_move(slot, from, to).await;
        moved += 1;
    }
    while pages.next().await.is_some() {}

    assert!(moved >= 20);
    assert_eq!(pages.numbers(), (0..90).collect());
}

#[tokio::test]
async fn a_scan_does_not_end_before_a_slot_that_is_moving_has_moved() {
    let Some(server) = start(Kind::RedisCluster) else {
        return;
    };
    let prefix = unique_prefix();
    let store = with_prefix(server.url(), &prefix).await;
    create(&store, 0..30).await;
    let cluster = Cluster::of(server.url()).await;
    let slot = cluster.slot(&session_key(&prefix, &at(7))).await;
    let from = cluster.owner_of(slot).await;
    let to = (from + 1) % cluster.nodes.len();
    cluster.begin_move(slot, from, to).await;

    let mut pages = Pages::of(&store, 10);
    let error = loop {
        match pages.try_next().await {
            Ok(page) => assert!(page.is_some(), "the scan has ended"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains("is moving"), "{error}");

    cluster.end_move(slot, from, to).await;
    while pages.next().await.is_some() {}
    assert_eq!(pages.numbers(), (0..30).collect());
}

#[tokio::test]
async fn revoking_one_of_many_sessions_reads_the_list_in_pages() {
    let Some(server) = start(Kind::Redis) else {
        return;
    };
    let store = with_prefix(server.url(), &unique_prefix()).await;
    let mut soon = owned("ada");
    soon.meta.expires = SystemTime::now() + Duration::from_secs(60 * 60);
    create_all(&store, 0..4_999, |_| soon.clone()).await;
    let spy = Spy::new(store);
    let sessions = Sessions::new(spy.clone());
    // This session expires last, so it is at the end of the list.
    let session = sessions.new_session();
    session.log_in("ada").unwrap();
    session.save().await.unwrap();
    let (ada, tag) = ("ada".into(), session.tag().unwrap());
    assert_eq!(sessions.owned_by(&ada).await.unwrap().len(), 5_000);
    spy.take();

    assert!(sessions.revoke(&ada, &tag).await.unwrap());

    let lists = spy.count(Call::OwnedBy);
    assert!(lists <= 5_000 / 1_000 + 2, "{lists} calls");
    assert_eq!(spy.count(Call::Scan), 0);
}

/// The pages of a scan.
struct Pages<'a> {
    store: &'a RedisStore,
    limit: usize,
    after: Option<Cursor>,
    has_ended: bool,
    listed: Vec<OwnedEntry>,
}

impl<'a> Pages<'a> {
    fn of(store: &'a RedisStore, limit: usize) -> Self {
        Self {
            store,
            limit,
            after: None,
            has_ended: false,
            listed: Vec::new(),
        }
    }

    /// Returns the keys on the next page, or `None` after the last page.
    async fn next(&mut self) -> Option<Vec<StoreKey>> {
        self.try_next().await.unwrap()
    }

    async fn try_next(&mut self) -> cloakroom::Result<Option<Vec<StoreKey>>> {
        if self.has_ended {
            return Ok(None);
        }
        let Page { entries, next, .. } = self.store.scan(self.after.as_ref(), self.limit).await?;
        let keys = entries.iter().map(|entry| entry.key.clone()).collect();
        self.listed.extend(entries);
        self.has_ended = next.is_none();
        self.after = next;
        Ok(Some(keys))
    }

    /// Returns the numbers of the sessions that were listed.
    fn numbers(&self) -> BTreeSet<u64> {
        self.listed.iter().map(|entry| number(&entry.key)).collect()
    }
}

/// The nodes of a Cluster, for moving slots between them.
struct Cluster {
    nodes: Vec<Node>,
}

struct Node {
    neighbour: Neighbour,
    id: String,
    port: String,
}

impl Cluster {
    async fn of(url: &str) -> Self {
        let nodes = join_all(nodes(url).into_iter().map(async |url| {
            let neighbour = Neighbour::of(&url).await;
            Node {
                id: neighbour.ask(&command(&[b"CLUSTER", b"MYID"])).await,
                port: url.rsplit_once(':').unwrap().1.to_owned(),
                neighbour,
            }
        }));
        Self { nodes: nodes.await }
    }

    async fn slot(&self, key: &[u8]) -> u64 {
        let slot = command(&[b"CLUSTER", b"KEYSLOT", key]);
        self.nodes[0].neighbour.ask(&slot).await
    }

    /// Returns the number of the node that serves the slot, by its own account.
    async fn owner_of(&self, slot: u64) -> usize {
        for (number, node) in self.nodes.iter().enumerate() {
            let slots: Vec<(u64, u64, redis::Value)> = node
                .neighbour
                .ask::<Vec<Vec<redis::Value>>>(&command(&[b"CLUSTER", b"SLOTS"]))
                .await
                .into_iter()
                .map(|range| {
                    let bound = |n: usize| redis::from_redis_value_ref(&range[n]).unwrap();
                    (bound(0), bound(1), range[2].clone())
                })
                .collect();
            let owner = slots
                .iter()
                .find(|(first, last, _)| (*first..=*last).contains(&slot));
            if let Some((_, _, owner)) = owner
                && format!("{owner:?}").contains(&node.id)
            {
                return number;
            }
        }
        panic!("no node serves slot {slot}");
    }

    /// Opens the slot on both nodes, and moves its keys.
    async fn begin_move(&self, slot: u64, from: usize, to: usize) {
        self.set_slot(to, slot, "IMPORTING", from).await;
        self.set_slot(from, slot, "MIGRATING", to).await;
        let slot = slot.to_string();
        let (from, to) = (&self.nodes[from].neighbour, &self.nodes[to].port);
        let get = command(&[b"CLUSTER", b"GETKEYSINSLOT", slot.as_bytes(), b"1000"]);
        for key in from.ask::<Vec<Vec<u8>>>(&get).await {
            let words: [&[u8]; 6] = [b"MIGRATE", b"127.0.0.1", to.as_bytes(), &key, b"0", b"5000"];
            from.ask::<()>(&command(&words)).await;
        }
    }

    async fn end_move(&self, slot: u64, from: usize, to: usize) {
        self.set_slot(to, slot, "NODE", to).await;
        self.set_slot(from, slot, "NODE", to).await;
        // The other nodes would learn it from each other, but later.
        for node in (0..self.nodes.len()).filter(|node| ![from, to].contains(node)) {
            self.set_slot(node, slot, "NODE", to).await;
        }
    }

    async fn set_slot(&self, on: usize, slot: u64, state: &str, other: usize) {
        let slot = slot.to_string();
        let words = ["CLUSTER", "SETSLOT", &slot, state, &self.nodes[other].id];
        let set = command(&words.map(str::as_bytes));
        self.nodes[on].neighbour.ask::<()>(&set).await;
    }
}

/// Creates sessions with these numbers. Half of them have no owner.
async fn create(store: &RedisStore, numbers: impl IntoIterator<Item = u64>) {
    create_all(store, numbers, |n| match n % 2 {
        0 => owned(&format!("user {n}")),
        _ => draft("data"),
    })
    .await;
}

async fn create_all(
    store: &RedisStore,
    numbers: impl IntoIterator<Item = u64>,
    new: impl Fn(u64) -> Draft,
) {
    let numbers: Vec<_> = numbers.into_iter().collect();
    for some in numbers.chunks(500) {
        let creates = some
            .iter()
            .map(async |n| store.create(&at(*n), &new(*n)).await);
        for created in join_all(creates).await {
            written(created);
        }
    }
}

/// Returns the number of the store key that [`at`] returns.
fn number(key: &StoreKey) -> u64 {
    let number = u64::from_be_bytes(*key.as_bytes().first_chunk().unwrap());
    assert_eq!(*key, at(number));
    number
}

/// Starts a separate server, or returns `None` if it is not installed.
fn start(kind: Kind) -> Option<Server> {
    let shared = match kind {
        Kind::RedisCluster => servers::redis_cluster(),
        _ => servers::redis(),
    };
    shared.and_then(|_| kind.start())
}
