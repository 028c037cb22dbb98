//! CSRF protection for forms: Django's CSRF middleware without a web framework.
//!
//! Each browser has a [`Secret`], stored in a cookie or in the session. Every form has a hidden
//! field named [`FIELD`], which contains a [masked](Secret::mask) copy of the secret. No two masked
//! copies are alike. A page of another site cannot read the secret, so its forms contain no valid
//! copy and are refused.
//!
//! * **A page with a form**: read the [secret](Csrf::secret) of the request, or make a
//!   [new](Secret::random) one if the request has none. Put a [masked](Secret::mask) copy into the
//!   form, and send the [cookie](Csrf::set_cookie) and `Vary: Cookie` with the page.
//! * **A submitted form**: [`check`](Csrf::check) it before anything else.
//! * **A login**: set the cookie to a [new](Secret::random) secret, so that earlier tokens become
//!   invalid. If the secret is in the session,
//!   [`Auth::log_in`](crate::auth::Auth::log_in) replaces it.
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
//! // The browser submits the form, with the cookie.
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
//! // A page of another site submits a form. The browser names that site in `Origin`.
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

/// The CSRF settings of a site: its cookie and its trusted origins.
#[derive(Clone, Debug)]
pub struct Csrf {
    cookie: Cookie,
    trusted: Vec<TrustedOrigin>,
}

impl Csrf {
    /// Creates Django's default settings: the cookie `csrftoken` for this host only, also sent over
    /// plain http, and no trusted origins.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::csrf::{Csrf, Secret};
    ///
    /// # let secret = Secret::parse(&"b".repeat(32)).unwrap();
    /// # let now = std::time::SystemTime::now();
    /// let csrf = Csrf::new();
    /// let header = csrf.set_cookie(&secret, now);
    /// assert!(header.to_str().unwrap().starts_with("csrftoken=bbbb"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
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

