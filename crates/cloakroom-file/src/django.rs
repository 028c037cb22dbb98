//! Django's session engine `file`: [`open`] returns a backend that shares the folder of a Django
//! site's sessions.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::format::Format;
use cloakroom::session::SessionData;
use cloakroom::store::{
    Draft, Entry, Guarantees, Meta, Outcome, Store, Version, from_millis, millis,
};
use cloakroom::{Backend, ErrorKind, Result, StoreKey};
use cloakroom_django::Settings;
use cloakroom_django::engine::SignedFormat;
use cloakroom_django::wire::key::{self, is_file_safe};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::fault::Fault;
use crate::folder::{FileId, acquire_lock};
use crate::root::absolute;
use crate::threads::Threads;

/// Opens the folder of Django's engine `file`. `path` is the site's `SESSION_FILE_PATH`.
///
/// The folder must already exist, as Django also requires. Only this user should be able to enter
/// it. If the folder is removed later, each call returns [`Unavailable`](ErrorKind::Unavailable)
/// until it exists again: the engine does not know which user and mode the Django site needs. If it
/// is replaced, the engine uses the new folder.
///
/// A save compares versions and writes while it holds a file lock, so processes that use this crate
/// never overwrite each other's edits. Django does not take the lock: a Django request may
/// overwrite any change that was saved while the request was running.
///
/// On Linux, a save exchanges the old file and the new one atomically, so it never restores a
/// session that Django deletes during the save. On other systems, and on file systems that cannot
/// exchange files, a save may restore such a session.
///
/// Only a key that consists of `a` to `z` and `0` to `9` becomes part of a file name. Any other key
/// has no session.
///
/// This function blocks the thread for a few file system calls.
///
/// # Errors
/// * [`Config`](ErrorKind::Config) if `path` is not a folder, or if the name of the cookie cannot
///   be the start of a file name.
/// * [`Unavailable`](ErrorKind::Unavailable) if the folder cannot be read.
///
/// # Examples
/// ```
/// use cloakroom_django::Settings;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// let settings = Settings::new("the site's SECRET_KEY")?;
/// let engine = cloakroom_file::django::open(&settings, path)?;
/// let sessions = settings.sessions(engine).build()?;
///
/// let session = sessions.new_session();
/// session.set("theme", "dark")?;
/// session.save().await?;
/// let key = session.key().expect("a saved session has a key");
/// assert!(path.join(format!("sessionid{}", key.reveal())).exists());
/// # Ok(())
/// # }
/// ```
pub fn open(settings: &Settings, path: impl AsRef<Path>) -> Result<Backend> {
    let format = settings.file_format();
    let files = SessionFiles::open(path.as_ref(), settings.cookie_name(), format.clone())?;
    Ok(Backend::new(files, format))
}

/// The store of Django's engine `file`: one file per session, all in one folder. The name of a file
/// is the name of the cookie followed by the key.
///
/// A create first claims the name with an empty file, and returns `Stale` if the file exists. New
/// data is written to a temporary file, which is flushed to the disk and then replaces the file of
/// the session. So a read needs no lock and never sees a partly written file. There is one lock for
/// the whole folder. A write that compares versions holds this lock from the comparison until the
/// write has finished. Django ignores the lock.
#[derive(Clone)]
struct SessionFiles {
    files: Arc<Files>,
    threads: Threads,
}

impl SessionFiles {
    fn open(folder: &Path, cookie_name: &str, format: SignedFormat) -> Result<Self> {
        let files = Files::open(folder, cookie_name, format);
        let files = files.map_err(|fault| fault.while_doing("opening Django's sessions"))?;
        Ok(Self {
            files: Arc::new(files),
            threads: Threads::new(),
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Files) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let files = Arc::clone(&self.files);
        self.threads.run(doing, move || work(&files)).await
    }
}

impl Store for SessionFiles {
    fn guarantees(&self) -> Guarantees {
        Guarantees::default()
            .compares()
            .revokes()
            .durable()
            .shared()
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let key = key.clone();
        let work = move |files: &Files| files.load(&key);
        self.run("loading a session", work).await
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let (key, new) = (key.clone(), new.clone());
        let work = move |files: &Files| files.create(&key, &new);
        self.run("creating a session", work).await
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let (key, seen, new) = (key.clone(), seen.clone(), new.clone());
        let work = move |files: &Files| files.save(&key, &seen, &new);
        self.run("saving a session", work).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let key = key.clone();
        let work = move |files: &Files| files.delete(&key);
        self.run("deleting a session", work).await
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        _tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        let (from, seen, to, new) = (from.clone(), seen.clone(), to.clone(), new.clone());
        let work = move |files: &Files| files.rename(&from, &seen, &to, &new);
        self.run("moving a session", work).await
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let (key, seen, touched) = (key.clone(), seen.clone(), meta.touched);
        let work = move |files: &Files| files.touch(&key, &seen, touched);
        self.run("touching a session", work).await
    }

    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let work = move |files: &Files| files.sweep(now, limit);
        self.run("sweeping expired sessions", work).await
    }

