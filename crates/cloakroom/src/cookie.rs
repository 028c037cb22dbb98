//! The session cookie: what it is called, where it is sent, and how it is read and spelled.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, header};

use crate::clock::after;
use crate::format::{Format, OnDuplicates};
use crate::session::Presented;
use crate::{Error, ErrorKind, Key, Result};

/// Name and attributes of the session cookie.
///
/// The default is `__Host-session` with `Secure`, `HttpOnly`, `SameSite=Lax` and `Path=/`: a browser sends it over
/// https only and to this host only, no script reads it, no subdomain can plant it, and other sites cannot post
/// with it. The price is that it needs https, also in development, except on `localhost` in most browsers:
/// [`plain_http`](Self::plain_http) is the one word for development without TLS.
///
/// [`SessionsBuilder::build`](crate::SessionsBuilder::build) refuses what a browser would drop.
///
/// # Examples
/// ```
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{Cookie, SameSite, Sessions};
///
/// let embedded = Cookie::new("__Host-shop").same_site(SameSite::None).partitioned(true);
/// assert!(Sessions::builder(MemoryStore::new()).cookie(embedded).build().is_ok());
///
/// let dropped = Cookie::new("__Host-shop").domain("example.com");
/// let error = Sessions::builder(MemoryStore::new()).cookie(dropped).build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "configuring the cookie `__Host-shop`: the prefix `__Host-` allows no `Domain`; browsers drop the cookie otherwise",
/// );
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cookie {
    name: String,
    domain: Option<String>,
    path: String,
    secure: bool,
    http_only: bool,
    same_site: SameSite,
    partitioned: bool,
}

impl Cookie {
    /// A cookie with this name and the default attributes.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            domain: None,
            path: "/".to_owned(),
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            partitioned: false,
        }
    }

    /// For development without TLS: no `Secure`, and no prefix in the name that would need it.
    #[must_use]
    pub fn plain_http(mut self) -> Self {
        for prefix in [HOST_PREFIX, SECURE_PREFIX] {
            if let Some(name) = self.name.strip_prefix(prefix) {
                self.name = name.to_owned();
            }
        }
        self.secure = false;
        self
    }

    /// Sends the cookie to this domain and all of its subdomains. Without it, to this host only.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Sends the cookie to this path and what lies below it.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Whether the cookie travels over https only.
    #[must_use]
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Whether scripts are kept from reading the cookie.
    #[must_use]
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Whether the cookie goes along when another site sends the visitor here.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Whether a page embedded in several sites has a cookie for each of them (CHIPS).
    #[must_use]
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Refuses what a browser would drop (RFC 6265bis, draft 21, sections 4.1 and 5.7) and what would break the
    /// header.
    pub(crate) fn check(&self) -> Result<()> {
        let name = &self.name;
        let lower = name.to_ascii_lowercase();
        let host = lower.starts_with(&HOST_PREFIX.to_ascii_lowercase());
        let refused = if name.is_empty() || !name.bytes().all(is_token) {
            "the name must be letters, digits and ``!#$%&'*+-.^_`|~``"
        } else if name.len() > MAX_NAME_BYTES {
            "the name is too long: browsers drop cookies of more than 4096 bytes"
        } else if host && !name.starts_with(HOST_PREFIX) {
            "the prefix is spelled `__Host-`; browsers drop the cookie otherwise"
        } else if lower.starts_with("__secure-") && !name.starts_with(SECURE_PREFIX) {
            "the prefix is spelled `__Secure-`; browsers drop the cookie otherwise"
        } else if host && !self.secure {
            "the prefix `__Host-` needs `secure(true)`; browsers drop the cookie otherwise \
             (use `plain_http()` for development without TLS)"
        } else if host && self.domain.is_some() {
            "the prefix `__Host-` allows no `Domain`; browsers drop the cookie otherwise"
        } else if host && self.path != "/" {
            "the prefix `__Host-` needs `path(\"/\")`; browsers drop the cookie otherwise"
        } else if name.starts_with(SECURE_PREFIX) && !self.secure {
            "the prefix `__Secure-` needs `secure(true)`; browsers drop the cookie otherwise \
             (use `plain_http()` for development without TLS)"
        } else if self.same_site == SameSite::None && !self.secure {
            "`SameSite=None` needs `secure(true)`; browsers drop the cookie otherwise"
        } else if self.partitioned && !self.secure {
            "`Partitioned` needs `secure(true)`; browsers drop the cookie otherwise"
        } else if !self.path.starts_with('/') || !is_attribute(&self.path) {
            "the path must begin with `/` and hold no `;`, no control characters and no more than 1024 bytes"
        } else if !self.domain.as_deref().is_none_or(is_domain) {
            "the domain must be a host name in ASCII, without port and blanks"
        } else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::Config,
            format!(
                "configuring the cookie `{}`: {refused}",
                name.escape_debug()
            ),
        ))
    }

    /// What the request's cookies say about its session.
    pub(crate) fn read(&self, headers: &HeaderMap, format: &dyn Format) -> Presented {
        let mut candidates = headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|line| line.as_bytes().split(|&byte| byte == b';'))
            .filter_map(|pair| self.value_of(pair));
        let Some(first) = candidates.next() else {
            return Presented::Nothing;
        };
        let value = match format.rules().duplicates {
            OnDuplicates::Last => candidates.next_back().unwrap_or(first),
            OnDuplicates::Refuse if candidates.all(|other| other == first) => first,
            OnDuplicates::Refuse => {
                tracing::warn!(
                    cookie = self.name,
                    "the browser sent several session cookies with different values: none is used"
                );
                return Presented::Junk;
            }
        };
        let text = std::str::from_utf8(value).ok();
        text.and_then(|text| format.parse_key(text))
            .map_or(Presented::Junk, Presented::Key)
    }

    /// The value of a `name=value` pair of the header if the name, byte for byte, is this cookie's.
    fn value_of<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let value = pair
            .trim_ascii()
            .strip_prefix(self.name.as_bytes())?
            .trim_ascii_start()
            .strip_prefix(b"=")?
            .trim_ascii_start();
        let quoted = value.strip_prefix(b"\"");
        let unquoted = quoted.and_then(|value| value.strip_suffix(b"\""));
        Some(unquoted.unwrap_or(value))
    }
}

