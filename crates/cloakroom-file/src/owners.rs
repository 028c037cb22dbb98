use std::collections::BTreeMap;

use cloakroom::store::{Cursor, Meta, OwnedEntry, Page};
use cloakroom::{ErrorKind, Owner, StoreKey};

use super::entries::{Entries, read};
use super::entry_path::{EntryPath, Shard, mark_path};
use super::fault::Fault;
use super::record::Record;

/// Lists the sessions of an owner. Each of these sessions has a mark: an empty file whose name
/// consists of a hash of the owner and the name of the session's file.
///
/// A mark is created before its session and removed after the session, both under the lock of the
/// session's subfolder. So every session with an owner has a mark, but a mark may exist without a
/// session. `owned_by` therefore reads the sessions and compares their owners.
///
/// The time of modification of a mark is the time at which its session ends. So a program that
/// deletes old files deletes no mark before its session has ended. Each save and each touch moves
/// that time, and creates the mark again if it was removed nevertheless.
impl Entries<'_> {
    /// Lists up to `limit` sessions of the owner. A cursor is the name of the last file of the
    /// previous page.
    pub(super) fn owned_by(
        &self,
        owner: &Owner,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, Fault> {
        let (shard, prefix) = mark_path(owner);
        let Some(folder) = self.root.owners(shard)? else {
            return Ok(Page::new(Vec::new(), None));
        };
        let names = folder.names()?;
        let names = names.iter().filter_map(|name| name.strip_prefix(&prefix));
        let (names, next) = page_of_names(names, after.map(Cursor::as_bytes), limit);
        let mut owned = BTreeMap::new();
        for path in names.into_iter().filter_map(EntryPath::parse) {
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
        let next = next.map(|last| Cursor::new(last.to_owned().into()));
        Ok(Page::new(entries(owned), next))
    }

    /// Lists up to `limit` sessions, with and without an owner, subfolder by subfolder. A cursor is
    /// the number of a subfolder, as two bytes, and the name of the last file of the previous page.
    pub(super) fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page, Fault> {
        let (first, mut last) = match after.and_then(|after| after.as_bytes().split_first_chunk()) {
            Some((number, name)) => (u16::from_be_bytes(*number), Some(name)),
            None => (0, None),
        };
        let mut found = BTreeMap::new();
        for number in first..Shard::COUNT {
            let shard = Shard::wrapping(number.into());
            let names = match self.root.sessions(shard)? {
                Some(folder) => folder.names()?,
                None => Vec::new(),
            };
            let names = names.iter().map(String::as_str);
            let names = names.filter(|name| EntryPath::parse(name).is_some());
            let (names, more) = page_of_names(names, last.take(), limit - found.len());
            for path in names.iter().filter_map(|name| EntryPath::parse(name)) {
                match self.read_or_resume_move(&path) {
                    Ok(Some(record)) if !record.draft.meta.is_tombstone() => {
                        found.insert(record.store_key, record.draft.meta);
                    }
                    Ok(_) => {}
                    Err(fault) if fault.kind == ErrorKind::Corrupt => log_corrupt_file(&fault),
                    Err(fault) => return Err(fault),
                }
            }
            // A full page has a cursor even if no session follows; the next page is empty then.
            let is_full = found.len() >= limit;
            if let Some(name) = more.or_else(|| names.last().copied().filter(|_| is_full)) {
                let cursor = [&number.to_be_bytes(), name.as_bytes()].concat();
                return Ok(Page::new(entries(found), Some(Cursor::new(cursor.into()))));
            }
        }
        Ok(Page::new(entries(found), None))
    }

    /// Creates the owner's mark for the session at `path`. The session need not be written yet.
    pub(super) fn mark(&self, meta: &Meta, path: &EntryPath) -> Result<(), Fault> {
        let Some(owner) = &meta.owner else {
            return Ok(());
        };
        let (shard, prefix) = mark_path(owner);
        let name = format!("{prefix}{}", path.name);
        self.root.create_mark(shard, &name, meta.expires)
    }

    /// Sets the time of the owner's mark for the session at `path`. Creates the mark if it is
    /// missing.
    ///
    /// Does not flush the time: if a power cut loses it, the next save or touch sets it again.
    pub(super) fn refresh_mark(&self, meta: &Meta, path: &EntryPath) -> Result<(), Fault> {
        let Some(owner) = &meta.owner else {
            return Ok(());
        };
        let (shard, prefix) = mark_path(owner);
        let name = format!("{prefix}{}", path.name);
        match self.root.owners(shard)? {
            Some(folder) if folder.set_times(&name, meta.expires)? => Ok(()),
            _ => self.root.create_mark(shard, &name, meta.expires),
        }
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

/// Sorts the names and returns the first `limit` names after `after`. If more names follow, also
/// returns the last name of the page.
fn page_of_names<'a>(
    names: impl Iterator<Item = &'a str>,
    after: Option<&[u8]>,
    limit: usize,
) -> (Vec<&'a str>, Option<&'a str>) {
    let mut names: Vec<&str> = names
        .filter(|name| after.is_none_or(|after| name.as_bytes() > after))
        .collect();
    names.sort_unstable();
    let more = names.len() > limit;
    names.truncate(limit);
    let last = names.last().copied().filter(|_| more);
    (names, last)
}

fn entries(found: BTreeMap<StoreKey, Meta>) -> Vec<OwnedEntry> {
    let found = found.into_iter();
    found
        .map(|(store_key, meta)| OwnedEntry::new(store_key, meta))
        .collect()
}

pub(super) fn log_corrupt_file(fault: &Fault) {
    tracing::warn!(error = %fault, "skipped a file that cannot be read as a session");
}