    async fn ping(&self) -> Result<()> {
        let work = |files: &Files| files.check_folder();
        self.run("checking the folder of the sessions", work).await
    }
}

impl fmt::Debug for SessionFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFiles")
            .field("folder", &self.files.folder)
            .finish_non_exhaustive()
    }
}

/// The calls of the store, as blocking functions.
struct Files {
    /// Absolute, because the process may change its current folder.
    folder: PathBuf,
    prefix: String,
    /// Computes when a session expires, for the sweep.
    format: SignedFormat,
}

impl Files {
    fn open(folder: &Path, cookie_name: &str, format: SignedFormat) -> Result<Self, Fault> {
        if cookie_name.is_empty() || cookie_name.contains(['/', '\0']) {
            return Err(Fault::new(
                ErrorKind::Config,
                "the name of the cookie cannot be the start of a file name, because it is empty or \
                 contains `/` or NUL; choose another cookie name",
            ));
        }
        let files = Self {
            folder: absolute(folder)?,
            prefix: cookie_name.to_owned(),
            format,
        };
        if files.folder_is_missing() {
            let why = format!(
                "in {}: there is no such folder; create it with mode 0700, or name another",
                files.folder.display()
            );
            return Err(Fault::new(ErrorKind::Config, why));
        }
        files.check_folder()?;
        Ok(files)
    }

    fn check_folder(&self) -> Result<(), Fault> {
        let metadata = fs::metadata(&self.folder).map_err(|source| self.refused(source))?;
        match metadata.is_dir() {
            true => Ok(()),
            false => Err(Fault::new(
                ErrorKind::Config,
                format!(
                    "in {}: the path is not a folder; choose another path",
                    self.folder.display()
                ),
            )),
        }
    }

    fn folder_is_missing(&self) -> bool {
        fs::metadata(&self.folder).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Returns the path of the session's file, or `None` if the key is empty, too long, or contains
    /// a character that Django's keys do not contain.
    fn path(&self, key: &StoreKey) -> Option<PathBuf> {
        let key = std::str::from_utf8(key.as_bytes()).ok()?;
        let fits = self.prefix.len() + key.len() <= MAX_NAME_LEN;
        (fits && !key.is_empty() && is_file_safe(key))
            .then(|| self.folder.join(format!("{}{key}", self.prefix)))
    }

    fn load(&self, key: &StoreKey) -> Result<Option<Entry>, Fault> {
        match self.path(key) {
            Some(path) => self.read(&path),
            None => Ok(None),
        }
    }

    fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome, Fault> {
        let Some(path) = self.path(key) else {
            return Ok(Outcome::Stale);
        };
        match new_file(&path) {
            Ok(_placeholder) => {}
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                return Ok(Outcome::Stale);
            }
            Err(source) => return Err(self.refused(source)),
        }
        let result = self
            .write_temp_file(&path, new)
            .and_then(|file| file.rename(&path, self));
        if result.is_err() {
            // No other request has the key yet, so the empty file can be removed.
            let _ = fs::remove_file(&path);
        }
        result.map(|()| outcome(new))
    }

    fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome, Fault> {
        let Some(path) = self.path(key) else {
            return Ok(Outcome::Stale);
        };
        let file = self.write_temp_file(&path, new)?;
        let _lock = self.lock()?;
        if !self.has_version(&path, seen)? {
            return Ok(Outcome::Stale);
        }
        match file.replace(&path, seen, self)? {
            true => Ok(outcome(new)),
            false => Ok(Outcome::Stale),
        }
    }

    fn delete(&self, key: &StoreKey) -> Result<(), Fault> {
        match self.path(key) {
            Some(path) => {
                let _lock = self.lock()?;
                self.remove(&path)
            }
            None => Ok(()),
        }
    }

