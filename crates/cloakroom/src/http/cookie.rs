use std::fmt;

use crate::model::{Error, ErrorKind, Result};

/// The name and attributes of the session cookie.
///
/// The default is `__Host-session` with `Secure`, `HttpOnly`, `SameSite=Lax` and `Path=/`. Browsers
/// send it only over HTTPS and only to this host. Scripts cannot read it, subdomains cannot set it,
/// and forms of other sites are submitted without it. The price is that it needs HTTPS even in
/// development, except on `localhost` in most browsers. Use [`plain_http`](Self::plain_http) to
/// develop without TLS.
///
/// [`SessionsBuilder::build`](crate::SessionsBuilder::build) refuses a cookie that browsers would
/// drop (RFC 6265bis, draft 21).
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
///     "configuring the cookie `__Host-shop`: \
///      the prefix `__Host-` allows no `Domain`; browsers drop the cookie otherwise",
/// );
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cookie {
    name: String,
    domain: Option<String>,
    path: String,
    secure: bool,
    http_only: bool,
    /// `None` omits the attribute.
    same_site: Option<SameSite>,
    partitioned: bool,
}

impl Cookie {
    /// Creates a cookie with this name and the default attributes.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Cookie;
    ///
    /// let cookie = Cookie::new("__Host-shop");
    /// assert!(cookie.attributes().secure && cookie.attributes().http_only);
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            domain: None,
            path: "/".to_owned(),
            secure: true,
            http_only: true,
            same_site: Some(SameSite::Lax),
            partitioned: false,
        }
    }

    /// Changes the name and keeps the attributes.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Cookie;
    ///
    /// let cookie = Cookie::default().named("__Host-shop");
    /// assert_eq!(cookie, Cookie::new("__Host-shop"));
    /// ```
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Removes `Secure`, and the prefix of the name that requires it. For development without TLS.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Cookie;
    ///
    /// let cookie = Cookie::default().plain_http();
    /// assert_eq!(cookie.name(), "session");
    /// assert!(!cookie.attributes().secure);
    /// ```
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

    /// Sets `Domain`: browsers send the cookie to this domain and all of its subdomains.
    ///
    /// By default they send it to this host only. A name with the prefix `__Host-` allows no
    /// domain.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Cookie;
    ///
    /// let cookie = Cookie::new("__Secure-shop").domain("example.com");
    /// assert_eq!(cookie.attributes().domain, Some("example.com"));
    /// ```
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Sets `Path`: browsers send the cookie to this path and the paths below it.
    ///
    /// The default is `/`, and a name with the prefix `__Host-` requires it. A path does not
    /// protect the cookie from other pages of the same host.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Cookie;
    ///
    /// let cookie = Cookie::new("__Secure-shop").path("/shop");
    /// assert_eq!(cookie.attributes().path, "/shop");
    /// ```
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets whether browsers send the cookie over HTTPS only. On by default.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Cookie;
    ///
    /// let cookie = Cookie::new("shop").secure(false);
    /// assert!(!cookie.attributes().secure);
    /// ```
    #[must_use]
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Sets whether the cookie is hidden from scripts. On by default.
    ///
    /// Turned off, a script that an attacker smuggles into a page can steal the session.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Cookie;
    ///
    /// let cookie = Cookie::default().http_only(false);
    /// assert!(!cookie.attributes().http_only);
    /// ```
    #[must_use]
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Sets when browsers send the cookie with requests that another site caused.
    ///
    /// The default is [`Lax`](SameSite::Lax). `None` omits the attribute, and the browser uses its
    /// own default.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Cookie, SameSite};
    ///
    /// let strict = Cookie::default().same_site(SameSite::Strict);
    /// assert_eq!(strict.attributes().same_site, Some(SameSite::Strict));
    ///
    /// let omitted = Cookie::default().same_site(None);
    /// assert_eq!(omitted.attributes().same_site, None);
    /// ```
    #[must_use]
    pub fn same_site(mut self, same_site: impl Into<Option<SameSite>>) -> Self {
        self.same_site = same_site.into();
        self
    }

    /// Sets whether a page that other sites embed has a separate cookie for each of them (CHIPS).
    /// Off by default.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Cookie, SameSite};
    ///
    /// let embedded = Cookie::default().same_site(SameSite::None).partitioned(true);
    /// assert!(embedded.attributes().partitioned);
    /// ```
    #[must_use]
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Returns the name.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Cookie;
    ///
    /// assert_eq!(Cookie::default().name(), "__Host-session");
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the attributes, for a format that writes `Set-Cookie` itself.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Cookie, SameSite};
    ///
    /// let cookie = Cookie::default();
    /// assert_eq!(cookie.attributes().same_site, Some(SameSite::Lax));
    /// assert_eq!(cookie.attributes().domain, None);
    /// ```
    pub fn attributes(&self) -> CookieAttributes<'_> {
        CookieAttributes {
            domain: self.domain.as_deref(),
            path: &self.path,
            secure: self.secure,
            http_only: self.http_only,
            same_site: self.same_site,
            partitioned: self.partitioned,
        }
    }

    /// Refuses a cookie that browsers would drop (RFC 6265bis, draft 21, sections 4.1 and 5.7) or
    /// that would break the header.
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
        } else if self.same_site == Some(SameSite::None) && !self.secure {
            "`SameSite=None` needs `secure(true)`; browsers drop the cookie otherwise"
        } else if self.partitioned && !self.secure {
            "`Partitioned` needs `secure(true)`; browsers drop the cookie otherwise"
        } else if !self.path.starts_with('/') || !is_attribute(&self.path) {
            "the path must begin with `/` and have at most 1024 bytes, \
             with no `;` and no control characters"
        } else if !self.domain.as_deref().is_none_or(is_domain) {
            "the domain must be a host name in ASCII, without a port and without blanks"
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
}

impl Default for Cookie {
    fn default() -> Self {
        Self::new("__Host-session")
    }
}

/// The attributes of a [`Cookie`], as they appear in `Set-Cookie`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CookieAttributes<'a> {
    /// The domain to which browsers send the cookie, with all of its subdomains. `None` means this
    /// host only.
    pub domain: Option<&'a str>,
    /// The path to which browsers send the cookie, with the paths below it.
    pub path: &'a str,
    /// Whether browsers send the cookie over HTTPS only.
    pub secure: bool,
    /// Whether the cookie is hidden from scripts.
    pub http_only: bool,
    /// When browsers send the cookie with requests that another site caused. `None` omits the
    /// attribute.
    pub same_site: Option<SameSite>,
    /// Whether a page that other sites embed has a separate cookie for each of them (CHIPS).
    pub partitioned: bool,
}

/// When browsers send the cookie with requests that another site caused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SameSite {
    /// Never. A visitor who follows a link from another site arrives without a session.
    Strict,
    /// When the visitor follows a link, but not with a form (`POST`) or a script of the other site.
    Lax,
    /// Always. Requires `Secure`, and the site must protect itself against forged requests (CSRF).
    None,
}

impl SameSite {
    /// Returns the value of the attribute.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::SameSite;
    ///
    /// assert_eq!(SameSite::Strict.as_str(), "Strict");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

impl fmt::Display for SameSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

/// Leaves most of a cookie's 4096 bytes to its value.
const MAX_NAME_BYTES: usize = 256;
const MAX_ATTRIBUTE_BYTES: usize = 1_024;
const MAX_DOMAIN_BYTES: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_that_browsers_would_drop_are_refused_with_the_reason() {
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
}
