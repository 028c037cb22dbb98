use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use cloakroom::StoreKey;
use cloakroom::store::{Draft, Entry, Meta, Outcome, Version};

use super::entry_path::{EntryPath, name_prefix, parse_hash, shards_of_prefix};
use super::fault::Fault;
use super::folder::{Folder, Locked};
use super::record::Record;
use super::root::Root;

/// The calls of the store, as blocking functions. Each call uses its own value.
///
/// Reads take no lock: a file is never changed in place, only replaced, moved or removed. Writes
/// hold the lock of the subfolder from the comparison of the versions to the end of the write.
///
/// A mark is an empty file that leads from an owner to one of the owner's sessions; see the module
/// `owners`.
pub(super) struct Entries<'a> {
    pub(super) root: Arc<Root>,
    /// The subfolder at which the next step of a sweep starts: its number is this value modulo
    /// [`Shard::COUNT`](super::entry_path::Shard::COUNT).
    pub(super) sweep_next: &'a AtomicUsize,
}

impl Entries<'_> {
    pub(super) fn load(&self, key: &StoreKey) -> Result<Option<Entry>, Fault> {
        let path = EntryPath::of(key);
        let Some(folder) = self.root.sessions(path.shard)? else {
            return Ok(None);
        };
        match read(&folder, &path)? {
            Some(record) if record.store_key == *key => Ok(Some(record.draft.into())),
            Some(record) => {
                self.resume_move(&path, &record.store_key)?;
                // If another call has just completed the move, there may be a tombstone.
                let left = read(&folder, &path)?.filter(|record| record.store_key == *key);
                Ok(left.map(|record| record.draft.into()))
            }
            None => Ok(None),
        }
    }

    /// Also returns `Stale` if a crash interrupted a move away from `key`. The next load of `key`
    /// completes the move.
    pub(super) fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome, Fault> {
        let path = EntryPath::of(key);
        let record = Record::new(key, None, new);
        let folder = self.root.create_and_lock(path.shard)?;
        if folder.contains(&path.name)? {
            return Ok(Outcome::Stale);
        }
        self.mark(&new.meta, &path)?;
        write(&folder, &path, &record)?;
        Ok(Outcome::Written(new.version()))
    }

    pub(super) fn save(
        &self,
        key: &StoreKey,
        seen: &Version,
        new: &Draft,
    ) -> Result<Outcome, Fault> {
        let path = EntryPath::of(key);
        let record = Record::new(key, None, new);
        let Some(folder) = self.root.lock(path.shard)? else {
            return Ok(Outcome::Stale);
        };
        let Some(old) = current(&folder, &path, key, seen)? else {
            return Ok(Outcome::Stale);
        };
        let (before, after) = (old.meta.owner.as_ref(), new.meta.owner.as_ref());
        if before == after {
            self.refresh_mark(&new.meta, &path)?;
            write(&folder, &path, &record)?;
        } else {
            self.mark(&new.meta, &path)?;
            write(&folder, &path, &record)?;
            self.unmark(before, &path);
        }
        Ok(Outcome::Written(new.version()))
    }

    pub(super) fn touch(
        &self,
        key: &StoreKey,
        seen: &Version,
        meta: &Meta,
    ) -> Result<Outcome, Fault> {
        let path = EntryPath::of(key);
        let Some(folder) = self.root.lock(path.shard)? else {
            return Ok(Outcome::Stale);
        };
        let Some(mut draft) = current(&folder, &path, key, seen)? else {
            return Ok(Outcome::Stale);
        };
        draft.meta.touched = meta.touched;
        draft.meta.expires = meta.expires;
        self.refresh_mark(&draft.meta, &path)?;
        let record = Record {
            store_key: key.clone(),
            came_from: None,
            draft,
        };
        write(&folder, &path, &record)?;
        Ok(Outcome::Written(seen.clone()))
    }

    /// Removes even a file that cannot be read, because a logout must succeed.
    pub(super) fn delete(&self, key: &StoreKey) -> Result<(), Fault> {
        let path = EntryPath::of(key);
        let Some(folder) = self.root.lock(path.shard)? else {
            return Ok(());
        };
        let record = match folder.contains(&path.name)? {
            true => read(&folder, &path).ok().flatten(),
            false => None,
        };
        // After an interrupted move, the file at this path belongs to the new store key.
        if record
            .as_ref()
            .is_some_and(|record| record.store_key != *key)
        {
            return Ok(());
        }
        folder.remove(&path.name)?;
        // Flush even if the file was missing: a process that removed it may have been killed before
        // its own flush.
        folder.sync()?;
        let meta = record.as_ref().map(|record| &record.draft.meta);
        self.unmark(meta.and_then(|meta| meta.owner.as_ref()), &path);
        Ok(())
    }

    /// Moves the session in two steps.
    ///
    /// 1. Replaces the file at the old path with the new contents, including the new store key.
    ///    From then on, the old key opens no session.
    /// 2. Without a tombstone, moves the file to the new path. With a tombstone, writes a second
    ///    file at the new path and then replaces the file at the old path with the tombstone. So
    ///    the old path always has a file.
    ///
    /// If a crash occurs between the steps, the next load of the old key or the next listing of the
    /// owner's sessions completes the move, without a tombstone.
    pub(super) fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        tombstone: Option<&Draft>,
    ) -> Result<Outcome, Fault> {
        if from == to {
            return Ok(Outcome::Stale);
        }
        let (old_path, new_path) = (EntryPath::of(from), EntryPath::of(to));
        let record = Record::new(to, Some(from), new);
        let (old_folder, new_folder) = self
            .root
            .create_and_lock_two(old_path.shard, new_path.shard)?;
        let new_folder = new_folder.as_ref().unwrap_or(&old_folder);
        let Some(old) = current(&old_folder, &old_path, from, seen)? else {
            return Ok(Outcome::Stale);
        };
        if new_folder.contains(&new_path.name)? {
            return Ok(Outcome::Stale);
        }
        self.begin_move(&old_folder, &old_path, &new_path, &record)?;
        match tombstone {
            Some(tombstone) => {
                write(new_folder, &new_path, &record)?;
                write(&old_folder, &old_path, &Record::new(from, None, tombstone))?;
                self.unmark(new.meta.owner.as_ref(), &old_path);
            }
            None => {
                self.complete_move(&old_folder, &old_path, new_folder, &new_path, &record)?;
            }
        }
        self.unmark(old.meta.owner.as_ref(), &old_path);
        Ok(Outcome::Written(new.version()))
    }

    /// The first step of a move: writes `record` to the old path.
    fn begin_move(
        &self,
        old_folder: &Locked,
        from: &EntryPath,
        to: &EntryPath,
        record: &Record,
    ) -> Result<(), Fault> {
        let meta = &record.draft.meta;
        // Mark both paths, because the file stays at the old path until the second step.
        self.mark(meta, from)?;
        self.mark(meta, to)?;
        write(old_folder, from, record)
    }

    /// The second step of a move: moves the file to the new path.
    fn complete_move(
        &self,
        old_folder: &Locked,
        from: &EntryPath,
        new_folder: &Locked,
        to: &EntryPath,
        record: &Record,
    ) -> Result<(), Fault> {
        let meta = &record.draft.meta;
        old_folder.move_to(&from.name, new_folder, &to.name, meta.expires)?;
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
            found.extend(matches.filter_map(|name| parse_hash(name)));
        }
        Ok(match found.len() {
            1 => found.pop(),
            _ => None,
        })
    }

    /// Completes an interrupted move to the store key `to`. The session's file is still at `from`.
    ///
    /// If another call is still moving the session, that move is complete by the time this call
    /// holds the locks.
    pub(super) fn resume_move(&self, from: &EntryPath, to: &StoreKey) -> Result<(), Fault> {
        let target = EntryPath::of(to);
        let (old_folder, new_folder) = self.root.create_and_lock_two(from.shard, target.shard)?;
        let new_folder = new_folder.as_ref().unwrap_or(&old_folder);
        let Some(record) = read(&old_folder, from)?.filter(|record| record.store_key == *to) else {
            return Ok(());
        };
        // Create the mark again: a listing may have removed it while there was no file at the
        // target.
        self.mark(&record.draft.meta, &target)?;
        if new_folder.contains(&target.name)? {
            // A power cut during the rename left the file under both names.
            return old_folder.remove(&from.name);
        }
        self.complete_move(&old_folder, from, new_folder, &target, &record)
    }
}

