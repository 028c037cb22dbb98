//! Headers that every answer carries.

use axum::{extract::State, response::Response};
use http::{
    HeaderName, HeaderValue,
    header::{
        CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

use crate::state::AppState;

const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");

// The site has no script at all, so none may run, wherever it comes from.
const POLICY: &str = "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

// A year, and only this host: what runs on the hosts below it is not for this site to say.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds the headers that keep a page from being framed, sniffed, scripted, told about elsewhere, or, once the site is
/// reached by https, asked for by plain http.
pub(crate) async fn add(State(app): State<AppState>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if app.base_url.is_https() {
        headers.insert(STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    response
}
