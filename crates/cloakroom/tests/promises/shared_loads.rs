//! Requests that load one session at the same time behind a cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom::store::{Draft, Entry, Guarantees, MemoryStore, Meta, Outcome, Store, Version};
use cloakroom::{
    Backend, CachedBackend, Clock, Result, Session, Sessions, StoreKey, WriteThroughBackend,
};
use cloakroom_testkit::HandClock;
use http::StatusCode;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::site::Visitor;

#[tokio::test]
async fn a_hundred_parallel_reads_of_an_uncached_session_load_it_once() {
    for kind in KINDS {
        let site = Site::new(kind);
        let guest = site.guest().await;
        site.origin.hold_next_load();

        let mut reads = JoinSet::new();
        for _ in 0..100 {
            let guest = guest.clone();
            reads.spawn(async move { guest.reads("n").await });
        }
        // On this runtime with one thread, all requests run until they wait.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        site.origin.release();

        assert_eq!(reads.join_all().await, [Some(1); 100]);
        // A write-through backend loads the entry again to confirm its copy.
        let expected = if kind == Kind::Cached { 1 } else { 2 };
        assert_eq!(site.origin.loads(), expected, "{kind:?}");
    }
}

#[tokio::test]
async fn a_request_never_joins_a_load_that_was_sent_before_a_write() {
    type Write = fn(&Session) -> Result<()>;
    let writes: [(Write, Option<u64>); 3] = [
        (|session| session.set("n", 2), Some(2)),
        (Session::flush, None),
        (Session::cycle_key, None),
    ];
    for kind in KINDS {
        for owner in [None, Some("ada")] {
            for (write, expected) in writes {
                let site = Site::new(kind);
                let mut guest = site.guest().await;
                if let Some(owner) = owner {
                    guest.visit(|session| session.log_in(owner)).await.unwrap();
                }
                let (handle, session) = guest.open().await;
                write(&session).unwrap();
                site.evict().await;
                site.origin.hold_next_load();
                let early = guest.clone();
                let early = tokio::spawn(async move { early.reads("n").await });
                site.origin.held().await;

                guest
                    .sessions
                    .finish(&handle, StatusCode::OK)
                    .await
                    .unwrap();
                let late = guest.reads("n").await;

                assert_eq!(late, expected, "{kind:?} {owner:?}");
                site.origin.release();
                assert_eq!(
                    early.await.unwrap(),
                    Some(1),
                    "it was sent before the write"
                );
                assert_eq!(guest.reads("n").await, expected, "{kind:?} {owner:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_does_not_stop_the_load_of_the_others() {
    for kind in KINDS {
        let site = Site::new(kind);
        let guest = site.guest().await;
        site.origin.hold_next_load();
        let (first, second) = (guest.clone(), guest.clone());
        let first = tokio::spawn(async move { first.reads("n").await });
        site.origin.held().await;
        let second = tokio::spawn(async move { second.reads("n").await });
        tokio::task::yield_now().await;

        first.abort();
        assert!(first.await.is_err());
        site.origin.release();

        assert_eq!(second.await.unwrap(), Some(1), "{kind:?}");
        assert_eq!(guest.reads("n").await, Some(1));
    }
}

#[tokio::test]
async fn without_a_cache_every_request_loads_the_session() {
    let site = Site::new(Kind::Cached);
    let mut guest = site.guest().await;
    guest.sessions = Sessions::builder(site.origin.clone())
        .clock(site.clock.clone())
        .sweep(None)
        .build()
        .unwrap();

    let mut reads = JoinSet::new();
    for _ in 0..10 {
        let guest = guest.clone();
        reads.spawn(async move { guest.reads("n").await });
    }

    assert_eq!(reads.join_all().await, [Some(1); 10]);
    assert_eq!(site.origin.loads(), 10);
}

const KINDS: [Kind; 2] = [Kind::Cached, Kind::WriteThrough];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Cached,
    WriteThrough,
}

struct Site {
    sessions: Sessions,
    cache: Arc<MemoryStore>,
    origin: Arc<HeldStore>,
    clock: HandClock,
}

impl Site {
    fn new(kind: Kind) -> Self {
        let (cache, origin) = (Arc::new(MemoryStore::new()), Arc::new(HeldStore::default()));
        let clock = HandClock::new();
        let (tier, store) = (Arc::clone(&cache), Arc::clone(&origin));
        let backend: Backend = match kind {
            Kind::Cached => CachedBackend::new(tier, store).unwrap().into(),
            Kind::WriteThrough => WriteThroughBackend::new(tier, store).unwrap().into(),
        };
        let sessions = Sessions::builder(backend).clock(clock.clone()).sweep(None);
        Self {
            sessions: sessions.build().unwrap(),
            cache,
            origin,
            clock,
        }
    }

    /// Returns a visitor with `n = 1` stored in the origin only.
    async fn guest(&self) -> Visitor {
        let mut guest = Visitor {
            sessions: self.sessions.clone(),
            cookie: None,
        };
        guest.visit(|session| session.set("n", 1)).await.unwrap();
        self.evict().await;
        self.origin.loads.store(0, Ordering::Relaxed);
        guest
    }

    /// Removes all entries from the cache.
    async fn evict(&self) {
        let far = self.clock.now() + Duration::from_secs(1 << 32);
        self.cache.sweep(far, usize::MAX).await.unwrap();
    }
}

/// A store that holds the answer to one load until the test releases it.
#[derive(Default)]
struct HeldStore {
    memory: MemoryStore,
    loads: AtomicUsize,
    holds_next: AtomicBool,
    held: Notify,
    released: Notify,
}

impl HeldStore {
    fn hold_next_load(&self) {
        self.holds_next.store(true, Ordering::Relaxed);
    }

    /// Waits until the load is held.
    async fn held(&self) {
        self.held.notified().await;
    }

    fn release(&self) {
        self.released.notify_one();
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }
}

impl Store for HeldStore {
    fn guarantees(&self) -> Guarantees {
        self.memory.guarantees()
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let answer = self.memory.load(key).await;
        if self.holds_next.swap(false, Ordering::Relaxed) {
            self.held.notify_one();
            self.released.notified().await;
        }
        answer
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        self.memory.create(key, new).await
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        self.memory.save(key, seen, new).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.memory.delete(key).await
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        self.memory.rename(from, seen, to, new, tombstone).await
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        self.memory.touch(key, seen, meta).await
    }
}
