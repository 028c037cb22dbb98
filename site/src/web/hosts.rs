//! The host names that the site answers to.

use axum::{
    extract::{Request, State},
    http::header::HOST,
    middleware::Next,
    response::Response,
};

use super::error::PageError;
use crate::{
    application::AppState,
    config::{BaseUrl, host_of},
};

/// What this machine calls itself: no page elsewhere can make a browser send these to another machine.
const OWN: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The host names that the site answers to.
#[derive(Debug)]
pub(crate) struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    pub(crate) fn new(base_url: &BaseUrl, more: &[String]) -> Self {
        let more = more.iter().map(|host| host.trim().to_ascii_lowercase());
        let own = OWN.into_iter().map(str::to_owned);
        Self(
            own.chain([base_url.host().to_owned()])
                .chain(more)
                .collect(),
        )
    }

    fn contains(&self, authority: &str) -> bool {
        let host = host_of(authority);
        self.0
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host))
    }
}

/// Answers 400 to a request that was meant for another host.
///
/// Links in mails and redirects would otherwise carry whatever name somebody put into the header.
pub(crate) async fn refuse_foreign(
    State(app): State<AppState>,
    request: Request,
    next: Next,
) -> Result<Response, PageError> {
    let named = match (request.uri().authority(), request.headers().get(HOST)) {
        (Some(authority), _) => Some(authority.as_str()),
        // A name that is not text is nobody's.
        (None, Some(host)) => Some(host.to_str().unwrap_or_default()),
        (None, None) => None,
    };
    match named {
        Some(authority) if !app.allowed_hosts.contains(authority) => Err(PageError::ForeignHost),
        _ => Ok(next.run(request).await),
    }
}
