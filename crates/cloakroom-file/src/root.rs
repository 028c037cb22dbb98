use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cloakroom::ErrorKind;
use rustix::fs::OFlags;

use super::fault::Fault;
use super::folder::{Folder, Locked};
use super::place::Shard;

/// The folder that all subfolders are in, held open.
pub(super) struct Root {
    dir: File,
    path: PathBuf,
}

impl Root {
    /// Opens the folder at `path`, and makes it if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        make(path).map_err(|source| missing(path, source))?;
        let mut options = OpenOptions::new();
        let flags = OFlags::DIRECTORY.bits().cast_signed();
        let dir = options.read(true).custom_flags(flags).open(path);
        let root = Self {
            dir: dir.map_err(|source| missing(path, source))?,
            path: path.to_owned(),
        };
        root.check()?;
        Ok(root)
    }

    /// Whether the folder is still there, and nobody else may enter it.
    ///
    /// It is not made tighter: somebody may have named a folder that others need.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let metadata = self.dir.metadata();
        let metadata = metadata.map_err(|source| Fault::refused(&self.path, source))?;
        match wrong_with(&metadata) {
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

    /// The subfolder for sessions, if there is one.
    pub(super) fn sessions(&self, shard: Shard) -> Result<Option<Folder>, Fault> {
        Folder::open(&self.dir, &self.path, &shard.of_sessions())
    }

    /// The subfolder for sessions, locked, if there is one.
    pub(super) fn lock(&self, shard: Shard) -> Result<Option<Locked>, Fault> {
        let Some(folder) = self.sessions(shard)? else {
            return Ok(None);
        };
        self.locked(folder).map(Some)
    }

    /// This subfolder for sessions, locked.
    pub(super) fn locked(&self, folder: Folder) -> Result<Locked, Fault> {
        folder.lock(&self.dir)
    }

    /// The subfolder for sessions, made if need be, and locked.
    pub(super) fn make_and_lock(&self, shard: Shard) -> Result<Locked, Fault> {
        self.locked(Folder::make(&self.dir, &self.path, &shard.of_sessions())?)
    }

    /// Two subfolders, locked; the second is `None` if it is the first.
    ///
    /// The lower number is locked first, so that no two calls wait for each other.
    pub(super) fn make_and_lock_two(
        &self,
        one: Shard,
        other: Shard,
    ) -> Result<(Locked, Option<Locked>), Fault> {
        if one == other {
            return Ok((self.make_and_lock(one)?, None));
        }
        let lower = self.make_and_lock(one.min(other))?;
        let upper = self.make_and_lock(one.max(other))?;
        match one < other {
            true => Ok((lower, Some(upper))),
            false => Ok((upper, Some(lower))),
        }
    }

    /// The subfolder for owners, if there is one.
    pub(super) fn owners(&self, shard: Shard) -> Result<Option<Folder>, Fault> {
        Folder::open(&self.dir, &self.path, &shard.of_owners())
    }

    /// The subfolder for owners, made if need be.
    pub(super) fn make_owners(&self, shard: Shard) -> Result<Folder, Fault> {
        let folder = Folder::make(&self.dir, &self.path, &shard.of_owners())?;
        // Nobody locks it; but with a lock file it will be there after a power cut.
        folder.lock_file(&self.dir)?;
        Ok(folder)
    }
}

/// Makes the folder, so that it will be there after a power cut, if there is none.
fn make(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    // The umask may have taken away more than others' rights.
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    let parent = path.parent().filter(|path| !path.as_os_str().is_empty());
    File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn wrong_with(metadata: &Metadata) -> Option<(ErrorKind, String)> {
    let (owner, me) = (metadata.uid(), rustix::process::geteuid().as_raw());
    let mode = metadata.mode() & 0o7777;
    if metadata.nlink() == 0 {
        let why = "the folder has been removed; make it again and restart";
        return Some((ErrorKind::Unavailable, why.into()));
    }
    if owner != me {
        let why = format!(
            "the folder belongs to user {owner}, and this process runs as user {me}; make it that user's"
        );
        return Some((ErrorKind::Config, why));
    }
    if mode & OTHERS != 0 {
        let why = format!(
            "others may enter the folder (its mode is {mode:03o}); run `chmod 700` on it, or name a folder that \
             is for the sessions alone"
        );
        return Some((ErrorKind::Config, why));
    }
    None
}

fn missing(path: &Path, source: io::Error) -> Fault {
    let shown = path.display();
    match source.kind() {
        io::ErrorKind::NotFound => Fault::new(
            ErrorKind::Unavailable,
            format!(
                "in {shown}: it cannot be made, since the folder around it does not exist; create that"
            ),
        ),
        io::ErrorKind::NotADirectory => Fault::new(
            ErrorKind::Config,
            format!("in {shown}: it is not a folder; name another"),
        ),
        _ => Fault::refused(path, source),
    }
}

/// What the group and everybody else may do.
const OTHERS: u32 = 0o077;
