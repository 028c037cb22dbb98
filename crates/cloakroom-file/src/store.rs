use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use cloakroom::store::{Cursor, Draft, Entry, Guarantees, Meta, Outcome, Page, Store, Version};
use cloakroom::{Owner, Result, StoreKey};

use super::entries::Entries;
use super::entry_path::Shard;
use super::fault::Fault;
use super::root::Root;
use super::sweep::STEP;
use super::threads::Threads;

/// Keeps sessions in files, one file per session. The [crate](crate) documentation describes its
/// guarantees, costs and failures.
///
/// Clones share the open folder and the limit of 64 concurrent calls.
///
/// If the future of a call is dropped while the call waits for a thread, the call is not started. A
/// call that has started runs to its end. A write is carried out completely or not at all.
///
/// # Examples
/// ```
/// use cloakroom::Sessions;
/// use cloakroom_file::FileStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let temporary = tempfile::tempdir()?;
/// # let folder = temporary.path().join("sessions");
/// let sessions = Sessions::new(FileStore::open(&folder)?);
/// let session = sessions.new_session();
/// session.set("theme", "dark")?;
/// session.save().await?;
///
/// let key = session.key().expect("a saved session has a key");
/// assert!(sessions.open(&key).await?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FileStore {
    entries: Arc<Entries>,
    threads: Threads,
}

impl FileStore {
    /// Opens the folder at `path`. Creates it with mode 0700 if it is missing; its parent must
    /// exist.
    ///
    /// This function blocks the thread for a few file system calls.
    ///
    /// # Errors
    /// * [`Config`](cloakroom::ErrorKind::Config) if `path` is not a folder, if the folder belongs
    ///   to another user, or if its mode allows other users to enter it. The mode is not changed,
    ///   because other programs may need the folder as it is.
    /// * [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the folder cannot be created or
    ///   read.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::ErrorKind;
    /// use cloakroom_file::FileStore;
    ///
    /// # let temporary = tempfile::tempdir()?;
    /// # let parent = temporary.path();
    /// let store = FileStore::open(parent.join("sessions"))?;
    /// assert!(parent.join("sessions").is_dir());
    ///
    /// let error = FileStore::open(parent.join("missing/sessions")).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Unavailable);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let root = Root::open(path.as_ref());
        let root = root.map_err(|fault| fault.while_doing("opening the sessions"))?;
        Ok(Self {
            entries: Arc::new(Entries::new(root)),
            threads: Threads::new(),
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Entries) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let entries = Arc::clone(&self.entries);
        self.threads.run(doing, move || work(&entries)).await
    }
}

impl Store for FileStore {
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
        let key = key.clone();
        let work = move |entries: &Entries| entries.load(&key);
        self.run("loading a session", work).await
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let (key, new) = (key.clone(), new.clone());
        let work = move |entries: &Entries| entries.create(&key, &new);
        self.run("creating a session", work).await
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let (key, seen, new) = (key.clone(), seen.clone(), new.clone());
        let work = move |entries: &Entries| entries.save(&key, &seen, &new);
        self.run("saving a session", work).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let key = key.clone();
        let work = move |entries: &Entries| entries.delete(&key);
        self.run("deleting a session", work).await
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
        let (new, tombstone) = (new.clone(), tombstone.cloned());
        let work =
            move |entries: &Entries| entries.rename(&from, &seen, &to, &new, tombstone.as_ref());
        self.run("moving a session", work).await
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let (key, seen, meta) = (key.clone(), seen.clone(), meta.clone());
        let work = move |entries: &Entries| entries.touch(&key, &seen, &meta);
        self.run("touching a session", work).await
    }

    /// Works in steps of 64 subfolders each. If the future is dropped, the finished steps are not
    /// undone, and the next sweep continues after them.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let mut swept = 0;
        for _ in 0..Shard::COUNT / STEP {
            let left = limit - swept;
            let work = move |entries: &Entries| entries.sweep_step(now, left);
            swept += self.run("sweeping expired sessions", work).await?;
            if swept >= limit {
                break;
            }
        }
        Ok(swept)
    }

    async fn owned_by(&self, owner: &Owner, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let (owner, after) = (owner.clone(), after.cloned());
        let work = move |entries: &Entries| entries.owned_by(&owner, after.as_ref(), limit);
        self.run("listing the sessions of an owner", work).await
    }

    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let after = after.cloned();
        let work = move |entries: &Entries| entries.scan(after.as_ref(), limit);
        self.run("listing all sessions", work).await
    }

    /// Lists one subfolder, or all of them if the prefix is shorter than 8 bytes.
    async fn find(&self, prefix: &[u8]) -> Result<Option<StoreKey>> {
        let prefix = prefix.to_vec();
        let work = move |entries: &Entries| entries.find(&prefix);
        self.run("finding a session", work).await
    }

    /// Checks that the folder exists and that other users cannot enter it.
    async fn ping(&self) -> Result<()> {
        let work = |entries: &Entries| entries.root.check();
        self.run("checking the folder of the sessions", work).await
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("path", &self.entries.root.path())
            .finish_non_exhaustive()
    }
}
