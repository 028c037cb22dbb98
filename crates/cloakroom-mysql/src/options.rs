use std::fmt;
use std::marker::PhantomData;

use cloakroom::{Error, ErrorKind, Result, limits};

use crate::store::MysqlStore;

/// The options of a store. Created by [`MysqlStore::builder`] or, with the feature `django`, by
/// `DjangoTable::builder`.
///
/// # Examples
/// ```
/// use cloakroom_mysql::MysqlStore;
///
/// let options = MysqlStore::builder("mysql://site:s3cret@db.example/library")
///     .table("staff_session")
///     .connections(2);
/// assert_eq!(
///     format!("{options:?}"),
///     r#"Builder { table: "staff_session", connections: 2, .. }"#,
/// );
/// ```
#[must_use]
pub struct Builder<S = MysqlStore> {
    options: Options,
    store: PhantomData<fn() -> S>,
}

/// The options of a `MysqlStore` or a `DjangoTable`.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) url: String,
    pub(crate) table: String,
    pub(crate) connections: usize,
}

impl<S> Builder<S> {
    pub(crate) fn new(url: &str, table: &str) -> Self {
        Self {
            options: Options {
                url: url.to_owned(),
                table: table.to_owned(),
                connections: 8,
            },
            store: PhantomData,
        }
    }

    /// Sets the maximum number of connections. Defaults to 8; must be between 1 and 256.
    ///
    /// Connections are opened when they are needed. A connection that has been idle for 50 seconds
    /// is not used again, and is closed after the next call. A save occupies a connection until the
    /// server has flushed the save to the disk, and the server can flush saves on several
    /// connections together. So more connections help if the disk is slow. Each process opens its
    /// own connections, and all of them count towards the server's `max_connections`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::ErrorKind;
    /// use cloakroom_mysql::MysqlStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let options = MysqlStore::builder("mysql://site@db.example/library").connections(257);
    /// // The options are checked before a connection is opened.
    /// assert_eq!(options.connect().await.unwrap_err().kind(), ErrorKind::Config);
    /// # }
    /// ```
    pub fn connections(mut self, connections: usize) -> Self {
        self.options.connections = connections;
        self
    }

    /// Sets the name of the table. Defaults to `cloakroom_session`, or to `django_session` for a
    /// `DjangoTable`.
    ///
    /// Stores with different tables can share a database; they never see each other's sessions. A
    /// name consists of a letter or `_`, followed by up to 62 letters, digits and `_`. Whether the
    /// name is case-sensitive depends on the server's file system.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_mysql::MysqlStore;
    ///
    /// let options = MysqlStore::builder("mysql://site@db.example/library").table("staff_session");
    /// assert!(format!("{options:?}").contains(r#"table: "staff_session""#));
    /// ```
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.options.table = name.into();
        self
    }

    /// Validates the options, except for the URL.
    pub(crate) fn checked(self) -> Result<Options> {
        self.options.check()?;
        Ok(self.options)
    }
}

impl Builder {
    /// Connects, and reads the server's version and its maximum packet size.
    ///
    /// The table need not exist yet: see [`MysqlStore::migrate`]. Dropping the future changes
    /// nothing in the database.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the URL is not valid, an option is out of range, the
    /// server's certificate is not accepted, the server refuses the login, or the server is older
    /// than MySQL 8.0 or MariaDB 10.6.
    /// [`Unavailable`](ErrorKind::Unavailable) if the server cannot be reached.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_mysql::MysqlStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let options = MysqlStore::builder("mysql://site:s3cret@db.example/library");
    /// let store = options.table("staff_session").connections(16).connect().await?;
    /// assert!(store.ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(self) -> Result<MysqlStore> {
        MysqlStore::open(self.checked()?).await
    }
}

impl Options {
    fn check(&self) -> Result<()> {
        if !(1..=MAX_CONNECTIONS).contains(&self.connections) {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "`connections({})` is out of range: a MySQL store has 1 to {MAX_CONNECTIONS} \
                     connections",
                    self.connections
                ),
            ));
        }
        limits::check_table_name(&self.table)?;
        Ok(())
    }
}

impl<S> Clone for Builder<S> {
    fn clone(&self) -> Self {
        Self {
            options: self.options.clone(),
            store: PhantomData,
        }
    }
}

/// Omits the URL, which may contain a password.
impl<S> fmt::Debug for Builder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("table", &self.options.table)
            .field("connections", &self.options.connections)
            .finish_non_exhaustive()
    }
}

const MAX_CONNECTIONS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_name_cannot_contain_sql() {
        let named = |name: &str| MysqlStore::builder("mysql://host/db").table(name).checked();
        assert!(named(&"x".repeat(63)).is_ok());
        for bad in ["", "a`b", &"x".repeat(64)] {
            let error = named(bad).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{bad}");
        }
    }

    #[test]
    fn debug_output_hides_the_password() {
        let builder = MysqlStore::builder("mysql://ada:s3cret@host/db");

        assert!(!format!("{builder:?}").contains("s3cret"));
    }
}
