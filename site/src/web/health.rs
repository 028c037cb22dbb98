//! Health probes for supervisors and load balancers: whether the process runs, and whether it can
//! serve pages.

use std::time::Duration;

use axum::{
    Router,
    extract::State,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::IntoResponse,
};

use super::methods::read;
use crate::state::AppState;

const LIVE: &str = "/health/live";
const READY: &str = "/health/ready";

const PING: &str = "SELECT 1";

/// The time limit of the readiness probe. A load balancer asks every few seconds and does not wait
/// for a late answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The routes of the probes. They are outside of the session layer, so no cookie is read or set.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(LIVE, read(live))
        .route(READY, read(ready))
}

pub(super) fn is_probe(path: &str) -> bool {
    [LIVE, READY].contains(&path)
}

/// Responds 200 while the process serves requests.
async fn live() -> impl IntoResponse {
    answer(StatusCode::OK, "live\n")
}

/// Responds 200 if the database and the session storage can be reached, and 503 otherwise.
async fn ready(State(app): State<AppState>) -> impl IntoResponse {
    let problem = tokio::time::timeout(PROBE_TIMEOUT, find_problem(&app)).await;
    match problem {
        Ok(None) => answer(StatusCode::OK, "ready\n"),
        Ok(Some(text)) => answer(StatusCode::SERVICE_UNAVAILABLE, text),
        Err(_) => answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: no answer in time\n",
        ),
    }
}

/// Returns the response text if the database or the session storage cannot be reached. Logs the
/// cause at level `debug`.
async fn find_problem(app: &AppState) -> Option<&'static str> {
    if let Err(error) = sqlx::query(PING).execute(&app.db).await {
        tracing::debug!("checking the database: {error}");
        return Some("not ready: the database does not answer\n");
    }
    if let Err(error) = app.sessions.ping().await {
        tracing::debug!("checking the session storage: {error:#}");
        return Some("not ready: the sessions cannot be reached\n");
    }
    None
}

fn answer(status: StatusCode, text: &'static str) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, text)
}
