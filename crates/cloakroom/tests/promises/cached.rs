//! The cached backend: reads are fast and at most as stale as the TTL allows. A fill is the write
//! with which a read puts a loaded entry into the cache.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::format::{DefaultFormat, Format};
use cloakroom::store::{MemoryStore, Store};
use cloakroom::{CachedBackend, Clock, CookieBackend, ErrorKind, Session, Sessions};
use cloakroom_testkit::HandClock;
use cloakroom_testkit::wrap::{Call, Flaky, Gate, Spy, When};
use http::StatusCode;
use tokio::task::JoinSet;

use crate::site::{Visitor, kind, stored};

#[tokio::test]
async fn reads_use_the_cache_until_the_ttl_ends() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;

    for _ in 0..5 {
        assert_eq!(guest.reads("n").await, Some(1));
    }
    assert_eq!(tiers.origin.take(), []);

    tiers.clock.advance(TTL);
    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(tiers.origin.take(), [Call::Load]);
}

#[tokio::test]
async fn a_save_is_visible_on_this_server_immediately() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;

    guest.visit(|session| session.set("n", 2)).await.unwrap();

    assert_eq!(guest.reads("n").await, Some(2));
    assert_eq!(
        tiers.origin.take(),
        [Call::Save],
        "the entry was not loaded again"
    );
}

#[tokio::test]
async fn a_write_never_builds_on_a_stale_read() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    tiers.without_cache(&guest).visit(increment).await.unwrap();
    assert_eq!(guest.reads("n").await, Some(1), "the cache is stale");

    guest.visit(increment).await.unwrap();

    assert_eq!(guest.reads("n").await, Some(3));
    assert_eq!(tiers.without_cache(&guest).reads("n").await, Some(3));
}

#[tokio::test]
async fn a_logout_takes_effect_here_immediately_and_on_other_servers_within_the_ttl() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    let another = Tiers::with_origin(&tiers.memory, &tiers.clock);
    let there = another.visitor(&guest);
    assert_eq!(there.reads("n").await, Some(1));

    guest.clone().visit(Session::flush).await.unwrap();

    assert_eq!(guest.reads("n").await, None);
    assert_eq!(
        there.reads("n").await,
        Some(1),
        "the cache of the other server keeps the session for the TTL"
    );
    tiers.clock.advance(TTL);
    assert_eq!(there.reads("n").await, None);
}

#[tokio::test]
async fn ending_all_sessions_of_a_user_takes_effect_on_other_servers_within_the_ttl() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    guest.visit(|session| session.log_in("ada")).await.unwrap();
    let another = Tiers::with_origin(&tiers.memory, &tiers.clock);
    let there = another.visitor(&guest);
    assert_eq!(there.reads("n").await, Some(1));

    assert_eq!(tiers.sessions.revoke_all(&"ada".into()).await.unwrap(), 1);

    assert_eq!(guest.reads("n").await, None);
    tiers.clock.advance(TTL);
    assert_eq!(there.reads("n").await, None);
}

#[tokio::test]
async fn guessing_keys_writes_nothing_and_leaves_live_sessions_in_the_cache() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    let entries = tiers.cache.scan(None, usize::MAX).await.unwrap().entries;

    for _ in 0..1_000 {
        let mut stranger = guest.clone();
        let guess = DefaultFormat::new().new_key().unwrap();
        stranger.cookie = Some(format!("__Host-session={}", guess.reveal()));
        assert_eq!(stranger.reads("n").await, None);
    }

    assert_eq!(tiers.origin.take(), [Call::Load; 1_000]);
    let after = tiers.cache.scan(None, usize::MAX).await.unwrap().entries;
    assert_eq!(after.len(), entries.len());
    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(tiers.origin.take(), [], "the live session is still cached");
}

