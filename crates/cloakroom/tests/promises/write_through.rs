//! The write-through backend, whose cache other programs use too. The cache has a copy of each
//! entry. Reads use the copy until the session expires. A fill is the write with which a read adds
//! a missing copy.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::format::DefaultFormat;
use cloakroom::store::{MemoryStore, Store};
use cloakroom::{
    Backend, CookieBackend, ErrorKind, Session, Sessions, StoreKey, WriteThroughBackend,
};
use cloakroom_testkit::HandClock;
use cloakroom_testkit::wrap::{Call, Flaky, Gate, Spy, When};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use crate::site::{Visitor, kind, stored};

#[tokio::test]
async fn reads_use_the_copy_until_the_session_expires() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;

    for _ in 0..5 {
        assert_eq!(guest.reads("n").await, Some(1));
        tiers.clock.advance(Duration::from_secs(24 * 60 * 60));
    }
    assert_eq!(tiers.origin.take(), []);

    tiers.evict(&guest).await;
    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(
        tiers.origin.take(),
        [Call::Load, Call::Load],
        "once to read the entry, and once to check that the copy is still current"
    );
    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(tiers.origin.take(), []);
    tiers.clock.advance(Duration::from_secs(9 * 24 * 60 * 60));
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn a_write_never_builds_on_a_copy() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    tiers.at_origin(&guest).visit(increment).await.unwrap();
    assert_eq!(guest.reads("n").await, Some(1), "the copy is stale");

    guest.visit(increment).await.unwrap();

    assert_eq!(guest.reads("n").await, Some(3));
    assert_eq!(tiers.at_origin(&guest).reads("n").await, Some(3));
}

#[tokio::test]
async fn a_write_does_not_restore_a_session_that_was_deleted_at_the_origin() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    tiers.at_origin(&guest).visit(Session::flush).await.unwrap();

    let outcome = guest.visit(|session| session.set("n", 2)).await;

    assert_eq!(kind(outcome), ErrorKind::Interrupted);
    assert!(tiers.memory.is_empty());
}

#[tokio::test]
async fn a_logout_or_a_new_key_removes_the_copy_under_the_old_key() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    let before = guest.clone();

    guest.visit(|session| session.log_in("ada")).await.unwrap();
    assert_eq!(before.reads("n").await, None);
    assert_eq!(guest.reads("n").await, Some(1));

    let here = guest.clone();
    guest.visit(Session::flush).await.unwrap();
    assert_eq!(here.reads("n").await, None);
    assert!(tiers.copies.is_empty());
}

#[tokio::test]
async fn a_late_fill_is_undone_if_the_session_ended_in_the_meantime() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    tiers.evict(&guest).await;
    tiers.gate.close(When::After, Call::Load);
    let reader = guest.clone();
    let reading = tokio::spawn(async move { reader.reads("n").await });
    tiers.gate.reached(When::After, Call::Load, 1).await;

    // The session ends after the load and before the fill.
    tiers
        .at_another_server(&guest)
        .visit(Session::flush)
        .await
        .unwrap();
    tiers.gate.open(When::After, Call::Load);

    assert_eq!(
        reading.await.unwrap(),
        Some(1),
        "the reader loaded the entry before the other request finished"
    );
    assert!(tiers.copies.is_empty());
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn a_reader_that_is_dropped_before_it_checks_its_copy_leaves_no_copy_of_an_ended_session() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    tiers.evict(&guest).await;
    tiers.gate.close(When::Before, Call::Load);
    let reader = guest.clone();
    let reading = tokio::spawn(async move { reader.reads("n").await });
    tiers.gate.reached(When::Before, Call::Load, 1).await;
    tiers.gate.let_one_pass(When::Before, Call::Load);
    while tiers.copies.is_empty() {
        tokio::task::yield_now().await;
    }

    tiers.at_origin(&guest).visit(Session::flush).await.unwrap();
    reading.abort();
    assert!(reading.await.is_err());
    tiers.gate.open(When::Before, Call::Load);

    let removed = async {
        while !tiers.copies.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let deadline = Duration::from_secs(30);
    tokio::time::timeout(deadline, removed).await.unwrap();
}

