//! Django's engine `file`.

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
use crate::folder::wait_for;
use crate::threads::Threads;

/// Opens the sessions of Django's engine `file` in the folder at `path`, which `SESSION_FILE_PATH` names.
///
/// The folder must exist, as for Django, and it should be this user's alone. Saves compare under the lock of a file
/// of their own in that folder, which Django does not know: so no edit is lost among the processes that use this
/// crate. On Linux a save also changes places with what it replaces, so it brings nothing back that Django deletes
/// in that instant. Keys with anything but `a` to `z` and `0` to `9` never reach the file system.
///
/// It blocks for a moment.
///
/// # Errors
/// [`Config`](ErrorKind::Config) or [`Unavailable`](ErrorKind::Unavailable) if the folder cannot be read.
pub fn open(settings: &Settings, path: impl AsRef<Path>) -> Result<Backend> {
    let format = settings.file_format();
    let files = SessionFiles::open(path.as_ref(), settings.cookie_name(), format.clone())?;
    Ok(Backend::new(files, format))
}

/// The sessions of Django's engine file: a file each, all in one folder, named by the cookie and the key.
///
/// A new one begins as an empty file that must not have been there. Every write is a file beside it that is flushed to
/// the disk and renamed over it, so whoever reads waits for nobody and reads all of it. Whoever writes here compares
/// under the lock of one file for the whole folder; what Django writes meanwhile is not held up by that.
#[derive(Clone)]
struct SessionFiles {
    files: Arc<Files>,
    threads: Threads,
}

impl SessionFiles {
    fn open(folder: &Path, cookie_name: &str, format: SignedFormat) -> Result<Self> {
        let files = Files {
            folder: folder.to_owned(),
            prefix: cookie_name.to_owned(),
            format,
        };
        files
            .check()
            .map_err(|fault| fault.while_doing("opening Django's sessions"))?;
        Ok(Self {
            files: Arc::new(files),
            threads: Threads::new(),
        })
    }

    async fn work<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Files) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let files = Arc::clone(&self.files);
        self.threads.work(doing, move || work(&files)).await
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
        self.work("loading a session", work).await
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let (key, new) = (key.clone(), new.clone());
        let work = move |files: &Files| files.create(&key, &new);
        self.work("creating a session", work).await
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let (key, seen, new) = (key.clone(), seen.clone(), new.clone());
        let work = move |files: &Files| files.save(&key, &seen, &new);
        self.work("saving a session", work).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let key = key.clone();
        let work = move |files: &Files| files.delete(&key);
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
        let work = move |files: &Files| files.rename(&from, &seen, &to, &new);
        self.work("moving a session", work).await
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let (key, seen, touched) = (key.clone(), seen.clone(), meta.touched);
        let work = move |files: &Files| files.touch(&key, &seen, touched);
        self.work("touching a session", work).await
    }

    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let work = move |files: &Files| files.sweep(now, limit);
        self.work("sweeping expired sessions", work).await
    }

    async fn ping(&self) -> Result<()> {
        let work = |files: &Files| files.check();
        self.work("asking for the folder of the sessions", work)
            .await
    }
}

impl fmt::Debug for SessionFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFiles")
            .field("folder", &self.files.folder)
            .finish_non_exhaustive()
    }
}

/// What a store does, one call at a time and blocking.
struct Files {
    folder: PathBuf,
    prefix: String,
    /// Says when a file expires, for the sweep.
    format: SignedFormat,
}