#[tokio::test]
async fn a_cached_entry_does_not_restore_a_session_that_ended_on_another_server() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    tiers
        .without_cache(&guest)
        .visit(Session::flush)
        .await
        .unwrap();
    assert_eq!(guest.reads("n").await, Some(1));

    let outcome = guest.visit(|session| session.set("n", 2)).await;

    assert_eq!(kind(outcome), ErrorKind::Interrupted);
    assert!(tiers.memory.is_empty());
    assert_eq!(
        guest.reads("n").await,
        None,
        "the cache does not have the session any more"
    );
}

#[tokio::test]
async fn a_late_fill_does_not_restore_an_ended_session() {
    for cache_is_empty in [false, true] {
        let tiers = Tiers::new();
        let guest = tiers.guest().await;
        let (handle, session) = guest.open().await;
        tiers.clock.advance(TTL);
        if cache_is_empty {
            tiers.cache.sweep(tiers.clock.now(), 9).await.unwrap();
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

        assert_eq!(
            reading.await.unwrap(),
            Some(1),
            "the reader loaded the entry before the other request finished"
        );
        assert_eq!(guest.reads("n").await, None);
    }
}

#[tokio::test]
async fn a_late_fill_does_not_hide_a_newer_save() {
    for cache_is_empty in [false, true] {
        let tiers = Tiers::new();
        let guest = tiers.guest().await;
        let (handle, session) = guest.open().await;
        tiers.clock.advance(TTL);
        if cache_is_empty {
            tiers.cache.sweep(tiers.clock.now(), 9).await.unwrap();
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

        assert_eq!(
            reading.await.unwrap(),
            Some(1),
            "the reader loaded the entry before the other request finished"
        );
        assert_eq!(guest.reads("n").await, Some(2));
    }
}

#[tokio::test]
async fn after_a_login_the_old_key_opens_nothing_and_the_new_entry_is_cached() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    let before = guest.clone();

    guest.visit(|session| session.log_in("ada")).await.unwrap();

    assert_eq!(before.reads("n").await, None);
    tiers.origin.take();
    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(tiers.origin.take(), []);
}

#[tokio::test]
async fn a_save_whose_answer_is_lost_is_not_hidden_by_the_cache() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    for when in [When::Before, When::After] {
        tiers
            .broken_origin
            .fail_next(Call::Save, when, ErrorKind::Unavailable);
        guest.visit(increment).await.unwrap();
    }

    assert_eq!(guest.reads("n").await, Some(3));
    assert_eq!(tiers.without_cache(&guest).reads("n").await, Some(3));
}

#[tokio::test]
async fn a_failing_cache_makes_requests_slower_but_not_incorrect() {
    let tiers = Tiers::new();
    for call in [Call::Load, Call::Create, Call::Save, Call::Delete] {
        tiers
            .cache
            .fail_every(1, call, When::Before, ErrorKind::Unavailable);
    }

    let mut guest = tiers.guest().await;
    guest.visit(increment).await.unwrap();
    assert_eq!(guest.reads("n").await, Some(2));
    guest.visit(|session| session.log_in("ada")).await.unwrap();
    assert_eq!(guest.reads("n").await, Some(2));
    guest.visit(Session::flush).await.unwrap();

    assert_eq!(stored(&tiers.memory).await, 0);
}

#[tokio::test]
async fn a_cache_that_fails_intermittently_never_hides_a_newer_entry() {
    let tiers = Tiers::new();
    let mut guest = tiers.guest().await;
    for (nth, call) in [(2, Call::Load), (3, Call::Create), (2, Call::Save)] {
        tiers
            .cache
            .fail_every(nth, call, When::After, ErrorKind::Unavailable);
    }

    for expected in 2..30 {
        guest.visit(increment).await.unwrap();
        assert_eq!(tiers.without_cache(&guest).reads("n").await, Some(expected));
    }
}

