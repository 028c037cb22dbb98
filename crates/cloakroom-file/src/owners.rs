use std::collections::BTreeMap;

use cloakroom::store::OwnedEntry;
use cloakroom::{ErrorKind, Owner};

use super::entries::{Entries, read};
use super::fault::Fault;
use super::place::{Place, of_owner};
use super::record::Record;

/// Which sessions an owner has. For each there is an empty file, a mark, whose name is a hash of the owner and the
/// name of the session's file.
///
/// A mark is made before the session and removed after it, both under the lock of the session. So it may lead nowhere,
/// but no session of an owner is without one. Which sessions are listed is decided by what they say themselves.
impl Entries {
    pub(super) fn owned_by(&self, owner: &Owner) -> Result<Vec<OwnedEntry>, Fault> {
        let (shard, prefix) = of_owner(owner);
        let Some(folder) = self.root.owners(shard)? else {
            return Ok(Vec::new());
        };
        let mut owned = BTreeMap::new();
        for name in folder.names()? {
            let Some(place) = name.strip_prefix(&prefix).and_then(Place::named) else {
                continue;
            };
            match self.at_or_from(&place) {
                Ok(Some(record)) if record.draft.meta.owner.as_ref() == Some(owner) => {
                    owned.insert(record.store_key, record.draft.meta);
                }
                Ok(_) => self.prune(owner, &place)?,
                // One torn file must not keep a user from ending all the other sessions.
                Err(fault) if fault.kind == ErrorKind::Corrupt => warn_of(&fault),
                Err(fault) => return Err(fault),
            }
        }
        let owned = owned.into_iter();
        Ok(owned
            .map(|(store_key, meta)| OwnedEntry::new(store_key, meta))
            .collect())
    }

    /// Notes that the session at `place` is, or is about to be, the owner's.
    pub(super) fn mark(&self, owner: Option<&Owner>, place: &Place) -> Result<(), Fault> {
        let Some(owner) = owner else {
            return Ok(());
        };
        let (shard, prefix) = of_owner(owner);
        let folder = self.root.make_owners(shard)?;
        folder.mark(&format!("{prefix}{}", place.name))
    }

    /// Takes back the note, if it can: one that leads nowhere is removed when it is met.
    pub(super) fn unmark(&self, owner: Option<&Owner>, place: &Place) {
        let Some(owner) = owner else {
            return;
        };
        let (shard, prefix) = of_owner(owner);
        if let Ok(Some(folder)) = self.root.owners(shard) {
            let _ = folder.remove(&format!("{prefix}{}", place.name));
        }
    }

    /// The session at `place`, or the one that was moving away from it and is now where it belongs.
    fn at_or_from(&self, place: &Place) -> Result<Option<Record>, Fault> {
        let Some(folder) = self.root.sessions(place.shard)? else {
            return Ok(None);
        };
        match read(&folder, place)? {
            Some(record) if Place::of(&record.store_key) != *place => {
                self.bring_home(place, &record.store_key)?;
                let home = Place::of(&record.store_key);
                match self.root.sessions(home.shard)? {
                    Some(folder) => read(&folder, &home),
                    None => Ok(None),
                }
            }
            found => Ok(found),
        }
    }

    /// Removes a mark that leads nowhere.
    pub(super) fn prune(&self, owner: &Owner, place: &Place) -> Result<(), Fault> {
        // With the lock: without it the session could be one that is about to be created, and lose its mark. It is
        // made if it is not there, since a create could make it.
        let folder = self.root.make_and_lock(place.shard)?;
        let record = read(&folder, place)?;
        if record.is_none_or(|record| record.draft.meta.owner.as_ref() != Some(owner)) {
            self.unmark(Some(owner), place);
        }
        Ok(())
    }
}

pub(super) fn warn_of(fault: &Fault) {
    tracing::warn!(error = %fault, "a file that is no session is left alone");
}
