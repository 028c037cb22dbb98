use std::fs::{self, File, FileTimes, Metadata, Permissions};
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::ErrorKind;
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;

use super::fault::Fault;
use super::record::{MAGIC, is_older};

/// An open subfolder. Every operation acts on the folder that was opened, even if the path now
/// leads to another folder.
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

    /// Opens the subfolder, or creates it if it is missing.
    pub(super) fn open_or_create(root: &File, path: &Path, name: &str) -> Result<Self, Fault> {
        if let Some(folder) = Self::open(root, path, name)? {
            return Ok(folder);
        }
        match rustix::fs::mkdirat(root, name, Mode::RWXU) {
            // `mkdirat` applies the umask, which may deny access even to this user.
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

    /// Opens the lock file, or creates it if it is missing. Returns `None` if this subfolder was
    /// removed.
    ///
    /// Flushes the parent folder before creating the lock file. So if the lock file exists, the
    /// subfolder survives a power cut.
    pub(super) fn lock_file(&self, root: &File) -> Result<Option<File>, Fault> {
        let flags = OFlags::RDWR | ALWAYS;
        let opened = match rustix::fs::openat(&self.dir, LOCK, flags, Mode::empty()) {
            Err(Errno::NOENT) => {
                root.sync_all().map_err(|source| self.refused(source))?;
                let flags = flags | OFlags::CREATE;
                // `openat` applies the umask, which may deny access even to this user.
                let created = rustix::fs::openat(&self.dir, LOCK, flags, FILE_MODE);
                created.and_then(|file| rustix::fs::fchmod(&file, FILE_MODE).map(|()| file))
            }
            opened => opened,
        };
        match opened {
            Ok(file) => Ok(Some(file.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.refused(errno)),
        }
    }

    /// Waits for the lock. Only one call at a time can hold it, in this process or any other.
    ///
    /// Returns `None` if the path no longer leads to the locked file. A write would be lost then,
    /// or another call could hold the lock of a new file.
    ///
    /// A `flock` belongs to an open file, and each call opens the lock file again. So the lock also
    /// excludes other calls of the same process.
    pub(super) fn lock(self, root: &File) -> Result<Option<Locked>, Fault> {
        let Some(lock) = self.lock_file(root)? else {
            return Ok(None);
        };
        acquire_lock(&lock, &self.path)?;
        let metadata = lock.metadata().map_err(|source| self.refused(source))?;
        let locked = Locked {
            lock_path: self.path.join(LOCK),
            lock_id: FileId::of(&metadata),
            folder: self,
            lock,
        };
        Ok(locked.is_at_path()?.then_some(locked))
    }

    /// Reads a file, or returns `None` if it does not exist. Fails if `name` is not a regular file,
    /// for example if it is a symbolic link.
    pub(super) fn read(&self, name: &str) -> Result<Option<Bytes>, Fault> {
        let flags = OFlags::RDONLY | ALWAYS;
        let mut file = match rustix::fs::openat(&self.dir, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            // A symbolic link causes `LOOP` or `MLINK`; a socket causes `NXIO`.
            Err(Errno::LOOP | Errno::MLINK | Errno::NXIO) => return Err(self.not_a_file()),
            Err(errno) => return Err(self.refused(errno)),
        };
        let metadata = file.metadata().map_err(|source| self.refused(source))?;
        if !metadata.is_file() {
            return Err(self.not_a_file());
        }
        let len = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        // One byte more than the file has, so that one read also finds the end of the file.
        let mut bytes = Vec::with_capacity(len.saturating_add(1).min(MAX_RESERVED));
        rustix::io::retry_on_intr(|| rustix::io::read(&file, spare_capacity(&mut bytes)))
            .map_err(|errno| self.refused(errno))?;
        // Check the start before reading the rest, because a foreign file may be large.
        let start = bytes.get(..MAGIC.len()).unwrap_or(&bytes);
        if is_older(start) {
            return Err(Fault::older(&self.path));
        }
        if start != MAGIC {
            return Err(Fault::foreign(
                &self.path,
                "a file that this store did not write",
            ));
        }
        if bytes.len() != len {
            file.read_to_end(&mut bytes)
                .map_err(|source| self.refused(source))?;
        }
        Ok(Some(bytes.into()))
    }

    /// Returns whether the file exists. Fails if `name` is not a regular file.
    pub(super) fn contains(&self, name: &str) -> Result<bool, Fault> {
        self.expiry(name).map(|expiry| expiry.is_some())
    }

    /// Returns the file's time of modification, which stores the expiry, or `None` if the file does
    /// not exist. Does not open the file.
    pub(super) fn expiry(&self, name: &str) -> Result<Option<SystemTime>, Fault> {
        let stat = self.stat(name)?;
        Ok(stat.map(|stat| system_time(stat.st_mtime, stat.st_mtime_nsec)))
    }

    /// Returns the earliest time at which a session in this subfolder may expire. Returns `None` if
    /// there is no lock file, which stores that time.
    pub(super) fn due(&self) -> Result<Option<SystemTime>, Fault> {
        let stat = self.stat(LOCK)?;
        Ok(stat.map(|stat| system_time(stat.st_atime, stat.st_atime_nsec)))
    }

    /// Returns the facts of the file `name`, or `None` if it does not exist. Fails if it is not a
    /// regular file.
    fn stat(&self, name: &str) -> Result<Option<Stat>, Fault> {
        match rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(Some(stat))
            }
            Ok(_) => Err(self.not_a_file()),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.refused(errno)),
        }
    }

    /// Lists the names in the subfolder.
    pub(super) fn names(&self) -> Result<Vec<String>, Fault> {
        let dir = Dir::read_from(&self.dir).map_err(|errno| self.refused(errno))?;
        let mut names = Vec::new();
        for item in dir {
            let item = item.map_err(|errno| self.refused(errno))?;
            // Skips a name that is not UTF-8, because this store uses only ASCII names.
            if let Ok(name) = item.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Creates the empty file `name` if it is missing, sets its times to `time`, and flushes the
    /// subfolder. Returns `false` if this subfolder was removed.
    pub(super) fn mark(&self, name: &str, time: SystemTime) -> Result<bool, Fault> {
        let flags = OFlags::WRONLY | OFlags::CREATE | ALWAYS;
        let created = rustix::fs::openat(&self.dir, name, flags, FILE_MODE).and_then(|file| {
            rustix::fs::fchmod(&file, FILE_MODE)?;
            rustix::fs::futimens(&file, &timestamps(time))
        });
        match created {
            Ok(()) => self.sync().map(|()| true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(self.refused(errno)),
        }
    }

    /// Sets the times of the file `name` to `time`. Returns `false` if the file does not exist.
    pub(super) fn set_times(&self, name: &str, time: SystemTime) -> Result<bool, Fault> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        match rustix::fs::utimensat(&self.dir, name, &timestamps(time), flags) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(self.refused(errno)),
        }
    }

    /// Removes a file if it exists. Until the next [`sync`](Self::sync), a power cut may restore
    /// the file.
    pub(super) fn remove(&self, name: &str) -> Result<(), Fault> {
        match rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.refused(errno)),
        }
    }

    /// Flushes the subfolder, so that a power cut does not undo the creation, renaming or removal
    /// of its files.
    pub(super) fn sync(&self) -> Result<(), Fault> {
        self.dir.sync_all().map_err(|source| self.refused(source))
    }

    pub(super) fn refused(&self, source: impl Into<std::io::Error>) -> Fault {
        Fault::refused(&self.path, source)
    }

    fn not_a_file(&self) -> Fault {
        Fault::foreign(
            &self.path,
            "a symbolic link or something else that is not a regular file",
        )
    }
}

