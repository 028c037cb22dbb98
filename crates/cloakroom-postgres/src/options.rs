use std::fmt;
use std::marker::PhantomData;

use cloakroom::{Error, ErrorKind, Result, limits};

use crate::schema::{SESSIONS, Schema};
use crate::store::PostgresStore;
use crate::target::Target;

/// The options of a store. Created by [`PostgresStore::builder`] or, with the feature `django`, by
/// `DjangoTable::builder`.
///
/// # Examples
/// ```
/// use cloakroom_postgres::PostgresStore;
///
/// let options = PostgresStore::builder("postgres://library:s3cret@localhost/library")
///     .table("staff_session")
///     .connections(8);
/// assert_eq!(
///     format!("{options:?}"),
///     r#"Builder { table: "staff_session", connections: 8, .. }"#,
/// );
/// ```
#[must_use]
pub struct Builder<S = PostgresStore> {
    url: String,
    table: String,
    connections: usize,
    store: PhantomData<fn() -> S>,
}

/// The validated options of a `PostgresStore` or a `DjangoTable`.
pub(crate) struct Options {
    pub(crate) target: Target,
    pub(crate) table: String,
    pub(crate) connections: usize,
}

impl<S> Builder<S> {
    pub(crate) fn new(url: &str, table: &str) -> Self {
        Self {
            url: url.to_owned(),
            table: table.to_owned(),
            connections: 4,
            store: PhantomData,
        }
    }

    /// Sets the maximum number of connections. Defaults to 4; must be between 1 and 64.
    ///
    /// Connections are pipelined: a request does not wait until a connection is free, so this
    /// option does not limit the number of concurrent requests. One connection is enough for many
    /// loads. Saves on one connection are committed one after the other, each with its own flush to
    /// the disk; saves on several connections can share a flush. More connections help a site that
    /// saves a lot, but each of them costs the server a process. The store opens a new connection
    /// only when all open ones are busy.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::ErrorKind;
    /// use cloakroom_postgres::PostgresStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let options = PostgresStore::builder("postgres://localhost/library").connections(65);
    /// // The options are checked before a connection is opened.
    /// assert_eq!(options.connect().await.unwrap_err().kind(), ErrorKind::Config);
    /// # }
    /// ```
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Sets the name of the table. Defaults to `cloakroom_session`, or to `django_session` for a
    /// `DjangoTable`.
    ///
    /// Stores with different tables can share a database; they never see each other's sessions. A
    /// name consists of a letter or `_`, followed by up to 62 letters, digits and `_`. It is
    /// case-sensitive. PostgreSQL looks for the table on the `search_path`, which the URL can set:
    /// `?options=-c%20search_path%3Dweb`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_postgres::PostgresStore;
    ///
    /// let options = PostgresStore::builder("postgres://localhost/library").table("staff_session");
    /// assert!(options.schema()?.starts_with(r#"CREATE TABLE IF NOT EXISTS "staff_session" ("#));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// Returns the SQL that creates the table, or an error if the name of the table is not valid.
    pub(crate) fn sql(&self, schema: &Schema) -> Result<String> {
        limits::check_table_name(&self.table)?;
        Ok(schema.sql(&self.table))
    }

    /// Validates the options.
    pub(crate) fn checked(self) -> Result<Options> {
        if !(1..=MAX_CONNECTIONS).contains(&self.connections) {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "`connections({})` is out of range: a PostgreSQL store has \
                     1 to {MAX_CONNECTIONS} connections",
                    self.connections
                ),
            ));
        }
        limits::check_table_name(&self.table)?;
        Ok(Options {
            target: Target::parse(&self.url)?,
            table: self.table,
            connections: self.connections,
        })
    }
}

impl Builder {
    /// Returns the SQL that creates the table and its indexes, for sites that run their own
    /// migrations. Does not connect.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the table's name is not valid.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_postgres::PostgresStore;
    ///
    /// let sql = PostgresStore::builder("postgres://localhost/library").schema()?;
    /// assert!(sql.contains("lookup BYTEA NOT NULL PRIMARY KEY"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn schema(&self) -> Result<String> {
        self.sql(&SESSIONS)
    }

    /// Opens the first connection. If the attempt fails, does not try again.
    ///
    /// The table need not exist yet: see [`PostgresStore::migrate`]. Dropping the future changes
    /// nothing in the database.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if an option is out of range, the URL cannot be parsed, the
    /// server's certificate is not accepted, or the server does not accept the user, the password
    /// or the database.
    /// [`Unavailable`](ErrorKind::Unavailable) if the server cannot be reached.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_postgres::PostgresStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let options = PostgresStore::builder("postgres://library:s3cret@localhost/library");
    /// let store = options.table("staff_session").connections(8).connect().await?;
    /// assert!(store.ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(self) -> Result<PostgresStore> {
        PostgresStore::open(self.checked()?).await
    }
}

impl<S> Clone for Builder<S> {
    fn clone(&self) -> Self {
        Self {
            url: self.url.clone(),
            table: self.table.clone(),
            ..*self
        }
    }
}

impl<S> fmt::Debug for Builder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("table", &self.table)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

const MAX_CONNECTIONS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_contain_sql_or_would_be_truncated_are_refused() {
        let named = |name: &str| PostgresStore::builder("postgres://host/db").table(name);
        assert!(named(&"x".repeat(63)).checked().is_ok());
        for bad in ["", "a\"b", &"x".repeat(64)] {
            let checked = named(bad).checked().map(|_| ());
            assert_eq!(checked.unwrap_err().kind(), ErrorKind::Config, "{bad}");
            let sql = named(bad).schema();
            assert_eq!(sql.unwrap_err().kind(), ErrorKind::Config, "{bad}");
        }
    }
}
