use std::fmt;
use std::time::Duration;

use cloakroom::{Error, ErrorKind, Result, StoreKey};
use cloakroom_django::wire::cache::{CACHE, CACHED_DB, key_prefix};

use super::store::DjangoCache;
use crate::client::Key;
use crate::options::Builder;

/// The options of a [`DjangoCache`]. Created by [`DjangoCache::builder`].
///
/// The defaults of [`key_prefix`](Self::key_prefix) and [`version`](Self::version) are those of
/// Django. If the site sets `KEY_PREFIX` or `VERSION` in `CACHES`, set the same value here.
///
/// # Examples
/// ```
/// use cloakroom_memcached::DjangoCache;
///
/// // "LOCATION": "10.0.0.1:11211", "KEY_PREFIX": "shop", "VERSION": 2
/// let cache = DjangoCache::builder("memcached://10.0.0.1:11211")
///     .key_prefix("shop")
///     .version(2)
///     .open()?;
/// assert!(format!("{cache:?}").contains("shop:2:django.contrib.sessions.cache"));
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct DjangoCacheBuilder {
    pub(crate) options: Builder,
    key_prefix: String,
    version: u32,
    engine: &'static str,
}

impl DjangoCacheBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            options: Builder::new(url),
            key_prefix: String::new(),
            version: 1,
            engine: CACHE,
        }
    }

    /// Sets the cache's `KEY_PREFIX`, with which every key starts. Defaults to an empty text, as in
    /// Django. Must not contain spaces or control characters, and must be short enough that no key
    /// exceeds memcached's limit of 250 bytes.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_memcached::DjangoCache;
    ///
    /// let shop = DjangoCache::builder("memcached://127.0.0.1").key_prefix("shop");
    /// // Every key starts with this text.
    /// assert!(format!("{shop:?}").contains(r#""shop:1:django.contrib.sessions.cache""#));
    /// ```
    pub fn key_prefix(mut self, key_prefix: impl Into<String>) -> Self {
        self.key_prefix = key_prefix.into();
        self
    }

    /// Sets the cache's `VERSION`, which is a part of every key. Defaults to 1, as in Django.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_memcached::DjangoCache;
    ///
    /// let cache = DjangoCache::builder("memcached://127.0.0.1").version(2);
    /// assert!(format!("{cache:?}").contains(r#"":2:django.contrib.sessions.cache""#));
    /// ```
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Selects the entries of the engine `cached_db` instead of those of the engine `cache`.
    ///
    /// The entries of `cached_db` are copies of rows in the site's database. A program that writes
    /// a row must also write or delete its copy, as the engine of `Settings::cached_db` in
    /// `cloakroom-django` does.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_memcached::DjangoCache;
    ///
    /// let cache = DjangoCache::builder("memcached://127.0.0.1").cached_db();
    /// assert!(format!("{cache:?}").contains(r#"":1:django.contrib.sessions.cached_db""#));
    /// ```
    pub fn cached_db(mut self) -> Self {
        self.engine = CACHED_DB;
        self
    }

    /// Sets the maximum size of a session's data, in bytes. Defaults to 1 MiB less 4 KiB; must be
    /// between 1 KiB and 128 MiB. See [`Builder::max_size`].
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Store;
    /// use cloakroom_memcached::DjangoCache;
    ///
    /// let cache = DjangoCache::builder("memcached://127.0.0.1").max_size(64 << 10).open()?;
    /// assert_eq!(cache.guarantees().max_size, Some(65_536));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn max_size(mut self, max_size: usize) -> Self {
        self.options = self.options.max_size(max_size);
        self
    }

    /// Sets the maximum number of connections. Defaults to 16; must be between 1 and 1,024. See
    /// [`Builder::connections`].
    ///
    /// # Examples
    /// ```
    /// use cloakroom::ErrorKind;
    /// use cloakroom_memcached::DjangoCache;
    ///
    /// let builder = DjangoCache::builder("memcached://127.0.0.1");
    /// assert!(builder.clone().connections(4).open().is_ok());
    /// assert_eq!(builder.connections(0).open().unwrap_err().kind(), ErrorKind::Config);
    /// ```
    pub fn connections(mut self, connections: usize) -> Self {
        self.options = self.options.connections(connections);
        self
    }

    /// Sets how long a call may take. Defaults to 2 s; must be more than 0. See
    /// [`Builder::timeout`].
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cloakroom::ErrorKind;
    /// use cloakroom_memcached::DjangoCache;
    ///
    /// let builder = DjangoCache::builder("memcached://127.0.0.1");
    /// assert!(builder.clone().timeout(Duration::from_millis(500)).open().is_ok());
    /// let error = builder.timeout(Duration::ZERO).open().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Config);
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options = self.options.timeout(timeout);
        self
    }

    /// Opens the store. Does not connect, so a site can start before memcached does. [`ping`]
    /// checks that the server answers.
    ///
    /// [`ping`]: cloakroom::store::Store::ping
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the URL is malformed, if it names several servers, or if an
    /// option is out of bounds.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::ErrorKind;
    /// use cloakroom_memcached::DjangoCache;
    ///
    /// assert!(DjangoCache::builder("memcached://10.0.0.1:11211").open().is_ok());
    /// let error = DjangoCache::builder("memcached://10.0.0.1,10.0.0.2").open().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Config);
    /// ```
    pub fn open(self) -> Result<DjangoCache> {
        let [address] = &self.options.addresses()?[..] else {
            return Err(config_error(
                "the URL names several servers, but this store cannot distribute sessions over \
                 servers as Django does; keep the sessions in a cache with only one server",
            ));
        };
        let longest = StoreKey::new(&[b'x'; KEY_LEN]);
        if Key::verbatim(&self.prefix(), &longest).is_none() {
            return Err(config_error(
                "memcached does not allow keys that start with this `key_prefix`; choose a shorter \
                 one without spaces or control characters",
            ));
        }
        Ok(DjangoCache::start(&self, address))
    }

    /// Returns the text with which the key of every session starts.
    pub(crate) fn prefix(&self) -> String {
        key_prefix(&self.key_prefix, self.version, self.engine)
    }
}

