use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use cloakroom::store::{Cursor, Draft, Entry, Guarantees, Meta, Outcome, Page, Store, Version};
use cloakroom::{Owner, Result, StoreKey};

use crate::connection::Answer;
use crate::connections::Connections;
use crate::error::corrupt;
use crate::options::{Builder, Options};
use crate::schema::SESSIONS;
use crate::table::{self, Statement};
use crate::value::Value;

/// A store that keeps sessions in a table of a PostgreSQL database.
///
/// The [crate documentation](crate) lists the store's guarantees and cost, and describes what
/// happens when the server fails.
///
/// Clones share their connections, which are closed when the last clone is dropped.
///
/// If the future of a call is dropped, the statement of the call may already have been sent. Then
/// the server executes the statement completely or not at all. Later calls are not affected.
#[derive(Clone)]
pub struct PostgresStore(Arc<Connections<Statement>>);

impl PostgresStore {
    /// Connects to the database that `url` names, with the default [options](Self::builder).
    ///
    /// # Errors
    /// Those of [`Builder::connect`].
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_postgres::PostgresStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let url = "postgres://library:s3cret@localhost/library";
    /// let store = PostgresStore::connect(url).await?;
    /// store.migrate().await?;
    /// assert!(store.ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    /// Returns the options for the database at
    /// `postgres://user:password@host:port/database?option=value`.
    ///
    /// Percent-encode `@`, `:`, `/`, `?` and `%` in the user and the password. The [crate
    /// documentation](crate#url) lists the parameters of the URL with their defaults.
    /// [`Builder::connect`] checks the URL.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_postgres::PostgresStore;
    ///
    /// let options = PostgresStore::builder("postgres://library:s3cret@localhost/library");
    /// assert_eq!(
    ///     format!("{options:?}"),
    ///     r#"Builder { table: "cloakroom_session", connections: 4, .. }"#,
    /// );
    /// ```
    pub fn builder(url: &str) -> Builder {
        Builder::new(url, "cloakroom_session")
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

    /// Creates the table and its indexes if they do not exist.
    ///
    /// Any number of processes may call this method concurrently, each time they start. If the
    /// table and its indexes exist, the method only reads the catalog. It opens an additional
    /// connection and closes it afterwards. If the future is dropped, the table and its indexes are
    /// created completely or not at all.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if the table exists but has different columns.
    /// [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the server cannot be reached or the
    /// user may not create tables.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom::store::Store;
    /// use cloakroom_postgres::PostgresStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let url = "postgres://library:s3cret@localhost/library";
    /// let store = PostgresStore::connect(url).await?;
    /// store.migrate().await?;
    /// // A ping reads the table, so it fails while the table is missing.
    /// assert!(store.ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn migrate(&self) -> Result<()> {
        SESSIONS.migrate(self.0.target(), self.0.table()).await
    }

    /// Returns the SQL that [`migrate`](Self::migrate) runs, for sites that run their own
    /// migrations. [`Builder::schema`] returns the same SQL without a connection.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom_postgres::PostgresStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let options = PostgresStore::builder("postgres://library:s3cret@localhost/library");
    /// let store = options.clone().connect().await?;
    /// assert_eq!(store.schema(), options.schema()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn schema(&self) -> String {
        SESSIONS.sql(self.0.table())
    }
}

impl Store for PostgresStore {
    fn guarantees(&self) -> Guarantees {
        Guarantees::default()
            .compares()
            .revokes()
            .durable()
            .shared()
            .owners()
            .tombstones()
            .scans()
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let doing = "loading a session from PostgreSQL";
        let values = [key.as_bytes().into()];
        let answer = self.0.run(doing, Statement::Load, &values).await?;
        let entry = answer.rows.first().map(table::entry).transpose();
        entry.map_err(|error| corrupt(doing, &error))
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let doing = "creating a session in PostgreSQL";
        let values = table::draft_values(key, new);
        let answer = self.0.run(doing, Statement::Create, &values).await?;
        Ok(outcome(&answer, &new.version()))
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let doing = "saving a session in PostgreSQL";
        let Some(seen) = table::version_value(seen) else {
            return Ok(Outcome::Stale);
        };
        let mut values = table::draft_values(key, new);
        values.push(seen.into());
        let answer = self.0.run(doing, Statement::Save, &values).await?;
        Ok(outcome(&answer, &new.version()))
    }

