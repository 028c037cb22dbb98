use std::fmt;
use std::time::Duration;

use cloakroom::store::Store;
use cloakroom::{
    Backend, Cookie, CookieBackend, Error, ErrorKind, Result, SameSite, Sessions, SessionsBuilder,
    WriteThroughBackend,
};

use super::pickled::PickledFormat;
use super::signed::{Medium, SignedFormat};
use crate::wire::signing::{COOKIE_SALT, SERVER_SALT, Signer};

/// What a Django site's `settings.py` says about sessions, under Django's names and with Django's defaults.
///
/// The defaults are Django's because they are what the site has where it says nothing. They are laxer than this crate's
/// own: [`session_cookie_secure`](Self::session_cookie_secure) is off, and the cookie has no `__Host-` prefix.
///
/// # Examples
/// ```
/// use cloakroom_django::Settings;
/// # use cloakroom::store::MemoryStore;
/// # use http::{HeaderMap, StatusCode};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> cloakroom::Result<()> {
/// # let django_session = MemoryStore::new();
/// let settings = Settings::new("the site's SECRET_KEY")?.session_cookie_secure(true);
/// let sessions = settings.sessions(settings.db(django_session)).build()?;
///
/// let handle = sessions.begin(&HeaderMap::new());
/// handle.open().await?.set("theme", "dark")?;
/// let mut response = HeaderMap::new();
/// sessions.finish(&handle, StatusCode::OK).await?.apply(&mut response);
///
/// let cookie = response["set-cookie"].to_str().unwrap();
/// assert!(cookie.starts_with("sessionid="));
/// assert!(cookie.ends_with("; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax; Secure"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Settings {
    secret_key: Vec<u8>,
    secret_key_fallbacks: Vec<Vec<u8>>,
    salt: String,
    cookie_domain: Option<String>,
    cookie: Cookie,
    cookie_age: Duration,
    removal_as_set: bool,
    save_every_request: bool,
    expire_at_browser_close: bool,
}

impl Settings {
    /// Django's defaults, with this `SECRET_KEY`: text, or the bytes of one that is `bytes`.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if it is empty, with which Django does not start either.
    pub fn new(secret_key: impl AsRef<[u8]>) -> Result<Self> {
        let secret_key = secret_key.as_ref().to_vec();
        if secret_key.is_empty() {
            return Err(Error::new(
                ErrorKind::Config,
                "configuring Django's sessions: the `SECRET_KEY` is empty; give the site's",
            ));
        }
        Ok(Self {
            secret_key,
            secret_key_fallbacks: Vec::new(),
            salt: SERVER_SALT.to_owned(),
            cookie: Cookie::new("sessionid").secure(false),
            cookie_domain: None,
            cookie_age: TWO_WEEKS,
            removal_as_set: false,
            save_every_request: false,
            expire_at_browser_close: false,
        })
    }

    /// One of `SECRET_KEY_FALLBACKS`: what it signed is still read. Call it for each, in their order.
    pub fn secret_key_fallback(mut self, secret_key: impl AsRef<[u8]>) -> Self {
        self.secret_key_fallbacks.push(secret_key.as_ref().to_vec());
        self
    }

    /// The salt of the signatures: the dotted name of the class `SessionStore`, if the site has one of its own that is
    /// called otherwise; `django.contrib.sessions.SessionStore` if not said otherwise.
    pub fn key_salt(mut self, salt: impl Into<String>) -> Self {
        self.salt = salt.into();
        self
    }

    /// `SESSION_COOKIE_NAME`; `sessionid` if not said otherwise.
    pub fn session_cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie = self.cookie.named(name);
        self
    }

    /// `SESSION_COOKIE_AGE`; two weeks if not said otherwise.
    ///
    /// Say it here and not with [`SessionsBuilder::max_age`]: the engines file and signed_cookies keep no date of expiry
    /// and count with it when they read.
    pub fn session_cookie_age(mut self, age: Duration) -> Self {
        self.cookie_age = age;
        self
    }

    /// `SESSION_COOKIE_DOMAIN`; none if not said otherwise.
    pub fn session_cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.cookie_domain = Some(domain.into()).filter(|domain| !domain.is_empty());
        self
    }

    /// `SESSION_COOKIE_PATH`; `/` if not said otherwise.
    pub fn session_cookie_path(mut self, path: impl Into<String>) -> Self {
        self.cookie = self.cookie.path(path);
        self
    }

    /// `SESSION_COOKIE_SECURE`; `false` if not said otherwise. A site with https wants `true`.
    pub fn session_cookie_secure(mut self, secure: bool) -> Self {
        self.cookie = self.cookie.secure(secure);
        self
    }

    /// `SESSION_COOKIE_HTTPONLY`; `true` if not said otherwise.
    pub fn session_cookie_httponly(mut self, http_only: bool) -> Self {
        self.cookie = self.cookie.http_only(http_only);
        self
    }

    /// `SESSION_COOKIE_SAMESITE`; `Lax` if not said otherwise, and `None` for Django's `False`, which says nothing.
    pub fn session_cookie_samesite(mut self, same_site: impl Into<Option<SameSite>>) -> Self {
        self.cookie = self.cookie.same_site(same_site);
        self
    }

    /// Whether the header that removes the cookie repeats all attributes with which it was set. It is none of Django's
    /// settings, and `false` if not said otherwise: Django leaves out `HttpOnly`, and `Secure` wherever browsers listen
    /// without it.
    ///
    /// Browsers drop the cookie either way. It is for a site that lets somebody check every `Set-Cookie` for the two.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom_django::Settings;
    /// # use cloakroom::store::MemoryStore;
    /// # use http::{HeaderMap, HeaderValue, StatusCode, header};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let django_session = MemoryStore::new();
    /// let settings = Settings::new("the site's SECRET_KEY")?.removal_as_set(true);
    /// let sessions = settings.sessions(settings.db(django_session)).build()?;
    ///
    /// # let mut headers = HeaderMap::new();
    /// # headers.insert(header::COOKIE, HeaderValue::from_static("sessionid=0123456789abcdefghijklmnopqrstuv"));
    /// let handle = sessions.begin(&headers);
    /// handle.open().await?.flush()?;
    /// # let mut response = HeaderMap::new();
    /// sessions.finish(&handle, StatusCode::OK).await?.apply(&mut response);
    ///
    /// assert_eq!(
    ///     response["set-cookie"],
    ///     "sessionid=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Max-Age=0; Path=/; SameSite=Lax",
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn removal_as_set(mut self, as_set: bool) -> Self {
        self.removal_as_set = as_set;
        self
    }

    /// `SESSION_SAVE_EVERY_REQUEST`; `false` if not said otherwise. See
    /// [`SessionsBuilder::save_every_request`] for what it costs.
    pub fn session_save_every_request(mut self, every: bool) -> Self {
        self.save_every_request = every;
        self
    }

    /// `SESSION_EXPIRE_AT_BROWSER_CLOSE`; `false` if not said otherwise.
    pub fn session_expire_at_browser_close(mut self, browser_close: bool) -> Self {
        self.expire_at_browser_close = browser_close;
        self
    }
}

