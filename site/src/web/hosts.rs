//! Refuses requests for other hosts.

use axum::{
    extract::{Request, State},
    http::{Version, header::HOST},
    middleware::Next,
    response::Response,
};

use super::error::PageError;
use crate::state::AppState;

/// Answers 400 to a request that was meant for another host, or that does not name one host as HTTP/1.1 has it.
///
/// Links in mails and redirects would otherwise carry whatever name a client put into the header.
pub(crate) async fn refuse_foreign(
    State(app): State<AppState>,
    request: Request,
    next: Next,
) -> Result<Response, PageError> {
    let addressed = request.uri().authority().map(|host| host.as_str());
    let headers = request.headers().get_all(HOST);
    // Of several names a proxy may have looked at another than this site. Before HTTP/1.1 there was none.
    let least = usize::from(request.version() >= Version::HTTP_11);
    let is_named = (least..=1).contains(&headers.iter().count());
    // A name that is not text is none of ours.
    let headers = headers.iter();
    let mut named = addressed
        .into_iter()
        .chain(headers.map(|host| host.to_str().unwrap_or_default()));
    match is_named && named.all(|host| app.allowed_hosts.contains(host)) {
        true => Ok(next.run(request).await),
        false => Err(PageError::ForeignHost),
    }
}
