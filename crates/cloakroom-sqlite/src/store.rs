use std::fmt;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::SystemTime;

use cloakroom::store::{
    Cursor, Draft, Entry, Guarantees, Meta, Outcome, Page, Store, Version, millis,
};
use cloakroom::{Owner, Result, StoreKey};
use rusqlite::Connection;

use crate::builder::Builder;
use crate::connection;
use crate::database::Database;
use crate::options::{Options, Synchronous};
use crate::schema;
use crate::table::{SweepPosition, Table};
use crate::writer::all_or_nothing;

/// Keeps sessions in a table of an SQLite file. The [crate](crate) documentation describes the
/// store's guarantees and failures.
///
/// Clones share the connections and their threads. Dropping the last clone waits until the threads
/// have finished their current jobs, then closes the file. The drop usually takes milliseconds, and
/// at most the [`busy_timeout`](Builder::busy_timeout). The last clone cannot be dropped during a
/// call, because the future of the call borrows the clone.
///
/// If the future of a call that writes is dropped, the write happens completely or not at all.
#[derive(Clone)]
pub struct SqliteStore(Arc<Inner>);

struct Inner {
    database: Database<Table>,
    synchronous: Synchronous,
}

impl SqliteStore {
    /// Opens the file at `path` with the default options of [`builder`](Self::builder). Creates the
    /// file and the table if they are missing.
    ///
    /// # Errors
    /// Those of [`Builder::open`].
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Store;
    /// use cloakroom_sqlite::SqliteStore;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("sessions.sqlite");
    /// let store = SqliteStore::open(&path)?;
    /// assert!(path.exists());
    /// assert!(store.guarantees().durable);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder(path).open()
    }

    /// Returns a builder with the default options for the file at `path`. Nothing is opened until
    /// [`Builder::open`].
    ///
    /// # Examples
    /// ```
    /// use cloakroom_sqlite::SqliteStore;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("sessions.sqlite");
    /// let options = SqliteStore::builder(&path).readers(4);
    /// assert!(!path.exists());
    ///
    /// let store = options.open()?;
    /// assert!(path.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(path: impl AsRef<Path>) -> Builder {
        Builder::new(path.as_ref(), "cloakroom_session")
    }

    pub(crate) fn start(options: Options) -> Result<Self> {
        let db = connection::wal_writer(&options)?;
        schema::prepare(&db, &options)?;
        let table = Table::new(&options.table);
        Ok(Self(Arc::new(Inner {
            database: Database::start(&options, db, table, NO_TABLE)?,
            synchronous: options.synchronous,
        })))
    }
}

impl Store for SqliteStore {
    fn guarantees(&self) -> Guarantees {
        let guarantees = Guarantees::default()
            .compares()
            .revokes()
            .shared()
            .owners()
            .tombstones()
            .scans();
        match self.0.synchronous {
            Synchronous::Full => guarantees.durable(),
            _ => guarantees,
        }
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let key = key.clone();
        let work = move |db: &_, table: &Table| table.load(db, &key);
        self.0
            .database
            .read("loading a session from SQLite", work)
            .await
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let (key, draft) = (key.clone(), new.clone());
        let work = move |db: &_, table: &Table| table.create(db, &key, &draft);
        let changed = self
            .0
            .database
            .write("creating a session in SQLite", work)
            .await?;
        Ok(outcome(changed, &new.version()))
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let (key, seen, draft) = (key.clone(), seen.clone(), new.clone());
        let work = move |db: &_, table: &Table| table.save(db, &key, &seen, &draft);
        let changed = self
            .0
            .database
            .write("saving a session in SQLite", work)
            .await?;
        Ok(outcome(changed, &new.version()))
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let key = key.clone();
        let work = move |db: &_, table: &Table| table.delete(db, &key);
        self.0
            .database
            .write("deleting a session from SQLite", work)
            .await?;
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
        let (from, seen, to) = (from.clone(), seen.clone(), to.clone());
        let (draft, tombstone) = (new.clone(), tombstone.cloned());
        let work = move |db: &Connection, table: &Table| match &tombstone {
            None => table.rename(db, &from, &seen, &to, &draft),
            Some(tombstone) => all_or_nothing(db, || {
                match table.rename(db, &from, &seen, &to, &draft)? {
                    0 => Ok(0),
                    _ => table.create(db, &from, tombstone),
                }
            }),
        };
        let changed = self
            .0
            .database
            .write("moving a session in SQLite", work)
            .await?;
        Ok(outcome(changed, &new.version()))
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let (key, version, meta) = (key.clone(), seen.clone(), meta.clone());
        let work = move |db: &_, table: &Table| table.touch(db, &key, &version, &meta);
        let changed = self
            .0
            .database
            .write("touching a session in SQLite", work)
            .await?;
        Ok(outcome(changed, seen))
    }