/// Locks the open file `lock` in `folder`. Fails if the lock is not free within [`LOCK_WAIT`].
///
/// Polls, because a blocking `flock` has no timeout, and a suspended process keeps its locks.
pub(crate) fn acquire_lock(lock: &File, folder: &Path) -> Result<(), Fault> {
    let deadline = Instant::now() + LOCK_WAIT;
    let mut pause = FIRST_PAUSE;
    // The loop ends at the deadline.
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(pause);
                pause = (2 * pause).min(MAX_PAUSE);
            }
            Err(fs::TryLockError::WouldBlock) => {
                let path = folder.display();
                return Err(Fault::new(
                    ErrorKind::Unavailable,
                    format!(
                        "in {path}: the lock was not released within {LOCK_WAIT:?}; \
                         find the process that holds it"
                    ),
                ));
            }
            Err(fs::TryLockError::Error(source)) => {
                return Err(Fault::refused(folder, source));
            }
        }
    }
}

/// A locked subfolder. No other call writes to it until this value is dropped.
pub(super) struct Locked {
    folder: Folder,
    /// Closing this file releases the lock.
    ///
    /// Its time of access is the earliest time at which a session in this subfolder may expire. Its
    /// time of modification is not before the end of any of these sessions, so a program that
    /// deletes old files does not delete the lock file.
    lock: File,
    lock_path: PathBuf,
    lock_id: FileId,
}

impl std::ops::Deref for Locked {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Locked {
    /// Creates or replaces the file `name`.
    ///
    /// If the process is killed or the power fails, what remains is either the old file or the
    /// complete new one. Fails if the path no longer leads to this subfolder, since another store
    /// would not find the file.
    pub(super) fn write(&self, name: &str, bytes: &[u8], expires: SystemTime) -> Result<(), Fault> {
        self.include_expiry(expires)?;
        let written = self.write_new(bytes, expires);
        // If the lock file was removed, the file `new` may belong to another call.
        self.check_path()?;
        let written = written.and_then(|()| self.rename_new(name));
        if written.is_err() {
            // Frees space if the disk is full. If the removal fails, the next write removes the
            // file.
            let _ = self.remove(NEW);
            return written;
        }
        self.sync()?;
        self.check_path()
    }

