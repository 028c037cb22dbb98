use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::ErrorKind;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::fault::Fault;
use super::record::{MAGIC, is_older};

/// One subfolder, held open. Whatever becomes of its path, everything is done to this one.
pub(super) struct Folder {
    dir: File,
    path: PathBuf,
}

impl Folder {
    pub(super) fn open(root: &File, path: &Path, name: &str) -> Result<Option<Self>, Fault> {
        let path = path.join(name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | ALWAYS;
        match rustix::fs::openat(root, name, flags, Mode::empty()) {
            Ok(dir) => Ok(Some(Self {
                dir: dir.into(),
                path,
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Fault::refused(&path, errno)),
        }
    }

    /// Opens the subfolder, and makes it if it is not there.
    pub(super) fn make(root: &File, path: &Path, name: &str) -> Result<Self, Fault> {
        if let Some(folder) = Self::open(root, path, name)? {
            return Ok(folder);
        }
        match rustix::fs::mkdirat(root, name, Mode::RWXU) {
            // The umask may have taken away more than others' rights.
            Ok(()) => rustix::fs::chmodat(root, name, Mode::RWXU, AtFlags::empty()),
            Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(errno),
        }
        .map_err(|errno| Fault::refused(path, errno))?;
        Self::open(root, path, name)?.ok_or_else(|| Fault::refused(path, Errno::NOENT))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The lock file. When it is there, a power cut will not take the subfolder away.
    pub(super) fn lock_file(&self, root: &File) -> Result<File, Fault> {
        let flags = OFlags::RDWR | ALWAYS;
        let opened = match rustix::fs::openat(&self.dir, LOCK, flags, Mode::empty()) {
            Err(Errno::NOENT) => {
                root.sync_all().map_err(|source| self.refused(source))?;
                let flags = flags | OFlags::CREATE;
                // The mode again, since the umask may have taken away more than others' rights.
                let made = rustix::fs::openat(&self.dir, LOCK, flags, FILE_MODE);
                made.and_then(|file| rustix::fs::fchmod(&file, FILE_MODE).map(|()| file))
            }
            opened => opened,
        };
        opened.map(File::from).map_err(|errno| self.refused(errno))
    }

    /// Waits until no other call, of this process or of another, has the lock.
    ///
    /// The lock belongs to the open file, which each call opens for itself, so it keeps the threads of this process
    /// apart as well.
    pub(super) fn lock(self, root: &File) -> Result<Locked, Fault> {
        let lock = self.lock_file(root)?;
        wait_for(&lock, &self.path)?;
        let metadata = lock.metadata().map_err(|source| self.refused(source))?;
        if metadata.nlink() == 0 {
            let path = self.path.display();
            return Err(Fault::new(
                ErrorKind::Unavailable,
                format!("in {path}: the lock file was removed meanwhile; try again"),
            ));
        }
        Ok(Locked { folder: self, lock })
    }

    /// What is in the file, if there is one. Nothing else than a file is opened, and a link is not followed.
    pub(super) fn read(&self, name: &str) -> Result<Option<Bytes>, Fault> {
        let flags = OFlags::RDONLY | ALWAYS;
        let mut file = match rustix::fs::openat(&self.dir, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            // Links are refused with one of these, a socket with the last.
            Err(Errno::LOOP | Errno::MLINK | Errno::NXIO) => return Err(self.not_a_file()),
            Err(errno) => return Err(self.refused(errno)),
        };
        let metadata = file.metadata().map_err(|source| self.refused(source))?;
        if !metadata.is_file() {
            return Err(self.not_a_file());
        }
        let mut bytes = Vec::with_capacity(
            usize::try_from(metadata.len())
                .unwrap_or(0)
                .min(MOST_AT_ONCE),
        );
        let mut begin = (&mut file).take(MAGIC.len() as u64);
        begin
            .read_to_end(&mut bytes)
            .map_err(|source| self.refused(source))?;
        // Whatever it is, it may be large.
        if is_older(&bytes) {
            return Err(Fault::older(&self.path));
        }
        if bytes != MAGIC {
            return Err(Fault::foreign(
                &self.path,
                "a file that this store has not written",
            ));
        }
        file.read_to_end(&mut bytes)
            .map_err(|source| self.refused(source))?;
        Ok(Some(bytes.into()))
    }

    /// Whether a file of this name is there. Anything else of this name is an error.
    pub(super) fn holds(&self, name: &str) -> Result<bool, Fault> {
        self.expiry(name).map(|expiry| expiry.is_some())
    }

    /// When the session in this file expires, as its inode says: it is not opened for that.
    pub(super) fn expiry(&self, name: &str) -> Result<Option<SystemTime>, Fault> {
        let stat = match rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(self.refused(errno)),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(self.not_a_file());
        }
        let secs = u64::try_from(stat.st_mtime).unwrap_or(0);
        let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
        Ok(Some(UNIX_EPOCH + Duration::new(secs, nanos)))
    }

    /// The names of all that is in it.
    pub(super) fn names(&self) -> Result<Vec<String>, Fault> {
        let dir = Dir::read_from(&self.dir).map_err(|errno| self.refused(errno))?;
        let mut names = Vec::new();
        for item in dir {
            let item = item.map_err(|errno| self.refused(errno))?;
            // Our names are ASCII; any other is not ours.
            if let Ok(name) = item.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Makes an empty file, which will be there after a power cut, if there is none.
    pub(super) fn mark(&self, name: &str) -> Result<(), Fault> {
        let flags = OFlags::WRONLY | OFlags::CREATE | ALWAYS;
        rustix::fs::openat(&self.dir, name, flags, FILE_MODE)
            .and_then(|file| rustix::fs::fchmod(&file, FILE_MODE))
            .map_err(|errno| self.refused(errno))?;
        self.sync()
    }

    /// Removes a file, if it is there; a power cut may bring it back until the next [`sync`](Self::sync).
    pub(super) fn remove(&self, name: &str) -> Result<(), Fault> {
        match rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.refused(errno)),
        }
    }

    /// Waits until a power cut can take back nothing of what was done to the names here.
    pub(super) fn sync(&self) -> Result<(), Fault> {
        self.dir.sync_all().map_err(|source| self.refused(source))
    }

    pub(super) fn refused(&self, source: impl Into<std::io::Error>) -> Fault {
        Fault::refused(&self.path, source)
    }

    fn not_a_file(&self) -> Fault {
        Fault::foreign(
            &self.path,
            "a symbolic link or something else that is no file",
        )
    }
}

/// Waits until nobody else has this file of `folder` locked.
///
/// It does not wait inside the operating system, where nothing would end it: a stopped process keeps its locks.
pub(crate) fn wait_for(lock: &File, folder: &Path) -> Result<(), Fault> {
    let give_up = Instant::now() + LOCK_WAIT;
    let mut pause = FIRST_PAUSE;
    // Ends when the time is over.
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() < give_up => {
                thread::sleep(pause);
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                let path = folder.display();
                return Err(Fault::new(
                    ErrorKind::Unavailable,
                    format!(
                        "in {path}: another process has kept the lock for {LOCK_WAIT:?}; find the one that hangs"
                    ),
                ));
            }
            Err(std::fs::TryLockError::Error(source)) => {
                return Err(Fault::refused(folder, source));
            }
        }
    }
}

/// A subfolder in which nobody else writes as long as this lives.
pub(super) struct Locked {
    folder: Folder,
    /// Its lock goes when it is closed. Its time of modification is when the next session in here may expire.
    lock: File,
}

impl std::ops::Deref for Locked {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Locked {
    /// Puts a file with these bytes in the place of that which has this name, or where there is none.
    ///
    /// Whenever the process ends or the power fails, there is the old file or the new one, whole.
    pub(super) fn write(&self, name: &str, bytes: &[u8], expires: SystemTime) -> Result<(), Fault> {
        self.expect(expires)?;
        let written = self.write_new(bytes, expires).and_then(|()| self.put(name));
        if written.is_err() {
            // Else a full disk would stay as full. If it does not work, the next write does it.
            let _ = self.remove(NEW);
            return written;
        }
        self.sync()
    }