    /// Deletes expired entries in small steps. In each step, a reader thread finds expired rows and
    /// the writer thread deletes them. Other calls run between the steps. If the future is dropped,
    /// the finished steps are not undone.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let now = millis(now);
        let mut swept = 0;
        let mut position = SweepPosition::default();
        // Each step starts after the last row of the previous step, so the loop ends.
        while swept < limit {
            let find = move |db: &_, table: &Table| table.due(db, now, position, SWEEP_STEP);
            let due = self
                .0
                .database
                .read("looking for expired sessions in SQLite", find)
                .await?;
            let Some(last) = due.last else { break };
            position = last;

            let mut expired = due.expired;
            expired.truncate(limit - swept);
            if !expired.is_empty() {
                let delete = move |db: &_, table: &Table| table.sweep(db, now, &expired);
                swept += self
                    .0
                    .database
                    .write("sweeping expired sessions from SQLite", delete)
                    .await?;
            }
        }
        Ok(swept)
    }

    async fn owned_by(&self, owner: &Owner, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let (owner, after) = (owner.clone(), after.cloned());
        let work = move |db: &_, table: &Table| table.owned_by(db, &owner, after.as_ref(), limit);
        self.0
            .database
            .read("listing the sessions of an owner in SQLite", work)
            .await
    }

    /// Deletes the entries in one transaction.
    async fn revoke_owned(
        &self,
        owner: &Owner,
        except: Option<&StoreKey>,
        limit: usize,
    ) -> Result<Vec<StoreKey>> {
        let (owner, except) = (owner.clone(), except.cloned());
        let (sender, deleted) = mpsc::sync_channel(1);
        let work = move |db: &Connection, table: &Table| {
            let keys = all_or_nothing(db, || {
                table.revoke_owned(db, &owner, except.as_ref(), limit)
            })?;
            let count = keys.len();
            let _ = sender.send(keys);
            Ok(count)
        };
        self.0
            .database
            .write("ending the sessions of an owner in SQLite", work)
            .await?;
        Ok(deleted.try_recv().unwrap_or_default())
    }

    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let after = after.cloned();
        let work = move |db: &_, table: &Table| table.scan(db, after.as_ref(), limit);
        self.0
            .database
            .read("listing all sessions in SQLite", work)
            .await
    }

    async fn find(&self, prefix: &[u8]) -> Result<Option<StoreKey>> {
        let prefix = prefix.to_vec();
        let work = move |db: &_, table: &Table| table.find(db, &prefix);
        self.0
            .database
            .read("finding a session in SQLite", work)
            .await
    }

    async fn ping(&self) -> Result<()> {
        let work = |db: &_, table: &Table| table.ping(db);
        self.0
            .database
            .ping("checking whether SQLite answers", work)
            .await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.0.database)
            .field("synchronous", &self.0.synchronous)
            .finish_non_exhaustive()
    }
}

fn outcome(changed: usize, version: &Version) -> Outcome {
    match changed {
        0 => Outcome::Stale,
        _ => Outcome::Written(version.clone()),
    }
}

/// The advice in the error message if the table is missing.
const NO_TABLE: &str = "open the store again to create it";

/// The maximum number of rows that one step of a sweep reads. The writer deletes that many rows in
/// well under a millisecond.
const SWEEP_STEP: usize = 256;
