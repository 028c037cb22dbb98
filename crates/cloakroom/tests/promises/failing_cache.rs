//! A cache that does not answer: how long requests wait for it, and what they read afterwards.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::MemoryStore;
use cloakroom::{Backend, CachedBackend, ErrorKind, Owner, Session, Sessions, WriteThroughBackend};
use cloakroom_testkit::HandClock;
use cloakroom_testkit::wrap::Gate;
use tokio::time::Instant;

use crate::site::{Visitor, freeze, kind, stored, thaw};

#[tokio::test(start_paused = true)]
async fn a_cache_that_hangs_delays_one_request_a_second() {
    for kind in KINDS {
        let tiers = Tiers::new(kind);
        let guest = tiers.here.guest().await;
        tiers.here.freeze_cache();

        for second in 0..5 {
            let mut waits = Vec::new();
            for _ in 0..10 {
                let began = Instant::now();
                assert_eq!(guest.reads("n").await, Some(1));
                waits.push(began.elapsed());
            }
            assert_eq!(waits[0], LIMIT, "{kind:?}, second {second}");
            assert_eq!(waits[1..], [Duration::ZERO; 9], "{kind:?}, second {second}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }

        tiers.here.thaw_cache();
        tokio::time::sleep(Duration::from_secs(1)).await;
        guest.reads("n").await;
        freeze(&tiers.here.origin);
        assert_eq!(guest.reads("n").await, Some(1), "the cache is used again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_once_for_a_cache_that_hangs_and_once_to_drop_the_copy() {
    type Handler = fn(&Session) -> cloakroom::Result<()>;
    let handlers: [Handler; 4] = [
        |session| session.set("n", 2),
        |session| session.log_in("ada"),
        Session::cycle_key,
        Session::flush,
    ];
    for handler in handlers {
        let tiers = Tiers::new(Kind::Cached);
        let mut guest = tiers.here.guest().await;
        tiers.here.freeze_cache();
        let began = Instant::now();

        guest.visit(handler).await.unwrap();
        assert_eq!(began.elapsed(), 2 * LIMIT);
    }
    for (handler, succeeds) in handlers.into_iter().zip([true, false, false, false]) {
        let tiers = Tiers::new(Kind::WriteThrough);
        let mut guest = tiers.here.guest().await;
        tiers.here.freeze_cache();
        let began = Instant::now();

        let outcome = guest.visit(handler).await;
        assert_eq!(outcome.is_ok(), succeeds);
        assert_eq!(began.elapsed(), 2 * LIMIT);
    }
}

#[tokio::test(start_paused = true)]
async fn a_logout_without_the_cache_takes_effect_here_at_once_and_elsewhere_within_the_ttl() {
    let tiers = Tiers::new(Kind::Cached);
    let mut guest = tiers.here.guest().await;
    let (here, elsewhere) = (guest.clone(), tiers.elsewhere.visitor(&guest));
    assert_eq!(elsewhere.reads("n").await, Some(1));
    tiers.here.freeze_cache();

    guest.visit(Session::flush).await.unwrap();
    assert_eq!(here.reads("n").await, None);
    tiers.here.thaw_cache();
    tokio::time::sleep(Duration::from_secs(2)).await;

    assert_eq!(
        here.reads("n").await,
        None,
        "the copy is still in the cache"
    );
    assert_eq!(elsewhere.reads("n").await, Some(1));
    tiers.clock.advance(TTL);
    assert_eq!(here.reads("n").await, None);
    assert_eq!(elsewhere.reads("n").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_save_without_the_cache_is_visible_here_at_once() {
    for kind in KINDS {
        let tiers = Tiers::new(kind);
        let mut guest = tiers.here.guest().await;
        tiers.here.freeze_cache();

        guest.visit(|session| session.set("n", 2)).await.unwrap();
        tiers.here.thaw_cache();
        tokio::time::sleep(Duration::from_secs(2)).await;

        assert_eq!(guest.reads("n").await, Some(2), "{kind:?}");
        assert_eq!(guest.reads("n").await, Some(2), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_leaves_a_lasting_copy_fails_until_the_copy_is_gone() {
    for owner in [None, Some("ada")] {
        let tiers = Tiers::new(Kind::WriteThrough);
        let mut guest = tiers.here.guest().await;
        if let Some(owner) = owner {
            guest.visit(|session| session.log_in(owner)).await.unwrap();
        }
        let elsewhere = tiers.elsewhere.visitor(&guest);
        tiers.here.freeze_cache();

        for _ in 0..3 {
            let outcome = guest.visit(Session::flush).await;
            assert_eq!(kind(outcome), ErrorKind::Unavailable);
            assert_eq!(stored(&tiers.memory).await, 0, "the session has ended");
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        assert_eq!(
            elsewhere.reads("n").await,
            Some(1),
            "the copy is still there"
        );
        tiers.here.thaw_cache();

        guest.visit(Session::flush).await.unwrap();
        assert_eq!(elsewhere.reads("n").await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_logout_on_another_server_drops_the_lasting_copy() {
    let tiers = Tiers::new(Kind::WriteThrough);
    let mut guest = tiers.here.guest().await;
    guest.visit(|session| session.log_in("ada")).await.unwrap();
    let mut elsewhere = tiers.elsewhere.visitor(&guest);
    tiers.here.freeze_cache();
    guest.visit(Session::flush).await.unwrap_err();

    elsewhere.clone().visit(Session::flush).await.unwrap();

    assert_eq!(elsewhere.reads("n").await, None);
    elsewhere.visit(Session::flush).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ending_a_users_sessions_without_the_cache_is_an_error_that_can_be_repeated() {
    for tier_kind in KINDS {
        let tiers = Tiers::new(tier_kind);
        let mut browsers = Vec::new();
        for _ in 0..20 {
            let mut guest = tiers.here.guest().await;
            guest.visit(|session| session.log_in("ada")).await.unwrap();
            browsers.push(guest);
        }
        let ada = Owner::from("ada");
        tiers.here.freeze_cache();
        let began = Instant::now();

        for _ in 0..2 {
            let outcome = tiers.here.sessions.revoke_all(&ada).await;
            assert_eq!(kind(outcome), ErrorKind::Unavailable, "{tier_kind:?}");
            assert_eq!(stored(&tiers.memory).await, 0, "the sessions have ended");
        }
        assert!(began.elapsed() <= STORE_LIMIT + 2 * LIMIT);
        tiers.here.thaw_cache();
        tokio::time::sleep(Duration::from_secs(2)).await;

        assert_eq!(tiers.here.sessions.revoke_all(&ada).await.unwrap(), 0);
        for browser in browsers {
            assert_eq!(browser.reads("n").await, None, "{tier_kind:?}");
            let elsewhere = tiers.elsewhere.visitor(&browser);
            assert_eq!(elsewhere.reads("n").await, None, "{tier_kind:?}");
        }
    }
}

const KINDS: [Kind; 2] = [Kind::Cached, Kind::WriteThrough];

#[derive(Clone, Copy, Debug)]
enum Kind {
    Cached,
    WriteThrough,
}

/// Two servers with one cache and one origin. Each reaches the cache through a gate.
struct Tiers {
    here: Server,
    elsewhere: Server,
    memory: Arc<MemoryStore>,
    clock: HandClock,
}

struct Server {
    sessions: Sessions,
    cache: Gate<Arc<MemoryStore>>,
    origin: Gate<Arc<MemoryStore>>,
}

impl Tiers {
    fn new(kind: Kind) -> Self {
        let (cache, memory) = (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
        let clock = HandClock::new();
        let server = || {
            let cache = Gate::new(Arc::clone(&cache));
            let origin = Gate::new(Arc::clone(&memory));
            let (tier, store) = (cache.clone(), origin.clone());
            let backend: Backend = match kind {
                Kind::Cached => CachedBackend::new(tier, store).unwrap().ttl(TTL).into(),
                Kind::WriteThrough => WriteThroughBackend::new(tier, store).unwrap().into(),
            };
            let sessions = Sessions::builder(backend).clock(clock.clone()).sweep(None);
            Server {
                sessions: sessions.build().unwrap(),
                cache,
                origin,
            }
        };
        Self {
            here: server(),
            elsewhere: server(),
            memory: Arc::clone(&memory),
            clock: clock.clone(),
        }
    }
}

impl Server {
    /// Returns a visitor with `n = 1` stored.
    async fn guest(&self) -> Visitor {
        let mut guest = Visitor {
            sessions: self.sessions.clone(),
            cookie: None,
        };
        guest.visit(|session| session.set("n", 1)).await.unwrap();
        guest
    }

    /// Returns the same visitor at this server.
    fn visitor(&self, visitor: &Visitor) -> Visitor {
        Visitor {
            sessions: self.sessions.clone(),
            cookie: visitor.cookie.clone(),
        }
    }

    fn freeze_cache(&self) {
        freeze(&self.cache);
    }

    fn thaw_cache(&self) {
        thaw(&self.cache);
    }
}

const TTL: Duration = Duration::from_secs(10);

/// The default limit of a store call.
const STORE_LIMIT: Duration = Duration::from_secs(5);

/// How long a call to a cache may take.
const LIMIT: Duration = Duration::from_millis(250);
