use std::time::Duration;

use cloakroom::{Error, ErrorKind, Result};

use crate::{MemcachedStore, servers};

/// The options of a [`MemcachedStore`]. Created by [`MemcachedStore::builder`].
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cloakroom::store::Store;
/// use cloakroom_memcached::MemcachedStore;
///
/// let store = MemcachedStore::builder("memcached://10.0.0.1:11211,10.0.0.2:11211")
///     .prefix("shop")
///     .timeout(Duration::from_millis(500))
///     .open()?;
/// assert!(store.guarantees().compares);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    url: RedactedUrl,
    pub(crate) prefix: String,
    pub(crate) max_size: usize,
    pub(crate) connections: usize,
    pub(crate) timeout: Duration,
}

impl Builder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: RedactedUrl(url.to_owned()),
            prefix: String::from("cloakroom"),
            max_size: DEFAULT_ITEM - RESERVE,
            connections: 16,
            timeout: Duration::from_secs(2),
        }
    }

    /// Sets the text before the colon in every key. Defaults to `cloakroom`; may have up to 100
    /// visible ASCII characters.
    ///
    /// Stores with different prefixes can use the same servers without seeing each other's
    /// sessions. Other programs can also use these servers, if their keys start with a different
    /// text.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::ErrorKind;
    /// use cloakroom_memcached::MemcachedStore;
    ///
    /// let builder = MemcachedStore::builder("memcached://127.0.0.1:11211");
    /// assert!(builder.clone().prefix("shop").open().is_ok());
    /// let error = builder.prefix("two words").open().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Config);
    /// ```
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the maximum size of a session's data, in bytes. Defaults to 1 MiB less 4 KiB; must be
    /// between 1 KiB and 128 MiB.
    ///
    /// memcached accepts items of up to 1 MiB, unless it was started with another limit (`-I`). The
    /// 4 KiB are for the key, memcached's header, and the session's owner and label. If you raise
    /// this size, raise the limit of every server first: a server refuses an item above its limit,
    /// and the session stays as it was.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Store;
    /// use cloakroom_memcached::MemcachedStore;
    ///
    /// let builder = MemcachedStore::builder("memcached://127.0.0.1:11211");
    /// let store = builder.max_size(64 << 10).open()?;
    /// assert_eq!(store.guarantees().max_size, Some(65_536));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn max_size(mut self, max_size: usize) -> Self {
        self.max_size = max_size;
        self
    }

    /// Sets the maximum number of connections to each server. Defaults to 16; must be between 1 and
    /// 1,024.
    ///
    /// A call uses one connection exclusively for a few hundred microseconds. If all connections
    /// are in use, the call waits for one. Connections are opened when needed and then kept open.
    /// memcached accepts 1,024 connections in total, unless it was started with another limit
    /// (`-c`).
    ///
    /// # Examples
    /// ```
    /// use cloakroom::ErrorKind;
    /// use cloakroom_memcached::MemcachedStore;
    ///
    /// let builder = MemcachedStore::builder("memcached://127.0.0.1:11211");
    /// assert!(builder.clone().connections(4).open().is_ok());
    /// assert_eq!(builder.connections(0).open().unwrap_err().kind(), ErrorKind::Config);
    /// ```
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Sets how long a call may take, including the wait for a connection. Defaults to 2 s; must be
    /// more than 0. With a short timeout, a visitor gets an error instead of waiting for a server
    /// that is down.
    ///
    /// A rename consists of up to four calls, each with this timeout. If a new session belongs on a
    /// server that is down, the store also asks each other server, with this timeout, until one
    /// answers. Give the session layer a
    /// longer timeout: the error of this store names the server, but the error of the session layer
    /// does not.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cloakroom::ErrorKind;
    /// use cloakroom_memcached::MemcachedStore;
    ///
    /// let builder = MemcachedStore::builder("memcached://127.0.0.1:11211");
    /// assert!(builder.clone().timeout(Duration::from_millis(500)).open().is_ok());
    /// let error = builder.timeout(Duration::ZERO).open().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Config);
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Opens the store. Does not connect, so a site can start before its servers do. [`ping`]
    /// checks that the servers answer.
    ///
    /// [`ping`]: cloakroom::store::Store::ping
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the URL is malformed or an option is out of bounds.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::ErrorKind;
    /// use cloakroom_memcached::MemcachedStore;
    ///
    /// assert!(MemcachedStore::builder("memcached://127.0.0.1:11211").open().is_ok());
    /// let error = MemcachedStore::builder("redis://127.0.0.1").open().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Config);
    /// ```
    pub fn open(self) -> Result<MemcachedStore> {
        let addresses = self.addresses()?;
        Ok(MemcachedStore::start(&self, &addresses))
    }

    /// Checks the options and returns the addresses in the URL.
    pub(crate) fn addresses(&self) -> Result<Vec<String>> {
        let addresses = servers::addresses(&self.url.0)?;
        self.check()?;
        Ok(addresses)
    }

    fn check(&self) -> Result<()> {
        let why = if self.prefix.len() > MAX_PREFIX_LEN
            || !self.prefix.bytes().all(|byte| byte.is_ascii_graphic())
        {
            format!(
                "`prefix({:?})` cannot be part of a key: \
                 choose up to {MAX_PREFIX_LEN} visible ASCII characters",
                self.prefix
            )
        } else if !(MIN_SIZE..=MAX_SIZE).contains(&self.max_size) {
            format!(
                "`max_size({})` is out of range: choose {MIN_SIZE} to {MAX_SIZE} bytes",
                self.max_size
            )
        } else if !(1..=MAX_CONNECTIONS).contains(&self.connections) {
            format!(
                "`connections({})` is out of range: choose 1 to {MAX_CONNECTIONS} per server",
                self.connections
            )
        } else if self.timeout.is_zero() {
            String::from("`timeout(0)` leaves no time for an answer: choose a longer timeout")
        } else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::Config,
            format!("opening memcached: {why}"),
        ))
    }
}

