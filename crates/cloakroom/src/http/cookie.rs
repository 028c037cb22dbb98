use std::fmt;

use crate::model::{Error, ErrorKind, Result};

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
    /// `None` leaves the attribute out.
    same_site: Option<SameSite>,
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
            same_site: Some(SameSite::Lax),
            partitioned: false,
        }
    }

    /// The same attributes under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
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

    /// Whether the cookie goes along when another site sends the visitor here. `None` leaves the attribute out, and the
    /// browser decides.
    #[must_use]
    pub fn same_site(mut self, same_site: impl Into<Option<SameSite>>) -> Self {
        self.same_site = same_site.into();
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

    /// Where the cookie is sent and who may read it: for a format that spells `Set-Cookie` in its own way.
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
        } else if self.same_site == Some(SameSite::None) && !self.secure {
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
}

impl Default for Cookie {
    fn default() -> Self {
        Self::new("__Host-session")
    }
}

/// The attributes of a [`Cookie`], as its `Set-Cookie` writes them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CookieAttributes<'a> {
    /// The domain that gets the cookie with all of its subdomains; without one, this host alone.
    pub domain: Option<&'a str>,
    /// The path that gets the cookie, with what lies below it.
    pub path: &'a str,
    /// Whether it travels over https only.
    pub secure: bool,
    /// Whether scripts are kept from reading it.
    pub http_only: bool,
    /// Whether it goes along when another site sends the visitor here; `None` leaves the attribute out.
    pub same_site: Option<SameSite>,
    /// Whether a page embedded in several sites has a cookie for each of them.
    pub partitioned: bool,
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

impl SameSite {
    /// The value of the attribute.
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

/// Leaves the larger part of a cookie's 4096 bytes for the value.
const MAX_NAME_BYTES: usize = 256;
const MAX_ATTRIBUTE_BYTES: usize = 1_024;
const MAX_DOMAIN_BYTES: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

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
}
