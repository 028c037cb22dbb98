use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version};
use cloakroom::{Result, StoreKey};

use super::schema::SCHEMA;
use super::table::{self, Statement, Text, key_text, moment, unfit};
use crate::connection::Answer;
use crate::connections::Connections;
use crate::error::corrupt;
use crate::options::{Builder, Options};
use crate::value::Value;

/// The sessions of a Django in its own table `django_session`, as its engines `db` and `cached_db` have them.
///
/// A service and a Django site share the rows, and with the same secret key, through Django's format, the logins. It
/// reads and writes what Django 4.2, 5.2 and 6.0 do, whatever their `TIME_ZONE`: the column keeps instants.
///
/// Clones share the connections, which are closed when the last clone is dropped.
///
/// # Guarantees
/// * **Compares**: the table has no version, so a save compares the old text itself, byte by byte, in the statement that
///   writes the new one; no edit is lost between those who save through this store. Django's own saves do not compare:
///   what Django saves is never overwritten by a stale save from here, but Django may write over what was saved here in
///   the middle of one of its requests.
/// * **Revokes**, **durable**, **shared**: as a [`PostgresStore`](crate::PostgresStore), and with Django.
/// * No owners: a draft that has one is [`Unsupported`](cloakroom::ErrorKind::Unsupported). Of a session's facts the table
///   keeps only when it expires; the others are 1970 or nothing when it is loaded.
///
/// If the answer of a save is lost, a load tells whether the new text is there.
///
/// The lookup of an entry is the session key itself, text of up to 40 characters. There is nothing at any other, and
/// creating an entry there is `Unsupported`. The data must be ASCII, as everything is that Django writes there.
///
/// # Its worst day
/// That of the [crate](crate), and beside it:
/// * **Django's `migrate` has not been run**: every call is [`Unavailable`](cloakroom::ErrorKind::Unavailable) and says
///   so.
/// * **Something else has altered the table**: what cannot be read is [`Corrupt`](cloakroom::ErrorKind::Corrupt).
/// * **The table is read**: its keys open the sessions, since Django keeps no hashes of them.
///
/// # What it costs
/// Each call is one statement and one round trip; a sweep is one for each thousand rows that it deletes. The first time
/// that a connection runs a statement it prepares it, which is one round trip more. Since Django has an index on
/// `expire_date`, a save that changes it writes to all three indexes. A save sends the old text beside the new one. A
/// sweep leaves what expires at this very microsecond, as Django's `clearsessions` does.
///
/// # Schema
/// ```sql
/// CREATE TABLE "django_session" (
///     "session_key" varchar(40) NOT NULL PRIMARY KEY,
///     "session_data" text NOT NULL,
///     "expire_date" timestamp with time zone NOT NULL
/// );
/// CREATE INDEX "django_session_session_key_c0390e0f_like" ON "django_session" ("session_key" varchar_pattern_ops);
/// CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date");
/// ```
/// Only these columns are written; a site's own model may have more.
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
/// let at = StoreKey::new(b"k3y0fdj4ngow1th32l3tt3rs0rd1g1ts");
/// if let Some(entry) = store.load(&at).await? {
///     assert!(entry.version == Version::from_bytes(entry.data));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DjangoTable(Arc<Connections<Statement>>);

impl DjangoTable {
    /// Connects to Django's database, which the URL names, with the default [options](Self::builder).
    ///
    /// # Errors
    /// Those of [`Builder::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    /// The options for the database at `url`, which is spelled as for
    /// [`PostgresStore::builder`](crate::PostgresStore::builder). A site whose model of sessions is its own names its
    /// [`table`](Builder::table).
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
            Err(unreached) => Err(unreached.error("connecting to PostgreSQL")),
        }
    }

    /// Makes the table and its indexes as Django's migrations do, if they are not there: for a site that has no Django
    /// yet. Tell Django of it with `manage.py migrate --fake-initial`.
    ///
    /// Any number of servers may do so at once. It uses a connection of its own for that moment. If the future is
    /// dropped, the table is made whole or not at all.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if there is a table of that name without Django's columns.
    /// [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the server cannot be reached or the user may not make
    /// tables.
    pub async fn migrate(&self) -> Result<()> {
        SCHEMA.migrate(self.0.target(), self.0.table()).await
    }

    /// The SQL that [`migrate`](Self::migrate) runs, for those who run their own migrations.
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
        let answer = self.0.ask(doing, Statement::Load, &values).await?;
        let entry = answer.rows.first().map(table::entry).transpose();
        entry.map_err(|error| corrupt(doing, &error))
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let doing = "creating a session in Django's table in PostgreSQL";
        let key = key_text(key).ok_or_else(|| unfit(doing))?;
        let values = Text::of(new, doing)?.at(key);
        let answer = self.0.ask(doing, Statement::Create, &values).await?;
        Ok(outcome(&answer, new))
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let doing = "saving a session in Django's table in PostgreSQL";
        let text = Text::of(new, doing)?;
        let (Some(key), Some(seen)) = (key_text(key), table::seen(seen)) else {
            return Ok(Outcome::Stale);
        };
        let [key, data, expires] = text.at(key);
        let values = [key, data, expires, Value::plain(seen)];
        let answer = self.0.ask(doing, Statement::Save, &values).await?;
        Ok(outcome(&answer, new))
    }

    /// A delete whose answer was lost is sent again, since it does no harm twice.
    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let doing = "deleting a session from Django's table in PostgreSQL";
        let Some(key) = key_text(key) else {
            return Ok(());
        };
        let values = [Value::plain(key)];
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
        let doing = "moving a session in Django's table in PostgreSQL";
        let to = key_text(to).ok_or_else(|| unfit(doing))?;
        let text = Text::of(new, doing)?;
        let (Some(from), Some(seen)) = (key_text(from), table::seen(seen)) else {
            return Ok(Outcome::Stale);
        };
        let [to, data, expires] = text.at(to);
        let values = [to, data, expires, Value::plain(seen), Value::plain(from)];
        let answer = self.0.ask(doing, Statement::Rename, &values).await?;
        Ok(outcome(&answer, new))
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let doing = "touching a session in Django's table in PostgreSQL";
        let (Some(key), Some(text)) = (key_text(key), table::seen(seen)) else {
            return Ok(Outcome::Stale);
        };
        let expires = moment(meta.expires).into();
        let values = [Value::plain(key), expires, Value::plain(text)];
        let answer = self.0.ask(doing, Statement::Touch, &values).await?;
        Ok(match answer.changed {
            0 => Outcome::Stale,
            _ => Outcome::Written(seen.clone()),
        })
    }

    /// In steps of up to a thousand, so that no statement is long. If the future is dropped, the steps that are done
    /// stay done.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let doing = "sweeping expired sessions from Django's table in PostgreSQL";
        let mut swept = 0;
        // Ends with the last row at the latest: each step makes the rest smaller.
        while swept < limit {
            let step = SWEEP_STEP.min(limit - swept);
            let most = i64::try_from(step).unwrap_or(i64::MAX);
            let values = [moment(now).into(), most.into()];
            let answer = self.0.ask(doing, Statement::Sweep, &values).await?;
            let gone = usize::try_from(answer.changed).unwrap_or(usize::MAX);
            swept += gone;
            if gone < step {
                break;
            }
        }
        Ok(swept)
    }

    async fn ping(&self) -> Result<()> {
        let doing = "asking PostgreSQL whether it has Django's table";
        self.0.ask(doing, Statement::Ping, &[]).await?;
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

/// How many rows one statement of a sweep deletes: some ten milliseconds of the server's time.
const SWEEP_STEP: usize = 1_000;
