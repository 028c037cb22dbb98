use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Error, ErrorKind, Result};

tokio::task_local! {
    /// The limit of the store calls that the current task makes.
    static CURRENT: Arc<CallLimit>;
}

/// Limits how long several store calls may take together: those of a handler, or those of a commit.
///
/// Counts only the time in which a call is awaited. After a call that ran into the limit, every
/// further call fails immediately with the same error.
///
/// The limit is a task-local variable, so that the functions between a request and its store calls
/// do not have to pass it on. Outside of a [`scope`](Self::scope), each call has its own limit.
#[derive(Debug)]
pub(crate) struct CallLimit {
    timeout: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waited: Duration,
    /// The error of the call that ran into the limit.
    error: Option<Error>,
    /// Whether a call to the cache has failed. Further calls skip the cache.
    cache_failed: bool,
}

impl CallLimit {
    pub(crate) fn new(timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            timeout,
            state: Mutex::default(),
        })
    }

    /// Runs `calls` under this limit.
    pub(crate) fn scope<T>(
        self: Arc<Self>,
        calls: impl Future<Output = T>,
    ) -> impl Future<Output = T> {
        // Not an `async fn`, whose future would have room for `calls` twice.
        CURRENT.scope(self, calls)
    }

    /// Runs `calls` with half of the time that is left. The other half remains for later calls,
    /// even if the store does not answer.
    pub(crate) async fn with_half<T>(calls: Pin<Box<impl Future<Output = T>>>) -> T {
        let Some(limit) = Self::current() else {
            return calls.await;
        };
        let half = {
            let state = limit.state();
            let half = Self::new(limit.timeout.saturating_sub(state.waited) / 2);
            half.state().cache_failed = state.cache_failed;
            half
        };
        let output = Arc::clone(&half).scope(calls).await;
        let (half, mut state) = (half.state(), limit.state());
        state.waited += half.waited;
        state.cache_failed = half.cache_failed;
        output
    }

    /// Returns the answer of one store call, or an error if the call takes too long. Outside of a
    /// scope, the call may take `timeout`.
    pub(super) async fn call<T>(
        timeout: Duration,
        doing: &str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let limit = Self::current().unwrap_or_else(|| Self::new(timeout));
        let left = {
            let state = limit.state();
            if let Some(error) = &state.error {
                return Err(error.clone());
            }
            limit.timeout.saturating_sub(state.waited)
        };
        let mut call = pin!(call);
        // A store in memory answers at once. Then there is no time to measure.
        let polled = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
        if let Poll::Ready(answer) = polled {
            return answer;
        }
        let answer = {
            let _waiting = Waiting {
                limit: &limit,
                since: Instant::now(),
            };
            tokio::time::timeout(left, call).await
        };
        answer.unwrap_or_else(|_| {
            let error = Error::new(
                ErrorKind::Timeout,
                format!(
                    "{doing}: the store did not answer within {:?}",
                    limit.timeout
                ),
            );
            limit.state().error = Some(error.clone());
            Err(error)
        })
    }

    /// Returns whether a call to the cache has failed in this scope.
    pub(super) fn cache_has_failed() -> bool {
        Self::current().is_some_and(|limit| limit.state().cache_failed)
    }

    pub(super) fn set_cache_failed() {
        if let Some(limit) = Self::current() {
            limit.state().cache_failed = true;
        }
    }

    fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the time until it is dropped, even if the caller drops the call.
struct Waiting<'a> {
    limit: &'a CallLimit,
    since: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.limit.state().waited += self.since.elapsed();
    }
}