    /// Writes the new file, then removes the old one. A crash in between leaves both sessions: the
    /// old one, and the new one, whose key no browser has.
    fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
    ) -> Result<Outcome, Fault> {
        let (Some(from), Some(to)) = (self.path(from), self.path(to)) else {
            return Ok(Outcome::Stale);
        };
        let file = self.write_temp_file(&to, new)?;
        let _lock = self.lock()?;
        if !self.has_version(&from, seen)? {
            return Ok(Outcome::Stale);
        }
        match new_file(&to) {
            Ok(_placeholder) => {}
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                return Ok(Outcome::Stale);
            }
            Err(source) => return Err(self.refused(source)),
        }
        file.rename(&to, self).inspect_err(|_| {
            let _ = fs::remove_file(&to);
        })?;
        self.remove(&from)?;
        Ok(outcome(new))
    }

    fn touch(&self, key: &StoreKey, seen: &Version, touched: SystemTime) -> Result<Outcome, Fault> {
        let Some(path) = self.path(key) else {
            return Ok(Outcome::Stale);
        };
        let _lock = self.lock()?;
        if !self.has_version(&path, seen)? {
            return Ok(Outcome::Stale);
        }
        open_file(&path)
            .and_then(|file| file.set_modified(touched))
            .map_err(|source| self.refused(source))?;
        Ok(Outcome::Written(seen.clone()))
    }

    /// Opens every file, as Django's `clear_expired` does, because the expiry depends on both the
    /// data and the time of the last change.
    fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize, Fault> {
        let mut swept = 0;
        for file in fs::read_dir(&self.folder).map_err(|source| self.refused(source))? {
            let file = file.map_err(|source| self.refused(source))?;
            let name = file.file_name();
            let key = name
                .to_str()
                .and_then(|name| name.strip_prefix(&self.prefix));
            let Some(path) = key.and_then(|key| self.path(&StoreKey::new(key.as_bytes()))) else {
                continue;
            };
            if swept == limit {
                break;
            }
            if self.has_expired(&path, now)? {
                let _lock = self.lock()?;
                // Another request may have saved the session before this call got the lock.
                if self.has_expired(&path, now)? {
                    self.remove(&path)?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }

    fn has_expired(&self, path: &Path, now: SystemTime) -> Result<bool, Fault> {
        let entry = match self.read(path) {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(false),
            Err(fault) if fault.kind == ErrorKind::Corrupt => return Ok(false),
            Err(fault) => return Err(fault),
        };
        let session_data = match self.format.decode(&entry.data) {
            Ok(session_data) => session_data,
            Err(error) if error.kind() == ErrorKind::Corrupt => SessionData::default(),
            // Another program may be able to read the data.
            Err(_) => return Ok(false),
        };
        let mut meta = entry.meta;
        self.format.complete(&entry.data, &session_data, &mut meta);
        Ok(meta.expires <= now)
    }

    fn has_version(&self, path: &Path, seen: &Version) -> Result<bool, Fault> {
        let entry = self.read(path)?;
        Ok(entry.is_some_and(|entry| entry.version == *seen))
    }

    fn read(&self, path: &Path) -> Result<Option<Entry>, Fault> {
        let mut file = match open_file(path) {
            Ok(file) => file,
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                // Without its folder, the session may come back, so its cookie must stay.
                return match self.folder_is_missing() {
                    true => Err(self.refused(source)),
                    false => Ok(None),
                };
            }
            // A symbolic link causes `LOOP` or `MLINK`; a socket causes `NXIO`.
            Err(source)
                if Errno::from_io_error(&source).is_some_and(|errno| {
                    [Errno::LOOP, Errno::MLINK, Errno::NXIO].contains(&errno)
                }) =>
            {
                return Err(self.not_a_session());
            }
            Err(source) => return Err(self.refused(source)),
        };
        let metadata = file.metadata().map_err(|source| self.refused(source))?;
        if !metadata.is_file() || metadata.size() > MAX_FILE_LEN {
            return Err(self.not_a_session());
        }
        let mut data = Vec::new();
        file.read_to_end(&mut data)
            .map_err(|source| self.refused(source))?;
        let data = Bytes::from(data);
        let changed = metadata.modified().unwrap_or(UNIX_EPOCH);
        // A placeholder: `Format::complete` computes the expiry.
        let expires = from_millis(i64::MAX);
        let meta = Meta::new(UNIX_EPOCH, from_millis(millis(changed)), expires);
        let version = Version::from_bytes(data.clone());
        Ok(Some(Entry::new(data, meta, version)))
    }

    /// Writes a session's data to a temporary file, which is to become the file at `path`. The end
    /// of the temporary name contains `_`, so Django neither reads nor clears the temporary file.
    fn write_temp_file(&self, path: &Path, new: &Draft) -> Result<TempFile, Fault> {
        let random =
            key::new_key().map_err(|error| Fault::new(ErrorKind::Random, error.to_string()))?;
        let mut name = path.to_path_buf().into_os_string();
        name.push("_out_");
        name.push(&random.reveal()[..8]);
        let path = PathBuf::from(name);
        let mut file = new_file(&path).map_err(|source| self.refused(source))?;
        let temp_file = TempFile { path };
        file.write_all(&new.data)
            .and_then(|()| file.set_modified(new.meta.touched))
            .and_then(|()| file.sync_all())
            .map_err(|source| self.refused(source))?;
        Ok(temp_file)
    }

    fn remove(&self, path: &Path) -> Result<(), Fault> {
        match fs::remove_file(path) {
            Ok(()) => self.sync(),
            Err(source) if source.kind() == io::ErrorKind::NotFound => self.sync(),
            Err(source) => Err(self.refused(source)),
        }
    }

    /// Flushes the folder, so that a power cut does not undo the creation, renaming or removal of
    /// its files.
    fn sync(&self) -> Result<(), Fault> {
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| self.refused(source))
    }

    /// Takes the lock for writing. The returned file holds the lock until it is dropped.
    fn lock(&self) -> Result<File, Fault> {
        for _ in 0..MAX_TRIES {
            let lock = self.open_lock_file()?;
            acquire_lock(&lock, &self.folder)?;
            if self.is_lock_file(&lock)? {
                return Ok(lock);
            }
        }
        Err(Fault::moved(&self.folder))
    }

    fn open_lock_file(&self) -> Result<File, Fault> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(OWNER_ONLY)
            .custom_flags(safe_open_flags())
            .open(self.lock_path())
            .map_err(|source| self.refused(source))
    }

    /// Returns whether `lock` is still the lock file. If the lock file was removed while this call
    /// waited for it, other calls lock a new one.
    ///
    /// Sets the time of `lock` to the current time, so that a program that deletes old files keeps
    /// it.
    fn is_lock_file(&self, lock: &File) -> Result<bool, Fault> {
        let metadata = lock
            .set_modified(SystemTime::now())
            .and_then(|()| lock.metadata())
            .map_err(|source| self.refused(source))?;
        match fs::symlink_metadata(self.lock_path()) {
            Ok(found) => Ok(FileId::of(&found) == FileId::of(&metadata)),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(self.refused(source)),
        }
    }

    /// Returns the path of the lock file. Its name does not begin with the name of the cookie, so
    /// Django ignores it.
    fn lock_path(&self) -> PathBuf {
        self.folder.join(format!(".cloakroom-{}.lock", self.prefix))
    }

    fn not_a_session(&self) -> Fault {
        let what = "a link or something else that is not a session file";
        Fault::foreign(&self.folder, what)
    }

    fn refused(&self, source: io::Error) -> Fault {
        if source.kind() == io::ErrorKind::NotFound && self.folder_is_missing() {
            let why = format!(
                "in {}: the folder was removed or moved away; move it back, or create it again \
                 with mode 0700",
                self.folder.display()
            );
            return Fault::new(ErrorKind::Unavailable, why);
        }
        Fault::refused(&self.folder, source)
    }
}

