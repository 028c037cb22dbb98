//! The cookie that contains the CSRF secret.

use std::time::{Duration, SystemTime};

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::Secret;
use crate::wire::cookie::{Attributes, Lifetime, set_cookie};

/// The name and the attributes of the cookie.
#[derive(Clone, Debug)]
pub(super) struct Cookie {
    pub(super) name: String,
    pub(super) domain: Option<String>,
    pub(super) secure: bool,
}

impl Cookie {
    /// Returns the secret in the request's CSRF cookie, or `None` if the cookie is absent or
    /// malformed, or if the request has several CSRF cookies with different values.
    ///
    /// An attacker on a neighbouring domain can plant a CSRF cookie, so neither the first nor the
    /// last of several such cookies can be trusted.
    pub(super) fn read(&self, headers: &HeaderMap) -> Option<Secret> {
        let lines = headers.get_all(COOKIE).into_iter();
        let pairs = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
        let mut values = pairs.filter_map(|pair| {
            let pair = pair.trim_ascii();
            pair.strip_prefix(self.name.as_bytes())?.strip_prefix(b"=")
        });
        let value = values.next()?;
        let is_unambiguous = values.all(|other| other == value);
        let value = is_unambiguous.then_some(value)?;
        Secret::parse(std::str::from_utf8(value).ok()?).ok()
    }

    /// Returns the `Set-Cookie` header that stores `secret` in the browser for 52 weeks, as in
    /// Django.
    pub(super) fn set_cookie(&self, secret: &Secret, now: SystemTime) -> HeaderValue {
        let attributes = Attributes {
            domain: self.domain.as_deref(),
            http_only: false,
            secure: self.secure,
            ..Attributes::default()
        };
        let lifetime = Lifetime {
            max_age_secs: MAX_AGE.as_secs().cast_signed(),
            expires: now.checked_add(MAX_AGE).unwrap_or(now),
        };
        let text = set_cookie(&self.name, secret.reveal(), Some(lifetime), &attributes);
        let mut header = HeaderValue::try_from(text).expect("name and domain were checked");
        header.set_sensitive(true);
        header
    }
}

/// 52 weeks, Django's `CSRF_COOKIE_AGE`.
const MAX_AGE: Duration = Duration::from_secs(31_449_600);
