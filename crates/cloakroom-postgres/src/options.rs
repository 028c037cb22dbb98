use std::fmt;
use std::marker::PhantomData;

use cloakroom::{Error, ErrorKind, Result};

use crate::schema::{SESSIONS, Schema};
use crate::store::PostgresStore;
use crate::target::Target;

/// The options of a store; made by [`PostgresStore::builder`], and with the feature `django` by
/// `DjangoTable::builder`.
///
/// # Examples
/// ```
/// use cloakroom_postgres::PostgresStore;
///
/// let options = PostgresStore::builder("postgres://ada:s3cret@localhost/library").table("staff_session");
/// assert!(options.schema()?.starts_with(r#"CREATE TABLE IF NOT EXISTS "staff_session" ("#));
/// assert!(!format!("{options:?}").contains("s3cret"));
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[must_use]
pub struct Builder<S = PostgresStore> {
    url: String,
    table: String,
    connections: usize,
    store: PhantomData<fn() -> S>,
}

/// Options that can be used, whichever store they are for.
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

    /// How many connections it has at most; 4 by default, 1 to 64.
    ///
    /// Each is shared by all calls, so this is not the number of requests that can be served at once. Loads are fast
    /// on one. Commits on one connection come one after the other, each with a flush to the disk, and those on several
    /// share one; so more of them help a site that saves a lot, and each costs the server a process. One is opened
    /// when all that are open are busy.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// The table that the sessions are in; `cloakroom_session` by default. For a `DjangoTable`,
    /// with the feature `django`, it is `django_session`.
    ///
    /// Session layers with different tables share a database and never see each other's sessions. A name is a letter
    /// or `_`, then up to 56 letters, digits and `_`; its case matters. The table is looked for on the `search_path`,
    /// which the URL can set: `?options=-c%20search_path%3Dweb`.
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// The SQL that makes a table as `schema` has it, if the table's name is one.
    pub(crate) fn sql(&self, schema: &Schema) -> Result<String> {
        check_name(&self.table)?;
        Ok(schema.sql(&self.table))
    }

    /// The options, if all of them can be used.
    pub(crate) fn checked(self) -> Result<Options> {
        if !(1..=MOST_CONNECTIONS).contains(&self.connections) {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "`connections({})` is out of range: a PostgreSQL store has 1 to {MOST_CONNECTIONS}",
                    self.connections
                ),
            ));
        }
        check_name(&self.table)?;
        Ok(Options {
            target: Target::parse(&self.url)?,
            table: self.table,
            connections: self.connections,
        })
    }
}

impl Builder {
    /// The SQL that makes the table and its indexes, for those who run their own migrations.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the table's name is not one.
    pub fn schema(&self) -> Result<String> {
        self.sql(&SESSIONS)
    }

    /// Makes the first connection. The table need not be there yet: see [`PostgresStore::migrate`].
    ///
    /// It tries once. If the future is dropped, nothing has happened.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if an option is out of its range, the URL cannot be read, or the server knows no
    /// such user, password or database. [`Unavailable`](ErrorKind::Unavailable) if it cannot be reached.
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

fn check_name(name: &str) -> Result<()> {
    let first = name.bytes().next();
    let good = first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && name.len() <= LONGEST_NAME
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if good {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Config,
        format!(
            "`table({name:?})` is no name for the sessions: it must be a letter or `_`, then up to {} of \
             `A-Z a-z 0-9 _`",
            LONGEST_NAME - 1
        ),
    ))
}

const MOST_CONNECTIONS: usize = 64;

/// PostgreSQL cuts a name to 63 bytes without a word, and the indexes have the table's name with six more.
const LONGEST_NAME: usize = 57;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_name_cannot_carry_sql_or_be_cut() {
        for good in ["cloakroom_session", "_", "Order", "s2", &"x".repeat(57)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(58);
        for bad in [
            "", "2s", "a b", "a\"b", "a;b", "é", "a-b", "a.b", "a\0", &long,
        ] {
            assert_eq!(
                check_name(bad).unwrap_err().kind(),
                ErrorKind::Config,
                "{bad}"
            );
        }
    }
}
