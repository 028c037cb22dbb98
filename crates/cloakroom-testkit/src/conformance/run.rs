use std::future::Future;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;

use crate::soak;

/// Runs an asynchronous test on a new multi-threaded runtime, with a time limit.
///
/// The macros run every promise with this function, and your own tests may use it, too. `promise`
/// is the name of the test in the message about the time limit.
///
/// # Panics
/// * If `test` panics, with the same panic.
/// * If `test` does not finish within [`TIME_LIMIT`] plus the time of [`soak`]. This works even if
///   `test` blocks all threads of the runtime.
///
/// # Examples
/// ```
/// use cloakroom::store::{MemoryStore, Store};
/// use cloakroom_testkit::conformance;
///
/// conformance::run("the store answers", async || {
///     assert!(MemoryStore::new().ping().await.is_ok());
/// });
/// ```
pub fn run<F>(promise: &str, test: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = ()>,
{
    run_within(TIME_LIMIT + soak::time(), promise, test);
}

pub(crate) fn run_within<F>(
    limit: Duration,
    promise: &str,
    test: impl FnOnce() -> F + Send + 'static,
) where
    F: Future<Output = ()>,
{
    let (done, is_done) = mpsc::channel();
    // The time limit is enforced outside the runtime, because a store that blocks the runtime would
    // also block the timers of the runtime.
    let thread = thread::Builder::new()
        .name(promise.to_owned())
        .spawn(move || {
            let runtime = Builder::new_multi_thread()
                .worker_threads(WORKERS)
                .enable_all()
                .build()
                .expect("the operating system has resources for a runtime");
            runtime.block_on(test());
            // Waits for blocking tasks of the store. The time limit includes this wait, so that a
            // task that never ends fails the test, too.
            drop(runtime);
            // Sending fails after a timeout, because the receiver is gone. By then, the test has
            // already failed.
            let _ = done.send(());
        });
    let thread = thread.expect("the operating system has resources for a thread");
    match is_done.recv_timeout(limit) {
        Err(RecvTimeoutError::Timeout) => {
            panic!("{promise}: not done after {limit:?}: the store does not answer, or deadlocks")
        }
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// The time within which the test of one promise must finish. A [`soak`] extends it.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);

const WORKERS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "answers: not done after")]
    fn a_store_that_never_answers_fails_the_test() {
        run_within(Duration::from_millis(1), "answers", std::future::pending);
    }

    #[test]
    #[should_panic(expected = "answers: not done after")]
    fn a_store_that_blocks_every_thread_fails_the_test() {
        run_within(Duration::from_millis(1), "answers", async || {
            loop {
                thread::park();
            }
        });
    }

    #[test]
    #[should_panic(expected = "a broken promise")]
    fn a_panic_of_the_test_is_passed_on() {
        run("any", async || panic!("a broken promise"));
    }
}
