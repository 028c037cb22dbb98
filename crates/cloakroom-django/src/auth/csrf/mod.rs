//! Forms that only the site's own pages can send: Django's CSRF middleware, without a framework.
//!
//! A browser holds a [`Secret`] in a cookie of its own, or in the session, and every form carries it masked, in a hidden
//! field named [`FIELD`]. Whoever lures a visitor to a page elsewhere knows no token of that visitor's browser.
//!
//! * **A page with a form**: take the [secret](Csrf::secret) of the request or make a [new](Secret::random) one, put its
//!   [mask](Secret::mask) into the form, and send the [cookie](Csrf::set_cookie) and `Vary: Cookie` with the page.
//! * **A form that comes back**: [`check`](Csrf::check) it before anything else.
//! * **A login**: set the cookie to a [new](Secret::random) secret, so that a token from before it is worthless. A secret
//!   in the session [`Auth::log_in`](crate::auth::Auth::log_in) replaces by itself.
//!
//! # Examples
//! ```
//! use std::time::SystemTime;
//!
//! use cloakroom_django::auth::csrf::{Csrf, Incoming, Refusal, Secret};
//! use http::{HeaderMap, Method};
//!
//! let csrf = Csrf::new();
//!
//! // A browser asks for a page with a form. It has no secret yet.
//! let mut headers = HeaderMap::new();
//! assert!(csrf.secret(&headers).is_none());
//! let secret = Secret::random()?;
//! let hidden_field = secret.mask()?;
//! let set_cookie = csrf.set_cookie(&secret, SystemTime::now());
//! assert!(set_cookie.to_str()?.ends_with("; Max-Age=31449600; Path=/; SameSite=Lax"));
//!
//! // The form comes back, with the cookie.
//! headers.insert("cookie", format!("csrftoken={}", secret.reveal()).parse()?);
//! headers.insert("origin", "https://library.example".parse()?);
//! let request = Incoming {
//!     method: &Method::POST,
//!     headers: &headers,
//!     https: true,
//!     host: "library.example",
//!     form_token: Some(&hidden_field),
//! };
//! assert_eq!(csrf.check(&request, csrf.secret(&headers).as_ref()), Ok(()));
//!
//! // Somebody else's page sends it, and the browser says where it comes from.
//! let mut headers = headers.clone();
//! headers.insert("origin", "https://evil.example".parse()?);
//! let request = Incoming { headers: &headers, form_token: None, ..request };
//! assert_eq!(csrf.check(&request, csrf.secret(&headers).as_ref()), Err(Refusal::BadOrigin));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::SystemTime;

use cloakroom::{Error, ErrorKind, Result};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

mod cookie;
use cookie::Cookie;

mod origin;
use origin::TrustedOrigin;

mod refusal;
pub use refusal::Refusal;

mod secret;
pub use secret::Secret;
pub(crate) use secret::rotate_in_session;

/// The rules of a site: its cookie, and the other sites whose forms it takes.
#[derive(Clone, Debug)]
pub struct Csrf {
    cookie: Cookie,
    trusted: Vec<TrustedOrigin>,
}

impl Csrf {
    /// Django's defaults: the cookie `csrftoken` for this host alone, sent without https, too; no trusted origins.
    pub fn new() -> Self {
        Self {
            cookie: Cookie {
                name: "csrftoken".to_owned(),
                domain: None,
                secure: false,
            },
            trusted: Vec::new(),
        }
    }

    /// Calls the cookie so: `CSRF_COOKIE_NAME`.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if it is no name for a cookie.
    pub fn cookie_name(mut self, name: &str) -> Result<Self> {
        // What names a header may name a cookie, upper case apart.
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "naming the CSRF cookie `{}`: a name is letters, digits and a few signs",
                    name.escape_debug()
                ),
            ));
        }
        self.cookie.name = name.to_owned();
        Ok(self)
    }

    /// Shares the cookie with this domain and its subdomains: `CSRF_COOKIE_DOMAIN`. Their pages are then trusted as
    /// the site's own where only `Referer` tells where a request comes from.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if it is no domain.
    pub fn cookie_domain(mut self, domain: &str) -> Result<Self> {
        let is_domain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        if domain.is_empty() || !domain.bytes().all(is_domain) {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "sharing the CSRF cookie with the domain `{}`: a domain is letters, digits, dots and hyphens",
                    domain.escape_debug()
                ),
            ));
        }
        self.cookie.domain = Some(domain.to_owned());
        Ok(self)
    }

    /// Whether the browser sends the cookie by https only: `CSRF_COOKIE_SECURE`. Say so where there is https.
    #[must_use]
    pub fn secure(mut self, secure: bool) -> Self {
        self.cookie.secure = secure;
        self
    }

    /// Also takes forms of this site, `https://example.com`, or of all within its domain, `https://*.example.com`: one
    /// of `CSRF_TRUSTED_ORIGINS`.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if it is neither.
    pub fn trusted_origin(mut self, origin: &str) -> Result<Self> {
        self.trusted.push(TrustedOrigin::parse(origin)?);
        Ok(self)
    }

    /// The secret in the request's cookie, if there is a sound one.
    pub fn secret(&self, headers: &HeaderMap) -> Option<Secret> {
        self.cookie.read(headers)
    }

    /// The `Set-Cookie` that gives the browser its secret, or gives it the same one for another year. For every page
    /// with a form, and for the answer to a login.
    pub fn set_cookie(&self, secret: &Secret, now: SystemTime) -> HeaderValue {
        self.cookie.spell(secret, now)
    }

    /// Whether a request may change anything. GET, HEAD, OPTIONS and TRACE always pass, since they change nothing.
    ///
    /// `secret` is the one of the request's [cookie](Self::secret), or of its [session](Secret::in_session).
    ///
    /// # Errors
    /// The first rule that it breaks. Answer with 403.
    pub fn check(&self, request: &Incoming<'_>, secret: Option<&Secret>) -> Result<(), Refusal> {
        if is_safe(request.method) {
            return Ok(());
        }
        origin::check(request, &self.trusted, self.cookie.domain.as_deref())?;
        let secret = secret.ok_or(Refusal::NoSecret)?;
        let token = request.token().ok_or(Refusal::NoToken)?;
        secret.matches(token)
    }
}

impl Default for Csrf {
    fn default() -> Self {
        Self::new()
    }
}

/// What [`Csrf::check`] must know of a request.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The method.
    pub method: &'a Method,
    /// The headers, of which `Origin`, `Referer` and `X-CSRFToken` count.
    pub headers: &'a HeaderMap,
    /// Whether it came by https, to this process or to a proxy that is believed.
    pub https: bool,
    /// The site's own host as the browser names it, with the port unless it is the usual one: the `Host` header, once
    /// it has been compared with the hosts that the site answers to.
    pub host: &'a str,
    /// The value of [`FIELD`] in the form. Of the body, never of the query: addresses end up in logs.
    pub form_token: Option<&'a str>,
}

impl<'a> Incoming<'a> {
    /// The token in the form of a POST, or else in the header.
    fn token(&self) -> Option<&'a str> {
        let of_form = self.form_token.filter(|_| self.method == Method::POST);
        of_form.filter(|token| !token.is_empty()).or_else(|| {
            let header = self.headers.get(HEADER)?;
            header.to_str().ok()
        })
    }
}

/// Whether a request with this method changes nothing, by RFC 9110.
fn is_safe(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}

/// The name of the hidden field in every form that is sent by POST.
pub const FIELD: &str = "csrfmiddlewaretoken";

/// The header that scripts send the token in.
pub const HEADER: &str = "x-csrftoken";
