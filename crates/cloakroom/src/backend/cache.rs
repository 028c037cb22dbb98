use std::future::Future;
use std::time::Duration;

use crate::model::Result;

/// The answer of the cache of two tiers, if it comes in time. A failure is logged and passed over.
pub(super) async fn ask_cache<T>(doing: &str, call: impl Future<Output = Result<T>>) -> Option<T> {
    let answer = tokio::time::timeout(CACHE_TIMEOUT, call).await;
    let error = match answer {
        Ok(Ok(answer)) => return Some(answer),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => format!("no answer within {CACHE_TIMEOUT:?}"),
    };
    tracing::warn!(
        error,
        "{doing} the cache of the sessions failed; going on without it"
    );
    None
}

/// A cache that is not quick is of no use.
const CACHE_TIMEOUT: Duration = Duration::from_millis(250);
