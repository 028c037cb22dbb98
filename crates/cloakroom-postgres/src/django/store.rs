use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version};
use cloakroom::{Result, StoreKey};

use super::schema::SCHEMA;
use super::table::{
    self, DraftColumns, Statement, column_instant, key_text, unsupported_key, version_text,
};
use crate::connection::Answer;
use crate::connections::Connections;
use crate::error::corrupt;
use crate::options::{Builder, Options};
use crate::value::Value;

/// A store that reads and writes the table `django_session`, in which Django's session engines `db`
/// and `cached_db` keep sessions.
///
/// A Rust service and a Django site share the rows. With Django's format and the same secret key,
/// they also share logins. The store is compatible with Django 4.2, 5.2 and 6.0, and with any
/// `TIME_ZONE`, because the column stores instants.
///
/// Clones share their connections, which are closed when the last clone is dropped.
///
/// # Guarantees
/// * **Compares**: no edit is lost between requests that save through this store. The table has no
///   version column, so the statement that saves the new data also checks, byte by byte, that the
///   stored data is still the data that the request loaded. This store never overwrites a change
///   that Django saved after the request loaded the session. Django's own saves do not compare the
///   data: a Django request may overwrite a change that this store saved while the Django request
///   ran.
/// * **Revokes**, **durable**, **shared**: as with [`PostgresStore`](crate::PostgresStore). The
///   sessions are also shared with Django.
/// * **No owners**: writing a draft with an owner returns
///   [`Unsupported`](cloakroom::ErrorKind::Unsupported). The only metadata in the table is the
///   expiry. A loaded entry has the Unix epoch as the time at which it was created and touched, and
///   has no label.
///
/// If the answer to a save is lost, a load shows whether the new data was written.
///
/// The store key of an entry is Django's session key itself, a text of up to 40 characters. Loading
/// under any other store key returns `None`, and creating an entry under it returns `Unsupported`.
/// The data must be ASCII; Django writes only ASCII.
///
/// # When something fails
/// In addition to the cases of the [crate](crate):
/// * **Django's `migrate` has not been run**: every call returns
///   [`Unavailable`](cloakroom::ErrorKind::Unavailable), and the message advises running it.
/// * **Another program has altered the table**: loading a row that cannot be read returns
///   [`Corrupt`](cloakroom::ErrorKind::Corrupt).
/// * **An attacker reads the table**: the attacker can use the keys in it to open the sessions,
///   because Django does not hash them.
///
/// # Cost
/// A sweep takes one round trip for each 1,000 rows. All other calls take one round trip each, as
/// described in the [crate documentation](crate#cost). A save sends the old data as well as the new
/// data. The column `expire_date` has an index, so a save that changes `expire_date` writes to all
/// three indexes: it cannot be a heap-only update (HOT). Like Django's `clearsessions`, a sweep
/// keeps a session that expires at exactly the time that is passed to the sweep.
///
/// # Schema
/// ```sql
/// CREATE TABLE "django_session" (
///     "session_key" varchar(40) NOT NULL PRIMARY KEY,
///     "session_data" text NOT NULL,
///     "expire_date" timestamp with time zone NOT NULL
/// );
/// CREATE INDEX "django_session_session_key_c0390e0f_like"
///     ON "django_session" ("session_key" varchar_pattern_ops);
/// CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date");
/// ```
/// The store writes only these columns. A custom session model may have more.
///
/// # Examples
/// ```no_run
/// use cloakroom::StoreKey;
/// use cloakroom::store::{Store, Version};
/// use cloakroom_postgres::DjangoTable;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = DjangoTable::connect("postgres://library:s3cret@localhost/library").await?;
///
/// let key = StoreKey::new(b"k3y0fdj4ngow1th32l3tt3rs0rd1g1ts");
/// if let Some(entry) = store.load(&key).await? {
///     assert!(entry.version == Version::from_bytes(entry.data));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DjangoTable(Arc<Connections<Statement>>);

impl DjangoTable {
    /// Connects to Django's database at `url` with the default [options](Self::builder).
    ///
    /// # Errors
    /// Those of [`Builder::connect`].
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_postgres::DjangoTable;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let url = "postgres://library:s3cret@localhost/library";
    /// let store = DjangoTable::connect(url).await?;
    /// assert!(store.ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    /// Returns the options for Django's database at `url`, which has the same form as the URL of
    /// [`PostgresStore::builder`](crate::PostgresStore::builder).
    ///
    /// If the site has a custom session model, set the name of its [`table`](Builder::table).
    ///
    /// # Examples
    /// ```
    /// use cloakroom_postgres::DjangoTable;
    ///
    /// let options = DjangoTable::builder("postgres://library:s3cret@localhost/library");
    /// assert_eq!(
    ///     format!("{options:?}"),
    ///     r#"Builder { table: "django_session", connections: 4, .. }"#,
    /// );
    /// ```
    pub fn builder(url: &str) -> Builder<Self> {
        Builder::new(url, "django_session")
    }

    pub(crate) async fn open(options: Options) -> Result<Self> {
        let Options {
            target,
            table,
            connections,
        } = options;
        match Connections::open(target, &table, connections).await {
            Ok(connections) => Ok(Self(Arc::new(connections))),
            Err(error) => Err(error.error("connecting to PostgreSQL")),
        }
    }

