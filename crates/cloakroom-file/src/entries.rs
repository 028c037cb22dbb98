use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use cloakroom::StoreKey;
use cloakroom::store::{Draft, Entry, Meta, Outcome, Version};

use super::fault::Fault;
use super::folder::{Folder, Locked};
use super::place::{Place, hash_named, name_prefix, shards_of_prefix};
use super::record::Record;
use super::root::Root;

/// The entries in the files: what a store does, one call at a time and blocking.
///
/// Whoever reads takes no lock: a file never changes, it is only replaced by another, moved or removed. Whoever writes
/// compares and writes under the lock of the subfolder.
pub(super) struct Entries {
    pub(super) root: Root,
    /// The shard at which the next step of a sweep begins.
    pub(super) sweep_next: AtomicUsize,
}

impl Entries {
    pub(super) fn new(root: Root) -> Self {
        Self {
            root,
            sweep_next: AtomicUsize::new(0),
        }
    }

    pub(super) fn load(&self, key: &StoreKey) -> Result<Option<Entry>, Fault> {
        let place = Place::of(key);
        let Some(folder) = self.root.sessions(place.shard)? else {
            return Ok(None);
        };
        match read(&folder, &place)? {
            Some(record) if record.store_key == *key => Ok(Some(record.draft.into())),
            Some(record) => {
                self.bring_home(&place, &record.store_key)?;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// `Stale` also where a crash has cut off a move away from `at`: whoever loads `at` ends that first.
    pub(super) fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome, Fault> {
        let place = Place::of(key);
        let record = Record::drafted(key, None, new);
        let folder = self.root.make_and_lock(place.shard)?;
        if folder.holds(&place.name)? {
            return Ok(Outcome::Stale);
        }
        self.mark(new.meta.owner.as_ref(), &place)?;
        write(&folder, &place, &record)?;
        Ok(Outcome::Written(new.version()))
    }

    pub(super) fn save(
        &self,
        key: &StoreKey,
        seen: &Version,
        new: &Draft,
    ) -> Result<Outcome, Fault> {
        let place = Place::of(key);
        let record = Record::drafted(key, None, new);
        let Some(folder) = self.root.lock(place.shard)? else {
            return Ok(Outcome::Stale);
        };
        let Some(old) = current(&folder, &place, key, seen)? else {
            return Ok(Outcome::Stale);
        };
        let (before, after) = (old.meta.owner.as_ref(), new.meta.owner.as_ref());
        if before == after {
            write(&folder, &place, &record)?;
        } else {
            self.mark(after, &place)?;
            write(&folder, &place, &record)?;
            self.unmark(before, &place);
        }
        Ok(Outcome::Written(new.version()))
    }

    pub(super) fn touch(
        &self,
        key: &StoreKey,
        seen: &Version,
        meta: &Meta,
    ) -> Result<Outcome, Fault> {
        let place = Place::of(key);
        let Some(folder) = self.root.lock(place.shard)? else {
            return Ok(Outcome::Stale);
        };
        let Some(mut draft) = current(&folder, &place, key, seen)? else {
            return Ok(Outcome::Stale);
        };
        draft.meta.touched = meta.touched;
        draft.meta.expires = meta.expires;
        let record = Record {
            store_key: key.clone(),
            came_from: None,
            draft,
        };
        write(&folder, &place, &record)?;
        Ok(Outcome::Written(seen.clone()))
    }

    /// A file that cannot be read is removed like any other, since the visitor wants to be logged out.
    pub(super) fn delete(&self, key: &StoreKey) -> Result<(), Fault> {
        let place = Place::of(key);
        let Some(folder) = self.root.lock(place.shard)? else {
            return Ok(());
        };
        let record = match folder.holds(&place.name)? {
            true => read(&folder, &place).ok().flatten(),
            false => None,
        };
        // What has left for another lookup, and was cut off by a crash, is not at this one any more.
        if record
            .as_ref()
            .is_some_and(|record| record.store_key != *key)
        {
            return Ok(());
        }
        folder.remove(&place.name)?;
        // Also if there was nothing: whoever removed it may have died before this.
        folder.sync()?;
        let meta = record.as_ref().map(|record| &record.draft.meta);
        self.unmark(meta.and_then(|meta| meta.owner.as_ref()), &place);
        Ok(())
    }

    /// There is one file at any time. First it gets the new contents where it is, and with them the note that it
    /// belongs elsewhere: that replacement is the one moment at which the session moves, since nobody takes the file
    /// for the session of the old lookup any more. Then it goes where it belongs. If a crash comes in between, the
    /// next load of the old lookup, or the next look at the owner's sessions, does the rest.
    pub(super) fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
    ) -> Result<Outcome, Fault> {
        if from == to {
            return Ok(Outcome::Stale);
        }
        let (old_place, new_place) = (Place::of(from), Place::of(to));
        let record = Record::drafted(to, Some(from), new);
        let (here, there) = self
            .root
            .make_and_lock_two(old_place.shard, new_place.shard)?;
        let there = there.as_ref().unwrap_or(&here);
        let Some(old) = current(&here, &old_place, from, seen)? else {
            return Ok(Outcome::Stale);
        };
        if there.holds(&new_place.name)? {
            return Ok(Outcome::Stale);
        }
        self.depart(&here, &old_place, &new_place, &record)?;
        self.arrive(&here, &old_place, there, &new_place, &record)?;
        self.unmark(old.meta.owner.as_ref(), &old_place);
        Ok(Outcome::Written(new.version()))
    }

    /// The one moment at which the session moves.
    fn depart(
        &self,
        here: &Locked,
        from: &Place,
        to: &Place,
        record: &Record,
    ) -> Result<(), Fault> {
        let owner = record.draft.meta.owner.as_ref();
        // Both: until it has arrived it is found by its old place.
        self.mark(owner, from)?;
        self.mark(owner, to)?;
        write(here, from, record)
    }

    fn arrive(
        &self,
        here: &Locked,
        from: &Place,
        there: &Locked,
        to: &Place,
        record: &Record,
    ) -> Result<(), Fault> {
        let meta = &record.draft.meta;
        here.move_to(&from.name, there, &to.name, meta.expires)?;
        self.unmark(meta.owner.as_ref(), from);
        Ok(())
    }

    pub(super) fn find(&self, prefix: &[u8]) -> Result<Option<StoreKey>, Fault> {
        let start = name_prefix(prefix);
        let mut found = Vec::new();
        for shard in shards_of_prefix(prefix) {
            let Some(folder) = self.root.sessions(shard)? else {
                continue;
            };
            let names = folder.names()?;
            let matches = names.iter().filter(|name| name.starts_with(&start));
            found.extend(matches.filter_map(|name| hash_named(name)));
        }
        Ok(match found.len() {
            1 => found.pop(),
            _ => None,
        })
    }

    /// Ends a move that was cut off: the file at `from` belongs to the lookup `to`.
    ///
    /// A move that is not cut off but under way has ended when this has the locks.
    pub(super) fn bring_home(&self, from: &Place, to: &StoreKey) -> Result<(), Fault> {
        let home = Place::of(to);
        let (here, there) = self.root.make_and_lock_two(from.shard, home.shard)?;
        let there = there.as_ref().unwrap_or(&here);
        let Some(record) = read(&here, from)?.filter(|record| record.store_key == *to) else {
            return Ok(());
        };
        // Again, since whoever met that mark while nothing was here has removed it.
        self.mark(record.draft.meta.owner.as_ref(), &home)?;
        if there.holds(&home.name)? {
            // The power failed in the middle of the move, and the disk has both names of the one file.
            return here.remove(&from.name);
        }
        self.arrive(&here, from, there, &home, &record)
    }
}

/// What is at this place: a session of its lookup, or one that is moving away from it.
pub(super) fn read(folder: &Folder, place: &Place) -> Result<Option<Record>, Fault> {
    let Some(bytes) = folder.read(&place.name)? else {
        return Ok(None);
    };
    decode(folder, place, bytes).map(Some)
}

fn decode(folder: &Folder, place: &Place, bytes: Bytes) -> Result<Record, Fault> {
    let Some(record) = Record::decode(bytes) else {
        let what = "a file that is torn or was changed";
        return Err(Fault::foreign(folder.path(), what));
    };
    let is_at = |store_key: &StoreKey| Place::of(store_key) == *place;
    if is_at(&record.store_key) || record.came_from.as_ref().is_some_and(is_at) {
        return Ok(record);
    }
    let what = "the file of another session";
    Err(Fault::foreign(folder.path(), what))
}

/// The entry at `at`, if it has the version `seen`.
fn current(
    folder: &Locked,
    place: &Place,
    key: &StoreKey,
    seen: &Version,
) -> Result<Option<Draft>, Fault> {
    let record = read(folder, place)?;
    let record =
        record.filter(|record| record.store_key == *key && record.draft.version() == *seen);
    Ok(record.map(|record| record.draft))
}

fn write(folder: &Locked, place: &Place, record: &Record) -> Result<(), Fault> {
    let file = record.encode().map_err(|error| {
        // The only reason there is: a text of 4 GiB.
        Fault::new(error.kind(), "the session's owner or its label is too long")
    })?;
    folder.write(&place.name, &file, record.draft.meta.expires)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloakroom::Owner;
    use cloakroom::store::SaveId;
    use cloakroom::store::from_millis;

    #[test]
    fn a_login_that_is_cut_off_between_its_steps_is_and_stays_in_the_owners_list() {
        // Whichever of the two marks is met first.
        for home_first in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let root = Root::open(&folder.path().join("sessions")).unwrap();
            let entries = Entries::new(root);
            let (from, to) = (StoreKey::new(&[1; 32]), StoreKey::new(&[2; 32]));
            let created = entries.create(&from, &draft(None)).unwrap();
            assert_ne!(created, Outcome::Stale);

            let (old_place, new_place) = (Place::of(&from), Place::of(&to));
            let record = Record::drafted(&to, Some(&from), &draft(Some("ada")));
            let here = entries.root.make_and_lock(old_place.shard).unwrap();
            entries
                .depart(&here, &old_place, &new_place, &record)
                .unwrap();
            drop(here);
            if home_first {
                entries.prune(&Owner::from("ada"), &new_place).unwrap();
            }

            for _ in 0..2 {
                let owned = entries.owned_by(&Owner::from("ada")).unwrap();
                assert_eq!(owned.len(), 1);
                assert!(owned[0].key == to);
            }
            assert!(entries.load(&from).unwrap().is_none());
            assert!(entries.load(&to).unwrap().is_some());
        }
    }

    fn draft(owner: Option<&str>) -> Draft {
        Draft::new(
            Bytes::new(),
            Meta::new(from_millis(0), from_millis(0), from_millis(1_000))
                .with_owner(owner.map(Owner::from)),
            SaveId::new(7),
        )
    }
}
