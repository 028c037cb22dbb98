//! The cookie that holds the secret: how it is read, and how it is spelled.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::Secret;

/// Name and attributes.
#[derive(Clone, Debug)]
pub(super) struct Cookie {
    pub(super) name: String,
    pub(super) domain: Option<String>,
    pub(super) secure: bool,
}

impl Cookie {
    /// The secret in the request's cookies. Of several cookies of the name none counts, unless they are equal: the last
    /// or the first would be the choice of whoever can plant one from a neighbouring domain.
    pub(super) fn read(&self, headers: &HeaderMap) -> Option<Secret> {
        let lines = headers.get_all(COOKIE).into_iter();
        let pairs = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
        let mut values = pairs.filter_map(|pair| {
            let pair = pair.trim_ascii();
            pair.strip_prefix(self.name.as_bytes())?.strip_prefix(b"=")
        });
        let value = values.next()?;
        let is_only_one = values.all(|other| other == value);
        let value = is_only_one.then_some(value)?;
        Secret::parse(std::str::from_utf8(value).ok()?).ok()
    }

    /// `Set-Cookie`, for a year less a day.
    pub(super) fn spell(&self, secret: &Secret, now: SystemTime) -> HeaderValue {
        let Self {
            name,
            domain,
            secure,
        } = self;
        let domain = domain.as_deref();
        let domain = domain.map_or_else(String::new, |domain| format!("; Domain={domain}"));
        let secure = if *secure { "; Secure" } else { "" };
        let last = UNIX_EPOCH + LAST_DATE;
        let expires = now
            .checked_add(MAX_AGE)
            .unwrap_or(last)
            .clamp(UNIX_EPOCH, last);
        let expires = httpdate::fmt_http_date(expires);
        let age = MAX_AGE.as_secs();
        let text = format!(
            "{name}={}{domain}; expires={expires}; Max-Age={age}; Path=/; SameSite=Lax{secure}",
            secret.reveal()
        );
        let mut header = HeaderValue::try_from(text).expect("name and domain were checked");
        header.set_sensitive(true);
        header
    }
}

/// 52 weeks.
const MAX_AGE: Duration = Duration::from_secs(31_449_600);

/// The end of the year 9999, since 1970: dates of HTTP have four digits for the year.
const LAST_DATE: Duration = Duration::from_secs(253_402_300_799);
