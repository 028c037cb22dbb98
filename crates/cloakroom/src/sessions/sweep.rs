use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::session::{Core, Sweeper};

/// Options for deleting expired entries in the background.
///
/// A sweep deletes entries in small batches with pauses between them. When no expired entries are
/// left, it waits for the interval. Pauses and intervals vary randomly by up to a quarter, so that
/// several servers do not sweep at the same moment. An error is logged, and the sweep is tried
/// again after the next interval.
///
/// The default deletes 200 entries at a time, pauses for 50 milliseconds between batches, and
/// waits for 5 minutes when it is done.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{Sessions, Sweep};
///
/// let hourly = Sweep::default().interval(Duration::from_secs(60 * 60)).batch(1_000);
/// assert!(Sessions::builder(MemoryStore::new()).sweep(hourly).build().is_ok());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    interval: Duration,
    batch: usize,
    pause: Duration,
}

impl Sweep {
    /// Sets how long to wait when no expired entries are left.
    ///
    /// Defaults to 5 minutes, so that expired entries do not pile up. The price: one small query
    /// per interval in every process.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use std::time::Duration;
    /// use cloakroom::Sweep;
    ///
    /// let hourly = Sweep::default().interval(Duration::from_secs(60 * 60));
    /// assert!(Sessions::builder(MemoryStore::new()).sweep(hourly).build().is_ok());
    /// ```
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets how many entries to delete at once. Zero counts as one.
    ///
    /// Defaults to 200: some stores block requests while they delete a batch, so a batch should be
    /// short. The price of small batches: more calls of the store.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use cloakroom::Sweep;
    ///
    /// let thorough = Sweep::default().batch(1_000);
    /// assert!(Sessions::builder(MemoryStore::new()).sweep(thorough).build().is_ok());
    /// ```
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch.max(1);
        self
    }

    /// Sets how long to pause between two batches.
    ///
    /// Defaults to 50 milliseconds, so that requests can use the store in between. The price: with
    /// the default batch, deleting a million entries takes at least four minutes.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use std::time::Duration;
    /// use cloakroom::Sweep;
    ///
    /// let gentle = Sweep::default().pause(Duration::from_secs(1));
    /// assert!(Sessions::builder(MemoryStore::new()).sweep(gentle).build().is_ok());
    /// ```
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Sweeps until `core` is dropped. This happens once all clones of the `Sessions`, all of its
    /// handles and all of its sessions are dropped.
    async fn run(self, core: &Weak<Core>) {
        loop {
            tokio::time::sleep(jittered(self.interval)).await;
            let mut swept = 0;
            // The inner loop ends after a batch that is not full. It gets to such a batch, because
            // every full batch leaves fewer expired entries.
            loop {
                let Some(core) = core.upgrade() else {
                    return;
                };
                match core.backend.sweep(core.now(), self.batch).await {
                    Ok(batch) => {
                        if (swept + batch) / REPORT_EVERY > swept / REPORT_EVERY {
                            tracing::info!(
                                swept = swept + batch,
                                "expired sessions deleted so far"
                            );
                        }
                        swept += batch;
                        if batch < self.batch {
                            break;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(
                            error = format!("{error:#}"),
                            "sweeping failed; trying again later"
                        );
                        break;
                    }
                }
                drop(core);
                tokio::time::sleep(jittered(self.pause)).await;
            }
            if swept > 0 {
                tracing::info!(swept, "expired sessions deleted");
            }
        }
    }
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5 * 60),
            batch: 200,
            pause: Duration::from_millis(50),
        }
    }
}

/// The background sweep of one [`Core`], the state that all clones of a `Sessions` share.
pub(super) struct Background {
    /// `None` if sweeping is turned off.
    sweep: Option<Sweep>,
    is_running: Arc<AtomicBool>,
}

impl Background {
    pub(super) fn new(sweep: Option<Sweep>) -> Self {
        Self {
            sweep,
            is_running: Arc::default(),
        }
    }
}

impl Sweeper for Background {
    fn start(&self, core: &Arc<Core>) {
        if let Some(sweep) = self.sweep
            && !self.is_running.swap(true, Ordering::Relaxed)
        {
            let running = Running(Arc::clone(&self.is_running));
            let core = Arc::downgrade(core);
            tokio::spawn(async move {
                sweep.run(&core).await;
                drop(running);
            });
        }
    }
}

/// The guard of a running sweep. Dropping the guard marks the sweep as ended, so that another sweep
/// can start. The guard is also dropped if the tokio runtime of the sweep shuts down.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Returns `duration`, randomly shortened or lengthened by up to a quarter.
fn jittered(duration: Duration) -> Duration {
    let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    let secs = duration.as_secs_f64() * (0.75 + random / 2.0);
    Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX)
}

/// A long sweep logs its progress each time it has deleted this many entries.
const REPORT_EVERY: usize = 10_000;
