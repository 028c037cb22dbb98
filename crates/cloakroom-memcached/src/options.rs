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

    /// Sets the text that every key starts with, followed by a colon. `cloakroom` by default, so
    /// that other programs can use the same servers. Up to 100 visible ASCII characters.
    ///
    /// Stores with different prefixes share servers without seeing each other's sessions.
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

    /// Sets the largest data of one session, in bytes. 1 MiB less 4 KiB by default, 1 KiB to
    /// 128 MiB.
    ///
    /// memcached accepts items of up to 1 MiB, unless it was started with another `-I`. The 4 KiB
    /// are for the key, the owner, the label and memcached's header. Do not set this higher than
    /// every server allows: a server that receives a larger item refuses it **and drops the
    /// previous one**, which ends the session.
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

    /// Sets the largest number of connections to each server. 16 by default, 1 to 1,024.
    ///
    /// A call uses one connection exclusively, for some hundred microseconds, and waits for one if
    /// all are in use. Connections are opened when needed and then kept. memcached accepts 1,024
    /// connections in total, unless it was started with another `-c`.
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

    /// Sets how long a call may take, including the wait for a connection. 2 s by default, so that
    /// a visitor gets an error instead of waiting for a server that is down.
    ///
    /// A rename is four calls. Keep the timeout of the session layer longer than this one, because
    /// its error does not name the server.
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

    /// Opens the store. Does not connect, so a site can start before its servers; [`ping`] checks
    /// that they answer.
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
                 it may be up to {MAX_PREFIX_LEN} visible ASCII characters",
                self.prefix
            )
        } else if !(MIN_SIZE..=MAX_SIZE).contains(&self.max_size) {
            format!(
                "`max_size({})` is out of range: it is {MIN_SIZE} to {MAX_SIZE} bytes",
                self.max_size
            )
        } else if !(1..=MAX_CONNECTIONS).contains(&self.connections) {
            format!(
                "`connections({})` is out of range: each server has 1 to {MAX_CONNECTIONS}",
                self.connections
            )
        } else if self.timeout.is_zero() {
            String::from("`timeout(0)` leaves no time for an answer")
        } else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::Config,
            format!("opening memcached: {why}"),
        ))
    }
}

/// A URL that `Debug` does not show. It should not contain a password, but a user may have put one
/// into it.
#[derive(Clone)]
struct RedactedUrl(String);

impl std::fmt::Debug for RedactedUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

/// memcached's default limit for an item, including its header.
const DEFAULT_ITEM: usize = 1 << 20;

/// The size of an item beyond its data: memcached's header of up to 56 bytes, the key with 251,
/// [`MAX_EXTRA`], and the padding where memcached splits a large item into chunks.
pub(crate) const RESERVE: usize = 4 << 10;

/// The largest size of an entry beyond its data: times, owner and label.
pub(crate) const MAX_EXTRA: usize = 3 << 10;

const MIN_SIZE: usize = 1 << 10;

const MAX_SIZE: usize = 128 << 20;

const MAX_CONNECTIONS: usize = 1_024;

/// Leaves room for the store keys of every format in a key of 250 bytes.
const MAX_PREFIX_LEN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_out_of_range_is_refused_by_name() {
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
