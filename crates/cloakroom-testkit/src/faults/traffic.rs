use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cloakroom::{SessionKey, Sessions};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::faults::{PAUSE, Visit, WAIT_LIMIT, new_visitor, retry, visit, visits};

/// Load on a store: visitors who send requests without a pause, through several processes of a
/// site. Each request increments a count of visits in one session that all visitors share.
pub(super) struct Traffic {
    sites: Vec<Sessions>,
    counted: watch::Sender<Arc<Count>>,
    shared: Arc<Shared>,
    visitors: JoinSet<()>,
}

/// A session and what is known about its count of visits.
struct Count {
    key: SessionKey,
    acknowledged: AtomicU64,
    /// How many visits may or may not have been counted, because their save failed.
    unknown: AtomicU64,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    /// Whether sessions may be gone because their server is not durable.
    may_lose_sessions: AtomicBool,
    failed: AtomicU64,
    /// The counted visits of each visitor.
    visits: [AtomicU64; VISITORS],
    /// The time that each visit took.
    took: Mutex<Vec<Duration>>,
}

/// The results of a [`Traffic`].
pub(super) struct Stats {
    /// The number of visits that failed.
    pub(super) failed: u64,
    /// The time that each visit took, the shortest first.
    took: Vec<Duration>,
}

impl Traffic {
    /// Starts the visitors, distributed evenly over `sites`.
    pub(super) async fn begin(sites: Vec<Sessions>) -> Self {
        let key = retry("a first session", async || new_visitor(&sites[0]).await).await;
        let counted = watch::Sender::new(Arc::new(Count::of(key)));
        let shared = Arc::new(Shared::default());
        let mut visitors = JoinSet::new();
        for number in 0..VISITORS {
            let site = sites[number % sites.len()].clone();
            let (counted, shared) = (counted.subscribe(), Arc::clone(&shared));
            visitors.spawn(async move { shared.visit(number, &site, counted).await });
        }
        Self {
            sites,
            counted,
            shared,
            visitors,
        }
    }

    /// Allows sessions to be gone from now on.
    pub(super) fn may_lose_sessions(&self) {
        self.shared.may_lose_sessions.store(true, SeqCst);
    }

    /// Creates another session and makes the visitors use it.
    pub(super) async fn begin_session(&self) {
        let key = retry("a new session", async || new_visitor(&self.sites[0]).await).await;
        self.counted.send_replace(Arc::new(Count::of(key)));
    }

    /// Waits until a few more visits of every visitor have been counted.
    pub(super) async fn wait_until_served(&mut self) {
        let before: Vec<u64> = self.shared.visits.iter().map(|n| n.load(SeqCst)).collect();
        self.until("every visitor is served", |shared| {
            let now = shared.visits.iter().map(|n| n.load(SeqCst));
            now.zip(&before)
                .all(|(now, before)| now >= before + MORE_VISITS)
        })
        .await;
    }

    /// Waits until a few more visits of every visitor have been counted and none has failed in the
    /// meantime. The caller limits the time.
    pub(super) async fn wait_until_none_fails(&mut self) {
        let failed = |traffic: &Self| traffic.shared.failed.load(SeqCst);
        let mut before = None;
        while before != Some(failed(self)) {
            before = Some(failed(self));
            self.wait_until_served().await;
        }
    }

    /// Waits until a visit fails.
    pub(super) async fn wait_until_failed(&mut self) {
        let before = self.shared.failed.load(SeqCst);
        self.until("a visitor notices the fault", |shared| {
            shared.failed.load(SeqCst) > before
        })
        .await;
    }

    async fn until(&mut self, what: &str, is_so: impl Fn(&Shared) -> bool) {
        let deadline = Instant::now() + WAIT_LIMIT;
        while !is_so(&self.shared) {
            if let Some(Err(error)) = self.visitors.try_join_next() {
                std::panic::resume_unwind(error.into_panic());
            }
            assert!(
                Instant::now() < deadline,
                "{what}: has not happened within {WAIT_LIMIT:?}"
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Stops the visitors and asserts that each acknowledged visit was counted, and no visit twice.
    pub(super) async fn finish(mut self) -> Stats {
        self.shared.is_over.store(true, SeqCst);
        while let Some(ended) = self.visitors.join_next().await {
            if let Err(error) = ended {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        let count = self.counted.borrow().clone();
        let acknowledged = count.acknowledged.load(SeqCst);
        let most = acknowledged + count.unknown.load(SeqCst);
        for site in &self.sites {
            let there = retry("a count", async || visits(site, &count.key).await).await;
            let there = there.expect("the session was not ended");
            assert!(
                (acknowledged..=most).contains(&there),
                "{there} visits are counted, but {acknowledged} were acknowledged, and with \
                 failed saves at most {most} can have been written"
            );
        }
        let mut took = std::mem::take(&mut *self.shared.took());
        took.sort();
        Stats {
            failed: self.shared.failed.load(SeqCst),
            took,
        }
    }
}

impl Count {
    fn of(key: SessionKey) -> Self {
        Self {
            key,
            acknowledged: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |part: f64| self.took[((self.took.len() - 1) as f64 * part) as usize];
        write!(
            f,
            "{}, half within {:.1?}, 99 % within {:.1?}, the slowest {:.1?}, {} failed",
            self.took.len(),
            at(0.5),
            at(0.99),
            at(1.0),
            self.failed
        )
    }
}

impl Shared {
    fn took(&self) -> MutexGuard<'_, Vec<Duration>> {
        self.took.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn visit(&self, number: usize, site: &Sessions, counted: watch::Receiver<Arc<Count>>) {
        while !self.is_over.load(SeqCst) {
            let count = counted.borrow().clone();
            let began = Instant::now();
            let visit = tokio::time::timeout(WAIT_LIMIT, visit(site, &count.key)).await;
            self.took().push(began.elapsed());
            match visit.expect("a request never hangs") {
                Visit::Counted => {
                    count.acknowledged.fetch_add(1, SeqCst);
                    self.visits[number].fetch_add(1, SeqCst);
                    continue;
                }
                Visit::Gone => assert!(
                    self.may_lose_sessions.load(SeqCst),
                    "a session that was not ended is gone"
                ),
                Visit::NotCounted(_) => {
                    self.failed.fetch_add(1, SeqCst);
                }
                Visit::Unknown(_) => {
                    count.unknown.fetch_add(1, SeqCst);
                    self.failed.fetch_add(1, SeqCst);
                }
            }
            // A visitor whose request has failed waits before the next request.
            tokio::time::sleep(PAUSE).await;
        }
    }
}

const VISITORS: usize = 6;

/// How many more visits of each visitor must be counted until the visitor counts as served.
const MORE_VISITS: u64 = 5;
