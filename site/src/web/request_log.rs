//! One line in the log for every request.
//!
//! A line says what was asked for and what came of it, and nothing that is a secret of the visitor: no query, no form, no
//! header but the name of the request.

use std::time::Instant;

use axum::{extract::Request, middleware::Next, response::Response};
use tracing::Instrument;

use super::{
    health,
    request_id::{HEADER, RequestId},
};

/// How much of a path, or of a method that nobody knows, a line shows.
const MAX_SHOWN_BYTES: usize = 200;

/// What follows in such a path lets whoever has it set a password.
const RESET_LINK: &str = "/accounts/reset/";

/// Names the request, and writes its line when there is an answer; the answer has the name as well.
///
/// Whatever is logged meanwhile is inside a span with the name. A request whose visitor hangs up is dropped, without a line.
pub(crate) async fn write(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    // Of the highest level, so that the name is there however little is logged.
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
        // A probe asks every few seconds, and says nothing about visitors.
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
    fn a_path_is_shown_without_what_would_open_an_account_and_not_endlessly() {
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
