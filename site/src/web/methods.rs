//! Which methods a page answers, and how it says so.

use axum::{
    handler::Handler,
    http::{StatusCode, header::ALLOW},
    response::IntoResponse,
    routing::{MethodRouter, get},
};

use super::error::PageError;

const READ: &str = "GET, HEAD, OPTIONS";

/// A page that is only read. HEAD is answered by the same handler, and its body dropped.
pub(crate) fn read<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    get(handler)
        .options(async || options(READ))
        .fallback(async || PageError::MethodNotAllowed { allow: READ })
}

fn options(allow: &'static str) -> impl IntoResponse {
    (StatusCode::NO_CONTENT, [(ALLOW, allow)])
}
