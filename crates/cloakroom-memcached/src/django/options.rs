use std::fmt;
use std::time::Duration;

use cloakroom::{Error, ErrorKind, Result, StoreKey};
use cloakroom_django::wire::cache::{CACHE, CACHED_DB, key_prefix};

use super::store::DjangoCache;
use crate::client::Key;
use crate::options::Builder;

/// The options of a [`DjangoCache`]; made by [`DjangoCache::builder`].
///
/// The first three have the defaults that Django has. What the site's `CACHES` says must be said here, too.
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

    /// The largest data of one session, as [`Builder::max_size`] has it; 1 MiB less 4 KiB by default.
    pub fn max_size(mut self, max_size: usize) -> Self {
        self.options = self.options.max_size(max_size);
        self
    }

    /// How many connections there may be, as [`Builder::connections`] has it; 16 by default.
    pub fn connections(mut self, connections: usize) -> Self {
        self.options = self.options.connections(connections);
        self
    }

    /// How long a call may take, as [`Builder::timeout`] has it; 2 s by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options = self.options.timeout(timeout);
        self
    }

    /// Makes the store. The server is not asked yet, so a site can start before it does; [`ping`] asks it.
    ///
    /// [`ping`]: cloakroom::store::Store::ping
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the URL or an option cannot be used, and if the URL names several servers.
    pub fn open(self) -> Result<DjangoCache> {
        let [address] = &self.options.addresses()?[..] else {
            return Err(config_error(
                "the URL names several servers, and Django spreads sessions over servers in a way that this store does \
                 not know; give the cache of the sessions one server",
            ));
        };
        let longest = StoreKey::new(&[b'x'; KEY_LEN]);
        if Key::verbatim(&self.prefix(), &longest).is_none() {
            return Err(config_error(
                "`key_prefix` leaves no key that memcached takes; let it be short, without spaces and control characters",
            ));
        }
        Ok(DjangoCache::start(&self, address))
    }

    /// What the key of every session begins with.
    pub(crate) fn prefix(&self) -> String {
        key_prefix(&self.key_prefix, self.version, self.engine)
    }
}

impl fmt::Debug for DjangoCacheBuilder {
    // Without the URL: somebody may have written a password into it.
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

/// As many characters have the keys that Django makes.
const KEY_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_be_used_are_refused_with_what_to_do() {
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
