use std::fmt;
use std::marker::PhantomData;

use cloakroom::{Error, ErrorKind, Result, limits};

use crate::store::MysqlStore;

/// The options of a store; made by [`MysqlStore::builder`], and with the feature `django` by
/// `DjangoTable::builder`.
///
/// # Examples
/// ```no_run
/// use cloakroom_mysql::MysqlStore;
///
/// # async fn example() -> cloakroom::Result<()> {
/// let url = "mysql://site:s3cret@db.example/library";
/// let staff = MysqlStore::builder(url).table("staff_session").connections(2).connect().await?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Builder<S = MysqlStore> {
    options: Options,
    store: PhantomData<fn() -> S>,
}

/// The options themselves, whichever store they are for.
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

    /// How many connections there are at most; 8 by default, 1 to 256.
    ///
    /// They are made when they are needed, and closed when nobody has needed them for 50 seconds. A save holds one
    /// for as long as the server takes to flush it, and the server flushes those of several connections together; so
    /// more of them help a slow disk. Each process has its own, and the server's `max_connections` counts them all.
    pub fn connections(mut self, connections: usize) -> Self {
        self.options.connections = connections;
        self
    }

    /// The table that the sessions are in; `cloakroom_session` by default. For a `DjangoTable`,
    /// with the feature `django`, it is `django_session`.
    ///
    /// Session layers with different tables share a database and never see each other's sessions. A name is a letter
    /// or `_`, then up to 62 letters, digits and `_`; whether its case counts is a matter of the server's file system.
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.options.table = name.into();
        self
    }

    /// The options, if all of them can be used.
    pub(crate) fn checked(self) -> Result<Options> {
        self.options.check()?;
        Ok(self.options)
    }
}

impl Builder {
    /// Connects, and finds out what the server is; makes no table.
    ///
    /// If the future is dropped, nothing has happened.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the URL or an option is not right, the server refuses the login, or it is
    /// older than MySQL 8.0 and MariaDB 10.6. [`Unavailable`](ErrorKind::Unavailable) if it cannot be reached.
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
                    "`connections({})` is out of range: a MySQL store has 1 to {MAX_CONNECTIONS}",
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

/// Without the URL, which may hold a password.
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
    fn a_table_name_cannot_carry_sql() {
        let named = |name: &str| MysqlStore::builder("mysql://host/db").table(name).checked();
        assert!(named(&"x".repeat(63)).is_ok());
        for bad in ["", "a`b", &"x".repeat(64)] {
            let error = named(bad).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{bad}");
        }
    }

    #[test]
    fn debug_does_not_show_the_password() {
        let builder = MysqlStore::builder("mysql://ada:s3cret@host/db");

        assert!(!format!("{builder:?}").contains("s3cret"));
    }
}