/// Reads the session in the file at `path`. It may be a session whose move to another path was
/// interrupted.
pub(super) fn read(folder: &Folder, path: &EntryPath) -> Result<Option<Record>, Fault> {
    let Some(bytes) = folder.read(&path.name)? else {
        return Ok(None);
    };
    decode(folder, path, bytes).map(Some)
}

fn decode(folder: &Folder, path: &EntryPath, bytes: Bytes) -> Result<Record, Fault> {
    let Some(record) = Record::decode(bytes) else {
        let what = "an incomplete or modified file";
        return Err(Fault::foreign(folder.path(), what));
    };
    let is_at = |store_key: &StoreKey| EntryPath::of(store_key) == *path;
    if is_at(&record.store_key) || record.came_from.as_ref().is_some_and(is_at) {
        return Ok(record);
    }
    let what = "the file of another session";
    Err(Fault::foreign(folder.path(), what))
}

/// Returns the entry of `key` if its version is `seen`. Returns `None` if the entry does not exist
/// or has another version.
fn current(
    folder: &Locked,
    path: &EntryPath,
    key: &StoreKey,
    seen: &Version,
) -> Result<Option<Draft>, Fault> {
    let record = read(folder, path)?;
    let record =
        record.filter(|record| record.store_key == *key && record.draft.version() == *seen);
    Ok(record.map(|record| record.draft))
}

