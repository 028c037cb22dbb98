use std::fmt;

use crate::model::{Error, ErrorKind, Result};

/// The name and attributes of the session cookie.
///
/// The default is `__Host-session` with `Secure`, `HttpOnly`, `SameSite=Lax` and `Path=/`. Browsers
/// send it only over HTTPS and only to this host. Scripts cannot read it, subdomains cannot set it,
/// and forms of other sites are submitted without it. The price: the cookie needs HTTPS even in
/// development, except on `localhost` in most browsers. Use [`plain_http`](Self::plain_http) to
/// develop without TLS.
///
/// A site that changes the name, domain, path or partitioning of its cookie declares the earlier
/// one with [`formerly`](Self::formerly), so that its visitors keep their sessions.
///
/// [`SessionsBuilder::build`](crate::SessionsBuilder::build) refuses a cookie that browsers would
/// reject (RFC 6265bis, draft 21).
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
    /// `None` if the namespace is the name.
    namespace: Option<String>,
    /// Earlier cookies of the site, at most `MAX_FORMER`. The `former` of each of them is empty.
    former: Vec<Self>,
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
            namespace: None,
            former: Vec::new(),
        }
    }

    /// Changes the name, but keeps the attributes.
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

    /// Removes `Secure`, and removes from the name a prefix that requires `Secure`. For development
    /// without TLS.
    ///
    /// The name `__Host-session`, which is the default, becomes `cloakroom`. Cookies do not depend
    /// on the port, so all programs on `localhost` share their cookies, and several frameworks call
    /// theirs `session`. Two sites on `localhost` that both use this crate need different names.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Cookie;
    ///
    /// let cookie = Cookie::default().plain_http();
    /// assert_eq!(cookie.name(), "cloakroom");
    /// assert!(!cookie.attributes().secure);
    ///
    /// assert_eq!(Cookie::new("__Host-shop").plain_http().name(), "shop");
    /// ```
    #[must_use]
    pub fn plain_http(mut self) -> Self {
        if self.name == DEFAULT_NAME {
            self.name = PLAIN_HTTP_NAME.to_owned();
        }
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
    /// By default they send it only to this host. A cookie whose name begins with `__Host-` cannot
    /// have a domain.
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
    /// The default is `/`, and a name that begins with `__Host-` requires it. A path does not
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
    /// If you turn this off, a script that an attacker injects into a page can steal the session.
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

    /// Sets whether a page that other sites embed has a separate cookie for each of those sites
    /// (CHIPS). Off by default.
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

    /// Sets the namespace of the sessions that this cookie opens.
    ///
    /// A key opens a session only in the namespace in which it was created. In the default format
    /// the namespace is hashed into the [`StoreKey`](crate::StoreKey), and a
    /// [`CookieBackend`](crate::CookieBackend) seals it into the cookie. Django's formats have no
    /// namespaces.
    ///
    /// Defaults to the name, so that two `Sessions` with different cookies can share a store and
    /// neither accepts the other's keys. The price: a new name is a new namespace, and sessions in
    /// the earlier namespace are found only if the earlier cookie is declared with
    /// [`formerly`](Self::formerly).
    ///
    /// A namespace separates keys only. Owners and tags belong to the store, so
    /// [`Sessions::owned_by`](crate::Sessions::owned_by) and
    /// [`Sessions::open_tagged`](crate::Sessions::open_tagged) find the sessions of all namespaces.
    /// To separate owners and tags, too, give each of the `Sessions` its own table.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use std::sync::Arc;
    /// use cloakroom::Cookie;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let store = Arc::new(MemoryStore::new());
    /// let site = Cookie::new("__Host-site").namespace("shop");
    /// let site = Sessions::builder(Arc::clone(&store)).cookie(site).build()?;
    /// # let session = site.new_session();
    /// # session.set("theme", "dark")?;
    /// # session.save().await?;
    /// let key = session.key().expect("a saved session has a key");
    ///
    /// let staff = Cookie::new("__Host-staff");
    /// let staff = Sessions::builder(Arc::clone(&store)).cookie(staff).build()?;
    /// assert!(staff.open(&key).await?.is_none());
    ///
    /// let service = Cookie::new("__Host-service").namespace("shop");
    /// let service = Sessions::builder(store).cookie(service).build()?;
    /// assert!(service.open(&key).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Declares an earlier cookie of the site, with its name, domain, path, partitioning and
    /// namespace, so that visitors keep their sessions when one of these changes.
    ///
    /// The earlier cookie is accepted until its session ends. The next response that sets or
    /// removes the current cookie also removes the earlier one. If the earlier cookie has a
    /// different [namespace](Self::namespace), the session moves to the current namespace and gets
    /// a new key when it is next saved. A session that is only read never moves, so keep the
    /// declaration for as long as an untouched session lasts.
    ///
    /// Nothing is declared by default. The price of declaring a cookie: the earlier cookie still
    /// opens sessions, so a site is only as safe as the weaker of the two cookies. A cookie whose
    /// name does not begin with `__Host-` can be planted by a subdomain. A key that is not found
    /// costs one more load per earlier namespace.
    ///
    /// Can be called several times, for up to 4 cookies; declare the latest of them first. The
    /// former cookies of `old` are declared, too.
    ///
    /// # Examples
    /// The site named its cookie `sid` and sent it to its subdomains. Now it uses the default:
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use std::sync::Arc;
    /// use cloakroom::Cookie;
    /// use http::{HeaderMap, StatusCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let old = Cookie::new("sid").domain("example.com");
    /// # let before = Sessions::builder(Arc::clone(&store)).cookie(old.clone()).build()?;
    /// # let session = before.new_session();
    /// # session.set("theme", "dark")?;
    /// # session.save().await?;
    /// # let key = session.key().expect("a saved session has a key");
    /// # let mut request = HeaderMap::new();
    /// # let sent = format!("sid={}", key.reveal());
    /// # request.insert("cookie", sent.parse().expect("a key fits into a header"));
    /// let cookie = Cookie::default().formerly(old);
    /// let sessions = Sessions::builder(store).cookie(cookie).build()?;
    ///
    /// let handle = sessions.begin(&request); // of a browser that has the earlier cookie
    /// let session = handle.open().await?;
    /// assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
    ///
    /// session.set("theme", "light")?;
    /// let effects = sessions.finish(&handle, StatusCode::OK).await?;
    /// let lines: Vec<_> = effects.set_cookies().filter_map(|line| line.to_str().ok()).collect();
    /// assert!(lines[0].starts_with("sid=; Path=/; Max-Age=0;"));
    /// assert!(lines[1].starts_with("__Host-session="));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn formerly(mut self, mut old: Self) -> Self {
        let older = std::mem::take(&mut old.former);
        self.former.push(old);
        self.former.extend(older);
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

    /// Returns this cookie and the former ones. The number of a cookie is its position in this
    /// sequence.
    pub(crate) fn accepted(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.former)
    }

    /// Returns the earlier cookies of the site, the latest first.
    pub(crate) fn former(&self) -> &[Self] {
        &self.former
    }

    /// Returns the namespace of the sessions that this cookie opens.
    pub(crate) fn own_namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or(&self.name)
    }

    /// Returns whether browsers keep only one of the two cookies, because the name, the domain, the
    /// path and the partitioning are the same.
    pub(crate) fn replaces(&self, other: &Self) -> bool {
        let host = |cookie: &Self| {
            let domain = cookie.domain.as_deref()?;
            Some(
                domain
                    .strip_prefix('.')
                    .unwrap_or(domain)
                    .to_ascii_lowercase(),
            )
        };
        self.name == other.name
            && self.path == other.path
            && self.partitioned == other.partitioned
            && host(self) == host(other)
    }

    /// Returns whether this cookie and `other` have a name in common. The names of their former
    /// cookies count, too.
    pub(crate) fn shares_name_with(&self, other: &Self) -> bool {
        self.accepted()
            .any(|one| other.accepted().any(|another| one.name == another.name))
    }

    /// Refuses a cookie that browsers would reject (RFC 6265bis, draft 21, sections 4.1 and 5.7) or
    /// that would break the header.
    pub(crate) fn check(&self) -> Result<()> {
        if self.former.len() > MAX_FORMER {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "configuring the cookie `{}`: it has more than {MAX_FORMER} former cookies; \
                     leave out the oldest",
                    self.name.escape_debug()
                ),
            ));
        }
        self.accepted().try_for_each(Self::check_alone)
    }

    fn check_alone(&self) -> Result<()> {
        let name = &self.name;
        let lower = name.to_ascii_lowercase();
        let host = lower.starts_with(&HOST_PREFIX.to_ascii_lowercase());
        let refused = if name.is_empty() || !name.bytes().all(is_token) {
            "the name must consist of letters, digits and the characters ``!#$%&'*+-.^_`|~``"
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
        } else if !self.namespace.as_deref().is_none_or(is_name) {
            "the namespace must consist of 1 to 256 letters, digits and the characters \
             ``!#$%&'*+-.^_`|~``"
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
        Self::new(DEFAULT_NAME)
    }
}

