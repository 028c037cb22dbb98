use std::fmt;

use cloakroom::Result;
use cloakroom_django::wire::cache::{CACHE, CACHED_DB, key_prefix};

use crate::DjangoCache;
use crate::address::Address;

/// The options of a [`DjangoCache`]. Created by [`DjangoCache::builder`].
///
/// The defaults are those of Django. Options that the site sets in `CACHES` must be set here as
/// well.
///
/// # Examples
/// ```no_run
/// use cloakroom::{StoreKey, store::Store};
/// use cloakroom_redis::DjangoCache;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // "LOCATION": "redis://127.0.0.1:6379/1", "KEY_PREFIX": "shop", "VERSION": 2
/// let cache = DjangoCache::builder("redis://127.0.0.1:6379/1")
///     .key_prefix("shop")
///     .version(2)
///     .connect()
///     .await?;
///
/// let key = StoreKey::new(b"0f3k8w1v5n2q7x4c9z6b0m3j8h5g2d1s");
/// assert!(cache.load(&key).await?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct DjangoCacheBuilder {
    url: String,
    key_prefix: String,
    version: u32,
    engine: &'static str,
}

impl DjangoCacheBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            key_prefix: String::new(),
            version: 1,
            engine: CACHE,
        }
    }

    /// Sets the `KEY_PREFIX` of the cache. Empty by default, as in Django.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_redis::DjangoCache;
    ///
    /// let shop = DjangoCache::builder("redis://127.0.0.1:6379/1").key_prefix("shop");
    /// // Every key starts with this text.
    /// assert!(format!("{shop:?}").contains(r#""shop:1:django.contrib.sessions.cache""#));
    /// ```
    pub fn key_prefix(mut self, key_prefix: impl Into<String>) -> Self {
        self.key_prefix = key_prefix.into();
        self
    }

    /// Sets the `VERSION` of the cache. Defaults to 1, as in Django.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_redis::DjangoCache;
    ///
    /// let cache = DjangoCache::builder("redis://127.0.0.1:6379/1").version(2);
    /// assert!(format!("{cache:?}").contains(r#"":2:django.contrib.sessions.cache""#));
    /// ```
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Uses the cache entries of the engine `cached_db` instead of those of the engine `cache`.
    ///
    /// Each of these entries is a copy of a row in the site's database. A program that writes the
    /// row must also write or delete the entry; `Settings::cached_db` in `cloakroom-django` does
    /// both.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_redis::DjangoCache;
    ///
    /// let cache = DjangoCache::builder("redis://127.0.0.1:6379/1").cached_db();
    /// assert!(format!("{cache:?}").contains(r#"":1:django.contrib.sessions.cached_db""#));
    /// ```
    pub fn cached_db(mut self) -> Self {
        self.engine = CACHED_DB;
        self
    }

    /// Connects to the server.
    ///
    /// The connection runs on the current tokio runtime and reconnects automatically. Dropping the
    /// future closes the connection and has no other effect.
    ///
    /// # Errors
    /// Those of [`Builder::connect`](crate::Builder::connect).
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_redis::DjangoCache;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let builder = DjangoCache::builder("redis://127.0.0.1:6379/1").key_prefix("shop");
    /// let cache = builder.connect().await?;
    /// assert!(cache.guarantees().compares && !cache.guarantees().owners);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(self) -> Result<DjangoCache> {
        let address = Address::parse(&self.url)?;
        DjangoCache::connect_to(address, self.prefix()).await
    }

    /// Returns the text that the key of every session starts with.
    fn prefix(&self) -> String {
        key_prefix(&self.key_prefix, self.version, self.engine)
    }
}

impl fmt::Debug for DjangoCacheBuilder {
    // Omits the URL: it may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoCacheBuilder")
            .field("prefix", &self.prefix())
            .finish_non_exhaustive()
    }
}
