use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::session::{Core, Sweeper};

/// How expired entries are deleted in the background.
///
/// A sweep deletes a small batch, pauses, and goes on until nothing is left that has expired; then it rests for the
/// interval. Pauses and intervals are random by a quarter up or down, so that several servers do not sweep in step.
/// An error is logged, and the next interval tries again.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{Sessions, Sweep};
///
/// let hourly = Sweep::default().interval(Duration::from_secs(60 * 60)).batch(1_000);
/// let sessions = Sessions::builder(MemoryStore::new()).sweep(hourly).build()?;
///
/// let elsewhere = Sessions::builder(MemoryStore::new()).sweep(None).build()?;
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    interval: Duration,
    batch: usize,
    pause: Duration,
}

impl Sweep {
    /// How long to rest when nothing is left that has expired; 5 minutes if not said otherwise.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How many entries to delete at once, at least one; 200 if not said otherwise. Requests may have to wait for
    /// one batch.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch.max(1);
        self
    }

    /// How long to leave the store to the requests between two batches; 50 milliseconds if not said otherwise.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Sweeps until the sessions are dropped.
    async fn run(self, core: &Weak<Core>) {
        loop {
            tokio::time::sleep(jittered(self.interval)).await;
            let mut swept = 0;
            // Ends when a batch is not full; every batch makes the rest smaller.
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

/// The one background sweep of a [`Core`].
pub(super) struct Background {
    /// `None` if it is turned off.
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

/// Says when the sweep has ended, with its runtime for instance, so that another can be started.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The duration, up to a quarter shorter or longer.
fn jittered(duration: Duration) -> Duration {
    let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    let secs = duration.as_secs_f64() * (0.75 + random / 2.0);
    Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX)
}

/// How many deleted entries a long sweep reports at a time.
const REPORT_EVERY: usize = 10_000;
