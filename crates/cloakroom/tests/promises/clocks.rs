//! Servers whose clocks differ.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::{Draft, MemoryStore, Meta, Outcome, SaveId, Store};
use cloakroom::{CachedBackend, Clock, Session, Sessions, SessionsBuilder};
use cloakroom_testkit::HandClock;
use cloakroom_testkit::wrap::{Call, Spy};

use crate::site::Visitor;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn a_lifetime_does_not_grow_on_a_server_whose_clock_is_too_far_behind() {
    let two = Servers::with(DAY, |builder| builder.max_lifetime(2 * HOUR));
    let ahead = two.visitor_of(&two.ahead).await;
    let here = two.at(&two.here, &ahead);

    // The clock of `ahead` is a day ahead. By the clock of `here`, the session would therefore last
    // for almost 26 hours, although its lifetime is 2 hours.
    two.advance(MINUTE);
    assert_eq!(ahead.reads("n").await, Some(1));
    assert_eq!(here.reads("n").await, None);
    assert_eq!(two.memory.len(), 1, "the session is not deleted");
}

#[tokio::test]
async fn a_tolerated_skew_extends_the_lifetime_by_no_more_than_the_skew() {
    let skew = 5 * MINUTE;
    let two = Servers::with(skew, |builder| builder.max_lifetime(2 * HOUR));
    let here = two.at(&two.here, &two.visitor_of(&two.ahead).await);

    assert_eq!(here.reads("n").await, Some(1));
    two.advance(2 * HOUR + skew - Duration::from_millis(1));
    assert_eq!(here.reads("n").await, Some(1));
    two.advance(Duration::from_millis(1));
    assert_eq!(here.reads("n").await, None);
}

#[tokio::test]
async fn a_session_touched_too_far_in_the_future_is_ignored_until_the_skew_is_tolerated() {
    let two = Servers::with(DAY, |builder| builder.max_age(HOUR).slide_on_access(MINUTE));
    let mut here = two.visitor_of(&two.here).await;
    two.clock_ahead.set(two.clock_here.now() + 6 * MINUTE);
    let mut ahead = two.at(&two.ahead, &here);
    ahead.visit(|s| s.get::<u64>("n").map(drop)).await.unwrap();

    assert_eq!(
        here.reads("n").await,
        None,
        "the touch is 6 minutes in the future"
    );
    two.advance(MINUTE);
    assert_eq!(
        here.reads("n").await,
        Some(1),
        "the touch is now only 5 minutes in the future"
    );
    here.visit(|s| s.set("n", 2)).await.unwrap();
    assert_eq!(ahead.reads("n").await, Some(2));
}

#[tokio::test]
async fn a_server_that_ignores_a_session_can_still_end_it() {
    let two = Servers::with(DAY, |builder| builder);
    let mut ahead = two.visitor_of(&two.ahead).await;
    ahead.visit(|s| s.log_in("ada")).await.unwrap();

    assert_eq!(two.here.owned_by(&"ada".into()).await.unwrap().len(), 1);
    assert_eq!(two.here.revoke_all(&"ada".into()).await.unwrap(), 1);
    assert_eq!(ahead.open().await.1.owner(), None);
}

#[tokio::test]
async fn a_server_that_is_ahead_ends_sessions_that_have_expired_only_by_its_clock() {
    let two = Servers::with(DAY, |builder| builder.max_age(HOUR));
    for all in [true, false] {
        let mut here = two.visitor_of(&two.here).await;
        here.visit(|s| s.log_in("ada")).await.unwrap();
        let tag = here.open().await.1.tag().unwrap();

        let owner = "ada".into();
        match all {
            true => assert_eq!(two.ahead.revoke_all(&owner).await.unwrap(), 1),
            false => assert!(!two.ahead.revoke(&owner, &tag).await.unwrap()),
        }
        assert_eq!(here.open().await.1.owner(), None, "all: {all}");
    }
}

