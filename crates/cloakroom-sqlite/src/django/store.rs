use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use cloakroom::store::{Draft, Entry, Guarantees, Meta, Outcome, Store, Version};
use cloakroom::{Error, ErrorKind, Result, StoreKey};

use super::schema;
use super::table::{Columns, Table, invalid_key, key_text, version_text};
use crate::builder::Builder;
use crate::connection;
use crate::database::Database;
use crate::options::Options;

/// Keeps sessions in Django's table `django_session`, as Django's session engines `db` and
/// `cached_db` do.
///
/// A Rust service and a Django site can share the rows. If both use the same secret key and
/// Django's format, they also share logins. The store reads and writes rows as Django 4.2, 5.2 and
/// 6.0 do with `USE_TZ = True`. A site with `USE_TZ = False` writes local times, which this store
/// would read as UTC.
///
/// Clones share the connections and their threads. Dropping the last clone closes the file, as with
/// a [`SqliteStore`](crate::SqliteStore).
///
/// # Guarantees
/// * **Compares**: no edit is lost between requests that save through this store. The table has no
///   version column, so the statement that saves the new session data also checks that the stored
///   data is still the data that the request loaded. This store never overwrites a change that
///   Django saved after the request loaded the session. Django's own saves do not compare the data:
///   a Django request may overwrite a change that this store saved while the Django request ran.
/// * **Revokes**, **durable**, **shared**: as with a [`SqliteStore`](crate::SqliteStore). The
///   sessions are also shared with Django's processes.
/// * **No owners**: writing a draft with an owner returns [`Unsupported`](ErrorKind::Unsupported).
///   The only metadata in the table is the expiry. A loaded entry has the Unix epoch as the time at
///   which it was created and touched, and has no label.
///
/// If the future of a call that writes is dropped, the write happens completely or not at all. To
/// find out which, load the session.
///
/// The store key of an entry is Django's session key, a text of up to 40 characters. With any other
/// store key, `load` finds nothing and `create` returns `Unsupported`. The data must be ASCII;
/// Django writes only ASCII.
///
/// # When something fails
/// The failures in the [crate](crate) documentation apply, and so do these:
/// * **The database is locked**: the store does not change the journal mode of Django's database.
///   With the rollback journal, Django's default, loads and saves wait for each other, usually for
///   milliseconds. A call that waits longer than [`busy_timeout`](Builder::busy_timeout), 5 s by
///   default, returns [`Unavailable`](ErrorKind::Unavailable).
/// * **The table is missing**: every call returns `Unavailable`, and the message advises running
///   Django's `migrate`.
/// * **Another program has changed a row**: loading a row that cannot be read, for example because
///   its `expire_date` is not a date, returns [`Corrupt`](ErrorKind::Corrupt).
/// * **An attacker reads the table**: the attacker can use the keys in it to open the sessions,
///   because Django does not hash them.
///
/// # Costs
/// A sweep runs one statement for each 256 rows. All other calls run one statement each. The writer
/// thread commits concurrent writes together. Like Django's `clearsessions`, a sweep keeps a
/// session that expires at exactly the time that is passed to the sweep.
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
/// The store writes only these columns. A site's custom session model may have more.
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
/// store.migrate().await?; // if Django has not created the table
///
/// let key = StoreKey::new(b"k3y0fdj4ngow1th32l3tt3rs0rd1g1ts");
/// let expires = SystemTime::now() + Duration::from_secs(1_209_600);
/// let new = Draft::new(
///     "eyJhIjoxfQ:1vbVSP:SDbL3ZiGhQguLgGuvG1cY_JS4Y_bYrKk_VyN72OArII".into(),
///     Meta::new(UNIX_EPOCH, UNIX_EPOCH, expires),
///     SaveId::random()?,
/// );
/// let _ = store.create(&key, &new).await?;
///
/// let entry = store.load(&key).await?.expect("the entry was created");
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
    /// Opens Django's database file at `path` with the default options of
    /// [`builder`](Self::builder).
    ///
    /// # Errors
    /// Those of [`Builder::open`].
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Store;
    /// use cloakroom_sqlite::DjangoTable;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("db.sqlite3");
    /// let store = DjangoTable::open(&path)?;
    /// assert!(store.guarantees().durable);
    /// assert!(!store.guarantees().owners);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder(path).open()
    }

    /// Returns a builder with the default options for the file at `path`. For a site with a custom
    /// session model, set the model's [`table`](Builder::table).
    ///
    /// # Examples
    /// ```
    /// use cloakroom_sqlite::DjangoTable;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("db.sqlite3");
    /// let store = DjangoTable::builder(&path).table("web_session").open()?;
    /// assert!(store.schema().contains(r#"CREATE TABLE IF NOT EXISTS "web_session""#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(path: impl AsRef<Path>) -> Builder<Self> {
        Builder::new(path.as_ref(), "django_session")
    }

    pub(crate) fn start(options: Options) -> Result<Self> {
        let db = connection::writer(&options)?;
        if db.path().is_none_or(str::is_empty) {
            return Err(Error::new(
                ErrorKind::Config,
                "opening Django's SQLite database: it is in memory, where the store's connections \
                 cannot share it; name a file",
            ));
        }
        let table = Table::new(&options.table);
        Ok(Self(Arc::new(Inner {
            database: Database::start(&options, db, table, NO_TABLE)?,
            table: options.table,
        })))
    }

    /// Creates the table and its index, exactly as Django's migrations do, if they are missing.
    ///
    /// Call this if Django's migrations have not run. If a Django site is added later, run its
    /// `manage.py migrate --fake-initial` once, so that Django accepts the table as migrated.
    ///
    /// Several processes may call this at the same time. If the future is dropped, the table and
    /// the index are created completely or not at all.
    ///
    /// # Errors
    /// * [`Config`](ErrorKind::Config) if the table exists but lacks Django's columns.
    /// * [`Unavailable`](ErrorKind::Unavailable) if the file cannot be written or is locked.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Store;
    /// use cloakroom_sqlite::DjangoTable;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("db.sqlite3");
    /// let store = DjangoTable::open(&path)?;
    /// assert!(store.ping().await.is_err(), "the table is missing");
    ///
    /// store.migrate().await?;
    /// assert!(store.ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn migrate(&self) -> Result<()> {
        let doing = "creating Django's sessions table in SQLite";
        let table = self.0.table.clone();
        let work = move |db: &_, _: &Table| schema::migrate(db, &table);
        match self.0.database.write(doing, work).await? {
            schema::COLUMNS_OF_DJANGO => Ok(()),
            _ => Err(Error::new(
                ErrorKind::Config,
                format!(
                    "{doing}: there is a table of that name with other columns; \
                     choose another name with `table`"
                ),
            )),
        }
    }

    /// Returns the SQL that [`migrate`](Self::migrate) runs, for a service with its own migrations.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_sqlite::DjangoTable;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("db.sqlite3");
    /// let sql = DjangoTable::open(&path)?.schema();
    /// assert!(sql.starts_with(r#"CREATE TABLE IF NOT EXISTS "django_session""#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
        let key = key_text(key).ok_or_else(|| invalid_key(doing))?;
        let columns = Columns::of(new, doing)?;
        let work = move |db: &_, table: &Table| table.create(db, &key, &columns);
        let changed = self.0.database.write(doing, work).await?;
        Ok(outcome(changed, new))
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let doing = "saving a session in Django's table in SQLite";
        let columns = Columns::of(new, doing)?;
        let (Some(key), Some(seen)) = (key_text(key), version_text(seen)) else {
            return Ok(Outcome::Stale);
        };
        let work = move |db: &_, table: &Table| table.save(db, &key, &seen, &columns);
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
        _tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        let doing = "moving a session in Django's table in SQLite";
        let to = key_text(to).ok_or_else(|| invalid_key(doing))?;
        let columns = Columns::of(new, doing)?;
        let (Some(from), Some(seen)) = (key_text(from), version_text(seen)) else {
            return Ok(Outcome::Stale);
        };
        let work = move |db: &_, table: &Table| table.rename(db, &from, &seen, &to, &columns);
        let changed = self.0.database.write(doing, work).await?;
        Ok(outcome(changed, new))
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let doing = "touching a session in Django's table in SQLite";
        let (Some(key), Some(text)) = (key_text(key), version_text(seen)) else {
            return Ok(Outcome::Stale);
        };
        let expires = meta.expires;
        let work = move |db: &_, table: &Table| table.touch(db, &key, &text, expires);
        Ok(match self.0.database.write(doing, work).await? {
            0 => Outcome::Stale,
            _ => Outcome::Written(seen.clone()),
        })
    }

    /// Deletes expired entries in small steps. Other calls run between the steps. If the future is
    /// dropped, the finished steps are not undone.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let doing = "sweeping expired sessions from Django's table in SQLite";
        let mut swept = 0;
        // Ends: each step either adds `step` to `swept` or is the last one.
        while swept < limit {
            let step = SWEEP_STEP.min(limit - swept);
            let work = move |db: &_, table: &Table| table.sweep(db, now, step);
            let deleted = self.0.database.write(doing, work).await?;
            swept += deleted;
            if deleted < step {
                break;
            }
        }
        Ok(swept)
    }

    async fn ping(&self) -> Result<()> {
        let work = |db: &_, table: &Table| table.ping(db);
        self.0
            .database
            .ping("checking whether SQLite has Django's table", work)
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

/// The advice in the error message if the table is missing.
const NO_TABLE: &str = "run `manage.py migrate` in the Django site, or call `DjangoTable::migrate`";

/// The maximum number of rows that one step of a sweep deletes. The writer deletes that many rows
/// in well under a millisecond.
const SWEEP_STEP: usize = 256;