#[tokio::test]
async fn a_late_fill_does_not_hide_a_newer_save() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    tiers.evict(&guest).await;
    tiers.gate.close(When::After, Call::Load);
    let reader = guest.clone();
    let reading = tokio::spawn(async move { reader.reads("n").await });
    tiers.gate.reached(When::After, Call::Load, 1).await;

    tiers
        .at_another_server(&guest)
        .visit(increment)
        .await
        .unwrap();
    tiers.evict(&guest).await;
    tiers.gate.open(When::After, Call::Load);

    assert_eq!(
        reading.await.unwrap(),
        Some(1),
        "the reader loaded the entry before the other request finished"
    );
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn the_last_of_two_writers_to_update_the_copy_does_not_make_the_copy_stale() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    tiers.gate.close(When::After, Call::Save);
    let mut slow = guest.clone();
    let writing = tokio::spawn(async move { slow.visit(increment).await });
    tiers.gate.reached(When::After, Call::Save, 1).await;

    // The slow writer has saved the entry but not yet updated the copy. In the meantime, another
    // writer does both.
    tiers
        .at_another_server(&guest)
        .visit(increment)
        .await
        .unwrap();
    tiers.gate.open(When::After, Call::Save);
    writing.await.unwrap().unwrap();

    assert_eq!(guest.reads("n").await, Some(3));
    assert_eq!(tiers.at_origin(&guest).reads("n").await, Some(3));
}

#[tokio::test]
async fn a_save_whose_answer_is_lost_leaves_no_stale_copy_and_counts_once() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    for when in [When::Before, When::After] {
        tiers
            .broken_origin
            .fail_next(Call::Save, when, ErrorKind::Unavailable);
        guest.visit(increment).await.unwrap();
    }

    assert_eq!(guest.reads("n").await, Some(3));
    assert_eq!(tiers.at_origin(&guest).reads("n").await, Some(3));
}

#[tokio::test]
async fn a_failing_cache_makes_reads_and_writes_slower_but_not_incorrect() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    tiers.evict(&guest).await;
    tiers.break_cache();

    guest.visit(increment).await.unwrap();
    assert_eq!(guest.reads("n").await, Some(2));
    assert_eq!(tiers.at_origin(&guest).reads("n").await, Some(2));

    tiers.broken_cache.heal();
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn a_logout_or_a_new_key_is_an_error_while_the_copy_cannot_be_removed() {
    let tiers = Tiers::new();
    let (mut leaving, mut coming) = (tiers.guest().await, tiers.guest().await);
    tiers.break_cache();

    let outcome = leaving.visit(Session::flush).await;
    assert_eq!(kind(outcome), ErrorKind::Unavailable);
    let outcome = coming.visit(|session| session.log_in("ada")).await;
    assert_eq!(kind(outcome), ErrorKind::Unavailable);

    tiers.broken_cache.heal();
    leaving.visit(Session::flush).await.unwrap();
    coming.visit(|session| session.log_in("ada")).await.unwrap();
    assert_eq!(tiers.copies.len(), 1);
    assert_eq!(stored(&tiers.memory).await, 1);
}

#[tokio::test]
async fn a_touch_after_a_cache_hit_reaches_the_origin() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    let every = Sessions::builder(tiers.backend())
        .clock(tiers.clock.clone())
        .save_every_request(true)
        .sweep(None);
    let mut guest = Visitor {
        sessions: every.build().unwrap(),
        ..guest
    };

    for _ in 0..20 {
        tiers.clock.advance(Duration::from_secs(24 * 60 * 60));
        guest.visit(|_| Ok(())).await.unwrap();
    }

    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(tiers.at_origin(&guest).reads("n").await, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_increments_through_two_servers_with_one_cache_all_count() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    let there = tiers.at_another_server(&guest);

    let mut requests = JoinSet::new();
    for server in [&guest, &there] {
        for _ in 0..100 {
            let mut visitor = server.clone();
            requests.spawn(async move { visitor.visit(increment).await.unwrap() });
        }
    }
    requests.join_all().await;

    assert_eq!(tiers.at_origin(&guest).reads("n").await, Some(201));
    assert_eq!(guest.reads("n").await, Some(201));
}