impl Default for Cookie {
    fn default() -> Self {
        Self::new("__Host-session")
    }
}

/// Whether the cookie goes along when another site sends the visitor here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SameSite {
    /// Never: a visitor who follows a link to this site arrives as a stranger.
    Strict,
    /// When the visitor follows a link, but not with a form or a script of another site.
    Lax,
    /// Always; needs `Secure`, and the site must defend itself against forged requests.
    None,
}

impl fmt::Display for SameSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        })
    }
}

/// One `Set-Cookie`, before it is spelled.
#[derive(Clone, Copy, Debug)]
pub struct SetCookie<'a> {
    /// Name and attributes.
    pub cookie: &'a Cookie,
    /// The key, or `None` to remove the cookie.
    pub key: Option<&'a Key>,
    /// When the browser is to forget the cookie, as seen from `now`; `None` when it closes.
    pub expires: Option<SystemTime>,
    /// The time now.
    pub now: SystemTime,
}

impl SetCookie<'_> {
    /// Spells it as RFC 6265bis says, with `Expires` beside `Max-Age` for clients that know only the older one.
    ///
    /// `Max-Age` is in whole seconds, rounded down, and at most 400 days, which is what browsers allow. A removal
    /// repeats every attribute, or the browser would keep the cookie that it was meant to drop.
    pub(crate) fn spell(&self) -> HeaderValue {
        use fmt::Write as _;

        let Cookie {
            name,
            domain,
            path,
            secure,
            http_only,
            same_site,
            partitioned,
        } = self.cookie;
        let value = self.key.map_or("", Key::reveal);
        let mut text = format!("{name}={value}; Path={path}");
        let lifetime = match (self.key, self.expires) {
            (None, _) => Some((UNIX_EPOCH, Duration::ZERO)),
            (Some(_), Some(expires)) => {
                let age = expires.duration_since(self.now).unwrap_or_default();
                let age = Duration::from_secs(age.as_secs()).min(MAX_COOKIE_AGE);
                Some((after(self.now, age), age))
            }
            (Some(_), None) => None,
        };
        let mut write = |attribute: fmt::Arguments<'_>| {
            text.write_fmt(attribute)
                .expect("writing to a String cannot fail");
        };
        if let Some((expires, age)) = lifetime {
            let date = httpdate::fmt_http_date(expires);
            write(format_args!("; Max-Age={}; Expires={date}", age.as_secs()));
        }
        if let Some(domain) = domain {
            write(format_args!("; Domain={domain}"));
        }
        if *http_only {
            write(format_args!("; HttpOnly"));
        }
        write(format_args!("; SameSite={same_site}"));
        if *secure {
            write(format_args!("; Secure"));
        }
        if *partitioned {
            write(format_args!("; Partitioned"));
        }
        let mut header = HeaderValue::try_from(text).expect("names and attributes were checked");
        header.set_sensitive(true);
        header
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_attribute(text: &str) -> bool {
    text.len() <= MAX_ATTRIBUTE_BYTES
        && text
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b';')
}

