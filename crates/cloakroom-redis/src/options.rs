use std::fmt;

use cloakroom::Result;

use crate::RedisStore;
use crate::address::Address;

/// The options of a [`RedisStore`]. Created by [`RedisStore::builder`].
///
/// # Examples
/// ```no_run
/// use cloakroom::{StoreKey, store::Store};
/// use cloakroom_redis::RedisStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let url = "redis://site:secret@127.0.0.1:6379/0";
/// let visitors = RedisStore::builder(url).connect().await?;
/// let staff = RedisStore::builder(url).prefix("staff:").connect().await?;
///
/// let key = StoreKey::new(b"only among the visitors");
/// assert!(staff.load(&key).await?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Builder {
    url: String,
    pub(crate) prefix: String,
}

impl Builder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            prefix: String::from("cloakroom:"),
        }
    }

    /// Sets the text that every key starts with, so that other programs can use the same database.
    /// Defaults to `cloakroom:`.
    ///
    /// Stores with different prefixes share a server without seeing each other's sessions. End a
    /// prefix with `:`, and do not use a prefix that starts with the prefix of another store. In a
    /// Cluster, avoid `{…}` in a prefix: it assigns all sessions to one node.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_redis::RedisStore;
    ///
    /// let staff = RedisStore::builder("redis://127.0.0.1:6379").prefix("staff:");
    /// assert_eq!(format!("{staff:?}"), r#"Builder { prefix: "staff:", .. }"#);
    /// ```
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Connects to the server.
    ///
    /// The connection runs on the current tokio runtime and reconnects automatically. Dropping the
    /// future closes the connection and has no other effect.
    ///
    /// # Errors
    /// * [`Config`](cloakroom::ErrorKind::Config) if the URL is malformed or needs a feature that
    ///   is off, if the server's certificate is not accepted, if the server refuses the user or the
    ///   password, or if the Sentinels do not know the name of the primary.
    /// * [`Unavailable`](cloakroom::ErrorKind::Unavailable) or
    ///   [`Timeout`](cloakroom::ErrorKind::Timeout) if the server cannot be reached. A single
    ///   server is tried twice, each time for at most two seconds. With Sentinels, each Sentinel is
    ///   first asked for the primary, which takes at most a second per Sentinel.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_redis::RedisStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let builder = RedisStore::builder("redis://127.0.0.1:6379").prefix("staff:");
    /// let store = builder.connect().await?;
    /// assert!(store.guarantees().compares);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(self) -> Result<RedisStore> {
        let address = Address::parse(&self.url)?;
        RedisStore::connect_to(address, self).await
    }
}

impl fmt::Debug for Builder {
    // Omits the URL: it may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
