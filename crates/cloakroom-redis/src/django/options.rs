use std::fmt;

use cloakroom::Result;
use cloakroom_django::wire::cache::{CACHE, CACHED_DB, key_prefix};

use crate::DjangoCache;
use crate::address::Address;

/// The options of a [`DjangoCache`]; made by [`DjangoCache::builder`].
///
/// Each has the default that Django has. What the site's `CACHES` says must be said here, too.
///
/// # Examples
/// ```no_run
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

    /// `KEY_PREFIX` of the cache; nothing by default.
    pub fn key_prefix(mut self, key_prefix: impl Into<String>) -> Self {
        self.key_prefix = key_prefix.into();
        self
    }

    /// `VERSION` of the cache; 1 by default.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// The entries that the engine `cached_db` has in its cache, and not those of the engine `cache`.
    ///
    /// They are copies of rows: whoever writes the row must write or delete the entry as well.
    pub fn cached_db(mut self) -> Self {
        self.engine = CACHED_DB;
        self
    }

    /// Connects to the server.
    ///
    /// The connection belongs to the tokio runtime in which this is called, and opens again by itself when it
    /// breaks. If the future is dropped, nothing has happened.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if the URL is none, needs a feature that is off, or has a user or a
    /// password that the server refuses. [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the server cannot be
    /// reached, after some tries within a second or two.
    pub async fn connect(self) -> Result<DjangoCache> {
        let address = Address::parse(&self.url)?;
        DjangoCache::connect_to(address, self.prefix()).await
    }

    /// What the key of every session begins with.
    fn prefix(&self) -> String {
        key_prefix(&self.key_prefix, self.version, self.engine)
    }
}

impl fmt::Debug for DjangoCacheBuilder {
    // Without the URL: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoCacheBuilder")
            .field("prefix", &self.prefix())
            .finish_non_exhaustive()
    }
}
