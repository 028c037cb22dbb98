//! What a supervisor or a load balancer asks: whether the site runs, and whether it can give pages.

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

/// Whoever asks again every few seconds would rather hear "no" than wait.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Both answers: outside of the sessions, so that no cookie is read or set.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(LIVE, read(live))
        .route(READY, read(ready))
}

pub(super) fn is_probe(path: &str) -> bool {
    [LIVE, READY].contains(&path)
}

/// Whether the program serves at all; if not, nobody is there to say so.
async fn live() -> impl IntoResponse {
    answer(StatusCode::OK, "live\n")
}

/// Whether what every page needs is there: the catalogue and the sessions.
async fn ready(State(app): State<AppState>) -> impl IntoResponse {
    let asked = tokio::time::timeout(PROBE_TIMEOUT, unavailable(&app)).await;
    match asked {
        Ok(None) => answer(StatusCode::OK, "ready\n"),
        Ok(Some(words)) => answer(StatusCode::SERVICE_UNAVAILABLE, words),
        Err(_) => answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: no answer in time\n",
        ),
    }
}

/// What is not there. Why is for the log, at the level of the probe's own line.
async fn unavailable(app: &AppState) -> Option<&'static str> {
    if let Err(error) = sqlx::query(PING).execute(&app.db).await {
        tracing::debug!("asking the database whether it is there: {error}");
        return Some("not ready: the database does not answer\n");
    }
    if let Err(error) = app.sessions.ping().await {
        tracing::debug!("asking for the sessions: {error:#}");
        return Some("not ready: the sessions cannot be reached\n");
    }
    None
}

fn answer(status: StatusCode, words: &'static str) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, words)
}