/// A URL that `Debug` does not show. A user may have put a password into it by mistake.
#[derive(Clone)]
struct RedactedUrl(String);

impl std::fmt::Debug for RedactedUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

/// memcached's default limit for an item, including its header.
const DEFAULT_ITEM: usize = 1 << 20;

/// The room in an item for everything except the data: memcached's header of up to 56 bytes, up to
/// 251 bytes for the key, [`MAX_EXTRA`], and padding if memcached splits a large item into chunks.
pub(crate) const RESERVE: usize = 4 << 10;

/// The maximum size of everything in an entry except the data: the times, the owner and the label.
pub(crate) const MAX_EXTRA: usize = 3 << 10;

const MIN_SIZE: usize = 1 << 10;

const MAX_SIZE: usize = 128 << 20;

const MAX_CONNECTIONS: usize = 1_024;

/// In a key of 250 bytes, this leaves room for the store keys of every format.
const MAX_PREFIX_LEN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_out_of_range_is_refused_and_named() {
        let builder = || MemcachedStore::builder("memcached://localhost");
        let refused = [
            (builder().prefix("two words"), "`prefix("),
            (builder().prefix("p".repeat(101)), "`prefix("),
            (builder().prefix("line\r\n"), "`prefix("),
            (builder().max_size(10), "`max_size(10)`"),
            (builder().max_size(usize::MAX), "`max_size("),
            (builder().connections(0), "`connections(0)`"),
            (builder().timeout(Duration::ZERO), "`timeout(0)`"),
        ];
        for (builder, named) in refused {
            let error = builder.open().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(named), "{error}");
        }
        assert!(builder().prefix("").open().is_ok());
    }

    #[test]
    fn debug_shows_no_url() {
        let builder = MemcachedStore::builder("memcached://user:secret@host");
        assert!(!format!("{builder:?}").contains("secret"));
    }
}
