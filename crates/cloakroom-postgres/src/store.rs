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

/// Sessions in a table of a PostgreSQL database. See the [crate](crate) for what it guarantees and for its worst day.
///
/// Clones share the connections, which are closed when the last clone is dropped.
///
/// A future that is dropped may have sent its statement already, which then runs or does not, as a whole. Later calls
/// are not disturbed.
#[derive(Clone)]
pub struct PostgresStore(Arc<Connections<Statement>>);

impl PostgresStore {
    /// Connects to the database that the URL names, with the default [options](Self::builder).
    ///
    /// # Errors
    /// Those of [`Builder::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    /// The options for the database at `postgres://user:password@host:port/database?option=value`.
    ///
    /// Write `@ : / ?` and `%` in user and password percent-encoded. The options are those of
    /// [`tokio_postgres::Config`], with these differences:
    /// * `sslmode=require` or `verify-full`, with the feature `tls-rustls`: the connection is encrypted, and the
    ///   server's certificate and name are checked against the authorities that the machine trusts (or those in the
    ///   file that `SSL_CERT_FILE` names). With any other `sslmode`, or none, it is not encrypted.
    /// * `connect_timeout` is 2 s, `tcp_user_timeout` 5 s and `application_name` `cloakroom`, if not said otherwise.
    ///
    /// Several hosts with `target_session_attrs=read-write` name a primary and its standbys; whoever takes writes is
    /// used.
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
            Err(unreached) => Err(unreached.error("connecting to PostgreSQL")),
        }
    }

    /// Makes the table and its indexes if they are not there.
    ///
    /// Any number of servers may do so at once, and again at each start; if everything is there, it only looks. It
    /// uses a connection of its own for that moment. If the future is dropped, the table is made whole or not at all.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if there is another table of that name.
    /// [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the server cannot be reached or the user may not make
    /// tables.
    pub async fn migrate(&self) -> Result<()> {
        SESSIONS.migrate(self.0.target(), self.0.table()).await
    }

    /// The SQL that [`migrate`](Self::migrate) runs, for those who run their own migrations.
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
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let doing = "loading a session from PostgreSQL";
        let values = [key.as_bytes().into()];
        let answer = self.0.ask(doing, Statement::Load, &values).await?;
        let entry = answer.rows.first().map(table::entry).transpose();
        entry.map_err(|error| corrupt(doing, &error))
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let doing = "creating a session in PostgreSQL";
        let values = table::columns(key, new);
        let answer = self.0.ask(doing, Statement::Create, &values).await?;
        Ok(outcome(&answer, &new.version()))
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let doing = "saving a session in PostgreSQL";
        let Some(seen) = table::number(seen) else {
            return Ok(Outcome::Stale);
        };
        let mut values = table::columns(key, new);
        values.push(seen.into());
        let answer = self.0.ask(doing, Statement::Save, &values).await?;
        Ok(outcome(&answer, &new.version()))
    }

    /// A delete whose answer was lost is sent again, since it does no harm twice.
    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let doing = "deleting a session from PostgreSQL";
        let values = [key.as_bytes().into()];
        self.0.ask(doing, Statement::Delete, &values).await?;
        Ok(())
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
    ) -> Result<Outcome> {
        let doing = "moving a session in PostgreSQL";
        let Some(seen) = table::number(seen) else {
            return Ok(Outcome::Stale);
        };
        let mut values = table::columns(to, new);
        values.extend([seen.into(), from.as_bytes().into()]);
        let answer = self.0.ask(doing, Statement::Rename, &values).await?;
        Ok(outcome(&answer, &new.version()))
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let doing = "touching a session in PostgreSQL";
        let Some(number) = table::number(seen) else {
            return Ok(Outcome::Stale);
        };
        let values = table::times(key, number, meta);
        let answer = self.0.ask(doing, Statement::Touch, &values).await?;
        Ok(outcome(&answer, seen))
    }

    /// In steps of up to a thousand, so that no statement is long. If the future is dropped, the steps that are done
    /// stay done.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let doing = "sweeping expired sessions from PostgreSQL";
        let mut swept = 0;
        // Ends with the last row at the latest: each step makes the rest smaller.
        while swept < limit {
            let step = SWEEP_STEP.min(limit - swept);
            let values = table::expired_by(now, step);
            let answer = self.0.ask(doing, Statement::Sweep, &values).await?;
            let gone = usize::try_from(answer.changed).unwrap_or(usize::MAX);
            swept += gone;
            if gone < step {
                break;
            }
        }
        Ok(swept)
    }

    async fn owned_by(&self, owner: &Owner, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let doing = "listing the sessions of an owner in PostgreSQL";
        let values = [Value::text(Some(owner.as_str()))];
        let answer = self.0.ask(doing, Statement::OwnedBy, &values).await?;
        let owned: std::result::Result<_, _> = answer.rows.iter().map(table::owned).collect();
        let owned = owned.map_err(|error| corrupt(doing, &error))?;
        Ok(Page::of(owned, after, limit))
    }

    async fn find(&self, prefix: &[u8]) -> Result<Option<StoreKey>> {
        let doing = "finding a session in PostgreSQL";
        let Some(last) = table::last_that_begins(prefix) else {
            return Ok(None);
        };
        let values = [prefix.into(), last[..].into()];
        let answer = self.0.ask(doing, Statement::Find, &values).await?;
        match &answer.rows[..] {
            [only] => table::store_key(only, 0)
                .map(Some)
                .map_err(|error| corrupt(doing, &error)),
            _ => Ok(None),
        }
    }

    async fn ping(&self) -> Result<()> {
        let doing = "asking PostgreSQL whether it answers";
        self.0.ask(doing, Statement::Ping, &[]).await?;
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

fn outcome(answer: &Answer, version: &Version) -> Outcome {
    match answer.changed {
        0 => Outcome::Stale,
        _ => Outcome::Written(version.clone()),
    }
}

/// How many rows one statement of a sweep deletes: some ten milliseconds of the server's time.
const SWEEP_STEP: usize = 1_000;