/// A file with a temporary name. Dropping this value removes the file, unless it was renamed.
struct TempFile {
    path: PathBuf,
}

impl TempFile {
    /// Renames the file to `path`, replacing any file there, and flushes the folder.
    fn rename(self, path: &Path, files: &Files) -> Result<(), Fault> {
        fs::rename(&self.path, path).map_err(|source| files.refused(source))?;
        files.sync()
    }

    /// Replaces the file at `path` if it has the version `seen`. Returns whether the file was
    /// replaced.
    ///
    /// Unlike [`rename`](Self::rename), this method never creates a file at `path`: Django deletes
    /// without taking the lock, and a logout must not be undone. The method exchanges the two files
    /// atomically and then compares the version of the old file. If Django has changed the old file
    /// since the caller compared it, the method exchanges the two files back. If the file system
    /// does not support the exchange, the method acts like `rename`.
    #[cfg(target_os = "linux")]
    fn replace(self, path: &Path, seen: &Version, files: &Files) -> Result<bool, Fault> {
        match self.exchange(path) {
            Ok(()) if files.has_version(&self.path, seen)? => {
                files.sync()?;
                Ok(true)
            }
            Ok(()) => match self.exchange(path) {
                Ok(()) | Err(Errno::NOENT) => Ok(false),
                Err(errno) => Err(files.refused(errno.into())),
            },
            Err(Errno::NOENT) => Ok(false),
            // The file system does not support the exchange.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                self.rename(path, files).map(|()| true)
            }
            Err(errno) => Err(files.refused(errno.into())),
        }
    }

    #[cfg(target_os = "linux")]
    fn exchange(&self, path: &Path) -> rustix::io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};

        renameat_with(CWD, &self.path, CWD, path, RenameFlags::EXCHANGE)
    }

    /// Replaces the file at `path` unconditionally and returns `true`. Without an atomic exchange,
    /// a change that Django has made since the caller's comparison is lost.
    #[cfg(not(target_os = "linux"))]
    fn replace(self, path: &Path, _seen: &Version, files: &Files) -> Result<bool, Fault> {
        self.rename(path, files).map(|()| true)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // Fails after a rename, because no file has the temporary name then.
        let _ = fs::remove_file(&self.path);
    }
}

