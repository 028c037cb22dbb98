use std::collections::BTreeMap;

use cloakroom::store::OwnedEntry;
use cloakroom::{ErrorKind, Owner};

use super::entries::{Entries, read};
use super::entry_path::{EntryPath, mark_path};
use super::fault::Fault;
use super::record::Record;

/// Lists the sessions of an owner. Each of these sessions has a mark: an empty file whose name
/// consists of a hash of the owner and the name of the session's file.
///
/// A mark is created before its session and removed after the session, both under the lock of the
/// session's subfolder. So every session with an owner has a mark, but a mark may exist without a
/// session. `owned_by` therefore reads the sessions and compares their owners.
impl Entries {
    pub(super) fn owned_by(&self, owner: &Owner) -> Result<Vec<OwnedEntry>, Fault> {
        let (shard, prefix) = mark_path(owner);
        let Some(folder) = self.root.owners(shard)? else {
            return Ok(Vec::new());
        };
        let mut owned = BTreeMap::new();
        for name in folder.names()? {
            let Some(path) = name.strip_prefix(&prefix).and_then(EntryPath::parse) else {
                continue;
            };
            match self.read_or_resume_move(&path) {
                Ok(Some(record)) if record.draft.meta.owner.as_ref() == Some(owner) => {
                    owned.insert(record.store_key, record.draft.meta);
                }
                Ok(_) => self.prune_mark(owner, &path)?,
                // One damaged file must not prevent the user from ending the other sessions.
                Err(fault) if fault.kind == ErrorKind::Corrupt => log_corrupt_file(&fault),
                Err(fault) => return Err(fault),
            }
        }
        let owned = owned.into_iter();
        Ok(owned
            .map(|(store_key, meta)| OwnedEntry::new(store_key, meta))
            .collect())
    }

    /// Creates the owner's mark for the session at `path`, which may still have to be written.
    pub(super) fn mark(&self, owner: Option<&Owner>, path: &EntryPath) -> Result<(), Fault> {
        let Some(owner) = owner else {
            return Ok(());
        };
        let (shard, prefix) = mark_path(owner);
        let folder = self.root.create_owners(shard)?;
        folder.mark(&format!("{prefix}{}", path.name))
    }

    /// Removes the owner's mark for `path`. Ignores errors, because `owned_by` removes every mark
    /// without a session.
    pub(super) fn unmark(&self, owner: Option<&Owner>, path: &EntryPath) {
        let Some(owner) = owner else {
            return;
        };
        let (shard, prefix) = mark_path(owner);
        if let Ok(Some(folder)) = self.root.owners(shard) {
            let _ = folder.remove(&format!("{prefix}{}", path.name));
        }
    }

    /// Reads the session at `path`. If a move of the session was interrupted, completes the move
    /// and reads the session at its new path.
    fn read_or_resume_move(&self, path: &EntryPath) -> Result<Option<Record>, Fault> {
        let Some(folder) = self.root.sessions(path.shard)? else {
            return Ok(None);
        };
        match read(&folder, path)? {
            Some(record) if EntryPath::of(&record.store_key) != *path => {
                self.resume_move(path, &record.store_key)?;
                let target = EntryPath::of(&record.store_key);
                match self.root.sessions(target.shard)? {
                    Some(folder) => read(&folder, &target),
                    None => Ok(None),
                }
            }
            found => Ok(found),
        }
    }

    /// Removes the owner's mark for `path`, unless there is a session of `owner` at that path.
    pub(super) fn prune_mark(&self, owner: &Owner, path: &EntryPath) -> Result<(), Fault> {
        // Take the lock, because a session that is being created has its mark before it has its
        // file. Create the subfolder if it is missing, because the lock file is in it.
        let folder = self.root.create_and_lock(path.shard)?;
        let record = read(&folder, path)?;
        if record.is_none_or(|record| record.draft.meta.owner.as_ref() != Some(owner)) {
            self.unmark(Some(owner), path);
        }
        Ok(())
    }
}

pub(super) fn log_corrupt_file(fault: &Fault) {
    tracing::warn!(error = %fault, "skipped a file that cannot be read as a session");
}
