//! The layer that refuses requests for hosts that are not allowed.

use axum::{
    extract::{Request, State},
    http::{Version, header::HOST},
    middleware::Next,
    response::Response,
};

use super::error::PageError;
use crate::state::AppState;

/// Responds 400 to a request whose host is not allowed. Also responds 400 to a request with several
/// `Host` headers, and to a request of HTTP/1.1 without this header.
///
/// Links in mails and redirects contain the host of the request. Without this check, a client could
/// make them lead to another site.
pub(crate) async fn refuse_foreign(
    State(app): State<AppState>,
    request: Request,
    next: Next,
) -> Result<Response, PageError> {
    let addressed = request.uri().authority().map(|host| host.as_str());
    let headers = request.headers().get_all(HOST);
    // With several `Host` headers, a proxy could check one header while this site uses another.
    let min = usize::from(request.version() >= Version::HTTP_11);
    let is_unambiguous = (min..=1).contains(&headers.iter().count());
    // A host that is not valid text is read as an empty text, which is never allowed.
    let headers = headers.iter();
    let mut named = addressed
        .into_iter()
        .chain(headers.map(|host| host.to_str().unwrap_or_default()));
    match is_unambiguous && named.all(|host| app.allowed_hosts.contains(host)) {
        true => Ok(next.run(request).await),
        false => Err(PageError::ForeignHost),
    }
}