fn outcome(new: &Draft) -> Outcome {
    Outcome::Written(Version::from_bytes(new.data.clone()))
}

/// Opens a file for reading, without following a link.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(safe_open_flags())
        .open(path)
}

/// Creates an empty file. Fails if there is anything at `path` already.
fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(OWNER_ONLY);
    options.open(path)
}

/// Returns the flags for opening a file without following a link and without blocking on a pipe.
fn safe_open_flags() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

const OWNER_ONLY: u32 = 0o600;

/// How often a call locks a lock file that another program keeps removing.
const MAX_TRIES: usize = 8;

/// The longest name that file systems allow, minus the suffix of a temporary file.
const MAX_NAME_LEN: usize = 255 - "_out_12345678".len();

/// The largest file that is read as a session. No session is nearly as large.
const MAX_FILE_LEN: u64 = 64 << 20;

#[cfg(all(test, target_os = "linux"))]
#[allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]
mod tests {
    use cloakroom::store::SaveId;

    use super::*;

    #[test]
    fn a_lock_file_that_was_removed_or_replaced_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let files = files_in(folder.path());
        let lock = files.open_lock_file().unwrap();
        assert!(files.is_lock_file(&lock).unwrap());

        fs::remove_file(files.lock_path()).unwrap();
        assert!(!files.is_lock_file(&lock).unwrap());
        let other = files.lock().unwrap();
        assert!(!files.is_lock_file(&lock).unwrap());
        assert!(files.is_lock_file(&other).unwrap());
    }

    #[test]
    fn a_change_by_django_between_the_comparison_and_the_write_is_not_undone() {
        let folder = tempfile::tempdir().unwrap();
        let files = files_in(folder.path());
        let path = folder.path().join("sessionidabcdefgh");
        let replace = |seen: &'static [u8]| {
            let file = files.write_temp_file(&path, &draft()).unwrap();
            let seen = Version::from_bytes(Bytes::from_static(seen));
            file.replace(&path, &seen, &files).unwrap()
        };

        assert!(!replace(b"old"), "a deleted file is not replaced");
        assert!(!path.exists());
        fs::write(&path, "Django's").unwrap();
        assert!(
            !replace(b"old"),
            "a file with a new version is not replaced"
        );
        assert_eq!(fs::read(&path).unwrap(), b"Django's");
        assert!(replace(b"Django's"));
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    fn files_in(folder: &Path) -> Files {
        let settings = Settings::new("a-secret").unwrap();
        Files::open(folder, settings.cookie_name(), settings.file_format()).unwrap()
    }

    fn draft() -> Draft {
        Draft::new(
            Bytes::from_static(b"new"),
            Meta::new(UNIX_EPOCH, UNIX_EPOCH, UNIX_EPOCH),
            SaveId::new(7),
        )
    }
}
