use std::sync::Arc;

use cloakroom::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

use super::fault::Fault;

/// Runs blocking calls on threads of the runtime, a limited number at a time.
#[derive(Clone)]
pub(crate) struct Threads(Arc<Semaphore>);

impl Threads {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_CALLS)))
    }

    /// Runs `work` on a thread that may block. If the future is dropped after `work` has started,
    /// `work` runs to its end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.0).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let done = tokio::task::spawn_blocking(move || {
            // Released when the work is done, even if the caller dropped its future.
            let _permit = permit;
            work()
        });
        match done.await {
            Ok(outcome) => outcome.map_err(|fault| fault.while_doing(doing)),
            Err(cause) => Err(Error::new(
                ErrorKind::Unavailable,
                format!("{doing} in files: its task panicked, or the runtime is shutting down"),
            )
            .with_source(cause)),
        }
    }
}

/// The largest number of concurrent calls. The runtime has 512 blocking threads; if the disk hangs,
/// the application still has the rest.
const MAX_CALLS: usize = 64;
