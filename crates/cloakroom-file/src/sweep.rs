use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use cloakroom::{ErrorKind, Owner, StoreKey};

use super::entries::{Entries, read};
use super::entry_path::{EntryPath, Shard};
use super::fault::Fault;
use super::folder::Folder;
use super::owners::log_corrupt_file;

/// Sweeps without opening the files of unexpired sessions.
///
/// The time of modification of a session's file is the session's expiry. The time of access of a
/// subfolder's lock file is the earliest expiry in that subfolder, so a sweep does not have to list
/// most subfolders. If a program reads the lock file, the time becomes the current time, and the
/// next sweep lists the subfolder.
///
/// Both times are only hints: a file system may round them, and a backup may lose them. So a sweep
/// reads a session before deleting it. If an older version of this store wrote the file, the sweep
/// cannot read it and relies on the hint.
impl Entries<'_> {
    /// Sweeps the next [`STEP`] subfolders and returns how many sessions it deleted.
    pub(super) fn sweep_step(&self, now: SystemTime, limit: usize) -> Result<usize, Fault> {
        let mut swept = 0;
        for _ in 0..STEP {
            let number = self.sweep_next.load(Ordering::Relaxed);
            let result = self.sweep_shard(Shard::wrapping(number), now, limit - swept);
            // Advances even after an error, so that one bad subfolder does not block the others.
            if !matches!(result, Ok(Swept { done: false, .. })) {
                self.sweep_next
                    .store(number.wrapping_add(1), Ordering::Relaxed);
            }
            swept += result?.sessions;
            if swept >= limit {
                break;
            }
        }
        Ok(swept)
    }

    fn sweep_shard(&self, shard: Shard, now: SystemTime, limit: usize) -> Result<Swept, Fault> {
        let Some(folder) = self.root.sessions(shard)? else {
            return Ok(Swept::all(0));
        };
        // Without a lock file, the subfolder may contain expired sessions.
        if folder.due()?.is_some_and(|due| due > now) {
            return Ok(Swept::all(0));
        }
        let Some(folder) = self.root.lock(shard)? else {
            return Ok(Swept::all(0));
        };
        folder.remove_leftover()?;
        let mut sessions = 0;
        let mut due = now.checked_add(MAX_INTERVAL).unwrap_or(now);
        let mut end = now;
        let names = folder.names()?;
        for path in names.iter().filter_map(|name| EntryPath::parse(name)) {
            match inspect(&folder, &path, now) {
                Ok(Found::Removed) => {}
                Ok(Found::Alive(until)) => {
                    due = due.min(until);
                    end = end.max(until);
                }
                Ok(Found::Expired { .. }) if sessions == limit => return Ok(Swept::some(sessions)),
                Ok(Found::Expired { store_key, owner }) => {
                    folder.remove(&path.name)?;
                    self.unmark(owner.as_ref(), &path);
                    // An interrupted move may have left a second mark.
                    self.unmark(owner.as_ref(), &EntryPath::of(&store_key));
                    sessions += 1;
                }
                Err(fault) if fault.is_older && sessions == limit => {
                    return Ok(Swept::some(sessions));
                }
                // The owner cannot be read. A later call of `owned_by` removes the mark.
                Err(fault) if fault.is_older => {
                    folder.remove(&path.name)?;
                    sessions += 1;
                }
                Err(fault) if fault.kind == ErrorKind::Corrupt => log_corrupt_file(&fault),
                Err(fault) => return Err(fault),
            }
        }
        folder.set_due(due, end)?;
        Ok(Swept::all(sessions))
    }
}

/// Determines whether the session at `path` exists and has expired. Opens the file only if its time
/// of modification has passed.
fn inspect(folder: &Folder, path: &EntryPath, now: SystemTime) -> Result<Found, Fault> {
    let hint = folder.expiry(&path.name)?;
    if let Some(expiry) = hint.filter(|expiry| *expiry > now) {
        return Ok(Found::Alive(expiry));
    }
    match read(folder, path)? {
        Some(record) if record.draft.meta.expires > now => {
            Ok(Found::Alive(record.draft.meta.expires))
        }
        Some(record) => Ok(Found::Expired {
            store_key: record.store_key,
            owner: record.draft.meta.owner,
        }),
        None => Ok(Found::Removed),
    }
}

enum Found {
    /// The file no longer exists. An administrator removed it: other calls of this store would have
    /// waited for the lock.
    Removed,
    Alive(SystemTime),
    Expired {
        store_key: StoreKey,
        owner: Option<Owner>,
    },
}

struct Swept {
    sessions: usize,
    /// Set if no expired session is left in the subfolder.
    done: bool,
}

impl Swept {
    fn all(sessions: usize) -> Self {
        Self {
            sessions,
            done: true,
        }
    }

    fn some(sessions: usize) -> Self {
        Self {
            sessions,
            done: false,
        }
    }
}

/// How many subfolders a step sweeps before it frees its thread. A step that finds no expired
/// session takes a few hundred microseconds.
pub(super) const STEP: u16 = 64;

/// The longest interval between two listings of a subfolder. The interval is limited, because a
/// power cut may lose the time of the lock file.
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