/// The engines.
impl Settings {
    /// The engine `db`: the table `django_session`.
    pub fn db(&self, django_session: impl Store) -> Backend {
        Backend::new(django_session, self.signed(Medium::Row))
    }

    /// The engine `cache`: a dictionary in Django's cache.
    pub fn cache(&self, cache: impl Store) -> Backend {
        let removal_as_set = self.removal_as_set;
        Backend::new(cache, PickledFormat { removal_as_set })
    }

    /// The engine `cached_db`: the table, and copies in Django's cache. See [`WriteThroughBackend`] for how the two go together.
    pub fn cached_db(&self, cache: impl Store, django_session: impl Store) -> Backend {
        let tiers = WriteThroughBackend::new(self.cache(cache), self.db(django_session));
        tiers.expect("both are stores").into()
    }

    /// What the engine `file` keeps in each file, for a store that keeps sessions in such files:
    /// `cloakroom_file::django::open`.
    pub fn file_format(&self) -> SignedFormat {
        self.signed(Medium::File)
    }

    /// `SESSION_COOKIE_NAME`.
    pub fn cookie_name(&self) -> &str {
        self.cookie.name()
    }

    /// The engine `signed_cookies`: the cookie carries the whole session, signed, and the visitor can read it.
    ///
    /// It neither compares nor revokes, as [`CookieBackend`] says. What takes more than a cookie holds is an error here, where
    /// Django sends it and the browser drops it.
    pub fn signed_cookies(&self) -> Backend {
        CookieBackend::unsealed(self.signed(Medium::Cookie)).into()
    }

    /// The site's sessions, kept in one of the engines above: with these settings, and with no sweep, since Django's
    /// `clearsessions` may be running.
    ///
    /// There are no owners and no [`max_lifetime`](SessionsBuilder::max_lifetime) in Django's sessions, and `build`
    /// refuses it.
    ///
    /// # Examples
    /// Rows that this process remembers for ten seconds:
    /// ```
    /// use cloakroom::CachedBackend;
    /// use cloakroom_django::Settings;
    /// use cloakroom::store::MemoryStore;
    ///
    /// # let django_session = MemoryStore::new();
    /// let settings = Settings::new("the site's SECRET_KEY")?;
    /// let backend = CachedBackend::new(MemoryStore::new(), settings.db(django_session))?;
    /// let sessions = settings.sessions(backend).build()?;
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn sessions(&self, engine: impl Into<Backend>) -> SessionsBuilder {
        Sessions::builder(engine)
            .cookie(self.cookie())
            .max_age(self.cookie_age)
            .expire_at_browser_close(self.expire_at_browser_close)
            .save_every_request(self.save_every_request)
            .sweep(None)
    }

    fn cookie(&self) -> Cookie {
        match &self.cookie_domain {
            Some(domain) => self.cookie.clone().domain(domain),
            None => self.cookie.clone(),
        }
    }

    fn signed(&self, medium: Medium) -> SignedFormat {
        let salt = match medium {
            Medium::Row | Medium::File => &self.salt,
            Medium::Cookie => COOKIE_SALT,
        };
        let signer = Signer::new(&self.secret_key, salt);
        let fallbacks = self.secret_key_fallbacks.iter();
        SignedFormat {
            signer: fallbacks.fold(signer, Signer::fallback),
            medium,
            cookie_age: self.cookie_age,
            removal_as_set: self.removal_as_set,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("cookie", &self.cookie())
            .field("cookie_age", &self.cookie_age)
            .finish_non_exhaustive()
    }
}

const TWO_WEEKS: Duration = Duration::from_secs(14 * 24 * 60 * 60);
