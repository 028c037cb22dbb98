//! What holds for every page: it is answered in time, and if it panics, it is answered all the same.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Answers 503 to a request that takes longer than `limit`, and 500 to one that panics.
///
/// A request that takes too long is dropped where it is, as one whose visitor hangs up.
pub(super) async fn keep(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(limit, caught(next.run(request))).await;
    match answer {
        Ok(Some(response)) => response,
        Ok(None) => {
            // Where it was is in the line that the panic itself has logged.
            tracing::error!("making a page: the handler panicked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(_) => {
            tracing::warn!("making a page: no answer within {limit:?}");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// What `work` gives; nothing if it panics.
async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| {
        // It is not polled again after a panic, and what it shares with other requests is behind locks and channels
        // that bear one.
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(done)) => Poll::Ready(Some(done)),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}
