use std::future::Future;
use std::time::Duration;

use crate::model::Result;

/// What the front of two tiers answers, in time. It may fail; then it is as if it had not been asked.
pub(super) async fn tell<T>(doing: &str, call: impl Future<Output = Result<T>>) -> Option<T> {
    let answer = tokio::time::timeout(CACHE_TIMEOUT, call).await;
    let error = match answer {
        Ok(Ok(answer)) => return Some(answer),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => format!("no answer within {CACHE_TIMEOUT:?}"),
    };
    tracing::warn!(
        error,
        "{doing} the front of the sessions failed; going on without it"
    );
    None
}

/// A front that is not quick is of no use.
const CACHE_TIMEOUT: Duration = Duration::from_millis(250);