fn is_domain(text: &str) -> bool {
    let host = text.strip_prefix('.').unwrap_or(text);
    !host.is_empty()
        && text.len() <= MAX_DOMAIN_BYTES
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

const HOST_PREFIX: &str = "__Host-";
const SECURE_PREFIX: &str = "__Secure-";

/// Leaves the larger part of a cookie's 4096 bytes for the value.
const MAX_NAME_BYTES: usize = 256;
const MAX_ATTRIBUTE_BYTES: usize = 1_024;
const MAX_DOMAIN_BYTES: usize = 253;

/// The longest lifetime that browsers allow a cookie (RFC 6265bis, section 5.5).
const MAX_COOKIE_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Own;
    use crate::store::from_millis;

    #[test]
    fn the_default_cookie_is_spelled_so() {
        assert_eq!(
            spelled(
                &Cookie::default(),
                Some("KEY"),
                Some(Duration::from_secs(1_209_600))
            ),
            "__Host-session=KEY; Path=/; Max-Age=1209600; Expires=Sun, 01 Feb 2026 00:00:00 GMT; \
             HttpOnly; SameSite=Lax; Secure",
        );
        assert_eq!(
            spelled(&Cookie::new("sid").plain_http(), Some("KEY"), None),
            "sid=KEY; Path=/; HttpOnly; SameSite=Lax",
        );
    }

    #[test]
    fn a_removal_repeats_every_attribute() {
        let cookie = Cookie::new("__Secure-sid")
            .domain("example.com")
            .path("/app")
            .same_site(SameSite::None)
            .partitioned(true);

        assert_eq!(
            spelled(&cookie, None, None),
            "__Secure-sid=; Path=/app; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; \
             Domain=example.com; HttpOnly; SameSite=None; Secure; Partitioned",
        );
    }

    #[test]
    fn max_age_is_capped_at_400_days_and_never_overflows() {
        for age in [
            Duration::from_secs(500 * 86_400),
            Duration::from_secs(u64::from(u32::MAX)),
        ] {
            let text = spelled(&Cookie::default(), Some("KEY"), Some(age));
            assert!(
                text.contains("; Max-Age=34560000; Expires=Mon, 22 Feb 2027 "),
                "{text}"
            );
        }
        let past = SetCookie {
            cookie: &Cookie::default(),
            key: Some(&Key::new("KEY")),
            expires: Some(UNIX_EPOCH),
            now: now(),
        };
        assert!(past.spell().to_str().unwrap().contains("Max-Age=0;"));
    }

    #[test]
    fn the_builder_refuses_what_a_browser_would_drop_and_says_why() {
        let refused = [
            (
                Cookie::new("__Host-a").secure(false),
                "needs `secure(true)`",
            ),
            (
                Cookie::new("__Host-a").domain("example.com"),
                "allows no `Domain`",
            ),
            (Cookie::new("__Host-a").path("/app"), "needs `path(\"/\")`"),
            (Cookie::new("__host-a"), "spelled `__Host-`"),
            (Cookie::new("__SECURE-a"), "spelled `__Secure-`"),
            (
                Cookie::new("__Secure-a").secure(false),
                "needs `secure(true)`",
            ),
            (
                Cookie::new("a").plain_http().same_site(SameSite::None),
                "`SameSite=None` needs",
            ),
            (
                Cookie::new("a").plain_http().partitioned(true),
                "`Partitioned` needs",
            ),
            (Cookie::new(""), "the name must be"),
            (Cookie::new("a b"), "the name must be"),
            (Cookie::new("a;b"), "the name must be"),
            (Cookie::new("a".repeat(5_000)), "too long"),
            (Cookie::new("a").path("app"), "must begin with `/`"),
            (Cookie::new("a").path("/a;b"), "must begin with `/`"),
            (
                Cookie::new("a").path("/a\r\nSet-Cookie: b=c"),
                "must begin with `/`",
            ),
            (Cookie::new("a").domain("exa mple.com"), "host name"),
            (Cookie::new("a").domain("example.com:80"), "host name"),
            (Cookie::new("a").domain(""), "host name"),
        ];
        for (cookie, why) in refused {
            let error = cookie.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(why), "{cookie:?}: {error}");
        }
        assert!(Cookie::default().plain_http().check().is_ok());
        assert!(
            Cookie::new("__Secure-a")
                .domain("example.com")
                .path("/app")
                .check()
                .is_ok()
        );
    }

    #[test]
    fn one_well_formed_cookie_of_exactly_this_name_is_read() {
        let key = "A".repeat(43);
        let read = |header: &str| read(&[header]);

        assert_eq!(read(&format!("sid={key}")), Some(key.clone()));
        assert_eq!(read(&format!("a=b; sid={key}; c")), Some(key.clone()));
        assert_eq!(read(&format!(" ;;sid=\"{key}\";")), Some(key.clone()));
        for header in [
            format!("Sid={key}"),
            format!("%73id={key}"),
            format!("xsid={key}"),
            format!("sid2={key}"),
            format!("sid {key}"),
            "sid=short".to_owned(),
            "sid=".to_owned(),
            format!("sid={}", "A".repeat(1 << 16)),
        ] {
            assert_eq!(read(&header), None, "{header:.60}");
        }
    }

    #[test]
    fn of_several_cookies_of_the_name_none_counts_unless_they_all_say_the_same() {
        let (one, other) = ("A".repeat(43), "E".repeat(43));

        assert_eq!(read(&[&format!("sid={one}; sid={one}")]), Some(one.clone()));
        assert_eq!(read(&[&format!("sid={one}; sid={other}")]), None);
        assert_eq!(read(&[&format!("sid={other}; sid={one}")]), None);
        assert_eq!(
            read(&[&format!("sid={one}"), &format!("sid={other}")]),
            None
        );
        assert_eq!(read(&[&format!("sid={one}; sid=junk")]), None);
    }

    fn read(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
        }
        match Cookie::new("sid").read(&headers, &Own::new()) {
            Presented::Key(key) => Some(key.reveal().to_owned()),
            Presented::Nothing | Presented::Junk => None,
        }
    }

    fn spelled(cookie: &Cookie, key: Option<&str>, age: Option<Duration>) -> String {
        let key = key.map(Key::new);
        let set = SetCookie {
            cookie,
            key: key.as_ref(),
            expires: age.map(|age| now() + age),
            now: now(),
        };
        set.spell().to_str().unwrap().to_owned()
    }

    /// 2026-01-18T00:00:00Z.
    fn now() -> SystemTime {
        from_millis(1_768_694_400_000)
    }
}