    /// Creates the table and its indexes, as Django's migration does, if they do not exist.
    ///
    /// Meant for a database that Django has not migrated yet. Run `manage.py migrate
    /// --fake-initial` afterwards, so that Django accepts the table as migrated.
    ///
    /// Any number of processes may call this method concurrently. It opens an additional connection
    /// and closes it afterwards. If the future is dropped, the table and its indexes are created
    /// completely or not at all.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if the table exists but lacks Django's columns.
    /// [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the server cannot be reached or the
    /// user may not create tables.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_postgres::DjangoTable;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let url = "postgres://library:s3cret@localhost/library";
    /// let store = DjangoTable::connect(url).await?;
    /// store.migrate().await?;
    /// assert!(store.ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn migrate(&self) -> Result<()> {
        SCHEMA.migrate(self.0.target(), self.0.table()).await
    }

    /// Returns the SQL that [`migrate`](Self::migrate) runs, for sites that run their own
    /// migrations. [`Builder::schema`] returns the same SQL without a connection.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom_postgres::DjangoTable;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let options = DjangoTable::builder("postgres://library:s3cret@localhost/library");
    /// let store = options.clone().connect().await?;
    /// assert_eq!(store.schema(), options.schema()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn schema(&self) -> String {
        SCHEMA.sql(self.0.table())
    }
}

impl Store for DjangoTable {
    fn guarantees(&self) -> Guarantees {
        Guarantees::default()
            .compares()
            .revokes()
            .durable()
            .shared()
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let doing = "loading a session from Django's table in PostgreSQL";
        let Some(key) = key_text(key) else {
            return Ok(None);
        };
        let values = [Value::plain(key)];
        let answer = self.0.run(doing, Statement::Load, &values).await?;
        let entry = answer.rows.first().map(table::entry).transpose();
        entry.map_err(|error| corrupt(doing, &error))
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let doing = "creating a session in Django's table in PostgreSQL";
        let key = key_text(key).ok_or_else(|| unsupported_key(doing))?;
        let values = DraftColumns::of(new, doing)?.with_key(key);
        let answer = self.0.run(doing, Statement::Create, &values).await?;
        Ok(outcome(&answer, new))
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let doing = "saving a session in Django's table in PostgreSQL";
        let columns = DraftColumns::of(new, doing)?;
        let (Some(key), Some(seen)) = (key_text(key), version_text(seen)) else {
            return Ok(Outcome::Stale);
        };
        let [key, data, expires] = columns.with_key(key);
        let values = [key, data, expires, Value::plain(seen)];
        let answer = self.0.run(doing, Statement::Save, &values).await?;
        Ok(outcome(&answer, new))
    }

    /// Deletes the entry. If the answer is lost, the store sends the statement again, because a
    /// repeated delete changes nothing.
    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let doing = "deleting a session from Django's table in PostgreSQL";
        let Some(key) = key_text(key) else {
            return Ok(());
        };
        let values = [Value::plain(key)];
        self.0.run(doing, Statement::Delete, &values).await?;
        Ok(())
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        _tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        let doing = "moving a session in Django's table in PostgreSQL";
        let to = key_text(to).ok_or_else(|| unsupported_key(doing))?;
        let columns = DraftColumns::of(new, doing)?;
        let (Some(from), Some(seen)) = (key_text(from), version_text(seen)) else {
            return Ok(Outcome::Stale);
        };
        let [to, data, expires] = columns.with_key(to);
        let values = [to, data, expires, Value::plain(seen), Value::plain(from)];
        let answer = self.0.run(doing, Statement::Rename, &values).await?;
        Ok(outcome(&answer, new))
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let doing = "touching a session in Django's table in PostgreSQL";
        let (Some(key), Some(seen_text)) = (key_text(key), version_text(seen)) else {
            return Ok(Outcome::Stale);
        };
        let expires = column_instant(meta.expires).into();
        let values = [Value::plain(key), expires, Value::plain(seen_text)];
        let answer = self.0.run(doing, Statement::Touch, &values).await?;
        Ok(match answer.changed {
            0 => Outcome::Stale,
            _ => Outcome::Written(seen.clone()),
        })
    }

    /// Deletes expired entries in steps of up to 1,000 rows, so that no statement runs for long. If
    /// the future is dropped, the completed steps stay in effect.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let doing = "sweeping expired sessions from Django's table in PostgreSQL";
        let mut swept = 0;
        // Terminates: each step either adds `step` to `swept` or is the last one.
        while swept < limit {
            let step = SWEEP_STEP.min(limit - swept);
            let max_rows = i64::try_from(step).unwrap_or(i64::MAX);
            let values = [column_instant(now).into(), max_rows.into()];
            let answer = self.0.run(doing, Statement::Sweep, &values).await?;
            let deleted = usize::try_from(answer.changed).unwrap_or(usize::MAX);
            swept += deleted;
            if deleted < step {
                break;
            }
        }
        Ok(swept)
    }

    async fn ping(&self) -> Result<()> {
        let doing = "pinging Django's table in PostgreSQL";
        self.0.run(doing, Statement::Ping, &[]).await?;
        Ok(())
    }
}

impl fmt::Debug for DjangoTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoTable")
            .field("target", self.0.target())
            .field("table", &self.0.table())
            .finish_non_exhaustive()
    }
}

fn outcome(answer: &Answer, new: &Draft) -> Outcome {
    match answer.changed {
        0 => Outcome::Stale,
        _ => Outcome::Written(Version::from_bytes(new.data.clone())),
    }
}

/// The maximum number of rows that one statement of a sweep deletes. Such a statement takes the
/// server about ten milliseconds.
const SWEEP_STEP: usize = 1_000;
