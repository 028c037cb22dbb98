use std::time::Duration;

use cloakroom::{Error, ErrorKind, Result};

use crate::{MemcachedStore, servers};

/// The options of a [`MemcachedStore`]; made by [`MemcachedStore::builder`].
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cloakroom_memcached::MemcachedStore;
///
/// let store = MemcachedStore::builder("memcached://10.0.0.1:11211,10.0.0.2:11211")
///     .prefix("shop")
///     .timeout(Duration::from_millis(500))
///     .open()?;
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

    /// What the names of this site's items begin with, a colon behind it; `cloakroom` by default.
    ///
    /// Stores with different prefixes share servers and never see each other's sessions. A prefix is up to 100 visible
    /// ASCII characters.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The largest data of one session, in bytes; 1 MiB less 4 KiB by default, 1 KiB to 128 MiB.
    ///
    /// memcached takes items of 1 MiB unless it was started with another `-I`; 4 KiB of it are kept for the key, the
    /// owner, the label and memcached's own head. Never promise more than every server takes: one that is given too
    /// large an item refuses it **and drops the one it had**, which ends the session.
    pub fn max_size(mut self, max_size: usize) -> Self {
        self.max_size = max_size;
        self
    }

    /// How many connections there may be to each server; 16 by default, 1 to 1,024.
    ///
    /// A call has one for itself while it lasts, some hundred microseconds, and waits for one if all are taken. They are
    /// opened when they are needed and then kept. memcached takes 1,024 altogether unless it was started with another
    /// `-c`.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// How long a call may take, the wait for a connection included; 2 s by default.
    ///
    /// A move to another key is up to four calls. Let the timeout of the session layer be the longer one: its error
    /// knows less.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Makes the store. No server is asked yet, so a site can start before its servers do; [`ping`] asks them.
    ///
    /// [`ping`]: cloakroom::store::Store::ping
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the URL or an option cannot be used.
    pub fn open(self) -> Result<MemcachedStore> {
        let addresses = self.addresses()?;
        Ok(MemcachedStore::start(&self, &addresses))
    }

    /// The addresses of the URL, if the options can be used.
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
                "`prefix({:?})` cannot be part of a key: it may be up to {MAX_PREFIX_LEN} visible ASCII characters",
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

/// Somebody may have written a password into it, though there are none.
#[derive(Clone)]
struct RedactedUrl(String);

impl std::fmt::Debug for RedactedUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

/// What memcached's items may be, with their heads, unless it is told otherwise.
const DEFAULT_ITEM: usize = 1 << 20;

/// What an item has beside the data: at most 56 bytes of memcached's, 251 of the key, [`MAX_EXTRA`] of ours, and some
/// that are lost where a large item is cut into pieces.
pub(crate) const RESERVE: usize = 4 << 10;

/// What an entry may have beside its data: times, owner and label.
pub(crate) const MAX_EXTRA: usize = 3 << 10;

const MIN_SIZE: usize = 1 << 10;

const MAX_SIZE: usize = 128 << 20;

const MAX_CONNECTIONS: usize = 1_024;

/// Leaves room for the lookups of every format in a key of 250 bytes.
const MAX_PREFIX_LEN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_out_of_range_are_refused_with_their_names() {
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
