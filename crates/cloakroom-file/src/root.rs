use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::SystemTime;

use cloakroom::ErrorKind;
use rustix::fs::OFlags;

use super::entry_path::Shard;
use super::fault::Fault;
use super::folder::{FileId, Folder, Locked};

/// The path of the store, and the folder that was last found there.
///
/// The folder may be removed, moved away or replaced while the store is open. An open folder still
/// accepts files then, but no later store would find them. So each call compares the open folder
/// with the one at the path, and opens the latter if they differ. While a folder is open, the
/// system gives its inode number to no other folder, so the comparison is reliable.
pub(super) struct RootPath {
    /// Absolute, because the process may change its current folder.
    path: PathBuf,
    open: RwLock<Arc<Root>>,
}

impl RootPath {
    /// Opens the folder at `path`, or creates it if it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let path = absolute(path)?;
        create_folder(&path).map_err(|source| open_error(&path, source))?;
        let open = RwLock::new(Arc::new(Root::open(&path)?));
        Ok(Self { path, open })
    }

    /// Returns the folder that is at the path now, or `None` if there is none.
    pub(super) fn current(&self) -> Result<Option<Arc<Root>>, Fault> {
        let Some(metadata) = self.metadata()? else {
            return Ok(None);
        };
        let open = Arc::clone(&self.open.read().expect(NO_PANIC));
        match open.id == FileId::of(&metadata) {
            true => Ok(Some(open)),
            false => self.reopen().map(Some),
        }
    }

    /// Returns the folder that is at the path now. Creates it if it is missing.
    pub(super) fn current_or_create(&self) -> Result<Arc<Root>, Fault> {
        if let Some(root) = self.current()? {
            return Ok(root);
        }
        create_folder(&self.path).map_err(|source| open_error(&self.path, source))?;
        self.reopen()
    }

    /// Checks that there is a folder at the path, that it belongs to this user, and that no other
    /// user can enter it.
    pub(super) fn check(&self) -> Result<(), Fault> {
        match self.metadata()? {
            Some(metadata) if metadata.is_dir() => check_access(&self.path, &metadata),
            Some(_) => Err(open_error(&self.path, io::ErrorKind::NotADirectory.into())),
            None => Err(removed(&self.path)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn metadata(&self) -> Result<Option<Metadata>, Fault> {
        match fs::metadata(&self.path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(open_error(&self.path, source)),
        }
    }

    /// Opens the folder at the path for this call and for later ones.
    fn reopen(&self) -> Result<Arc<Root>, Fault> {
        let root = Arc::new(Root::open(&self.path)?);
        let mut open = self.open.write().expect(NO_PANIC);
        // Of several concurrent calls that find the new folder, one logs the warning.
        if open.id != root.id {
            tracing::warn!(
                path = %self.path.display(),
                "the folder of the sessions was removed or replaced; from now on, the store uses \
                 the folder that is at the path now, which may lack the earlier sessions"
            );
            *open = Arc::clone(&root);
        }
        Ok(root)
    }
}

/// The open folder that contains all the subfolders. A call uses the same folder from its beginning
/// to its end.
pub(super) struct Root {
    dir: File,
    path: PathBuf,
    id: FileId,
}

impl Root {
    /// Opens the folder at `path`, which must exist. Checks that it belongs to this user, and that
    /// no other user can enter it.
    ///
    /// Does not change the mode, because other programs may need the folder as it is.
    fn open(path: &Path) -> Result<Self, Fault> {
        let mut options = OpenOptions::new();
        let flags = OFlags::DIRECTORY.bits().cast_signed();
        let dir = options.read(true).custom_flags(flags).open(path);
        let dir = dir.map_err(|source| open_error(path, source))?;
        let metadata = dir.metadata();
        let metadata = metadata.map_err(|source| Fault::refused(path, source))?;
        check_access(path, &metadata)?;
        Ok(Self {
            dir,
            path: path.to_owned(),
            id: FileId::of(&metadata),
        })
    }

    /// Opens a subfolder for sessions, or returns `None` if it does not exist.
    pub(super) fn sessions(&self, shard: Shard) -> Result<Option<Folder>, Fault> {
        Folder::open(&self.dir, &self.path, &shard.sessions_folder())
    }

    /// Opens and locks a subfolder for sessions, or returns `None` if it does not exist.
    pub(super) fn lock(&self, shard: Shard) -> Result<Option<Locked>, Fault> {
        for _ in 0..MAX_TRIES {
            let Some(folder) = self.sessions(shard)? else {
                return Ok(None);
            };
            if let Some(locked) = folder.lock(&self.dir)? {
                return Ok(Some(locked));
            }
        }
        Err(Fault::moved(&self.path))
    }

    /// Opens or creates a subfolder for sessions, and locks it.
    pub(super) fn create_and_lock(&self, shard: Shard) -> Result<Locked, Fault> {
        for _ in 0..MAX_TRIES {
            let name = shard.sessions_folder();
            let folder = Folder::open_or_create(&self.dir, &self.path, &name)?;
            if let Some(locked) = folder.lock(&self.dir)? {
                return Ok(locked);
            }
        }
        Err(Fault::moved(&self.path))
    }

    /// Opens or creates two subfolders for sessions, and locks them. The second is `None` if it is
    /// the same as the first.
    ///
    /// Locks the subfolder with the lower number first, so that two calls cannot deadlock.
    pub(super) fn create_and_lock_two(
        &self,
        one: Shard,
        other: Shard,
    ) -> Result<(Locked, Option<Locked>), Fault> {
        if one == other {
            return Ok((self.create_and_lock(one)?, None));
        }
        let lower = self.create_and_lock(one.min(other))?;
        let upper = self.create_and_lock(one.max(other))?;
        match one < other {
            true => Ok((lower, Some(upper))),
            false => Ok((upper, Some(lower))),
        }
    }

    /// Opens a subfolder for owners, or returns `None` if it does not exist.
    pub(super) fn owners(&self, shard: Shard) -> Result<Option<Folder>, Fault> {
        Folder::open(&self.dir, &self.path, &shard.owners_folder())
    }

    /// Creates the file `name` in a subfolder for owners, if it is missing, and sets its times to
    /// `time`. Creates the subfolder if that is missing.
    pub(super) fn create_mark(
        &self,
        shard: Shard,
        name: &str,
        time: SystemTime,
    ) -> Result<(), Fault> {
        for _ in 0..MAX_TRIES {
            let folder = shard.owners_folder();
            let folder = Folder::open_or_create(&self.dir, &self.path, &folder)?;
            // This subfolder is never locked. Creating its lock file flushes the parent folder, so
            // the subfolder survives a power cut.
            if folder.lock_file(&self.dir)?.is_some() && folder.mark(name, time)? {
                return Ok(());
            }
        }
        Err(Fault::moved(&self.path))
    }
}

/// Returns the path from the root of the file system, which stays the same if the process changes
/// its current folder.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Fault> {
    std::path::absolute(path).map_err(|source| {
        let shown = path.display();
        let why = format!("in \"{shown}\": {source}; choose an absolute path");
        Fault::new(ErrorKind::Config, why)
    })
}

/// Creates the folder if it is missing, and ensures that it survives a power cut.
fn create_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        created => created?,
    }
    // `create` applies the umask, which may deny access even to this user.
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    let parent = path.parent().expect("an absolute path that was missing");
    File::open(parent)?.sync_all()
}

