//! Helpers that the tests in this folder share.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cloakroom::store::{Draft, Meta, Outcome, SaveId, Version, from_millis};
use cloakroom::{Result, StoreKey};
use cloakroom_file::FileStore;
use data_encoding::HEXLOWER;
use tempfile::TempDir;

pub(crate) fn opened() -> (TempDir, FileStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path().join("sessions")).unwrap();
    (folder, store)
}

pub(crate) fn file_of(folder: &TempDir, key: &StoreKey) -> PathBuf {
    let name = format!("x{}", HEXLOWER.encode(key.as_bytes()));
    let found = files(folder.path()).into_iter();
    let mut found = found.filter(|file| file.file_name().unwrap() == &*name);
    found.next().expect("the session has a file")
}

pub(crate) fn is_there(folder: &TempDir, key: &StoreKey) -> bool {
    let name = format!("x{}", HEXLOWER.encode(key.as_bytes()));
    let mut found = files(folder.path()).into_iter();
    found.any(|file| file.file_name().unwrap() == &*name)
}

/// Returns the marks: the empty files that lead from an owner to the owner's sessions.
pub(crate) fn marks(folder: &TempDir) -> Vec<PathBuf> {
    let files = files(folder.path()).into_iter();
    let in_owners = |file: &PathBuf| file.to_str().unwrap().contains("/owners-");
    let marks = files.filter(in_owners);
    marks
        .filter(|file| file.file_name().unwrap() != "lock")
        .collect()
}

/// Returns the owner's mark for the session at `key`.
pub(crate) fn mark_of(folder: &TempDir, key: &StoreKey) -> PathBuf {
    let end = format!("-x{}", HEXLOWER.encode(key.as_bytes()));
    let found = marks(folder).into_iter();
    let mut found = found.filter(|mark| mark.to_str().unwrap().ends_with(&end));
    found.next().expect("the session has a mark")
}

/// Returns everything in the folder, at any depth, that is not itself a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut found): (Vec<_>, Vec<_>) = names(folder)
        .into_iter()
        .partition(|path| path.is_dir() && !path.is_symlink());
    found.extend(folders.iter().flat_map(|folder| files(folder)));
    found
}

/// Returns the paths of everything directly in the folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(folder).unwrap();
    let mut names: Vec<PathBuf> = items.map(|item| item.unwrap().path()).collect();
    names.sort();
    names
}

pub(crate) fn at(n: u64) -> StoreKey {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    StoreKey::new(&bytes)
}

/// Returns a session to store, which expires in the year 2100.
pub(crate) fn draft(data: &str) -> Draft {
    Draft::new(
        data.to_owned().into(),
        Meta::new(
            from_millis(1_764_000_000_001),
            from_millis(1_764_000_000_002),
            from_millis(4_102_444_800_003),
        ),
        SaveId::random().unwrap(),
    )
}

/// Returns a session of `owner`, which expires in the year 2100.
pub(crate) fn owned(owner: &str, data: &str) -> Draft {
    let mut draft = draft(data);
    draft.meta.owner = Some(owner.into());
    draft
}

pub(crate) fn expiring(millis: i64) -> Draft {
    let mut draft = draft("");
    draft.meta.expires = from_millis(millis);
    draft
}

/// Returns the time in three days, for a sweep that must list the files of every subfolder.
///
/// After a sweep has listed a subfolder, later sweeps skip the subfolder for at most a day. So a
/// sweep in three days skips no subfolder. No session made by [`draft`] has expired by then.
pub(crate) fn within_days() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3 * 24 * 60 * 60)
}

pub(crate) fn far_past() -> SystemTime {
    from_millis(10)
}

pub(crate) fn written(outcome: Result<Outcome>) -> Version {
    match outcome {
        Ok(Outcome::Written(version)) => version,
        other => panic!("expected `Written`, got {other:?}"),
    }
}