/// The attributes of a [`Cookie`], as they appear in `Set-Cookie`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CookieAttributes<'a> {
    /// The domain to which browsers send the cookie, with all of its subdomains. `None` means only
    /// this host.
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
    /// Whether a page that other sites embed has a separate cookie for each of those sites (CHIPS).
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

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME_BYTES && text.bytes().all(is_token)
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

const DEFAULT_NAME: &str = "__Host-session";

/// The default name over plain HTTP, where another framework on the same host may use `session`.
const PLAIN_HTTP_NAME: &str = "cloakroom";

const HOST_PREFIX: &str = "__Host-";
const SECURE_PREFIX: &str = "__Secure-";

/// Enough for several changes in a row. Each former cookie costs one more load for a key that is
/// not found.
pub(crate) const MAX_FORMER: usize = 4;

/// Leaves most of a cookie's 4096 bytes to its value.
const MAX_NAME_BYTES: usize = 256;
const MAX_ATTRIBUTE_BYTES: usize = 1_024;
const MAX_DOMAIN_BYTES: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_browsers_would_reject_is_refused_with_the_reason() {
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
            (Cookie::new(""), "the name must consist"),
            (Cookie::new("a b"), "the name must consist"),
            (Cookie::new("a;b"), "the name must consist"),
            (Cookie::new("a".repeat(5_000)), "too long"),
            (Cookie::new("a").path("app"), "must begin with `/`"),
            (Cookie::new("a").path("/a;b"), "must begin with `/`"),
            (
                Cookie::new("a").path("/a\r\nSet-Cookie: b=c"),
                "must begin with `/`",
            ),
            (
                Cookie::new("a").path(format!("/{}", "a".repeat(1_024))),
                "1024",
            ),
            (Cookie::new("a").domain("exa mple.com"), "host name"),
            (
                Cookie::new("a").domain(vec!["a".repeat(60); 20].join(".")),
                "host name",
            ),
            (Cookie::new("a").domain("example.com:80"), "host name"),
            (Cookie::new("a").domain(""), "host name"),
            (Cookie::new("a").namespace(""), "the namespace must consist"),
            (
                Cookie::new("a").namespace("b=c"),
                "the namespace must consist",
            ),
            (
                Cookie::new("a").formerly(Cookie::new("b;c")),
                "the name must consist",
            ),
            (
                (0..5).fold(Cookie::new("a"), |cookie, n| {
                    cookie.formerly(Cookie::new(format!("b{n}")))
                }),
                "more than 4 former cookies",
            ),
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
    fn the_former_cookies_of_a_former_cookie_are_declared_too() {
        let oldest = Cookie::new("oldest").namespace("n");
        let old = Cookie::new("old").formerly(oldest);
        let cookie = Cookie::new("new").formerly(old);

        let accepted: Vec<_> = cookie
            .accepted()
            .map(|cookie| (cookie.name(), cookie.own_namespace()))
            .collect();
        assert_eq!(accepted, [("new", "new"), ("old", "old"), ("oldest", "n")]);
    }

    #[test]
    fn a_cookie_replaces_another_with_the_same_name_domain_path_and_partitioning() {
        let cookie = Cookie::new("a").domain("example.com");
        assert!(cookie.replaces(&Cookie::new("a").domain(".Example.com").http_only(false)));
        for other in [
            Cookie::new("b").domain("example.com"),
            Cookie::new("a"),
            Cookie::new("a").domain("example.com").path("/app"),
            Cookie::new("a").domain("example.com").partitioned(true),
        ] {
            assert!(!cookie.replaces(&other), "{other:?}");
        }
    }
}
