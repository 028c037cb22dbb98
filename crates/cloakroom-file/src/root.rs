use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cloakroom::ErrorKind;
use rustix::fs::OFlags;

use super::entry_path::Shard;
use super::fault::Fault;
use super::folder::{Folder, Locked};

/// The open folder that contains all the subfolders.
pub(super) struct Root {
    dir: File,
    path: PathBuf,
}

impl Root {
    /// Opens the folder at `path`, or creates it if it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        create_folder(path).map_err(|source| open_error(path, source))?;
        let mut options = OpenOptions::new();
        let flags = OFlags::DIRECTORY.bits().cast_signed();
        let dir = options.read(true).custom_flags(flags).open(path);
        let root = Self {
            dir: dir.map_err(|source| open_error(path, source))?,
            path: path.to_owned(),
        };
        root.check()?;
        Ok(root)
    }

    /// Checks that the folder still exists, that it belongs to this user, and that no other user
    /// can enter it.
    ///
    /// Does not change the mode, because other programs may need the folder as it is.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let metadata = self.dir.metadata();
        let metadata = metadata.map_err(|source| Fault::refused(&self.path, source))?;
        match access_error(&metadata) {
            Some((kind, why)) => {
                let path = self.path.display();
                Err(Fault::new(kind, format!("in {path}: {why}")))
            }
            None => Ok(()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a subfolder for sessions, or returns `None` if it does not exist.
    pub(super) fn sessions(&self, shard: Shard) -> Result<Option<Folder>, Fault> {
        Folder::open(&self.dir, &self.path, &shard.sessions_folder())
    }

    /// Opens and locks a subfolder for sessions, or returns `None` if it does not exist.
    pub(super) fn lock(&self, shard: Shard) -> Result<Option<Locked>, Fault> {
        let Some(folder) = self.sessions(shard)? else {
            return Ok(None);
        };
        self.lock_folder(folder).map(Some)
    }

    /// Locks a subfolder for sessions.
    pub(super) fn lock_folder(&self, folder: Folder) -> Result<Locked, Fault> {
        folder.lock(&self.dir)
    }

    /// Opens or creates a subfolder for sessions, and locks it.
    pub(super) fn create_and_lock(&self, shard: Shard) -> Result<Locked, Fault> {
        let folder = Folder::open_or_create(&self.dir, &self.path, &shard.sessions_folder())?;
        self.lock_folder(folder)
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

    /// Opens or creates a subfolder for owners.
    pub(super) fn create_owners(&self, shard: Shard) -> Result<Folder, Fault> {
        let folder = Folder::open_or_create(&self.dir, &self.path, &shard.owners_folder())?;
        // This subfolder is never locked. Creating its lock file flushes the parent folder, so the
        // subfolder survives a power cut.
        folder.lock_file(&self.dir)?;
        Ok(folder)
    }
}

/// Creates the folder if it is missing, and ensures that it survives a power cut.
fn create_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        created => created?,
    }
    // `create` applies the umask, which may deny access even to this user.
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    let parent = path.parent().filter(|path| !path.as_os_str().is_empty());
    File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// Returns why sessions cannot be kept in the folder, or `None` if they can.
fn access_error(metadata: &Metadata) -> Option<(ErrorKind, String)> {
    let (owner, me) = (metadata.uid(), rustix::process::geteuid().as_raw());
    let mode = metadata.mode() & 0o7777;
    if metadata.nlink() == 0 {
        let why = "the folder was removed; create it again and restart";
        return Some((ErrorKind::Unavailable, why.into()));
    }
    if owner != me {
        let why = format!(
            "the folder belongs to user {owner}, but this process runs as user {me}; \
             run `chown {me}` on it"
        );
        return Some((ErrorKind::Config, why));
    }
    if mode & GROUP_AND_OTHERS != 0 {
        let why = format!(
            "other users may enter the folder (its mode is {mode:03o}); \
             run `chmod 700` on it, or choose a folder that is used for sessions only"
        );
        return Some((ErrorKind::Config, why));
    }
    None
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
