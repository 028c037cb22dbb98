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

/// The session settings of a Django site, under Django's names and with Django's defaults.
///
/// Set here what the site's `settings.py` sets, choose the engine that it names in
/// `SESSION_ENGINE`, and pass the engine to [`sessions`](Self::sessions).
///
/// The defaults are laxer than Cloakroom's own, because they must match a Django site that sets
/// nothing: [`session_cookie_secure`](Self::session_cookie_secure) is off, and the cookie has no
/// `__Host-` prefix.
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
    /// Creates Django's default settings with the site's `SECRET_KEY`.
    ///
    /// Pass text, or the bytes of a key that is `bytes` in `settings.py`.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the key is empty. Django refuses to start with such a key.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::ErrorKind;
    /// use cloakroom_django::Settings;
    ///
    /// assert!(Settings::new("the site's SECRET_KEY").is_ok());
    /// assert_eq!(Settings::new("").unwrap_err().kind(), ErrorKind::Config);
    /// ```
    pub fn new(secret_key: impl AsRef<[u8]>) -> Result<Self> {
        let secret_key = secret_key.as_ref().to_vec();
        if secret_key.is_empty() {
            return Err(Error::new(
                ErrorKind::Config,
                "configuring Django's sessions: the `SECRET_KEY` is empty; pass the site's",
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

    /// Also accepts text that was signed with this older key: one of `SECRET_KEY_FALLBACKS`.
    ///
    /// Call it once for each key, in the order of that setting. Nothing is signed with a fallback.
    ///
    /// # Examples
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use cloakroom::format::Format;
    /// use cloakroom::session::SessionData;
    /// use cloakroom_django::Settings;
    ///
    /// let before = Settings::new("the old SECRET_KEY")?.file_format();
    /// let stored = before.encode(&SessionData::default(), SystemTime::now())?;
    ///
    /// let settings = Settings::new("the new SECRET_KEY")?;
    /// assert!(settings.file_format().decode(&stored).is_err());
    /// let settings = settings.secret_key_fallback("the old SECRET_KEY");
    /// assert!(settings.file_format().decode(&stored).is_ok());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn secret_key_fallback(mut self, secret_key: impl AsRef<[u8]>) -> Self {
        self.secret_key_fallbacks.push(secret_key.as_ref().to_vec());
        self
    }

    /// Sets the salt of the signatures, for a site with its own `SessionStore` class.
    ///
    /// Django uses the dotted name of the class. The default is
    /// `django.contrib.sessions.SessionStore`. The engine `signed_cookies` does not use this salt.
    ///
    /// # Examples
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use cloakroom::format::Format;
    /// use cloakroom::session::SessionData;
    /// use cloakroom_django::Settings;
    ///
    /// let usual = Settings::new("the site's SECRET_KEY")?;
    /// let custom = usual.clone().key_salt("library.sessions.SessionStore");
    ///
    /// let stored = custom.file_format().encode(&SessionData::default(), SystemTime::now())?;
    /// assert!(custom.file_format().decode(&stored).is_ok());
    /// assert!(usual.file_format().decode(&stored).is_err());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn key_salt(mut self, salt: impl Into<String>) -> Self {
        self.salt = salt.into();
        self
    }

    /// Sets `SESSION_COOKIE_NAME`. The default is `sessionid`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::Settings;
    ///
    /// let settings = Settings::new("the site's SECRET_KEY")?.session_cookie_name("library_sid");
    /// assert_eq!(settings.cookie_name(), "library_sid");
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn session_cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie = self.cookie.named(name);
        self
    }

    /// Sets `SESSION_COOKIE_AGE`. The default is two weeks.
    ///
    /// Set it here rather than with [`SessionsBuilder::max_age`]: the engines `file` and
    /// `signed_cookies` store no date of expiry and compute it from this age when they read a
    /// session.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// use cloakroom_django::Settings;
    ///
    /// let hour = Duration::from_secs(60 * 60);
    /// let settings = Settings::new("the site's SECRET_KEY")?.session_cookie_age(hour);
    ///
    /// let sessions = settings.sessions(settings.signed_cookies()).build()?;
    /// let age = sessions.new_session().expiry_age();
    /// assert!(age <= hour && age > hour - Duration::from_secs(60));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn session_cookie_age(mut self, age: Duration) -> Self {
        self.cookie_age = age;
        self
    }

    /// Sets `SESSION_COOKIE_DOMAIN`. By default the cookie is for this host only. As in Django, an
    /// empty text means the default.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::Settings;
    /// # use cloakroom::store::MemoryStore;
    /// # use http::{HeaderMap, StatusCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let settings = Settings::new("the site's SECRET_KEY")?.session_cookie_domain("example.com");
    /// # let sessions = settings.sessions(settings.db(MemoryStore::new())).build()?;
    /// # let handle = sessions.begin(&HeaderMap::new());
    /// # handle.open().await?.set("theme", "dark")?;
    /// # let effects = sessions.finish(&handle, StatusCode::OK).await?;
    /// # let set_cookie = effects.set_cookies().next().unwrap().to_str().unwrap();
    ///
    /// assert!(set_cookie.contains("; Domain=example.com;"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn session_cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.cookie_domain = Some(domain.into()).filter(|domain| !domain.is_empty());
        self
    }

    /// Sets `SESSION_COOKIE_PATH`. The default is `/`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::Settings;
    /// # use cloakroom::store::MemoryStore;
    /// # use http::{HeaderMap, StatusCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let settings = Settings::new("the site's SECRET_KEY")?.session_cookie_path("/library/");
    /// # let sessions = settings.sessions(settings.db(MemoryStore::new())).build()?;
    /// # let handle = sessions.begin(&HeaderMap::new());
    /// # handle.open().await?.set("theme", "dark")?;
    /// # let effects = sessions.finish(&handle, StatusCode::OK).await?;
    /// # let set_cookie = effects.set_cookies().next().unwrap().to_str().unwrap();
    ///
    /// assert!(set_cookie.contains("; Path=/library/;"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn session_cookie_path(mut self, path: impl Into<String>) -> Self {
        self.cookie = self.cookie.path(path);
        self
    }

    /// Sets `SESSION_COOKIE_SECURE`: whether browsers send the cookie over https only. The default
    /// is `false`. A site with https should turn it on.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::Settings;
    /// # use cloakroom::store::MemoryStore;
    /// # use http::{HeaderMap, StatusCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let settings = Settings::new("the site's SECRET_KEY")?.session_cookie_secure(true);
    /// # let sessions = settings.sessions(settings.db(MemoryStore::new())).build()?;
    /// # let handle = sessions.begin(&HeaderMap::new());
    /// # handle.open().await?.set("theme", "dark")?;
    /// # let effects = sessions.finish(&handle, StatusCode::OK).await?;
    /// # let set_cookie = effects.set_cookies().next().unwrap().to_str().unwrap();
    ///
    /// assert!(set_cookie.ends_with("; Secure"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn session_cookie_secure(mut self, secure: bool) -> Self {
        self.cookie = self.cookie.secure(secure);
        self
    }

    /// Sets `SESSION_COOKIE_HTTPONLY`: whether the cookie is hidden from scripts. The default is
    /// `true`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::Settings;
    /// # use cloakroom::store::MemoryStore;
    /// # use http::{HeaderMap, StatusCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let settings = Settings::new("the site's SECRET_KEY")?.session_cookie_httponly(false);
    /// # let sessions = settings.sessions(settings.db(MemoryStore::new())).build()?;
    /// # let handle = sessions.begin(&HeaderMap::new());
    /// # handle.open().await?.set("theme", "dark")?;
    /// # let effects = sessions.finish(&handle, StatusCode::OK).await?;
    /// # let set_cookie = effects.set_cookies().next().unwrap().to_str().unwrap();
    ///
    /// assert!(!set_cookie.contains("HttpOnly"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn session_cookie_httponly(mut self, http_only: bool) -> Self {
        self.cookie = self.cookie.http_only(http_only);
        self
    }

    /// Sets `SESSION_COOKIE_SAMESITE`. The default is `Lax`.
    ///
    /// Pass `None` for Django's `False`, which leaves the attribute out. [`SameSite::None`] needs
    /// [`session_cookie_secure`](Self::session_cookie_secure); otherwise
    /// [`build`](SessionsBuilder::build) returns an error, because browsers would reject the
    /// cookie.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::SameSite;
    /// use cloakroom_django::Settings;
    /// # use cloakroom::store::MemoryStore;
    /// # use http::{HeaderMap, StatusCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let settings = Settings::new("the site's SECRET_KEY")?;
    /// let settings = settings.session_cookie_samesite(SameSite::Strict);
    /// # let sessions = settings.sessions(settings.db(MemoryStore::new())).build()?;
    /// # let handle = sessions.begin(&HeaderMap::new());
    /// # handle.open().await?.set("theme", "dark")?;
    /// # let effects = sessions.finish(&handle, StatusCode::OK).await?;
    /// # let set_cookie = effects.set_cookies().next().unwrap().to_str().unwrap();
    ///
    /// assert!(set_cookie.ends_with("; SameSite=Strict"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn session_cookie_samesite(mut self, same_site: impl Into<Option<SameSite>>) -> Self {
        self.cookie = self.cookie.same_site(same_site);
        self
    }

    /// Sets whether the header that removes the cookie repeats all attributes of the header that
    /// set the cookie.
    ///
    /// The default is `false`, as in Django: the removing header leaves out `HttpOnly`, and also
    /// `Secure` where browsers accept the removal without it. Browsers remove the cookie either
    /// way. Turn this on for a site whose audit requires `HttpOnly` and `Secure` on every
    /// `Set-Cookie`. Django has no such setting.
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
    /// # let cookie = HeaderValue::from_static("sessionid=0123456789abcdefghijklmnopqrstuv");
    /// # headers.insert(header::COOKIE, cookie);
    /// let handle = sessions.begin(&headers);
    /// handle.open().await?.flush()?;
    /// # let mut response = HeaderMap::new();
    /// sessions.finish(&handle, StatusCode::OK).await?.apply(&mut response);
    ///
    /// assert_eq!(
    ///     response["set-cookie"],
    ///     "sessionid=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Max-Age=0; Path=/; \
    ///      SameSite=Lax",
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn removal_as_set(mut self, as_set: bool) -> Self {
        self.removal_as_set = as_set;
        self
    }

    /// Sets `SESSION_SAVE_EVERY_REQUEST`: whether every request extends the session. The default is
    /// `false`.
    ///
    /// This costs a load and a write for every request of a visitor with a session; see
    /// [`SessionsBuilder::save_every_request`].
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::Settings;
    /// # use cloakroom::store::MemoryStore;
    /// # use http::{HeaderMap, StatusCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let settings = Settings::new("the site's SECRET_KEY")?.session_save_every_request(true);
    /// let sessions = settings.sessions(settings.db(MemoryStore::new())).build()?;
    /// # let session = sessions.new_session();
    /// # session.set("theme", "dark")?;
    /// # session.save().await?;
    /// # let mut headers = HeaderMap::new();
    /// # let cookie = format!("sessionid={}", session.key().unwrap().reveal());
    /// # headers.insert("cookie", cookie.parse().unwrap());
    ///
    /// // A request with a session, whose handler does not open it.
    /// let handle = sessions.begin(&headers);
    /// let effects = sessions.finish(&handle, StatusCode::OK).await?;
    /// assert_eq!(effects.set_cookies().count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn session_save_every_request(mut self, every: bool) -> Self {
        self.save_every_request = every;
        self
    }

    /// Sets `SESSION_EXPIRE_AT_BROWSER_CLOSE`: whether browsers delete the cookie when they close.
    /// The default is `false`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::Settings;
    ///
    /// let settings = Settings::new("the site's SECRET_KEY")?;
    /// let settings = settings.session_expire_at_browser_close(true);
    /// let sessions = settings.sessions(settings.signed_cookies()).build()?;
    /// assert!(sessions.new_session().expires_at_browser_close());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn session_expire_at_browser_close(mut self, browser_close: bool) -> Self {
        self.expire_at_browser_close = browser_close;
        self
    }
}