#[test]
fn both_tiers_must_be_stores() {
    let cookies = || CookieBackend::new(&[7; 32]).unwrap();
    let errors = [
        WriteThroughBackend::new(MemoryStore::new(), cookies()).unwrap_err(),
        WriteThroughBackend::new(cookies(), MemoryStore::new()).unwrap_err(),
    ];

    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Config));
}

fn increment(session: &Session) -> cloakroom::Result<()> {
    session.update("n", |n: &mut u64| *n += 1).map(drop)
}

type Broken = Flaky<Arc<MemoryStore>>;

struct Tiers {
    copies: Arc<MemoryStore>,
    broken_cache: Broken,
    memory: Arc<MemoryStore>,
    broken_origin: Broken,
    gate: Gate<Broken>,
    origin: Spy<Gate<Broken>>,
    clock: HandClock,
}

impl Tiers {
    fn new() -> Self {
        let copies = Arc::new(MemoryStore::new());
        let broken_cache = Flaky::new(Arc::clone(&copies));
        let memory = Arc::new(MemoryStore::new());
        let broken_origin = Flaky::new(Arc::clone(&memory));
        let gate = Gate::new(broken_origin.clone());
        Self {
            copies,
            broken_cache,
            memory,
            broken_origin,
            origin: Spy::new(gate.clone()),
            gate,
            clock: HandClock::new(),
        }
    }

    fn backend(&self) -> WriteThroughBackend {
        let cache = Backend::new(self.broken_cache.clone(), DefaultFormat::new());
        WriteThroughBackend::new(cache, self.origin.clone()).unwrap()
    }

    /// Returns a visitor with `n = 1` stored.
    async fn guest(&self) -> Visitor {
        let mut guest = self.visitor(self.backend(), None);
        guest.visit(|session| session.set("n", 1)).await.unwrap();
        self.origin.take();
        guest
    }

    /// Returns the same visitor at another server with the same tiers, where no call waits at a
    /// gate or fails.
    fn at_another_server(&self, visitor: &Visitor) -> Visitor {
        let cache = Backend::new(Arc::clone(&self.copies), DefaultFormat::new());
        let backend = WriteThroughBackend::new(cache, Arc::clone(&self.memory)).unwrap();
        self.visitor(backend, visitor.cookie.clone())
    }

    /// Returns the same visitor at a server that uses the origin without the cache.
    fn at_origin(&self, visitor: &Visitor) -> Visitor {
        self.visitor(Arc::clone(&self.memory), visitor.cookie.clone())
    }

    fn visitor(&self, backend: impl Into<Backend>, cookie: Option<String>) -> Visitor {
        let sessions = Sessions::builder(backend).clock(self.clock.clone());
        Visitor {
            sessions: sessions.sweep(None).build().unwrap(),
            cookie,
        }
    }

    /// Removes the copy of the visitor's entry, as a cache does when it is full.
    async fn evict(&self, visitor: &Visitor) {
        let cookie = visitor.cookie.as_deref().unwrap();
        let (_, key) = cookie.split_once('=').unwrap();
        let store_key = StoreKey::new(&Sha256::digest(format!("__Host-session={key}")));
        self.copies.delete(&store_key).await.unwrap();
    }

    fn break_cache(&self) {
        for call in [
            Call::Load,
            Call::Create,
            Call::Save,
            Call::Touch,
            Call::Delete,
        ] {
            self.broken_cache
                .fail_every(1, call, When::Before, ErrorKind::Unavailable);
        }
    }
}