#[tokio::test]
async fn an_entry_cached_by_a_server_that_is_ahead_is_not_trusted_for_longer() {
    let ttl = Duration::from_secs(10);
    let (memory, cache) = (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
    let origin = Spy::new(Arc::clone(&memory));
    let (clock_here, clock_ahead) = (HandClock::new(), HandClock::new());
    let server = |clock: &HandClock| {
        let backend = CachedBackend::new(Arc::clone(&cache), origin.clone());
        let builder = Sessions::builder(backend.unwrap().ttl(ttl));
        builder.clock(clock.clone()).sweep(None).build().unwrap()
    };
    clock_ahead.set(clock_here.now() + 4 * MINUTE);
    let mut ahead = Visitor {
        sessions: server(&clock_ahead),
        cookie: None,
    };
    ahead.visit(|s| s.set("n", 1)).await.unwrap();
    let here = Visitor {
        sessions: server(&clock_here),
        cookie: ahead.cookie.clone(),
    };
    origin.take();

    assert_eq!(here.reads("n").await, Some(1));
    assert_eq!(
        origin.take(),
        [Call::Load],
        "the cached entry is not used, because it would last 4 minutes too long"
    );
    assert_eq!(here.reads("n").await, Some(1));
    assert_eq!(
        origin.take(),
        [],
        "the load cached the entry again, by the clock of `here`"
    );
}

#[tokio::test]
async fn a_cached_entry_from_a_server_that_is_ahead_does_not_become_valid_later() {
    let two = Servers::with(10 * MINUTE, |builder| builder);
    let cache = Arc::new(MemoryStore::new());
    let with_cache = |clock: &HandClock| {
        let backend = CachedBackend::new(Arc::clone(&cache), Arc::clone(&two.memory)).unwrap();
        let builder = Sessions::builder(backend).clock(clock.clone()).sweep(None);
        builder.build().unwrap()
    };
    let mut guest = two.visitor_of(&two.here).await;
    let ahead = two.at(&with_cache(&two.clock_ahead), &guest);
    let here = two.at(&with_cache(&two.clock_here), &guest);
    assert_eq!(ahead.reads("n").await, Some(1), "it is cached");

    // A server without the cache ends the session.
    guest.visit(Session::flush).await.unwrap();
    assert_eq!(here.reads("n").await, None);

    // The time of the cached entry, by the clock of `here`.
    two.advance(10 * MINUTE);
    assert_eq!(here.reads("n").await, None);
}

#[tokio::test]
async fn a_session_that_another_server_extended_outlives_its_cached_expiry() {
    let (memory, clock) = (Arc::new(MemoryStore::new()), HandClock::new());
    let server = || {
        let backend = CachedBackend::new(MemoryStore::new(), Arc::clone(&memory)).unwrap();
        let builder = Sessions::builder(backend).max_age(MINUTE);
        builder.clock(clock.clone()).sweep(None).build().unwrap()
    };
    let mut one = Visitor {
        sessions: server(),
        cookie: None,
    };
    one.visit(|s| s.set("n", 1)).await.unwrap();
    let mut other = Visitor {
        sessions: server(),
        cookie: one.cookie.clone(),
    };

    clock.advance(Duration::from_secs(55));
    assert_eq!(
        one.reads("n").await,
        Some(1),
        "now it is in the cache of `one`"
    );
    other.visit(|s| s.set("n", 2)).await.unwrap();
    clock.advance(Duration::from_secs(6));
    assert_eq!(one.reads("n").await, Some(2));
}

#[tokio::test]
async fn an_entry_is_not_ignored_because_of_times_that_its_format_derived() {
    // A format that stores only the expiry may derive the other times from it. If the site shortens
    // its idle time, the derived times of older entries lie in the future.
    let memory = Arc::new(MemoryStore::new());
    let clock = HandClock::new();
    let backend = crate::formats::lines(Arc::clone(&memory));
    let sessions = Sessions::builder(backend).clock(clock.clone()).sweep(None);
    let sessions = sessions.max_age(HOUR).build().unwrap();
    let now = clock.now();
    let meta = Meta::new(now + 2 * DAY, now + 2 * DAY, now + 3 * DAY);
    let draft = Draft::new("n=1\n".into(), meta, SaveId::new(7));
    let key = cloakroom::SessionKey::new("a key of no entropy");
    let store_key = cloakroom::StoreKey::new(key.reveal().as_bytes());
    let created = memory.create(&store_key, &draft).await.unwrap();
    assert!(matches!(created, Outcome::Written(_)));

    assert!(sessions.open(&key).await.unwrap().is_some());
}

/// Two servers on one store. The clock of the server `ahead` is ahead of the clock of `here`.
struct Servers {
    here: Sessions,
    ahead: Sessions,
    memory: Arc<MemoryStore>,
    clock_here: HandClock,
    clock_ahead: HandClock,
}

impl Servers {
    fn with(skew: Duration, configure: impl Fn(SessionsBuilder) -> SessionsBuilder) -> Self {
        let memory = Arc::new(MemoryStore::new());
        let (clock_here, clock_ahead) = (HandClock::new(), HandClock::new());
        clock_ahead.set(clock_here.now() + skew);
        let server = |clock: &HandClock| {
            let builder = Sessions::builder(Arc::clone(&memory)).sweep(None);
            configure(builder.clock(clock.clone())).build().unwrap()
        };
        Self {
            here: server(&clock_here),
            ahead: server(&clock_ahead),
            memory,
            clock_here,
            clock_ahead,
        }
    }

    /// Advances the clocks of both servers.
    fn advance(&self, by: Duration) {
        self.clock_here.advance(by);
        self.clock_ahead.advance(by);
    }

    /// Returns a visitor of `server` with `n = 1` stored.
    async fn visitor_of(&self, server: &Sessions) -> Visitor {
        let mut visitor = Visitor {
            sessions: server.clone(),
            cookie: None,
        };
        let set = |session: &Session| session.set("n", 1);
        visitor.visit(set).await.unwrap();
        visitor
    }

    /// Returns the same visitor at `server`.
    fn at(&self, server: &Sessions, visitor: &Visitor) -> Visitor {
        Visitor {
            sessions: server.clone(),
            cookie: visitor.cookie.clone(),
        }
    }
}