impl Files {
    fn check(&self) -> Result<(), Fault> {
        if self.prefix.is_empty() || self.prefix.contains(['/', '\0']) {
            return Err(Fault::new(
                ErrorKind::Config,
                "files are named by the cookie, and a file cannot have its name; choose another",
            ));
        }
        let metadata = fs::metadata(&self.folder).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Fault::new(
                ErrorKind::Config,
                format!(
                    "in {}: there is no such folder; make it, for this user alone, or name another",
                    self.folder.display()
                ),
            ),
            _ => self.refused(source),
        })?;
        match metadata.is_dir() {
            true => Ok(()),
            false => Err(Fault::new(
                ErrorKind::Config,
                format!(
                    "in {}: it is not a folder; name another",
                    self.folder.display()
                ),
            )),
        }
    }

    /// Where the session of this key is, if there can be one: no other character reaches the file system.
    fn path(&self, key: &StoreKey) -> Option<PathBuf> {
        let key = std::str::from_utf8(key.as_bytes()).ok()?;
        let fits = self.prefix.len() + key.len() <= LONGEST_NAME;
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
        let written = self
            .write_beside(&path, new)
            .and_then(|written| written.put(&path, self));
        if written.is_err() {
            // Nobody knows the key yet.
            let _ = fs::remove_file(&path);
        }
        written.map(|()| version_of(new))
    }

    fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome, Fault> {
        let Some(path) = self.path(key) else {
            return Ok(Outcome::Stale);
        };
        let written = self.write_beside(&path, new)?;
        let _lock = self.lock()?;
        if !self.has(&path, seen)? {
            return Ok(Outcome::Stale);
        }
        match written.replace(&path, seen, self)? {
            true => Ok(version_of(new)),
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

    /// First the new file, then the old one goes: a crash in between leaves the old session, and one under a key that
    /// nobody has.
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
        let written = self.write_beside(&to, new)?;
        let _lock = self.lock()?;
        if !self.has(&from, seen)? {
            return Ok(Outcome::Stale);
        }
        match new_file(&to) {
            Ok(_placeholder) => {}
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                return Ok(Outcome::Stale);
            }
            Err(source) => return Err(self.refused(source)),
        }
        written.put(&to, self).inspect_err(|_| {
            let _ = fs::remove_file(&to);
        })?;
        self.remove(&from)?;
        Ok(version_of(new))
    }

    fn touch(&self, key: &StoreKey, seen: &Version, touched: SystemTime) -> Result<Outcome, Fault> {
        let Some(path) = self.path(key) else {
            return Ok(Outcome::Stale);
        };
        let _lock = self.lock()?;
        if !self.has(&path, seen)? {
            return Ok(Outcome::Stale);
        }
        open_file(&path)
            .and_then(|file| file.set_modified(touched))
            .map_err(|source| self.refused(source))?;
        Ok(Outcome::Written(seen.clone()))
    }

    /// As Django's `clear_expired` it opens every file, since only the data and the time of the last change together
    /// say when a session ends.
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
                // Somebody may have saved it meanwhile.
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
            // What cannot be read now may be readable to another program.
            Err(_) => return Ok(false),
        };
        let mut meta = entry.meta;
        self.format.complete(&entry.data, &session_data, &mut meta);
        Ok(meta.expires <= now)
    }

    fn has(&self, path: &Path, seen: &Version) -> Result<bool, Fault> {
        let entry = self.read(path)?;
        Ok(entry.is_some_and(|entry| entry.version == *seen))
    }

    fn read(&self, path: &Path) -> Result<Option<Entry>, Fault> {
        let mut file = match open_file(path) {
            Ok(file) => file,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            // A link, or a socket.
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
        if !metadata.is_file() || metadata.size() > LARGEST_FILE {
            return Err(self.not_a_session());
        }
        let mut data = Vec::new();
        file.read_to_end(&mut data)
            .map_err(|source| self.refused(source))?;
        let data = Bytes::from(data);
        let changed = metadata.modified().unwrap_or(UNIX_EPOCH);
        // The format determines the end from the data.
        let expires = from_millis(i64::MAX);
        let meta = Meta::new(UNIX_EPOCH, from_millis(millis(changed)), expires);
        let version = Version::from_bytes(data.clone());
        Ok(Some(Entry::new(data, meta, version)))
    }

    /// Writes a file beside the one at `path`, under a name that Django's readers and cleaners pass over.
    fn write_beside(&self, path: &Path, new: &Draft) -> Result<Written, Fault> {
        let random =
            key::new_key().map_err(|error| Fault::new(ErrorKind::Random, error.to_string()))?;
        let mut name = path.to_path_buf().into_os_string();
        name.push("_out_");
        name.push(&random.reveal()[..8]);
        let path = PathBuf::from(name);
        let mut file = new_file(&path).map_err(|source| self.refused(source))?;
        let written = Written { path };
        file.write_all(&new.data)
            .and_then(|()| file.set_modified(new.meta.touched))
            .and_then(|()| file.sync_all())
            .map_err(|source| self.refused(source))?;
        Ok(written)
    }

    fn remove(&self, path: &Path) -> Result<(), Fault> {
        match fs::remove_file(path) {
            Ok(()) => self.sync(),
            Err(source) if source.kind() == io::ErrorKind::NotFound => self.sync(),
            Err(source) => Err(self.refused(source)),
        }
    }

    /// Waits until a power cut can take back nothing of what was done to the names here.
    fn sync(&self) -> Result<(), Fault> {
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| self.refused(source))
    }

    /// The right to change files, until it is dropped. The name does not begin as those of sessions do, so Django passes
    /// it over.
    fn lock(&self) -> Result<File, Fault> {
        let path = self.folder.join(format!(".cloakroom-{}.lock", self.prefix));
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(OURS_ALONE)
            .custom_flags(no_link())
            .open(path)
            .map_err(|source| self.refused(source))?;
        wait_for(&lock, &self.folder)?;
        Ok(lock)
    }

    fn not_a_session(&self) -> Fault {
        let what = "a link or something else that is no file of a session";
        Fault::foreign(&self.folder, what)
    }

    fn refused(&self, source: io::Error) -> Fault {
        Fault::refused(&self.folder, source)
    }
}