/// Django's session engines as backends.
impl Settings {
    /// Returns the engine `db`, which stores sessions in the table `django_session`.
    ///
    /// Pass the `DjangoTable` of a driver crate, for instance of `cloakroom-postgres`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::Settings;
    /// # use cloakroom::store::MemoryStore;
    ///
    /// # let table = MemoryStore::new();
    /// let settings = Settings::new("the site's SECRET_KEY")?;
    /// let engine = settings.db(table);
    /// assert!(engine.guarantees().compares && engine.guarantees().revokes);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn db(&self, django_session: impl Store) -> Backend {
        Backend::new(django_session, self.signed(Medium::Row))
    }

    /// Returns the engine `cache`, which stores pickled sessions in Django's cache.
    ///
    /// Pass the `DjangoCache` of `cloakroom-redis` or `cloakroom-memcached`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::Settings;
    /// # use cloakroom::store::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let cache = MemoryStore::new();
    /// let settings = Settings::new("the site's SECRET_KEY")?;
    /// let sessions = settings.sessions(settings.cache(cache)).build()?;
    ///
    /// let session = sessions.new_session();
    /// session.set("theme", "dark")?;
    /// session.save().await?;
    /// let key = session.key().expect("it was saved");
    /// assert!(sessions.open(&key).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn cache(&self, cache: impl Store) -> Backend {
        let removal_as_set = self.removal_as_set;
        Backend::new(cache, PickledFormat { removal_as_set })
    }

    /// Returns the engine `cached_db`, which stores sessions in the table `django_session`, and
    /// copies of them in Django's cache. See [`WriteThroughBackend`] for how rows and copies stay
    /// consistent.
    ///
    /// Pass a `DjangoCache` built with its option `cached_db`, and a `DjangoTable`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::Settings;
    /// # use cloakroom::store::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let (cache, table) = (MemoryStore::new(), MemoryStore::new());
    /// let settings = Settings::new("the site's SECRET_KEY")?;
    /// let sessions = settings.sessions(settings.cached_db(cache, table)).build()?;
    ///
    /// let session = sessions.new_session();
    /// session.set("theme", "dark")?;
    /// session.save().await?;
    /// let key = session.key().expect("it was saved");
    /// assert!(sessions.open(&key).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn cached_db(&self, cache: impl Store, django_session: impl Store) -> Backend {
        let tiers = WriteThroughBackend::new(self.cache(cache), self.db(django_session));
        tiers.expect("the cache and the table are stores").into()
    }

    /// Returns the format of the engine `file`, for a store that keeps sessions in Django's files.
    ///
    /// `cloakroom_file::django::open` uses this format and returns the whole engine.
    ///
    /// # Examples
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use cloakroom::format::Format;
    /// use cloakroom::session::SessionData;
    /// use cloakroom_django::Settings;
    ///
    /// let format = Settings::new("the site's SECRET_KEY")?.file_format();
    /// let file = format.encode(&SessionData::default(), SystemTime::now())?;
    /// assert!(file.starts_with(b"e30:")); // an empty object in base64url
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn file_format(&self) -> SignedFormat {
        self.signed(Medium::File)
    }

    /// Returns `SESSION_COOKIE_NAME`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::Settings;
    ///
    /// assert_eq!(Settings::new("the site's SECRET_KEY")?.cookie_name(), "sessionid");
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn cookie_name(&self) -> &str {
        self.cookie.name()
    }

    /// Returns the engine `signed_cookies`: the cookie carries the whole session, signed but
    /// readable by the visitor.
    ///
    /// A save cannot notice that another request saved first, and sessions cannot be revoked; see
    /// [`CookieBackend`]. A session that does not fit into a cookie is an error here. Django sends
    /// such a cookie, and the browser rejects it.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::Settings;
    ///
    /// let engine = Settings::new("the site's SECRET_KEY")?.signed_cookies();
    /// assert!(!engine.guarantees().compares && !engine.guarantees().revokes);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn signed_cookies(&self) -> Backend {
        CookieBackend::unsealed(self.signed(Medium::Cookie)).into()
    }

    /// Returns a builder of the site's sessions. `engine` is one of the engines above, or a
    /// [`CachedBackend`](cloakroom::CachedBackend) that caches one of them.
    ///
    /// The builder has the values of this `Settings`. The background sweep, which deletes expired
    /// sessions, is off, because a Django site deletes them with its command `clearsessions`.
    /// Django's sessions have no owners and no [`max_lifetime`](SessionsBuilder::max_lifetime);
    /// `build` returns an error if `max_lifetime` is set.
    ///
    /// # Examples
    /// A service that caches the rows in its own memory:
    /// ```
    /// use cloakroom::CachedBackend;
    /// use cloakroom::store::MemoryStore;
    /// use cloakroom_django::Settings;
    ///
    /// # let table = MemoryStore::new();
    /// let settings = Settings::new("the site's SECRET_KEY")?;
    /// let engine = CachedBackend::new(MemoryStore::new(), settings.db(table))?;
    /// let sessions = settings.sessions(engine).build()?;
    /// assert!(sessions.guarantees().compares);
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
