use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use cloakroom::store::{Cursor, Draft, Entry, Guarantees, Meta, Outcome, Page, Store, Version};
use cloakroom::{Owner, Result, StoreKey};

use super::entries::Entries;
use super::fault::Fault;
use super::place::Shard;
use super::root::Root;
use super::sweep::STEP;
use super::threads::Threads;

/// Sessions in files, one file each: no server, no database, nothing to run. On Unix, with the feature `file`.
///
/// The folder belongs to the sessions alone and only this user may enter it; the files are spread over 4096 subfolders,
/// so that a million sessions are some 250 in each. A file is never changed, only replaced: the new one is written
/// beside it, flushed to the disk and renamed. So whoever loads a session waits for nobody and reads all of it.
///
/// # Guarantees
/// * **Compares**: a save compares and writes under the lock of its subfolder, so no edit is lost.
/// * **Revokes**: a deleted session is gone for every process.
/// * **Durable**: what was acknowledged survives the end of the process and a power cut. The price is two flushes to
///   the disk for each save, touch and new session, of the file and then of its subfolder, and six for a login: each
///   less than a millisecond on a good disk, ten on one that turns. Sessions do not share them, as they do in
///   `cloakroom-sqlite`.
/// * **Shared**: by all processes of one machine that run as the same user. Not over a network file system: what one
///   machine removes another may go on seeing for a while, and old NFS has no `flock`, on which all of this rests.
/// * **Owners**: it lists the sessions of a user.
///
/// # Its worst day
/// * **The disk is full**: saves answer [`Full`](cloakroom::ErrorKind::Full), what was acknowledged stays, loads and logouts go
///   on. A disk also runs out of inodes; each session takes one, and one more if it has an owner.
/// * **A process hangs while it has a lock**: saves in that one subfolder answer
///   [`Unavailable`](cloakroom::ErrorKind::Unavailable) after 4 seconds, all loads go on. A process that is killed keeps no lock.
/// * **A process is killed, or the power fails, in the middle of a write**: there is the old entry or the new one, and
///   an unfinished file that the next write or sweep in its subfolder removes. In the middle of a login: the old
///   session, or the new one under a key that no browser got; never both.
/// * **A file was changed, cut or put there by something else**: loading it is [`Corrupt`](cloakroom::ErrorKind::Corrupt), and so
///   is a save over it. It is left for you to look at, until its visitor logs out. A symbolic link is never followed.
/// * **A file is of an older version of this store**: loading it is `Corrupt` as well, and its
///   visitor starts a new session. A sweep removes it once it has expired.
/// * **A backup is restored**: sessions that ended since then are live again, as with every store. If it does not keep
///   the files' times, the next sweep opens every file once; nothing else is lost by that.
///
/// # In production
/// Give it a folder of its own with mode 0700, outside of `/tmp`, where other programs clean up (with systemd:
/// `StateDirectory=` and `StateDirectoryMode=0700`). To log everybody out stop the site and empty the folder.
///
/// A load takes one blocking thread of the runtime for some ten microseconds, anything else for as long as the disk
/// takes; at most 64 calls are under way at a time, and the others wait. A future that is dropped while it waits has
/// done nothing; after that the call goes on to its end.
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
/// let key = session.key().expect("a saved session has a key");
/// drop((session, sessions)); // the process ends, and another one begins
///
/// let sessions = Sessions::new(FileStore::open(&folder)?);
/// let session = sessions.open(&key).await?.expect("what was saved is there");
/// assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FileStore {
    entries: Arc<Entries>,
    threads: Threads,
}

impl FileStore {
    /// Opens the sessions in the folder at `path`; makes the folder, but not those around it, if it is not there.
    ///
    /// It blocks for a moment.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if there is something else than a folder, or the folder belongs to another user,
    /// or others may enter it. It is not made tighter in that case: it may be a folder that others need.
    /// [`Unavailable`](cloakroom::ErrorKind::Unavailable) if it cannot be made or read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let root = Root::open(path.as_ref());
        let root = root.map_err(|fault| fault.while_doing("opening the sessions"))?;
        Ok(Self {
            entries: Arc::new(Entries::new(root)),
            threads: Threads::new(),
        })
    }

    async fn work<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Entries) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let entries = Arc::clone(&self.entries);
        self.threads.work(doing, move || work(&entries)).await
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
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let key = key.clone();
        let work = move |entries: &Entries| entries.load(&key);
        self.work("loading a session", work).await
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let (key, new) = (key.clone(), new.clone());
        let work = move |entries: &Entries| entries.create(&key, &new);
        self.work("creating a session", work).await
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let (key, seen, new) = (key.clone(), seen.clone(), new.clone());
        let work = move |entries: &Entries| entries.save(&key, &seen, &new);
        self.work("saving a session", work).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let key = key.clone();
        let work = move |entries: &Entries| entries.delete(&key);
        self.work("deleting a session", work).await
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
    ) -> Result<Outcome> {
        let (from, seen, to, new) = (from.clone(), seen.clone(), to.clone(), new.clone());
        let work = move |entries: &Entries| entries.rename(&from, &seen, &to, &new);
        self.work("moving a session", work).await
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let (key, seen, meta) = (key.clone(), seen.clone(), meta.clone());
        let work = move |entries: &Entries| entries.touch(&key, &seen, &meta);
        self.work("touching a session", work).await
    }

    /// In small steps, each some of the subfolders. If the future is dropped, the steps that are done stay done, and
    /// the next sweep goes on behind them.
    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let mut swept = 0;
        for _ in 0..Shard::COUNT / STEP {
            let left = limit - swept;
            let work = move |entries: &Entries| entries.sweep_step(now, left);
            swept += self.work("sweeping expired sessions", work).await?;
            if swept >= limit {
                break;
            }
        }
        Ok(swept)
    }

    async fn owned_by(&self, owner: &Owner, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let owner = owner.clone();
        let work = move |entries: &Entries| entries.owned_by(&owner);
        let owned = self.work("listing the sessions of an owner", work).await?;
        Ok(Page::of(owned, after, limit))
    }

    /// One subfolder is listed; for a prefix that is shorter than 8 bytes, all of them.
    async fn find(&self, prefix: &[u8]) -> Result<Option<StoreKey>> {
        let prefix = prefix.to_vec();
        let work = move |entries: &Entries| entries.find(&prefix);
        self.work("finding a session", work).await
    }

    /// Looks whether the folder is there and still nobody else's.
    async fn ping(&self) -> Result<()> {
        let work = |entries: &Entries| entries.root.check();
        self.work("asking for the folder of the sessions", work)
            .await
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("path", &self.entries.root.path())
            .finish_non_exhaustive()
    }
}
