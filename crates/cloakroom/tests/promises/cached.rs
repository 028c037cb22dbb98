//! Two tiers: quick, and never wrong for longer than it says.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::{MemoryStore, Store};
use cloakroom::{CachedBackend, Clock, CookieBackend, ErrorKind, Session, Sessions};
use cloakroom_testkit::HandClock;
use cloakroom_testkit::wrap::{Call, Flaky, Gate, Spy, When};
use http::StatusCode;
use tokio::task::JoinSet;

use crate::site::{Visitor, kind};

#[tokio::test]
async fn reads_are_answered_by_the_cache_for_as_long_as_it_may_remember() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;

    for _ in 0..5 {
        assert_eq!(guest.reads("n").await, Some(1));
    }
    assert_eq!(tiers.back.take(), []);

    tiers.clock.advance(TTL);
    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(tiers.back.take(), [Call::Load]);
}

#[tokio::test]
async fn what_this_server_saved_is_seen_here_at_once() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;

    guest.visit(|session| session.set("n", 2)).await.unwrap();

    assert_eq!(guest.reads("n").await, Some(2));
    assert_eq!(
        tiers.back.take(),
        [Call::Save],
        "and was not even read back"
    );
}

#[tokio::test]
async fn a_write_never_builds_on_a_stale_read() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    tiers.elsewhere(&guest).visit(increment).await.unwrap();
    assert_eq!(
        guest.reads("n").await,
        Some(1),
        "the front does not know yet"
    );

    guest.visit(increment).await.unwrap();

    assert_eq!(guest.reads("n").await, Some(3));
    assert_eq!(tiers.elsewhere(&guest).reads("n").await, Some(3));
}

#[tokio::test]
async fn a_logout_here_is_seen_here_at_once_and_elsewhere_within_the_ttl() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    let another = Tiers::before(&tiers.memory, &tiers.clock);
    let there = another.visitor(&guest);
    assert_eq!(there.reads("n").await, Some(1));

    guest.clone().visit(Session::flush).await.unwrap();

    assert_eq!(guest.reads("n").await, None);
    assert_eq!(there.reads("n").await, Some(1), "as old as the ttl allows");
    tiers.clock.advance(TTL);
    assert_eq!(there.reads("n").await, None);
}

#[tokio::test]
async fn a_session_that_ended_elsewhere_is_never_brought_back_by_what_the_cache_remembers() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    tiers.elsewhere(&guest).visit(Session::flush).await.unwrap();
    assert_eq!(guest.reads("n").await, Some(1));

    let outcome = guest.visit(|session| session.set("n", 2)).await;

    assert_eq!(kind(outcome), ErrorKind::Interrupted);
    assert!(tiers.memory.is_empty());
    assert_eq!(guest.reads("n").await, None, "and the front has learned it");
}

#[tokio::test]
async fn a_late_fill_cannot_bring_back_what_was_ended() {
    for front_is_empty in [false, true] {
        let tiers = Tiers::new();
        let guest = tiers.guest().await;
        let (handle, session) = guest.open().await;
        tiers.clock.advance(TTL);
        if front_is_empty {
            tiers.front.sweep(tiers.clock.now(), 9).await.unwrap();
        }
        tiers.gate.close(When::After, Call::Load);

        let reader = guest.clone();
        let reading = tokio::spawn(async move { reader.reads("n").await });
        tiers.gate.reached(When::After, Call::Load, 1).await;
        session.flush().unwrap();
        guest
            .sessions
            .finish(&handle, StatusCode::OK)
            .await
            .unwrap();
        tiers.gate.open(When::After, Call::Load);

        assert_eq!(reading.await.unwrap(), Some(1), "it had asked before");
        assert_eq!(guest.reads("n").await, None);
    }
}

#[tokio::test]
async fn a_late_fill_cannot_cover_what_was_saved() {
    for front_is_empty in [false, true] {
        let tiers = Tiers::new();
        let guest = tiers.guest().await;
        let (handle, session) = guest.open().await;
        tiers.clock.advance(TTL);
        if front_is_empty {
            tiers.front.sweep(tiers.clock.now(), 9).await.unwrap();
        }
        tiers.gate.close(When::After, Call::Load);

        let reader = guest.clone();
        let reading = tokio::spawn(async move { reader.reads("n").await });
        tiers.gate.reached(When::After, Call::Load, 1).await;
        session.set("n", 2).unwrap();
        guest
            .sessions
            .finish(&handle, StatusCode::OK)
            .await
            .unwrap();
        tiers.gate.open(When::After, Call::Load);

        assert_eq!(reading.await.unwrap(), Some(1), "it had asked before");
        assert_eq!(guest.reads("n").await, Some(2));
    }
}

#[tokio::test]
async fn an_old_key_is_dead_at_once_and_the_new_one_is_remembered() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    let before = guest.clone();

    guest.visit(|session| session.log_in("ada")).await.unwrap();

    assert_eq!(before.reads("n").await, None);
    tiers.back.take();
    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(tiers.back.take(), []);
}

