use std::future::Future;
use std::time::Duration;

use crate::model::Result;

/// Returns the answer of a cache, or `None` if it failed or did not answer in time. Failures are
/// logged; the caller continues without the cache.
pub(super) async fn ask_cache<T>(doing: &str, call: impl Future<Output = Result<T>>) -> Option<T> {
    let answer = tokio::time::timeout(CACHE_TIMEOUT, call).await;
    let error = match answer {
        Ok(Ok(answer)) => return Some(answer),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => format!("no answer within {CACHE_TIMEOUT:?}"),
    };
    tracing::warn!(
        error,
        "{doing} the session cache failed; going on without it"
    );
    None
}

/// The time limit of a cache call. The store behind the cache usually answers sooner than that.
const CACHE_TIMEOUT: Duration = Duration::from_millis(250);
