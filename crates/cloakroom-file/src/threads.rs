use std::sync::Arc;

use cloakroom::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

use super::fault::Fault;

/// Where what blocks is done: threads of the runtime, and only so many of them at a time.
#[derive(Clone)]
pub(crate) struct Threads(Arc<Semaphore>);

impl Threads {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MOST_THREADS)))
    }

    /// Does the work on a thread that may block. From there on nothing stops it.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let thread = Arc::clone(&self.0).acquire_owned().await;
        let thread = thread.expect("nobody closes the semaphore");
        let done = tokio::task::spawn_blocking(move || {
            // Given back when the work is done, not when nobody waits for it any more.
            let _thread = thread;
            work()
        });
        match done.await {
            Ok(outcome) => outcome.map_err(|fault| fault.while_doing(doing)),
            Err(lost) => Err(Error::new(
                ErrorKind::Unavailable,
                format!("{doing} in files: the task that should have done it panicked, or the runtime is ending"),
            )
            .with_source(lost)),
        }
    }
}

/// How many threads of the runtime may be in the files at a time. The runtime has 512, and the application wants some
/// when the disk hangs.
const MOST_THREADS: usize = 64;
