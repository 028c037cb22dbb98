use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version};
use cloakroom::{Error, ErrorKind, Result, StoreKey};

use super::schema;
use super::table::{Table, Text, key_text, seen, unfit};
use crate::builder::Builder;
use crate::connection;
use crate::database::Database;
use crate::options::Options;

/// The sessions of a Django in its own table `django_session`, as its engines `db` and `cached_db` have them.
///
/// A service and a Django site share the rows, and with the same secret key, through Django's format, the logins. It
/// reads and writes what Django 4.2, 5.2 and 6.0 do, with `USE_TZ = True`; a site with `USE_TZ = False` writes local
/// times, which would be taken for UTC.
///
/// Clones share the connections and their threads, which end with the last clone as those of a
/// [`SqliteStore`](crate::SqliteStore) do.
///
/// # Guarantees
/// * **Compares**: the table has no version, so a save compares the old text itself, in the statement that writes the
///   new one; no edit is lost between those who save through this store. Django's own saves do not compare: what Django
///   saves is never overwritten by a stale save from here, but Django may write over what was saved here in the middle
///   of one of its requests.
/// * **Revokes**, **durable**, **shared**: as a [`SqliteStore`](crate::SqliteStore), and with Django.
/// * No owners: a draft that has one is [`Unsupported`](ErrorKind::Unsupported). Of a session's facts the table keeps
///   only when it expires; the others are 1970 or nothing when it is loaded.
///
/// If the answer of a save is lost, a load tells whether the new text is there.
///
/// The lookup of an entry is the session key itself, text of up to 40 characters. There is nothing at any other, and
/// creating an entry there is `Unsupported`. The data must be ASCII, as everything is that Django writes there.
///
/// # Its worst day
/// That of the [crate](crate), and beside it:
/// * **The database is Django's**, so its journal stays as it is. All that is set is set on the connections of this
///   store: how long they wait for a lock ([`busy_timeout`](Builder::busy_timeout), 5 s), and that a commit waits for the
///   disk. With the rollback journal, Django's default, readers and the writer wait for each other, for milliseconds;
///   who waits longer than the timeout is answered [`Unavailable`](ErrorKind::Unavailable).
/// * **Django's `migrate` has not been run**: every call is `Unavailable` and says so.
/// * **Something else has written to the table**: an `expire_date` that is no date is [`Corrupt`](ErrorKind::Corrupt).
/// * **The table is read**: its keys open the sessions, since Django keeps no hashes of them.
///
/// # What it costs
/// Each call is one statement, on a thread of its own; what is written together is committed together. A sweep is one
/// statement for each 256 rows. It leaves what expires at this very microsecond, as Django's `clearsessions` does.
///
/// # Schema
/// ```sql
/// CREATE TABLE "django_session" (
///     "session_key" varchar(40) NOT NULL PRIMARY KEY,
///     "session_data" text NOT NULL,
///     "expire_date" datetime NOT NULL
/// );
/// CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date");
/// ```
/// Only these columns are written; a site's own model may have more.
///
/// # Examples
/// ```
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
///
/// use cloakroom::StoreKey;
/// use cloakroom::store::{Draft, Meta, SaveId, Store, Version};
/// use cloakroom_sqlite::DjangoTable;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("db.sqlite3");
/// let store = DjangoTable::open(&path)?;
/// store.migrate().await?; // where no Django has made the table
///
/// let at = StoreKey::new(b"k3y0fdj4ngow1th32l3tt3rs0rd1g1ts");
/// let new = Draft::new("eyJhIjoxfQ:1vbVSP:SDbL3ZiGhQguLgGuvG1cY_JS4Y_bYrKk_VyN72OArII".into(), Meta::new(UNIX_EPOCH, UNIX_EPOCH, SystemTime::now() + Duration::from_secs(1_209_600)), SaveId::random()?);
/// let _ = store.create(&at, &new).await?;
///
/// let entry = store.load(&at).await?.expect("it was created");
/// assert_eq!(entry.data, new.data);
/// assert_eq!(entry.version, Version::from_bytes(new.data));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DjangoTable(Arc<Inner>);

struct Inner {
    database: Database<Table>,
    table: String,
}

