use std::fmt;

use cloakroom::Result;

use crate::RedisStore;
use crate::address::Address;

/// The options of a [`RedisStore`]; made by [`RedisStore::builder`].
///
/// # Examples
/// ```no_run
/// use cloakroom_redis::RedisStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let url = "redis://site:secret@127.0.0.1:6379/0";
/// let visitors = RedisStore::builder(url).connect().await?;
/// let staff = RedisStore::builder(url).prefix("staff:").connect().await?;
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

    /// What every key begins with; `cloakroom:` by default.
    ///
    /// Session layers with different prefixes share a server and never see each other's sessions. Let it end in a
    /// `:` and let none be the beginning of another one. In a Cluster it should have no `{…}`, which would put all
    /// sessions on one node.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
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
    pub async fn connect(self) -> Result<RedisStore> {
        let address = Address::parse(&self.url)?;
        RedisStore::connect_to(address, self).await
    }
}

impl fmt::Debug for Builder {
    // Without the URL: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
