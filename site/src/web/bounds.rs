//! The layer that limits the time of every request and turns a panic into a response.

use std::{panic::AssertUnwindSafe, time::Duration};

use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;

/// Responds 503 to a request that takes longer than `limit`, and 500 to a request whose handler
/// panics.
///
/// The future of a request that takes too long is dropped, as if the client had hung up.
pub(crate) async fn keep(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    // Unwind-safe: the future is not polled again after a panic, and the state that it shares with
    // other requests is behind locks and channels that tolerate a panic.
    let answering = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(limit, answering).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            // The panic hook has already logged where the handler panicked.
            tracing::error!("handling a request: the handler panicked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(_) => {
            tracing::warn!("handling a request: no response within {limit:?}");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body, middleware, routing::get};
    use cloakroom_testkit::Log;
    use tower::ServiceExt;

    use super::*;
    use crate::web::{error_page, request_log};

    #[tokio::test]
    async fn a_panic_is_logged_with_the_request_id_and_the_page_does_not_show_the_panic_message() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let panics = async || -> &'static str {
            tokio::task::yield_now().await;
            panic!("the till is open")
        };
        let router: Router = Router::new()
            .route("/", get(panics))
            .layer(middleware::from_fn_with_state(Duration::MAX, keep))
            .layer(middleware::from_fn(error_page::in_the_layout))
            .layer(middleware::from_fn(request_log::write));
        let request = Request::get("/").header("x-request-id", "visit-7");

        let response = router
            .oneshot(request.body(body::Body::empty()).unwrap())
            .await
            .unwrap();

        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["x-request-id"], "visit-7");
        let page = body::to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap();
        let page = String::from_utf8(page.to_vec()).unwrap();
        assert!(page.contains("Reference: <code>visit-7</code>"), "{page}");
        assert!(!page.contains("till"), "{page}");
        let log = log.text();
        let has_id = |line: &&str| line.contains("request{id=\"visit-7\"}");
        assert_eq!(log.lines().filter(has_id).count(), 2, "{log}");
        assert!(log.contains("the handler panicked"), "{log}");
    }
}