/// Checks that the folder exists, that it belongs to this user, and that no other user can enter
/// it.
fn check_access(path: &Path, metadata: &Metadata) -> Result<(), Fault> {
    let (owner, me) = (metadata.uid(), rustix::process::geteuid().as_raw());
    let mode = metadata.mode() & 0o7777;
    let shown = path.display();
    if metadata.nlink() == 0 {
        return Err(removed(path));
    }
    if owner != me {
        let why = format!(
            "in {shown}: the folder belongs to user {owner}, but this process runs as user {me}; \
             run `chown {me}` on it"
        );
        return Err(Fault::new(ErrorKind::Config, why));
    }
    if mode & GROUP_AND_OTHERS != 0 {
        let why = format!(
            "in {shown}: other users may enter the folder (its mode is {mode:03o}); \
             run `chmod 700` on it, or choose a folder that is used for sessions only"
        );
        return Err(Fault::new(ErrorKind::Config, why));
    }
    Ok(())
}

fn removed(path: &Path) -> Fault {
    let path = path.display();
    Fault::new(
        ErrorKind::Unavailable,
        format!(
            "in {path}: the folder was removed or moved away; if it was moved, move it back; \
             otherwise the next new session creates an empty folder"
        ),
    )
}

fn open_error(path: &Path, source: io::Error) -> Fault {
    let shown = path.display();
    match source.kind() {
        io::ErrorKind::NotFound => Fault::new(
            ErrorKind::Unavailable,
            format!(
                "in {shown}: the folder cannot be created, because its parent does not exist; \
                 create the parent"
            ),
        ),
        io::ErrorKind::NotADirectory => Fault::new(
            ErrorKind::Config,
            format!("in {shown}: the path is not a folder; choose another path"),
        ),
        _ => Fault::refused(path, source),
    }
}

/// The permission bits of the group and of all other users.
const GROUP_AND_OTHERS: u32 = 0o077;

/// How often a call opens a subfolder that another program keeps removing.
const MAX_TRIES: usize = 8;

const NO_PANIC: &str = "no call panics while it holds this lock";
