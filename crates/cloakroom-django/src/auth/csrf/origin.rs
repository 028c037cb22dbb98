//! Checks which site a request comes from, by its `Origin` or `Referer` header.

use cloakroom::{Error, ErrorKind, Result};
use http::header::{ORIGIN, REFERER};
use http::{HeaderMap, Uri};

use super::{Incoming, Refusal};

/// One of Django's `CSRF_TRUSTED_ORIGINS`: a scheme and a host. `*.` in front of the host matches
/// the host and all its subdomains.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct TrustedOrigin {
    scheme: String,
    /// Includes the port. A host that starts with a dot matches the domain after the dot and all
    /// its subdomains.
    host: String,
}

impl TrustedOrigin {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let parts = text.split_once("://");
        let is_host = |host: &str| {
            let name = host.strip_prefix("*.").unwrap_or(host);
            !name.is_empty() && !name.contains(['*', '/', '?', '#', '@']) && name.is_ascii()
        };
        match parts {
            Some((scheme @ ("http" | "https"), host)) if is_host(host) => Ok(Self {
                scheme: scheme.to_owned(),
                host: host.strip_prefix('*').unwrap_or(host).to_ascii_lowercase(),
            }),
            _ => Err(Error::new(
                ErrorKind::Config,
                format!(
                    "trusting the origin `{}`: expected `https://` and a host, with `*.` \
                     in front of the host for all subdomains",
                    text.escape_debug()
                ),
            )),
        }
    }
}

/// Checks `Origin`, or `Referer` if there is no `Origin` and the request came by https.
///
/// `Referer` is not checked over plain http: an attacker who can change pages in transit can also
/// change this header.
pub(super) fn check(
    request: &Incoming<'_>,
    trusted: &[TrustedOrigin],
    cookie_domain: Option<&str>,
) -> Result<(), Refusal> {
    let mut origins = request.headers.get_all(ORIGIN).iter().peekable();
    if origins.peek().is_some() {
        let is_allowed = |origin: &str| is_own(request, origin) || is_trusted(trusted, origin);
        return match origins.all(|origin| origin.to_str().is_ok_and(is_allowed)) {
            true => Ok(()),
            false => Err(Refusal::BadOrigin),
        };
    }
    match request.https {
        true => check_referer(request, trusted, cookie_domain),
        false => Ok(()),
    }
}

fn check_referer(
    request: &Incoming<'_>,
    trusted: &[TrustedOrigin],
    cookie_domain: Option<&str>,
) -> Result<(), Refusal> {
    let (scheme, host) = referer(request.headers)?;
    if scheme != "https" {
        return Err(Refusal::InsecureReferer);
    }
    let is_trusted = trusted.iter().any(|origin| is_within(&host, &origin.host));
    let is_own = match cookie_domain {
        Some(domain) => is_within(&host, &format!("{domain}{}", port(request.host))),
        None => is_within(&host, request.host),
    };
    match is_trusted || is_own {
        true => Ok(()),
        false => Err(Refusal::BadReferer),
    }
}

/// Returns the scheme and the host of the page that sent the request.
fn referer(headers: &HeaderMap) -> Result<(String, String), Refusal> {
    let referer = headers.get(REFERER).ok_or(Refusal::NoReferer)?;
    let address = Uri::try_from(referer.as_bytes()).map_err(|_| Refusal::MalformedReferer)?;
    match (address.scheme_str(), address.authority()) {
        (Some(scheme), Some(host)) => Ok((scheme.to_owned(), host.to_string())),
        _ => Err(Refusal::MalformedReferer),
    }
}

fn is_own(request: &Incoming<'_>, origin: &str) -> bool {
    let scheme = match request.https {
        true => "https",
        false => "http",
    };
    origin.split_once("://") == Some((scheme, request.host))
}

fn is_trusted(trusted: &[TrustedOrigin], origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else {
        return false;
    };
    trusted
        .iter()
        .any(|origin| origin.scheme == scheme && is_within(host, &origin.host))
}

/// Returns whether `host` equals `pattern`. A pattern that starts with a dot also matches the
/// domain after the dot and all its subdomains.
fn is_within(host: &str, pattern: &str) -> bool {
    let (host, pattern) = (host.to_ascii_lowercase(), pattern.to_ascii_lowercase());
    match pattern.strip_prefix('.') {
        Some(domain) => host == domain || host.ends_with(&pattern),
        None => !pattern.is_empty() && host == pattern,
    }
}

/// Returns the colon and the port at the end of `host`, or an empty text if `host` has no port.
fn port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => &host[name.len()..],
        _ => "",
    }
}