    /// Deletes the entry. If the answer is lost, the store sends the statement again, because a
    /// repeated delete changes nothing.
    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let doing = "deleting a session from PostgreSQL";
        let values = [key.as_bytes().into()];
        self.0.run(doing, Statement::Delete, &values).await?;
        Ok(())
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        let doing = "moving a session in PostgreSQL";
        let Some(seen) = table::version_value(seen) else {
            return Ok(Outcome::Stale);
        };
        let mut values = table::draft_values(to, new);
        values.extend([seen.into(), from.as_bytes().into()]);
        let statement = match tombstone {
            Some(tombstone) => {
                // `skip(1)` leaves out the key `from`, which is already in `values`.
                values.extend(table::draft_values(from, tombstone).into_iter().skip(1));
                Statement::RenameLeavingTombstone
            }
            None => Statement::Rename,
        };
        let answer = self.0.run(doing, statement, &values).await?;
        Ok(outcome(&answer, &new.version()))
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let doing = "touching a session in PostgreSQL";
        let Some(number) = table::version_value(seen) else {
            return Ok(Outcome::Stale);
        };
        let values = table::touch_values(key, number, meta);
        let answer = self.0.run(doing, Statement::Touch, &values).await?;
        Ok(outcome(&answer, seen))
    }

    /// Deletes expired entries in steps of up to 1,000 rows, so that no statement runs for long. If
    /// the future is dropped, the completed steps stay in effect.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let doing = "sweeping expired sessions from PostgreSQL";
        let mut swept = 0;
        // Terminates: each step either adds `step` to `swept` or is the last one.
        while swept < limit {
            let step = SWEEP_STEP.min(limit - swept);
            let values = table::sweep_values(now, step);
            let answer = self.0.run(doing, Statement::Sweep, &values).await?;
            let deleted = usize::try_from(answer.changed).unwrap_or(usize::MAX);
            swept += deleted;
            if deleted < step {
                break;
            }
        }
        Ok(swept)
    }

    async fn owned_by(&self, owner: &Owner, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let doing = "listing the sessions of an owner in PostgreSQL";
        let values = table::page_values(Value::text(Some(owner.as_str())), after, limit);
        let answer = self.0.run(doing, Statement::OwnedBy, &values).await?;
        page(doing, &answer, limit)
    }

    /// Deletes the entries with one statement.
    async fn revoke_owned(
        &self,
        owner: &Owner,
        except: Option<&StoreKey>,
        limit: usize,
    ) -> Result<Vec<StoreKey>> {
        let doing = "ending the sessions of an owner in PostgreSQL";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = [
            Value::text(Some(owner.as_str())),
            Value::bytes(except.map(StoreKey::as_bytes)),
            limit.into(),
        ];
        let answer = self.0.run(doing, Statement::RevokeOwned, &values).await?;
        let keys = answer.rows.iter().map(|row| table::store_key(row, 0));
        let keys: std::result::Result<_, _> = keys.collect();
        keys.map_err(|error| corrupt(doing, &error))
    }

    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let doing = "listing all sessions in PostgreSQL";
        let values = table::page_values(Meta::TOMBSTONE_CREATED.into(), after, limit);
        let answer = self.0.run(doing, Statement::Scan, &values).await?;
        page(doing, &answer, limit)
    }

    async fn find(&self, prefix: &[u8]) -> Result<Option<StoreKey>> {
        let doing = "finding a session in PostgreSQL";
        let Some(last) = table::last_with_prefix(prefix) else {
            return Ok(None);
        };
        let values = [prefix.into(), last[..].into()];
        let answer = self.0.run(doing, Statement::Find, &values).await?;
        match &answer.rows[..] {
            [only] => table::store_key(only, 0)
                .map(Some)
                .map_err(|error| corrupt(doing, &error)),
            _ => Ok(None),
        }
    }

    async fn ping(&self) -> Result<()> {
        let doing = "pinging PostgreSQL";
        self.0.run(doing, Statement::Ping, &[]).await?;
        Ok(())
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("target", self.0.target())
            .field("table", &self.0.table())
            .finish_non_exhaustive()
    }
}

fn page(doing: &'static str, answer: &Answer, limit: usize) -> Result<Page> {
    let owned: std::result::Result<_, _> = answer.rows.iter().map(table::owned).collect();
    let owned = owned.map_err(|error| corrupt(doing, &error))?;
    Ok(Page::up_to(limit, owned))
}

fn outcome(answer: &Answer, version: &Version) -> Outcome {
    match answer.changed {
        0 => Outcome::Stale,
        _ => Outcome::Written(version.clone()),
    }
}

/// The maximum number of rows that one statement of a sweep deletes. Such a statement takes the
/// server about ten milliseconds.
const SWEEP_STEP: usize = 1_000;
