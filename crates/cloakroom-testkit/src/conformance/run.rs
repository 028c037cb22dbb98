use std::future::Future;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;

use crate::soak;

/// Runs `test` to its end on a multi-threaded runtime of its own.
///
/// The suite's macros run every promise with it; it serves any other asynchronous test as well.
///
/// # Panics
/// If `test` panics, with the same panic; or if it is not done after [`TIME_LIMIT`] and the time that [`soak`] gives to
/// each test, even when the store blocks the threads of the runtime.
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
    // On a thread of its own, because a store that blocks would block a timeout of the runtime too.
    let thread = thread::Builder::new()
        .name(promise.to_owned())
        .spawn(move || {
            let runtime = Builder::new_multi_thread()
                .worker_threads(WORKERS)
                .enable_all()
                .build()
                .expect("the operating system gives the test a runtime");
            runtime.block_on(test());
            // A store whose tasks cannot be ended is a store that hangs, so this belongs to the time that is measured.
            drop(runtime);
            // Nobody listens any more if the time is over, and then the test has failed already.
            let _ = done.send(());
        });
    let thread = thread.expect("the operating system gives the test a thread");
    match is_done.recv_timeout(limit) {
        Err(RecvTimeoutError::Timeout) => {
            panic!(
                "{promise}: not done after {limit:?}: the store does not answer, or waits for itself"
            )
        }
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// How long one promise may take before it counts as broken.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);

const WORKERS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "patience: not done after")]
    fn a_store_that_never_answers_fails_the_test() {
        run_within(Duration::from_millis(1), "patience", std::future::pending);
    }

    #[test]
    #[should_panic(expected = "patience: not done after")]
    fn a_store_that_blocks_every_thread_fails_the_test() {
        run_within(Duration::from_millis(1), "patience", async || {
            loop {
                thread::park();
            }
        });
    }

    #[test]
    #[should_panic(expected = "the promise that was broken")]
    fn a_panic_of_the_test_is_the_panic_of_the_run() {
        run("any", async || panic!("the promise that was broken"));
    }
}