#[tokio::test]
async fn a_save_whose_answer_got_lost_is_not_hidden_by_the_cache() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    for when in [When::Before, When::After] {
        tiers
            .broken_back
            .fail_next(Call::Save, when, ErrorKind::Unavailable);
        guest.visit(increment).await.unwrap();
    }

    assert_eq!(guest.reads("n").await, Some(3));
    assert_eq!(tiers.elsewhere(&guest).reads("n").await, Some(3));
}

#[tokio::test]
async fn a_cache_that_fails_makes_it_slower_and_not_wrong() {
    let tiers = Tiers::new();
    for call in [Call::Load, Call::Create, Call::Save, Call::Delete] {
        tiers
            .front
            .fail_every(1, call, When::Before, ErrorKind::Unavailable);
    }

    let mut guest = tiers.guest().await;
    guest.visit(increment).await.unwrap();
    assert_eq!(guest.reads("n").await, Some(2));
    guest.visit(|session| session.log_in("ada")).await.unwrap();
    assert_eq!(guest.reads("n").await, Some(2));
    guest.visit(Session::flush).await.unwrap();

    assert!(tiers.memory.is_empty());
}

#[tokio::test]
async fn a_cache_that_fails_now_and_then_is_never_believed_too_much() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    for (nth, call) in [(2, Call::Load), (3, Call::Create), (2, Call::Save)] {
        tiers
            .front
            .fail_every(nth, call, When::After, ErrorKind::Unavailable);
    }

    for expected in 2..30 {
        guest.visit(increment).await.unwrap();
        assert_eq!(tiers.elsewhere(&guest).reads("n").await, Some(expected));
    }
}

#[tokio::test]
async fn a_touch_keeps_what_the_cache_remembers() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    tiers.clock.advance(Duration::from_secs(1));
    let sliding = Sessions::builder(tiers.backend())
        .clock(tiers.clock.clone())
        .slide_on_access(Duration::from_secs(1))
        .sweep(None);
    guest.sessions = sliding.build().unwrap();

    guest
        .visit(|session| session.get::<u64>("n").map(drop))
        .await
        .unwrap();

    assert_eq!(tiers.back.take(), [Call::Touch]);
    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(tiers.back.take(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_increments_through_two_servers_with_a_cache_each_all_land() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    let another = Tiers::before(&tiers.memory, &tiers.clock);
    let there = another.visitor(&guest);

    let mut requests = JoinSet::new();
    for server in [&guest, &there] {
        for _ in 0..200 {
            let mut visitor = server.clone();
            requests.spawn(async move { visitor.visit(increment).await.unwrap() });
        }
    }
    requests.join_all().await;

    tiers.clock.advance(TTL);
    assert_eq!(guest.reads("n").await, Some(401));
}

#[test]
fn the_origin_must_be_a_store() {
    let carried = CookieBackend::new(&[7; 32]).unwrap();
    let error = CachedBackend::new(MemoryStore::new(), carried).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
}

fn increment(session: &Session) -> cloakroom::Result<()> {
    session.update("n", |n: &mut u64| *n += 1).map(drop)
}

const TTL: Duration = Duration::from_secs(10);

struct Tiers {
    front: Flaky<MemoryStore>,
    back: Spy<Gate<Flaky<Arc<MemoryStore>>>>,
    gate: Gate<Flaky<Arc<MemoryStore>>>,
    broken_back: Flaky<Arc<MemoryStore>>,
    memory: Arc<MemoryStore>,
    clock: HandClock,
    sessions: Sessions,
}

impl Tiers {
    fn new() -> Self {
        Self::before(&Arc::new(MemoryStore::new()), &HandClock::new())
    }

    /// A server with a front of its own before this back.
    fn before(memory: &Arc<MemoryStore>, clock: &HandClock) -> Self {
        let front = Flaky::new(MemoryStore::new());
        let broken_back = Flaky::new(Arc::clone(memory));
        let gate = Gate::new(broken_back.clone());
        let back = Spy::new(gate.clone());
        let backend = CachedBackend::new(front.clone(), back.clone())
            .unwrap()
            .ttl(TTL);
        let sessions = Sessions::builder(backend).clock(clock.clone()).sweep(None);
        Self {
            front,
            back,
            gate,
            broken_back,
            memory: Arc::clone(memory),
            clock: clock.clone(),
            sessions: sessions.build().unwrap(),
        }
    }

    fn backend(&self) -> CachedBackend {
        CachedBackend::new(self.front.clone(), self.back.clone())
            .unwrap()
            .ttl(TTL)
    }

    /// A visitor for whom `n = 1` is stored.
    async fn guest(&self) -> Visitor {
        let mut guest = Visitor {
            sessions: self.sessions.clone(),
            cookie: None,
        };
        guest.visit(|session| session.set("n", 1)).await.unwrap();
        self.back.take();
        guest
    }

    /// The same visitor at this server.
    fn visitor(&self, visitor: &Visitor) -> Visitor {
        Visitor {
            sessions: self.sessions.clone(),
            cookie: visitor.cookie.clone(),
        }
    }

    /// The same visitor at a server that has no front.
    fn elsewhere(&self, visitor: &Visitor) -> Visitor {
        let sessions = Sessions::builder(Arc::clone(&self.memory)).clock(self.clock.clone());
        Visitor {
            sessions: sessions.sweep(None).build().unwrap(),
            cookie: visitor.cookie.clone(),
        }
    }
}