/// A file that is written and has no session's name yet; it goes if it never gets one.
struct Written {
    path: PathBuf,
}

impl Written {
    /// The one moment at which the session changes.
    fn put(self, path: &Path, files: &Files) -> Result<(), Fault> {
        fs::rename(&self.path, path).map_err(|source| files.refused(source))?;
        files.sync()
    }

    /// As [`put`](Self::put), but never where there is no file any more: Django deletes without our lock, and a logout
    /// is not to be undone. Says whether it was done.
    ///
    /// The two files change places, so what was there is in our hands afterwards. If Django has written meanwhile, they
    /// change back.
    #[cfg(target_os = "linux")]
    fn replace(self, path: &Path, seen: &Version, files: &Files) -> Result<bool, Fault> {
        match self.exchange(path) {
            Ok(()) if files.has(&self.path, seen)? => {
                files.sync()?;
                Ok(true)
            }
            Ok(()) => match self.exchange(path) {
                Ok(()) | Err(Errno::NOENT) => Ok(false),
                Err(errno) => Err(files.refused(errno.into())),
            },
            Err(Errno::NOENT) => Ok(false),
            // A file system that cannot.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                self.put(path, files).map(|()| true)
            }
            Err(errno) => Err(files.refused(errno.into())),
        }
    }

    #[cfg(target_os = "linux")]
    fn exchange(&self, path: &Path) -> rustix::io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};

        renameat_with(CWD, &self.path, CWD, path, RenameFlags::EXCHANGE)
    }

    /// As [`put`](Self::put): where nothing changes places in one step, what Django does in the same instant is lost.
    #[cfg(not(target_os = "linux"))]
    fn replace(self, path: &Path, _seen: &Version, files: &Files) -> Result<bool, Fault> {
        self.put(path, files).map(|()| true)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        // After a rename there is nothing of this name any more.
        let _ = fs::remove_file(&self.path);
    }
}

fn version_of(new: &Draft) -> Outcome {
    Outcome::Written(Version::from_bytes(new.data.clone()))
}

/// Opens a file, and not what a link points to.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(no_link()).open(path)
}

/// Makes an empty file where there is nothing.
fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(OURS_ALONE);
    options.open(path)
}

/// No link is followed, and opening a pipe does not wait for its other end.
fn no_link() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

const OURS_ALONE: u32 = 0o600;

/// What file systems allow, less what is added to the name of a file that is being written.
const LONGEST_NAME: usize = 255 - "_out_12345678".len();

/// Far more than a session may have.
const LARGEST_FILE: u64 = 64 << 20;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use cloakroom::store::SaveId;

    #[test]
    fn what_django_does_between_our_comparison_and_our_write_is_not_undone() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::new("a-secret").unwrap();
        let files = Files {
            folder: folder.path().to_owned(),
            prefix: "sessionid".to_owned(),
            format: settings.file_format(),
        };
        let path = folder.path().join("sessionidabcdefgh");
        let replace = |seen: &'static [u8]| {
            let written = files.write_beside(&path, &draft()).unwrap();
            let seen = Version::from_bytes(Bytes::from_static(seen));
            written.replace(&path, &seen, &files).unwrap()
        };

        assert!(!replace(b"old"), "Django has deleted it");
        assert!(!path.exists());
        fs::write(&path, "Django's").unwrap();
        assert!(!replace(b"old"), "Django has written it");
        assert_eq!(fs::read(&path).unwrap(), b"Django's");
        assert!(replace(b"Django's"));
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    fn draft() -> Draft {
        Draft::new(
            Bytes::from_static(b"new"),
            Meta::new(UNIX_EPOCH, UNIX_EPOCH, UNIX_EPOCH),
            SaveId::new(7),
        )
    }
}
