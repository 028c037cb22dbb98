use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use cloakroom::{ErrorKind, Owner, StoreKey};

use super::entries::{Entries, read};
use super::fault::Fault;
use super::folder::{Folder, LOCK};
use super::owners::warn_of;
use super::place::{Place, Shard};

/// Sweeping opens no session that is alive. The lock file of a subfolder tells when something in it may expire, so
/// most subfolders are not even listed; and the inode of each file tells when that one does. What they say is a hint,
/// which a file system may round and a backup may lose: before a session goes, it is read.
/// One of an older version cannot be read, so it goes by the hint.
impl Entries {
    /// Looks at the next [`STEP`] subfolders; says how many sessions it deleted.
    pub(super) fn sweep_step(&self, now: SystemTime, limit: usize) -> Result<usize, Fault> {
        let mut swept = 0;
        for _ in 0..STEP {
            let number = self.sweep_next.load(Ordering::Relaxed);
            let taken = self.sweep_shard(Shard::numbered(number), now, limit - swept);
            // After an error as well, or one bad subfolder would keep all others from being swept.
            if !matches!(taken, Ok(Swept { done: false, .. })) {
                self.sweep_next
                    .store(number.wrapping_add(1), Ordering::Relaxed);
            }
            swept += taken?.sessions;
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
        if folder.expiry(LOCK)?.is_none_or(|due| due > now) {
            return Ok(Swept::all(0));
        }
        let folder = self.root.locked(folder)?;
        folder.clear()?;
        let mut sessions = 0;
        let mut due = now.checked_add(LOOK_AGAIN).unwrap_or(now);
        let names = folder.names()?;
        for place in names.iter().filter_map(|name| Place::named(name)) {
            match look(&folder, &place, now) {
                Ok(Found::Gone) => {}
                Ok(Found::Alive(until)) => due = due.min(until),
                Ok(Found::Expired { .. }) if sessions == limit => return Ok(Swept::some(sessions)),
                Ok(Found::Expired { store_key, owner }) => {
                    folder.remove(&place.name)?;
                    self.unmark(owner.as_ref(), &place);
                    // Elsewhere if it was moving.
                    self.unmark(owner.as_ref(), &Place::of(&store_key));
                    sessions += 1;
                }
                Err(fault) if fault.is_older && sessions == limit => {
                    return Ok(Swept::some(sessions));
                }
                // Its inode says that it has expired, and that is all there is to go by. Marks of
                // its owner lead nowhere now, and are removed when they are met.
                Err(fault) if fault.is_older => {
                    folder.remove(&place.name)?;
                    sessions += 1;
                }
                Err(fault) if fault.kind == ErrorKind::Corrupt => warn_of(&fault),
                Err(fault) => return Err(fault),
            }
        }
        folder.set_due(due)?;
        Ok(Swept::all(sessions))
    }
}

/// Looks at the session at `place`, and opens it only if its inode says that it has expired.
fn look(folder: &Folder, place: &Place, now: SystemTime) -> Result<Found, Fault> {
    let hint = folder.expiry(&place.name)?;
    if let Some(expiry) = hint.filter(|expiry| *expiry > now) {
        return Ok(Found::Alive(expiry));
    }
    match read(folder, place)? {
        Some(record) if record.draft.meta.expires > now => {
            Ok(Found::Alive(record.draft.meta.expires))
        }
        Some(record) => Ok(Found::Expired {
            store_key: record.store_key,
            owner: record.draft.meta.owner,
        }),
        None => Ok(Found::Gone),
    }
}

enum Found {
    /// An administrator has removed it: everybody else waits for the lock.
    Gone,
    Alive(SystemTime),
    Expired {
        store_key: StoreKey,
        owner: Option<Owner>,
    },
}

struct Swept {
    sessions: usize,
    /// Whether nothing is left in the subfolder that has expired.
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

/// How many subfolders a step looks at before it lets go of its thread: some hundred microseconds when there is nothing
/// to do.
pub(super) const STEP: u16 = 64;

/// A subfolder is listed this often at least, whatever its lock file says: a power cut may have lost that.
const LOOK_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);