fn write(folder: &Locked, path: &EntryPath, record: &Record) -> Result<(), Fault> {
    let file = record.encode().map_err(|error| {
        // Encoding fails only if the owner or the label has 4 GiB or more.
        Fault::new(
            error.kind(),
            "the owner or the label is too long; shorten it",
        )
    })?;
    folder.write(&path.name, &file, record.draft.meta.expires)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::UNIX_EPOCH;

    use cloakroom::store::{SaveId, from_millis};
    use cloakroom::{ErrorKind, Owner};

    use super::*;
    use crate::root::RootPath;

    #[test]
    fn a_session_whose_login_was_interrupted_stays_in_the_owners_list() {
        // A listing may find either of the two marks first.
        for new_path_first in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let root = RootPath::open(&folder.path().join("sessions")).unwrap();
            let entries = Entries {
                root: root.current_or_create().unwrap(),
                sweep_next: &AtomicUsize::new(0),
            };
            let (from, to) = (StoreKey::new(&[1; 32]), StoreKey::new(&[2; 32]));
            let created = entries.create(&from, &draft(None)).unwrap();
            assert_ne!(created, Outcome::Stale);

            let (old_path, new_path) = (EntryPath::of(&from), EntryPath::of(&to));
            let record = Record::new(&to, Some(&from), &draft(Some("ada")));
            let old_folder = entries.root.create_and_lock(old_path.shard).unwrap();
            entries
                .begin_move(&old_folder, &old_path, &new_path, &record)
                .unwrap();
            drop(old_folder);
            if new_path_first {
                entries.prune_mark(&Owner::from("ada"), &new_path).unwrap();
            }

            for _ in 0..2 {
                let owned = entries
                    .owned_by(&Owner::from("ada"), None, 10)
                    .unwrap()
                    .entries;
                assert_eq!(owned.len(), 1);
                assert!(owned[0].key == to);
            }
            assert!(entries.load(&from).unwrap().is_none());
            assert!(entries.load(&to).unwrap().is_some());
        }
    }

    #[test]
    fn a_call_during_which_the_folder_is_moved_or_removed_is_not_acknowledged() {
        for (removed, new_one) in [(true, false), (true, true), (false, false), (false, true)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("sessions");
            let root = RootPath::open(&path).unwrap();
            let sweep_next = AtomicUsize::new(0);
            let began = |root| Entries {
                root,
                sweep_next: &sweep_next,
            };
            let entries = began(root.current_or_create().unwrap());
            let [key, other] = [1, 2].map(|n| StoreKey::new(&[n; 32]));
            let Outcome::Written(seen) = entries.create(&key, &draft(Some("ada"))).unwrap() else {
                panic!("the key is free");
            };
            match removed {
                true => fs::remove_dir_all(&path).unwrap(),
                false => fs::rename(&path, folder.path().join("moved")).unwrap(),
            }
            if new_one {
                root.current_or_create().unwrap();
            }

            let new = draft(Some("ada"));
            let created = entries.create(&other, &new);
            let saved = entries.save(&key, &seen, &new);
            let touched = entries.touch(&key, &seen, &new.meta);

            let fault = created.unwrap_err();
            assert_eq!(fault.kind, ErrorKind::Unavailable);
            assert!(fault.to_string().contains("try again"), "{fault}");
            for write in [saved, touched] {
                assert!(!matches!(write, Ok(Outcome::Written(_))));
            }
            let entries = began(root.current_or_create().unwrap());
            assert!(entries.load(&key).unwrap().is_none());
            assert!(entries.load(&other).unwrap().is_none());
        }
    }

    #[test]
    fn a_write_under_a_lock_file_that_was_removed_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = RootPath::open(&folder.path().join("sessions")).unwrap();
        let root = root.current_or_create().unwrap();
        let path = EntryPath::of(&StoreKey::new(&[1; 32]));
        let locked = root.create_and_lock(path.shard).unwrap();
        let subfolder = locked.path().to_owned();
        fs::remove_file(subfolder.join("lock")).unwrap();
        let other = root.create_and_lock(path.shard).unwrap();

        let fault = locked.write(&path.name, b"late", UNIX_EPOCH).unwrap_err();

        assert!(fault.to_string().contains("try again"), "{fault}");
        assert!(!subfolder.join(&path.name).exists());
        other.write(&path.name, b"in time", UNIX_EPOCH).unwrap();
        let written = fs::read(subfolder.join(&path.name)).unwrap();
        assert_eq!(written, b"in time");
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
