//! Logs one line for every request.
//!
//! A line contains the method, path and id of the request, and the status and duration of the
//! response. It contains nothing that may be a secret of the visitor: no query, no form, and no
//! header except the id.

use std::time::Instant;

use axum::{extract::Request, middleware::Next, response::Response};
use tracing::Instrument;

use super::{
    health,
    request_id::{HEADER, RequestId},
};

/// The largest number of bytes of a method or path that is logged.
const MAX_SHOWN_BYTES: usize = 200;

/// The start of the path of a password-reset link. The rest of the path is secret.
const RESET_LINK: &str = "/accounts/reset/";

/// Assigns an id to the request, adds it to the response, and logs a line when the response is
/// ready.
///
/// Everything that is logged for the request until then is inside a span with the id. If the client
/// hangs up, the request is dropped and no line is logged.
pub(crate) async fn write(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    // The span has the highest level, so it is active under every log filter.
    let span = tracing::error_span!("request", id = id.as_str());
    request.extensions_mut().insert(id.clone());
    let method = truncate(request.method().as_str()).to_owned();
    let path = loggable_path(request.uri().path());
    let is_probe = health::is_probe(request.uri().path());
    let started = Instant::now();
    let answering = async {
        let mut response = next.run(request).await;
        let status = response.status().as_u16();
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Probes arrive every few seconds and would crowd out other lines.
        if is_probe {
            tracing::debug!(method, path, status, milliseconds, "answered");
        } else {
            tracing::info!(method, path, status, milliseconds, "answered");
        }
        response.headers_mut().insert(HEADER, id.header());
        response
    };
    answering.instrument(span).await
}

fn loggable_path(path: &str) -> String {
    match path.find(RESET_LINK) {
        Some(at) => format!("{}…", truncate(&path[..at + RESET_LINK.len()])),
        None => truncate(path).to_owned(),
    }
}

fn truncate(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_SHOWN_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_path_is_truncated_and_has_no_reset_token() {
        for (path, in_the_log) in [
            ("/catalog/book/1", "/catalog/book/1"),
            ("/accounts/reset/MQ/c1-2f/", "/accounts/reset/…"),
            ("//accounts/reset/MQ/c1-2f/", "//accounts/reset/…"),
        ] {
            assert_eq!(loggable_path(path), in_the_log);
        }
        assert_eq!(loggable_path(&"é".repeat(5000)).len(), MAX_SHOWN_BYTES);
        assert_eq!(
            loggable_path(&format!("/{}", "é".repeat(5000))).len(),
            MAX_SHOWN_BYTES - 1
        );
    }
}
