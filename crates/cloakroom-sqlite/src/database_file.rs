use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The database file that the connections have opened, and its write-ahead log.
///
/// SQLite does not notice when an open file is deleted, moved or replaced. It would continue to
/// commit to the open file, which no other process can open any more.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    wal: PathBuf,
    opened: Option<Id>,
    /// The write-ahead log that the first commit used. Not set if there is none.
    opened_wal: OnceLock<Id>,
    /// Whether the last check failed.
    is_lost: AtomicBool,
}

impl DatabaseFile {
    /// Remembers the file at `path`, which must be open.
    pub(crate) fn opened(path: &Path) -> Self {
        // The process may change its current folder later.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // SQLite keeps the log beside the file to which a symbolic link leads.
        let target = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        let mut wal = target.into_os_string();
        wal.push("-wal");
        Self {
            opened: Id::of(&path),
            opened_wal: OnceLock::new(),
            wal: wal.into(),
            path,
            is_lost: AtomicBool::new(false),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the opened files are still at their paths.
    pub(crate) fn check(&self) -> bool {
        let wal = Id::of(&self.wal);
        if let Some(wal) = wal {
            let _ = self.opened_wal.set(wal);
        }
        let is_there = Id::of(&self.path) == self.opened && wal.as_ref() == self.opened_wal.get();
        self.is_lost.store(!is_there, Ordering::Relaxed);
        is_there
    }

    /// Returns whether the store may use the opened files. Checks them only if the last
    /// [`check`](Self::check) failed.
    pub(crate) fn is_usable(&self) -> bool {
        !self.is_lost.load(Ordering::Relaxed) || self.check()
    }
}

#[cfg(test)]
impl DatabaseFile {
    /// Returns the file of a database in memory, which is never lost.
    pub(crate) fn none() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self::opened("/no/file".as_ref()))
    }
}

/// What identifies a file, whatever its path: the device and the number of the inode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Id(u64, u64);

impl Id {
    /// Returns `None` if there is no file at `path`.
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;

        let metadata = fs::metadata(path).ok()?;
        Some(Self(metadata.dev(), metadata.ino()))
    }

    /// Elsewhere, a file cannot be deleted or replaced while it is open, so it is enough to know
    /// whether it exists.
    #[cfg(not(unix))]
    fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|_| Self(0, 0))
    }
}
