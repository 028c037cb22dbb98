//! The host names that the site answers to.

use axum::{
    extract::{Request, State},
    http::{Version, header::HOST},
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

/// Answers 400 to a request that was meant for another host, or that does not name one host as HTTP/1.1 has it.
///
/// Links in mails and redirects would otherwise carry whatever name somebody put into the header.
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
    // One that is not text is nobody's.
    let headers = headers.iter();
    let mut named = addressed
        .into_iter()
        .chain(headers.map(|host| host.to_str().unwrap_or_default()));
    match is_named && named.all(|host| app.allowed_hosts.contains(host)) {
        true => Ok(next.run(request).await),
        false => Err(PageError::ForeignHost),
    }
}