impl fmt::Debug for DjangoCacheBuilder {
    // Omits the URL: a user may have put a password into it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoCacheBuilder")
            .field("prefix", &self.prefix())
            .finish_non_exhaustive()
    }
}

fn config_error(why: &'static str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("opening Django's cache in memcached: {why}"),
    )
}

/// The length of the session keys that Django generates.
const KEY_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_option_is_refused_with_a_remedy() {
        let builder = || DjangoCache::builder("memcached://localhost");
        let refused = [
            (DjangoCache::builder("memcached://a,b"), "one server"),
            (DjangoCache::builder("redis://a"), "memcached://host:port"),
            (builder().key_prefix("two words"), "`key_prefix`"),
            (builder().key_prefix("line\r\n"), "`key_prefix`"),
            (builder().key_prefix("p".repeat(187)), "`key_prefix`"),
            (
                builder().cached_db().key_prefix("p".repeat(183)),
                "`key_prefix`",
            ),
            (builder().max_size(10), "`max_size(10)`"),
            (builder().connections(0), "`connections(0)`"),
            (builder().timeout(Duration::ZERO), "`timeout(0)`"),
        ];
        for (builder, named) in refused {
            let error = builder.open().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(named), "{error}");
        }
        assert!(builder().key_prefix("p".repeat(186)).open().is_ok());
        assert!(builder().key_prefix("é").version(u32::MAX).open().is_ok());
    }

    #[test]
    fn debug_shows_no_url() {
        let builder = DjangoCache::builder("memcached://user:secret@host");
        assert!(!format!("{builder:?}").contains("secret"));
    }
}