    /// Sets `CSRF_COOKIE_NAME`.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if `name` is not a valid name for a cookie.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::csrf::{Csrf, Secret};
    ///
    /// # let secret = Secret::parse(&"b".repeat(32)).unwrap();
    /// # let now = std::time::SystemTime::now();
    /// let csrf = Csrf::new().cookie_name("library_csrf")?;
    /// let header = csrf.set_cookie(&secret, now);
    /// assert!(header.to_str().unwrap().starts_with("library_csrf=bbbb"));
    /// assert!(Csrf::new().cookie_name("a;b").is_err());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn cookie_name(mut self, name: &str) -> Result<Self> {
        // RFC 6265: the name of a cookie is a token, like the name of a header.
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "naming the CSRF cookie `{}`: a name consists of letters, digits \
                     and a few other characters, such as `-` and `_`",
                    name.escape_debug()
                ),
            ));
        }
        self.cookie.name = name.to_owned();
        Ok(self)
    }

    /// Sets `CSRF_COOKIE_DOMAIN`: shares the cookie with this domain and its subdomains.
    ///
    /// If a request over https has no `Origin`, [`check`](Self::check) compares the host in
    /// `Referer` with this domain, and not with the request's host. A domain with a leading dot
    /// includes its subdomains.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if `domain` contains anything but letters, digits, dots and
    /// hyphens, or is empty.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::csrf::{Csrf, Secret};
    ///
    /// # let secret = Secret::parse(&"b".repeat(32)).unwrap();
    /// # let now = std::time::SystemTime::now();
    /// let csrf = Csrf::new().cookie_domain("library.example")?;
    /// let header = csrf.set_cookie(&secret, now);
    /// assert!(header.to_str().unwrap().contains("; Domain=library.example;"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn cookie_domain(mut self, domain: &str) -> Result<Self> {
        let is_domain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        if domain.is_empty() || !domain.bytes().all(is_domain) {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "sharing the CSRF cookie with the domain `{}`: a domain consists of \
                     letters, digits, dots and hyphens",
                    domain.escape_debug()
                ),
            ));
        }
        self.cookie.domain = Some(domain.to_owned());
        Ok(self)
    }

    /// Sets `CSRF_COOKIE_SECURE`: whether browsers send the cookie over https only. The default is
    /// `false`. A site with https should turn it on.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::csrf::{Csrf, Secret};
    ///
    /// # let secret = Secret::parse(&"b".repeat(32)).unwrap();
    /// # let now = std::time::SystemTime::now();
    /// let csrf = Csrf::new().secure(true);
    /// let header = csrf.set_cookie(&secret, now);
    /// assert!(header.to_str().unwrap().ends_with("; Secure"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[must_use]
    pub fn secure(mut self, secure: bool) -> Self {
        self.cookie.secure = secure;
        self
    }

    /// Adds one of `CSRF_TRUSTED_ORIGINS`: a site whose forms are accepted.
    ///
    /// `https://example.com` names one host; `https://*.example.com` names `example.com` and all
    /// its subdomains.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if `origin` has neither form.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::csrf::{Csrf, Incoming, Secret};
    /// use http::{HeaderMap, HeaderValue, Method};
    ///
    /// let csrf = Csrf::new().trusted_origin("https://*.library.example")?;
    ///
    /// let secret = Secret::random()?;
    /// let token = secret.mask()?;
    /// let mut headers = HeaderMap::new();
    /// headers.insert("origin", HeaderValue::from_static("https://desk.library.example"));
    /// let request = Incoming {
    ///     method: &Method::POST,
    ///     headers: &headers,
    ///     https: true,
    ///     host: "library.example",
    ///     form_token: Some(&token),
    /// };
    /// assert_eq!(csrf.check(&request, Some(&secret)), Ok(()));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn trusted_origin(mut self, origin: &str) -> Result<Self> {
        self.trusted.push(TrustedOrigin::parse(origin)?);
        Ok(self)
    }

    /// Returns the secret in the request's CSRF cookie, or `None` if the cookie is absent or
    /// malformed, or if the request has several CSRF cookies with different values.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::csrf::Csrf;
    /// use http::{HeaderMap, HeaderValue};
    ///
    /// let mut headers = HeaderMap::new();
    /// assert!(Csrf::new().secret(&headers).is_none());
    ///
    /// let cookie = HeaderValue::from_static("csrftoken=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    /// headers.insert("cookie", cookie);
    /// assert_eq!(Csrf::new().secret(&headers).unwrap().reveal(), "b".repeat(32));
    /// ```
    pub fn secret(&self, headers: &HeaderMap) -> Option<Secret> {
        self.cookie.read(headers)
    }

    /// Returns the `Set-Cookie` header that stores the secret in the browser for another 52 weeks.
    ///
    /// Send it with every page that has a form, and with the response to a login.
    ///
    /// # Examples
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use cloakroom_django::auth::csrf::{Csrf, Secret};
    ///
    /// let secret = Secret::random()?;
    /// let header = Csrf::new().set_cookie(&secret, SystemTime::now());
    /// assert!(header.to_str().unwrap().ends_with("; Max-Age=31449600; Path=/; SameSite=Lax"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn set_cookie(&self, secret: &Secret, now: SystemTime) -> HeaderValue {
        self.cookie.set_cookie(secret, now)
    }

    /// Checks that a request was sent by the site's own pages or by a trusted origin.
    ///
    /// `secret` is the secret in the request's [cookie](Self::secret) or in its
    /// [session](Secret::in_session). GET, HEAD, OPTIONS and TRACE requests always pass, because
    /// they must not change anything.
    ///
    /// # Errors
    /// A [`Refusal`], which names the first rule that the request breaks. Respond with a 403.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::csrf::{Csrf, Incoming, Refusal, Secret};
    /// use http::{HeaderMap, Method};
    ///
    /// let secret = Secret::random()?;
    /// let token = secret.mask()?;
    /// let headers = HeaderMap::new();
    /// let request = Incoming {
    ///     method: &Method::POST,
    ///     headers: &headers,
    ///     https: false,
    ///     host: "localhost:8000",
    ///     form_token: Some(&token),
    /// };
    /// let csrf = Csrf::new();
    /// assert_eq!(csrf.check(&request, Some(&secret)), Ok(()));
    /// assert_eq!(csrf.check(&request, None), Err(Refusal::NoSecret));
    /// let without_token = Incoming { form_token: None, ..request };
    /// assert_eq!(csrf.check(&without_token, Some(&secret)), Err(Refusal::NoToken));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
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

/// The parts of a request that [`Csrf::check`] reads.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The method.
    pub method: &'a Method,
    /// The headers. `Origin`, `Referer` and `X-CSRFToken` are read.
    pub headers: &'a HeaderMap,
    /// Whether the browser sent the request over https, to this process or to a trusted proxy.
    pub https: bool,
    /// The site's own host, followed by the port unless this is the default port. Pass the `Host`
    /// header once you have checked that it names one of the site's hosts.
    pub host: &'a str,
    /// The value of [`FIELD`] in the body of the form. Do not read it from the query string: URLs
    /// are logged.
    pub form_token: Option<&'a str>,
}

impl<'a> Incoming<'a> {
    /// Returns the form's token if the method is POST and the token is not empty. Otherwise returns
    /// the token in the header.
    fn token(&self) -> Option<&'a str> {
        let form_token = self.form_token.filter(|_| self.method == Method::POST);
        form_token.filter(|token| !token.is_empty()).or_else(|| {
            let header = self.headers.get(HEADER)?;
            header.to_str().ok()
        })
    }
}

/// Returns whether the method is safe by RFC 9110. A request with a safe method must not change
/// anything.
fn is_safe(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}

/// The name of the hidden field in every form that is sent with POST.
pub const FIELD: &str = "csrfmiddlewaretoken";

/// The header in which scripts send the token.
pub const HEADER: &str = "x-csrftoken";