    /// Moves the file `from` to the subfolder `there`, under the name `to`, which must be free.
    pub(super) fn move_to(
        &self,
        from: &str,
        there: &Self,
        to: &str,
        expires: SystemTime,
    ) -> Result<(), Fault> {
        there.include_expiry(expires)?;
        rustix::fs::renameat(&self.dir, from, &there.dir, to)
            .map_err(|errno| self.refused(errno))?;
        there.sync()?;
        // Some file systems do not rename atomically. Without this flush, a power cut after a
        // logout could restore the old name and with it the session.
        self.sync()?;
        there.check_path()
    }

    /// Removes the unfinished file that a killed process may have left.
    ///
    /// Files are written only under the lock. So if there is an unfinished file while this call
    /// holds the lock, no process is still writing it.
    pub(super) fn remove_leftover(&self) -> Result<(), Fault> {
        match self.contains(NEW)? {
            true => self.remove(NEW),
            false => Ok(()),
        }
    }

    /// Stores the earliest time at which a session in this subfolder may expire, and the time at
    /// which all of them have ended.
    pub(super) fn set_due(&self, due: SystemTime, end: SystemTime) -> Result<(), Fault> {
        let times = FileTimes::new().set_accessed(due).set_modified(end);
        let set = self.lock.set_times(times);
        set.map_err(|source| self.refused(source))
    }

    /// Makes sure that a sweep lists this subfolder at `expires` or earlier, and that the lock file
    /// is not older than a session that ends at `expires`.
    fn include_expiry(&self, expires: SystemTime) -> Result<(), Fault> {
        let metadata = self.lock.metadata();
        let times = metadata.and_then(|lock| Ok((lock.accessed()?, lock.modified()?)));
        let (due, end) = times.map_err(|source| self.refused(source))?;
        match due <= expires && expires <= end {
            true => Ok(()),
            false => self.set_due(due.min(expires), end.max(expires)),
        }
    }

    fn check_path(&self) -> Result<(), Fault> {
        match self.is_at_path()? {
            true => Ok(()),
            false => Err(Fault::moved(&self.folder.path)),
        }
    }

    /// Returns whether the path leads to the locked file. It does not if the folder of the
    /// sessions, this subfolder or the lock file was removed, moved away or replaced.
    fn is_at_path(&self) -> Result<bool, Fault> {
        match fs::symlink_metadata(&self.lock_path) {
            Ok(metadata) => Ok(FileId::of(&metadata) == self.lock_id),
            Err(source) if matches!(source.kind(), NotFound | NotADirectory) => Ok(false),
            Err(source) => Err(self.refused(source)),
        }
    }

    fn write_new(&self, bytes: &[u8], expires: SystemTime) -> Result<(), Fault> {
        self.remove_leftover()?;
        // `EXCL` makes the call fail if there already is a file or a link.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | ALWAYS;
        let file = rustix::fs::openat(&self.dir, NEW, flags, FILE_MODE);
        let mut file = File::from(file.map_err(|errno| self.refused(errno))?);
        file.set_permissions(Permissions::from_mode(0o600))
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| file.set_modified(expires))
            .and_then(|()| file.sync_all())
            .map_err(|source| self.refused(source))
    }

    fn rename_new(&self, name: &str) -> Result<(), Fault> {
        rustix::fs::renameat(&self.dir, NEW, &self.dir, name).map_err(|errno| self.refused(errno))
    }
}

/// The device and the inode number, which no two files have at the same time.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct FileId(u64, u64);

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

fn system_time(secs: i64, nanos: impl TryInto<u32>) -> SystemTime {
    let secs = u64::try_from(secs).unwrap_or(0);
    UNIX_EPOCH + Duration::new(secs, nanos.try_into().unwrap_or(0))
}

/// Returns `time` as both the time of access and that of modification.
fn timestamps(time: SystemTime) -> Timestamps {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = Timespec::try_from(since_epoch);
    let time = time.expect("a `SystemTime` has at most `i64::MAX` seconds");
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The flags of every call that opens a file: do not follow a link, do not let child processes
/// inherit the file, and do not block on a pipe.
const ALWAYS: OFlags = OFlags::NOFOLLOW
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// The name of the lock file.
const LOCK: &str = "lock";

/// The name of a file while it is being written. One name is enough, because only one call at a
/// time writes in a subfolder. So killed processes leave at most one unfinished file there.
pub(super) const NEW: &str = "new";

/// How long a call waits for a lock, which another call usually holds for a few milliseconds.
const LOCK_WAIT: Duration = Duration::from_secs(4);

const FIRST_PAUSE: Duration = Duration::from_micros(50);

const MAX_PAUSE: Duration = Duration::from_millis(2);

/// The most memory to reserve before reading a file, because its reported length may be wrong. A
/// longer file is still read completely.
const MAX_RESERVED: usize = 1 << 20;