impl DjangoTable {
    /// Opens the sessions in Django's database file at `path` with the default [options](Self::builder).
    ///
    /// # Errors
    /// Those of [`Builder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder(path).open()
    }

    /// The options for the file at `path`. A site whose model of sessions is its own names its
    /// [`table`](Builder::table).
    pub fn builder(path: impl AsRef<Path>) -> Builder<Self> {
        Builder::new(path.as_ref(), "django_session")
    }

    pub(crate) fn start(options: Options) -> Result<Self> {
        let db = connection::guest(&options)?;
        if db.path().is_none_or(str::is_empty) {
            return Err(Error::new(
                ErrorKind::Config,
                "opening the SQLite database of a Django: it is in memory, which its connections would not share; name \
                 a file",
            ));
        }
        let table = Table::new(&options.table);
        Ok(Self(Arc::new(Inner {
            database: Database::start(&options, db, table, NO_TABLE)?,
            table: options.table,
        })))
    }

    /// Makes the table and its index as Django's migrations do, if they are not there: for a site that has no Django
    /// yet. Tell Django of it with `manage.py migrate --fake-initial`.
    ///
    /// Any number of processes may do so at once. If the future is dropped, both are made or neither.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if there is a table of that name without Django's columns.
    /// [`Unavailable`](ErrorKind::Unavailable) if the file cannot be written or is locked.
    pub async fn migrate(&self) -> Result<()> {
        let doing = "making Django's table of sessions in SQLite";
        let table = self.0.table.clone();
        let work = move |db: &_, _: &Table| schema::migrate(db, &table);
        match self.0.database.write(doing, work).await? {
            schema::COLUMNS_OF_DJANGO => Ok(()),
            _ => Err(Error::new(
                ErrorKind::Config,
                format!(
                    "{doing}: there is a table of that name with other columns; choose another name with `table`"
                ),
            )),
        }
    }

    /// The SQL that [`migrate`](Self::migrate) runs, for those who run their own migrations.
    pub fn schema(&self) -> String {
        schema::sql(&self.0.table)
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
        let doing = "loading a session from Django's table in SQLite";
        let Some(key) = key_text(key) else {
            return Ok(None);
        };
        let work = move |db: &_, table: &Table| table.load(db, &key);
        self.0.database.read(doing, work).await
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let doing = "creating a session in Django's table in SQLite";
        let key = key_text(key).ok_or_else(|| unfit(doing))?;
        let text = Text::of(new, doing)?;
        let work = move |db: &_, table: &Table| table.create(db, &key, &text);
        let changed = self.0.database.write(doing, work).await?;
        Ok(outcome(changed, new))
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let doing = "saving a session in Django's table in SQLite";
        let text = Text::of(new, doing)?;
        let (Some(key), Some(seen)) = (key_text(key), self::seen(seen)) else {
            return Ok(Outcome::Stale);
        };
        let work = move |db: &_, table: &Table| table.save(db, &key, &seen, &text);
        let changed = self.0.database.write(doing, work).await?;
        Ok(outcome(changed, new))
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let doing = "deleting a session from Django's table in SQLite";
        let Some(key) = key_text(key) else {
            return Ok(());
        };
        let work = move |db: &_, table: &Table| table.delete(db, &key);
        self.0.database.write(doing, work).await?;
        Ok(())
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
    ) -> Result<Outcome> {
        let doing = "moving a session in Django's table in SQLite";
        let to = key_text(to).ok_or_else(|| unfit(doing))?;
        let text = Text::of(new, doing)?;
        let (Some(from), Some(seen)) = (key_text(from), self::seen(seen)) else {
            return Ok(Outcome::Stale);
        };
        let work = move |db: &_, table: &Table| table.rename(db, &from, &seen, &to, &text);
        let changed = self.0.database.write(doing, work).await?;
        Ok(outcome(changed, new))
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let doing = "touching a session in Django's table in SQLite";
        let (Some(key), Some(text)) = (key_text(key), self::seen(seen)) else {
            return Ok(Outcome::Stale);
        };
        let expires = meta.expires;
        let work = move |db: &_, table: &Table| table.touch(db, &key, &text, expires);
        Ok(match self.0.database.write(doing, work).await? {
            0 => Outcome::Stale,
            _ => Outcome::Written(seen.clone()),
        })
    }

    /// In small steps, and other calls come in between. If the future is dropped, the steps that are done stay done.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let doing = "sweeping expired sessions from Django's table in SQLite";
        let mut swept = 0;
        // Ends with the last row at the latest: each step makes the rest smaller.
        while swept < limit {
            let step = SWEEP_STEP.min(limit - swept);
            let work = move |db: &_, table: &Table| table.sweep(db, now, step);
            let gone = self.0.database.write(doing, work).await?;
            swept += gone;
            if gone < step {
                break;
            }
        }
        Ok(swept)
    }

    async fn ping(&self) -> Result<()> {
        let work = |db: &_, table: &Table| table.ping(db);
        self.0
            .database
            .read("asking SQLite whether it has Django's table", work)
            .await
    }
}

impl fmt::Debug for DjangoTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoTable")
            .field("path", &self.0.database)
            .field("table", &self.0.table)
            .finish_non_exhaustive()
    }
}

fn outcome(changed: usize, new: &Draft) -> Outcome {
    match changed {
        0 => Outcome::Stale,
        _ => Outcome::Written(Version::from_bytes(new.data.clone())),
    }
}

const NO_TABLE: &str = "run `manage.py migrate` of the Django site, or call `migrate`";

/// How many rows a step of a sweep deletes: well under a millisecond of the writer's time.
const SWEEP_STEP: usize = 256;
