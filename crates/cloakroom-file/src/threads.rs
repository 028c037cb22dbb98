use std::sync::Arc;

use cloakroom::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

use super::fault::Fault;

/// Runs blocking calls on the blocking threads of the runtime, at most [`MAX_CALLS`] at a time.
#[derive(Clone)]
pub(crate) struct Threads(Arc<Semaphore>);

impl Threads {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_CALLS)))
    }

    /// Runs `work` on a blocking thread. If the future is dropped after `work` has started, `work`
    /// still runs to its end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.0).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let done = tokio::task::spawn_blocking(move || {
            // The permit is released when the work is done, even if the caller dropped its future.
            let _permit = permit;
            work()
        });
        match done.await {
            Ok(outcome) => outcome.map_err(|fault| fault.while_doing(doing)),
            Err(cause) => Err(Error::new(
                ErrorKind::Unavailable,
                format!("{doing} in files: the call panicked, or the runtime is shutting down"),
            )
            .with_source(cause)),
        }
    }
}

/// The largest number of concurrent calls. If the disk hangs, these calls block their threads. The
/// application can still use the other blocking threads of the runtime, which has 512 by default.
const MAX_CALLS: usize = 64;
