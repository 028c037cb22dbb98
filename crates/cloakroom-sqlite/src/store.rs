use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use cloakroom::store::{
    Cursor, Draft, Entry, Guarantees, Meta, Outcome, Page, Store, Version, millis,
};
use cloakroom::{Owner, Result, StoreKey};

use crate::builder::Builder;
use crate::connection;
use crate::database::Database;
use crate::options::{Options, Synchronous};
use crate::schema;
use crate::table::{SweepPosition, Table};

/// Sessions in a table of an SQLite file. See the [crate](crate) for what it guarantees and for its worst day.
///
/// Clones share the connections and their threads. When the last clone is dropped, `drop` waits until the threads have
/// finished what they are doing and closes the file: as a rule within milliseconds, at the worst after the
/// [`busy_timeout`](Builder::busy_timeout). Nobody's call is cut off by that, since whoever waits for one has a clone.
#[derive(Clone)]
pub struct SqliteStore(Arc<Inner>);

struct Inner {
    database: Database<Table>,
    synchronous: Synchronous,
}

impl SqliteStore {
    /// Opens the sessions in the file at `path` with the default [options](Self::builder); makes file and table if
    /// they are not there.
    ///
    /// # Errors
    /// Those of [`Builder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder(path).open()
    }

    /// The options for the file at `path`.
    pub fn builder(path: impl AsRef<Path>) -> Builder {
        Builder::new(path.as_ref(), "cloakroom_session")
    }

    pub(crate) fn start(options: Options) -> Result<Self> {
        let db = connection::writer(&options)?;
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
        let guarantees = Guarantees::default().compares().revokes().shared().owners();
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
    ) -> Result<Outcome> {
        let (from, seen, to, draft) = (from.clone(), seen.clone(), to.clone(), new.clone());
        let work = move |db: &_, table: &Table| table.rename(db, &from, &seen, &to, &draft);
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

    /// In small steps: a reader looks, the writer deletes what it has found, and other calls come in between. If the
    /// future is dropped, the steps that are done stay done.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let now = millis(now);
        let mut swept = 0;
        let mut position = SweepPosition::default();
        // Ends with the last row at the latest: each step goes on behind the one before.
        while swept < limit {
            let look = move |db: &_, table: &Table| table.due(db, now, position, SWEEP_STEP);
            let due = self
                .0
                .database
                .read("looking for expired sessions in SQLite", look)
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
        let owner = owner.clone();
        let work = move |db: &_, table: &Table| table.owned_by(db, &owner);
        let doing = "listing the sessions of an owner in SQLite";
        let owned = self.0.database.read(doing, work).await?;
        Ok(Page::of(owned, after, limit))
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
            .read("asking SQLite whether it answers", work)
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

const NO_TABLE: &str = "open the store again, which makes it";

/// How many rows a sweep looks at before it lets others in: well under a millisecond of the writer's time.
const SWEEP_STEP: usize = 256;