#[tokio::test]
async fn a_touch_keeps_the_cached_entry() {
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

    assert_eq!(tiers.origin.take(), [Call::Touch]);
    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(tiers.origin.take(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_increments_through_two_servers_with_a_cache_each_all_count() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    let another = Tiers::with_origin(&tiers.memory, &tiers.clock);
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

#[tokio::test]
async fn only_one_of_two_servers_with_a_cache_each_takes_an_item() {
    let tiers = Tiers::new();
    let guest = tiers.guest().await;
    let another = Tiers::with_origin(&tiers.memory, &tiers.clock);
    let there = another.visitor(&guest);
    let (_here, here) = guest.open().await;
    let (_there, there) = there.open().await;

    assert_eq!(here.take::<u64>("n").await.unwrap(), Some(1));
    let (_again, again) = another.visitor(&guest).open().await;
    assert_eq!(
        again.get("n").unwrap(),
        Some(1),
        "the other server still reads the item from its cache"
    );
    assert_eq!(there.take::<u64>("n").await.unwrap(), None);
    assert_eq!(again.take::<u64>("n").await.unwrap(), None);
}

#[test]
fn the_origin_must_be_a_store() {
    let cookies = CookieBackend::new(&[7; 32]).unwrap();
    let error = CachedBackend::new(MemoryStore::new(), cookies).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
}

fn increment(session: &Session) -> cloakroom::Result<()> {
    session.update("n", |n: &mut u64| *n += 1).map(drop)
}

const TTL: Duration = Duration::from_secs(10);

/// A server with a cached backend whose calls are observed and made to fail.
struct Tiers {
    cache: Flaky<MemoryStore>,
    origin: Spy<Gate<Flaky<Arc<MemoryStore>>>>,
    gate: Gate<Flaky<Arc<MemoryStore>>>,
    broken_origin: Flaky<Arc<MemoryStore>>,
    memory: Arc<MemoryStore>,
    clock: HandClock,
    sessions: Sessions,
}

impl Tiers {
    fn new() -> Self {
        Self::with_origin(&Arc::new(MemoryStore::new()), &HandClock::new())
    }

    /// Creates a server with its own cache in front of the origin `memory`.
    fn with_origin(memory: &Arc<MemoryStore>, clock: &HandClock) -> Self {
        let cache = Flaky::new(MemoryStore::new());
        let broken_origin = Flaky::new(Arc::clone(memory));
        let gate = Gate::new(broken_origin.clone());
        let origin = Spy::new(gate.clone());
        let backend = CachedBackend::new(cache.clone(), origin.clone())
            .unwrap()
            .ttl(TTL);
        let sessions = Sessions::builder(backend).clock(clock.clone()).sweep(None);
        Self {
            cache,
            origin,
            gate,
            broken_origin,
            memory: Arc::clone(memory),
            clock: clock.clone(),
            sessions: sessions.build().unwrap(),
        }
    }

    fn backend(&self) -> CachedBackend {
        CachedBackend::new(self.cache.clone(), self.origin.clone())
            .unwrap()
            .ttl(TTL)
    }

    /// Returns a visitor with `n = 1` stored.
    async fn guest(&self) -> Visitor {
        let mut guest = Visitor {
            sessions: self.sessions.clone(),
            cookie: None,
        };
        guest.visit(|session| session.set("n", 1)).await.unwrap();
        self.origin.take();
        guest
    }

    /// Returns the same visitor at this server.
    fn visitor(&self, visitor: &Visitor) -> Visitor {
        Visitor {
            sessions: self.sessions.clone(),
            cookie: visitor.cookie.clone(),
        }
    }

    /// Returns the same visitor at a server without a cache.
    fn without_cache(&self, visitor: &Visitor) -> Visitor {
        let sessions = Sessions::builder(Arc::clone(&self.memory)).clock(self.clock.clone());
        Visitor {
            sessions: sessions.sweep(None).build().unwrap(),
            cookie: visitor.cookie.clone(),
        }
    }
}
