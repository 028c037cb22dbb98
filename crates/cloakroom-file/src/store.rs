use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::SystemTime;

use cloakroom::store::{Cursor, Draft, Entry, Guarantees, Meta, Outcome, Page, Store, Version};
use cloakroom::{Owner, Result, StoreKey};

use super::entries::Entries;
use super::entry_path::Shard;
use super::fault::Fault;
use super::root::{Root, RootPath};
use super::sweep::STEP;
use super::threads::Threads;

/// Keeps sessions in files, one file per session. The [crate](crate) documentation describes its
/// guarantees, costs and failures.
///
/// Each call uses the folder that is at the path when the call begins. If the folder was removed,
/// the next [`create`](Store::create) creates it again, and until then there are no sessions.
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
    shared: Arc<Shared>,
    threads: Threads,
}

/// What the clones of a store share.
struct Shared {
    root: RootPath,
    sweep_next: AtomicUsize,
}

impl FileStore {
    /// Opens the folder at `path`. Creates it with mode 0700 if it is missing; its parent must
    /// exist. A later change of the process's current folder does not matter.
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
        let root = RootPath::open(path.as_ref());
        let root = root.map_err(|fault| fault.while_doing("opening the sessions"))?;
        Ok(Self {
            shared: Arc::new(Shared {
                root,
                sweep_next: AtomicUsize::new(0),
            }),
            threads: Threads::new(),
        })
    }

    /// Runs `work` on the folder that is at the path now. Returns `if_missing` if there is none.
    async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        if_missing: T,
        work: impl FnOnce(&Entries<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        let work = move || match shared.root.current()? {
            Some(root) => work(&shared.entries(root)),
            None => Ok(if_missing),
        };
        self.threads.run(doing, work).await
    }
}

impl Shared {
    fn entries(&self, root: Arc<Root>) -> Entries<'_> {
        Entries {
            root,
            sweep_next: &self.sweep_next,
        }
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
        let work = move |entries: &Entries<'_>| entries.load(&key);
        self.run("loading a session", None, work).await
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let (key, new) = (key.clone(), new.clone());
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let root = shared.root.current_or_create()?;
            shared.entries(root).create(&key, &new)
        };
        self.threads.run("creating a session", work).await
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let (key, seen, new) = (key.clone(), seen.clone(), new.clone());
        let work = move |entries: &Entries<'_>| entries.save(&key, &seen, &new);
        self.run("saving a session", Outcome::Stale, work).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let key = key.clone();
        let work = move |entries: &Entries<'_>| entries.delete(&key);
        self.run("deleting a session", (), work).await
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
        let work = move |entries: &Entries<'_>| {
            entries.rename(&from, &seen, &to, &new, tombstone.as_ref())
        };
        self.run("moving a session", Outcome::Stale, work).await
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let (key, seen, meta) = (key.clone(), seen.clone(), meta.clone());
        let work = move |entries: &Entries<'_>| entries.touch(&key, &seen, &meta);
        self.run("touching a session", Outcome::Stale, work).await
    }

    /// Works in steps of 64 subfolders each. If the future is dropped, the finished steps are not
    /// undone, and the next sweep continues after them.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let mut swept = 0;
        for _ in 0..Shard::COUNT / STEP {
            let left = limit - swept;
            let work = move |entries: &Entries<'_>| entries.sweep_step(now, left);
            swept += self.run("sweeping expired sessions", 0, work).await?;
            if swept >= limit {
                break;
            }
        }
        Ok(swept)
    }

    async fn owned_by(&self, owner: &Owner, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let (owner, after) = (owner.clone(), after.cloned());
        let work = move |entries: &Entries<'_>| entries.owned_by(&owner, after.as_ref(), limit);
        self.run("listing the sessions of an owner", no_entries(), work)
            .await
    }

    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let after = after.cloned();
        let work = move |entries: &Entries<'_>| entries.scan(after.as_ref(), limit);
        self.run("listing all sessions", no_entries(), work).await
    }

    /// Lists one subfolder, or all of them if the prefix is shorter than 8 bytes.
    async fn find(&self, prefix: &[u8]) -> Result<Option<StoreKey>> {
        let prefix = prefix.to_vec();
        let work = move |entries: &Entries<'_>| entries.find(&prefix);
        self.run("finding a session", None, work).await
    }

    /// Checks that the folder exists and that other users cannot enter it. Does not create it.
    async fn ping(&self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let work = move || shared.root.check();
        let doing = "checking the folder of the sessions";
        self.threads.run(doing, work).await
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("path", &self.shared.root.path())
            .finish_non_exhaustive()
    }
}

fn no_entries() -> Page {
    Page::new(Vec::new(), None)
}