    /// Moves the file of the name `from` to `there`, where there is none of the name `to`.
    pub(super) fn move_to(
        &self,
        from: &str,
        there: &Self,
        to: &str,
        expires: SystemTime,
    ) -> Result<(), Fault> {
        there.expect(expires)?;
        rustix::fs::renameat(&self.dir, from, &there.dir, to)
            .map_err(|errno| self.refused(errno))?;
        there.sync()?;
        // Some file systems do not move in one step. A name that comes back here would bring the session back after
        // its logout.
        self.sync()
    }

    /// Removes what a write left behind that the end of its process has cut off.
    ///
    /// Only who has the lock writes, so whatever is there while we have it is a leftover.
    pub(super) fn clear(&self) -> Result<(), Fault> {
        match self.holds(NEW)? {
            true => self.remove(NEW),
            false => Ok(()),
        }
    }

    /// Notes when the next session in here may expire.
    pub(super) fn set_due(&self, due: SystemTime) -> Result<(), Fault> {
        self.lock
            .set_modified(due)
            .map_err(|source| self.refused(source))
    }

    /// Sees to it that a sweep looks in here when this time has come.
    fn expect(&self, expires: SystemTime) -> Result<(), Fault> {
        let metadata = self.lock.metadata().and_then(|lock| lock.modified());
        match metadata.map_err(|source| self.refused(source))? {
            due if due <= expires => Ok(()),
            _ => self.set_due(expires),
        }
    }

    fn write_new(&self, bytes: &[u8], expires: SystemTime) -> Result<(), Fault> {
        self.clear()?;
        // Never a file that somebody has prepared, and never through a link.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | ALWAYS;
        let file = rustix::fs::openat(&self.dir, NEW, flags, FILE_MODE);
        let mut file = File::from(file.map_err(|errno| self.refused(errno))?);
        file.set_permissions(Permissions::from_mode(0o600))
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| file.set_modified(expires))
            .and_then(|()| file.sync_all())
            .map_err(|source| self.refused(source))
    }

    fn put(&self, name: &str) -> Result<(), Fault> {
        rustix::fs::renameat(&self.dir, NEW, &self.dir, name).map_err(|errno| self.refused(errno))
    }
}

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// No link is followed, no other program inherits it, and opening a pipe does not wait for its other end.
const ALWAYS: OFlags = OFlags::NOFOLLOW
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// The file that is locked.
pub(super) const LOCK: &str = "lock";

/// The file that is being written. One name is enough, since only one call writes at a time; so a process that is
/// killed again and again leaves one file and not a thousand.
pub(super) const NEW: &str = "new";

/// How long a call waits for the lock, which others keep for a few milliseconds.
const LOCK_WAIT: Duration = Duration::from_secs(4);

const FIRST_PAUSE: Duration = Duration::from_micros(50);

const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// What is read of a file may be more, but is not reserved beforehand: its length may be a lie.
const MOST_AT_ONCE: usize = 1 << 20;
