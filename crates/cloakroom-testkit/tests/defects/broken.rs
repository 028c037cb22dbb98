use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use bytes::Bytes;
use cloakroom::store::{
    Cursor, Draft, Entry, Guarantees, Meta, Outcome, OwnedEntry, Page, SaveId, Store, Version,
    from_millis, millis,
};
use cloakroom::{Error, ErrorKind, Owner, Result, StoreKey};

/// A store with one defect.
pub(crate) struct Broken {
    defect: Defect,
    table: Arc<Mutex<Table>>,
    /// The entries that this store has loaded, for `CachesForever`.
    copies: Mutex<HashMap<StoreKey, Option<Entry>>>,
}

/// What is wrong with a [`Broken`] store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Defect {
    /// Nothing: the store keeps all promises.
    Flawless,
    AcceptsVersionsOfOtherEntries,
    CachesForever,
    CountsVersionsFromOne,
    CreateChecksThenWrites,
    CreateOverwrites,
    CreateWritesInTwoSteps,
    DeclaresASmallerMaxSize,
    DeleteDeletesAll,
    DeleteOfAMissingEntryFails,
    DeleteWritesInTwoSteps,
    DeletedEntriesAreListed,
    DropsLabels,
    ExpiredEntriesCannotBeDeleted,
    FindIgnoresCase,
    FindReturnsTheFirst,
    KeepsFewEntries,
    KeepsNoOwnerAsEmpty,
    KeepsWholeSeconds,
    ListsOwnersWithoutDeclaringIt,
    LoadHidesTheEmpty,
    LoadHidesTheExpired,
    LowercasesStoreKeys,
    NeverChangesVersions,
    OwnersIgnoreCase,
    PingFails,
    RefusesLargeData,
    RefusesLongOwners,
    RefusesMoreThan8M,
    RefusesStoreKeysOtherThanHashes,
    RenameChecksThenWrites,
    RenameCreates,
    RenameDeletesThenCreates,
    RenameDropsTheOwner,
    RenameIgnoresTheVersion,
    RenameKeepsTheOld,
    RenameOverwrites,
    RenameForgetsTheTombstone,
    RevokeDeletesTheKept,
    RevokeIgnoresItsLimit,
    RevokeOmitsKeys,
    RenameReturnsAnotherVersion,
    ScanListsTombstones,
    ScanSkipsSessionsWithoutOwner,
    StaleRenamesLeaveATombstone,
    TombstonesBelongToTheOwner,
    SaveChecksThenWrites,
    SaveIgnoresTheVersion,
    SaveKeepsTheMeta,
    SaveReturnsAnotherVersion,
    SaveRevivesDeletedEntries,
    SaveUpserts,
    SaveWritesEverywhere,
    SaveWritesInTwoSteps,
    SaveWritesMetaWhenStale,
    SweepDeletesUnexpired,
    SweepIgnoresItsLimit,
    SweepKeepsTombstones,
    SweepKeepsWhatExpiresNow,
    SweepMiscounts,
    SweepUsesTheFirstExpiry,
    SweepWorksOnce,
    TouchBumpsTheVersion,
    TouchCreates,
    TouchIgnoresTheVersion,
    TouchWritesInTwoSteps,
    TouchWritesTheWholeMeta,
    TrimsStoreKeys,
    TruncatesDataAt64K,
    TruncatesDataAtNul,
    TruncatesLabels,
    TruncatesStoreKeys,
}

use Defect::*;

#[derive(Default)]
struct Table {
    entries: BTreeMap<Vec<u8>, Entry>,
    /// The expiry with which each entry was created, for `SweepUsesTheFirstExpiry`.
    first_expiries: HashMap<Vec<u8>, SystemTime>,
    /// The deleted entries, for `SaveRevivesDeletedEntries` and `DeletedEntriesAreListed`.
    deleted: BTreeMap<Vec<u8>, Entry>,
    sweeps: usize,
    /// The number of calls that have checked an entry so far, for defects such as
    /// `SaveChecksThenWrites`.
    checked: usize,
    /// The number of calls that have checked an entry but have not written it yet.
    undecided: usize,
    /// Whether a second call checked the entry before the first call had written it.
    had_race: bool,
}

impl Broken {
    pub(crate) fn new(defect: Defect) -> Self {
        Self {
            defect,
            table: Arc::default(),
            copies: Mutex::default(),
        }
    }

    /// Returns two stores on the same entries.
    pub(crate) fn twice(defect: Defect) -> (Self, Self) {
        let one = Self::new(defect);
        let other = Self {
            defect,
            table: one.table.clone(),
            copies: Mutex::default(),
        };
        (one, other)
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no panic under the lock")
    }

    /// Returns the bytes under which the table stores the entry of a key.
    fn place(&self, key: &StoreKey) -> Result<Vec<u8>> {
        let mut place = key.as_bytes().to_vec();
        match self.defect {
            LowercasesStoreKeys => place.make_ascii_lowercase(),
            TruncatesStoreKeys => place.truncate(32),
            TrimsStoreKeys => place = place.trim_ascii().to_vec(),
            RefusesStoreKeysOtherThanHashes if place.len() != 32 => return Err(broken()),
            _ => {}
        }
        Ok(place)
    }

    /// Returns the entry that the store writes for a draft.
    fn kept(&self, new: &Draft) -> Result<Entry> {
        let mut entry = Entry::new(new.data.clone(), new.meta.clone(), new.version());
        match self.defect {
            TruncatesDataAt64K => entry.data.truncate(65_535),
            TruncatesDataAtNul => {
                let end = entry.data.iter().position(|byte| *byte == 0);
                entry.data.truncate(end.unwrap_or(usize::MAX));
            }
            TruncatesLabels => {
                let cut = |label: Box<str>| label.chars().take(100).collect::<String>().into();
                entry.meta.label = entry.meta.label.map(cut);
            }
            DropsLabels => entry.meta.label = None,
            KeepsNoOwnerAsEmpty => {
                entry.meta.owner.get_or_insert_with(|| Owner::from(""));
            }
            KeepsWholeSeconds => {
                let secs = |at| from_millis(millis(at) / 1_000 * 1_000);
                entry.meta.touched = secs(entry.meta.touched);
                entry.meta.expires = secs(entry.meta.expires);
            }
            CountsVersionsFromOne | NeverChangesVersions => {
                entry.version = Version::from(SaveId::new(1))
            }
            RefusesLargeData if new.data.len() > 1_000 => return Err(broken()),
            RefusesLongOwners
                if new
                    .meta
                    .owner
                    .as_ref()
                    .is_some_and(|owner| owner.as_str().len() > 254) =>
            {
                return Err(broken());
            }
            RefusesMoreThan8M if new.data.len() > 8 << 20 => return Err(broken()),
            _ => {}
        }
        Ok(entry)
    }

    /// Waits between the check and the write of the call with this number.
    ///
    /// Waits until a second call has checked the entry, too. Both calls then write the entry, so
    /// the defect is certain to show. After the first such race, this method no longer waits for a
    /// second call. If there is no second call, returns after a while.
    async fn wait_for_rival(&self, number: usize) {
        pause().await;
        for _ in 0..PATIENCE {
            if self.table().had_race(number) {
                break;
            }
            pause().await;
        }
        self.table().undecided -= 1;
    }

    /// Deletes the entry between the check and the write of a save, and returns after the write. If
    /// there is no such save, deletes the entry after a while.
    async fn delete_in_a_race(&self, place: &[u8]) {
        let mut is_deleted = false;
        for _ in 0..PATIENCE {
            {
                let mut table = self.table();
                if is_deleted && table.entries.contains_key(place) {
                    return;
                }
                if !is_deleted && table.undecided > 0 {
                    table.entries.remove(place);
                    is_deleted = true;
                }
            }
            pause().await;
        }
        self.table().entries.remove(place);
    }

    /// Returns `new`. If the store counts versions, the entry gets the version that follows `old`.
    fn next(&self, old: &Version, mut new: Entry) -> Entry {
        if self.has(CountsVersionsFromOne) {
            new.version = Version::from(SaveId::new(
                old.save_id().map(SaveId::get).map_or(1, |n| n + 1),
            ));
        }
        new
    }
}

impl Table {
    /// Counts a call that has checked an entry, and returns the number of the call.
    fn check(&mut self) -> usize {
        self.checked += 1;
        self.undecided += 1;
        self.checked
    }

    /// Returns whether two calls have checked the entry before one of them has written it. `number`
    /// is the number of the call that is about to write.
    fn had_race(&mut self, number: usize) -> bool {
        self.had_race |= self.undecided > 1 || self.checked > number;
        self.had_race
    }

    fn put(&mut self, place: Vec<u8>, entry: Entry) -> Outcome {
        let first = self.first_expiries.entry(place.clone());
        first.or_insert(entry.meta.expires);
        let version = entry.version.clone();
        self.entries.insert(place, entry);
        Outcome::Written(version)
    }

    fn has(&self, place: &[u8], seen: &Version) -> bool {
        self.entries
            .get(place)
            .is_some_and(|entry| entry.version == *seen)
    }
}

impl Store for Broken {
    fn guarantees(&self) -> Guarantees {
        let mut guarantees = Guarantees::default()
            .compares()
            .revokes()
            .tombstones()
            .scans();
        guarantees.owners = !self.has(ListsOwnersWithoutDeclaringIt);
        guarantees.max_size = self.has(DeclaresASmallerMaxSize).then_some(1_000);
        guarantees
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let place = self.place(key)?;
        let mut entry = self.table().entries.get(&place).cloned();
        match self.defect {
            CachesForever => {
                let mut copies = self.copies.lock().expect("no panic under the lock");
                entry = copies.entry(key.clone()).or_insert(entry).clone();
            }
            LoadHidesTheEmpty => entry = entry.filter(|entry| !entry.data.is_empty()),
            LoadHidesTheExpired => {
                entry = entry.filter(|entry| entry.meta.expires > from_millis(1_000_000_000_000));
            }
            _ => {}
        }
        Ok(entry)
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let (place, entry) = (self.place(key)?, self.kept(new)?);
        let number = {
            let mut table = self.table();
            if table.entries.contains_key(&place) && !self.has(CreateOverwrites) {
                return Ok(Outcome::Stale);
            }
            self.has(CreateChecksThenWrites).then(|| table.check())
        };
        if let Some(number) = number {
            self.wait_for_rival(number).await;
        }
        match self.defect {
            CreateWritesInTwoSteps => {
                let mut half = entry.clone();
                half.data = Bytes::new();
                let _ = self.table().put(place.clone(), half);
                pause().await;
                return Ok(self.table().put(place, entry));
            }
            KeepsFewEntries if self.table().entries.len() >= 500 => {
                self.table().entries.pop_first();
            }
            _ => {}
        }
        let mut table = self.table();
        if table.entries.contains_key(&place)
            && !self.has(CreateOverwrites)
            && !self.has(CreateChecksThenWrites)
        {
            return Ok(Outcome::Stale);
        }
        Ok(table.put(place, entry))
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let (place, entry) = (self.place(key)?, self.kept(new)?);
        let entry = self.next(seen, entry);
        if self.has(SaveChecksThenWrites) {
            let number = {
                let mut table = self.table();
                if !table.has(&place, seen) {
                    return Ok(Outcome::Stale);
                }
                table.check()
            };
            self.wait_for_rival(number).await;
            return Ok(self.table().put(place, entry));
        }
        if self.has(SaveWritesInTwoSteps) {
            let Some(old) = self.table().entries.get(&place).cloned() else {
                return Ok(Outcome::Stale);
            };
            if old.version != *seen {
                return Ok(Outcome::Stale);
            }
            let mut half = entry.clone();
            half.meta = old.meta;
            let _ = self.table().put(place.clone(), half);
            pause().await;
            return Ok(self.table().put(place, entry));
        }

        let mut table = self.table();
        let is_there = table.entries.contains_key(&place);
        let is_good = match self.defect {
            SaveUpserts => !is_there || table.has(&place, seen),
            SaveIgnoresTheVersion => is_there,
            AcceptsVersionsOfOtherEntries => {
                is_there && table.entries.values().any(|entry| entry.version == *seen)
            }
            SaveRevivesDeletedEntries => {
                let deleted = table.deleted.get(&place);
                table.has(&place, seen) || deleted.is_some_and(|entry| entry.version == *seen)
            }
            _ => table.has(&place, seen),
        };
        if !is_good {
            if let (true, Some(old)) = (
                self.has(SaveWritesMetaWhenStale),
                table.entries.get_mut(&place),
            ) {
                old.meta = entry.meta;
            }
            return Ok(Outcome::Stale);
        }
        match self.defect {
            SaveKeepsTheMeta => {
                let meta = table.entries[&place].meta.clone();
                return Ok(table.put(place, Entry::new(entry.data, meta, entry.version)));
            }
            SaveReturnsAnotherVersion => {
                let _ = table.put(place, entry);
                return Ok(Outcome::Written(SaveId::random()?.into()));
            }
            SaveWritesEverywhere => {
                for other in table.entries.values_mut() {
                    other.data = entry.data.clone();
                }
            }
            _ => {}
        }
        Ok(table.put(place, entry))
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        let place = self.place(key)?;
        if self.has(DeleteWritesInTwoSteps) {
            if let Some(entry) = self.table().entries.get_mut(&place) {
                entry.data = Bytes::new();
            }
            pause().await;
        }
        if self.has(SaveChecksThenWrites) {
            self.delete_in_a_race(&place).await;
            return Ok(());
        }
        let mut table = self.table();
        if self.has(DeleteDeletesAll) {
            table.entries.clear();
        }
        match table.entries.remove(&place) {
            Some(entry)
                if self.has(ExpiredEntriesCannotBeDeleted) && millis(entry.meta.expires) == 0 =>
            {
                return Err(broken());
            }
            Some(entry) => {
                table.deleted.insert(place, entry);
            }
            None if self.has(DeleteOfAMissingEntryFails) => return Err(broken()),
            None => {}
        }
        Ok(())
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        let (from, to, mut entry) = (self.place(from)?, self.place(to)?, self.kept(new)?);
        let mut tombstone = tombstone
            .map(|tombstone| self.kept(tombstone))
            .transpose()?;
        match self.defect {
            RenameForgetsTheTombstone => tombstone = None,
            TombstonesBelongToTheOwner => {
                if let Some(tombstone) = &mut tombstone {
                    tombstone.meta.owner = entry.meta.owner.clone();
                }
            }
            _ => {}
        }
        if self.has(RenameDropsTheOwner) {
            entry.meta.owner = None;
        }
        let number = {
            let mut table = self.table();
            let is_good = match self.defect {
                RenameCreates => !table.entries.contains_key(&from) || table.has(&from, seen),
                RenameIgnoresTheVersion => table.entries.contains_key(&from),
                _ => table.has(&from, seen),
            };
            let is_free = !table.entries.contains_key(&to) || self.has(RenameOverwrites);
            if !is_good || !is_free {
                if let (true, Some(tombstone)) = (self.has(StaleRenamesLeaveATombstone), tombstone)
                {
                    let _ = table.put(from, tombstone);
                }
                return Ok(Outcome::Stale);
            }
            if !self.has(RenameChecksThenWrites) && !self.has(RenameDeletesThenCreates) {
                if !self.has(RenameKeepsTheOld) {
                    table.entries.remove(&from);
                }
                let outcome = table.put(to, entry);
                if let Some(tombstone) = tombstone {
                    let _ = table.put(from, tombstone);
                }
                return match self.defect {
                    RenameReturnsAnotherVersion => Ok(Outcome::Written(SaveId::random()?.into())),
                    _ => Ok(outcome),
                };
            }
            if self.has(RenameDeletesThenCreates) {
                table.entries.remove(&from);
            }
            self.has(RenameChecksThenWrites).then(|| table.check())
        };
        match number {
            Some(number) => self.wait_for_rival(number).await,
            None => pause().await,
        }
        let mut table = self.table();
        table.entries.remove(&from);
        if let Some(tombstone) = tombstone {
            let _ = table.put(from, tombstone);
        }
        Ok(table.put(to, entry))
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let place = self.place(key)?;
        if self.has(TouchWritesInTwoSteps) && self.table().has(&place, seen) {
            let write = |change: fn(&mut Meta, &Meta)| {
                if let Some(entry) = self.table().entries.get_mut(&place) {
                    change(&mut entry.meta, meta);
                }
            };
            write(|old, new| old.touched = new.touched);
            pause().await;
            write(|old, new| old.expires = new.expires);
            return Ok(Outcome::Written(seen.clone()));
        }
        let mut table = self.table();
        if self.has(TouchCreates) && !table.entries.contains_key(&place) {
            let entry = Entry::new(Bytes::new(), meta.clone(), seen.clone());
            return Ok(table.put(place, entry));
        }
        let ignores = self.has(TouchIgnoresTheVersion);
        let old = table.entries.get_mut(&place);
        let Some(old) = old.filter(|old| ignores || old.version == *seen) else {
            return Ok(Outcome::Stale);
        };
        match self.defect {
            TouchWritesTheWholeMeta => old.meta = meta.clone(),
            TouchBumpsTheVersion => old.version = SaveId::random()?.into(),
            _ => {}
        }
        old.meta.touched = meta.touched;
        old.meta.expires = meta.expires;
        if self.has(KeepsWholeSeconds) {
            old.meta.touched = from_millis(millis(meta.touched) / 1_000 * 1_000);
        }
        Ok(Outcome::Written(old.version.clone()))
    }

    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let mut table = self.table();
        table.sweeps += 1;
        if self.has(SweepWorksOnce) && table.sweeps > 1 {
            return Ok(0);
        }
        let is_dead = |place: &Vec<u8>, entry: &Entry| match self.defect {
            SweepDeletesUnexpired => true,
            SweepKeepsTombstones => !entry.meta.is_tombstone() && entry.meta.expires <= now,
            SweepKeepsWhatExpiresNow => entry.meta.expires < now,
            SweepUsesTheFirstExpiry => table.first_expiries[place] <= now,
            _ => entry.meta.expires <= now,
        };
        let limit = if self.has(SweepIgnoresItsLimit) {
            usize::MAX
        } else {
            limit
        };
        let dead = table
            .entries
            .iter()
            .filter(|(place, entry)| is_dead(place, entry));
        let dead: Vec<Vec<u8>> = dead.map(|(place, _)| place.clone()).take(limit).collect();
        for place in &dead {
            if let Some(entry) = table.entries.remove(place) {
                table.deleted.insert(place.clone(), entry);
            }
        }
        Ok(dead.len() + usize::from(self.has(SweepMiscounts)))
    }

    async fn owned_by(&self, owner: &Owner, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let table = self.table();
        let deleted = table
            .deleted
            .iter()
            .filter(|_| self.has(DeletedEntriesAreListed));
        let is_theirs = |meta: &Meta| {
            meta.owner.as_ref().is_some_and(|of| match self.defect {
                OwnersIgnoreCase => of.as_str().eq_ignore_ascii_case(owner.as_str()),
                _ => of == owner,
            })
        };
        let mut owned = Vec::new();
        for (place, entry) in table.entries.iter().chain(deleted) {
            if is_theirs(&entry.meta) {
                owned.push(OwnedEntry::new(StoreKey::new(place), entry.meta.clone()));
            }
        }
        Ok(Page::of(owned, after, limit))
    }

    async fn revoke_owned(
        &self,
        owner: &Owner,
        except: Option<&StoreKey>,
        limit: usize,
    ) -> Result<Vec<StoreKey>> {
        let limit = match self.defect {
            RevokeIgnoresItsLimit => usize::MAX - 1,
            _ => limit,
        };
        let page = self.owned_by(owner, None, limit.saturating_add(1)).await?;
        let keys = page.entries.into_iter().map(|owned| owned.key);
        let kept = except.filter(|_| !self.has(RevokeDeletesTheKept));
        let mut keys: Vec<_> = keys.filter(|key| Some(key) != kept).take(limit).collect();
        for key in &keys {
            self.delete(key).await?;
        }
        if self.has(RevokeOmitsKeys) && keys.len() > 1 {
            keys.truncate(1);
        }
        Ok(keys)
    }

    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let table = self.table();
        let is_listed = |meta: &Meta| match self.defect {
            ScanListsTombstones => true,
            ScanSkipsSessionsWithoutOwner => meta.owner.is_some(),
            _ => !meta.is_tombstone(),
        };
        let entries = table.entries.iter();
        let listed = entries.filter(|(_, entry)| is_listed(&entry.meta));
        let listed =
            listed.map(|(place, entry)| OwnedEntry::new(StoreKey::new(place), entry.meta.clone()));
        Ok(Page::of(listed.collect(), after, limit))
    }

    async fn find(&self, prefix: &[u8]) -> Result<Option<StoreKey>> {
        let table = self.table();
        let is_match = |place: &&Vec<u8>| match self.defect {
            FindIgnoresCase => place[..prefix.len()].eq_ignore_ascii_case(prefix),
            _ => place.starts_with(prefix),
        };
        let matches: BTreeSet<&Vec<u8>> = table.entries.keys().filter(is_match).collect();
        if matches.len() > 1 && !self.has(FindReturnsTheFirst) {
            return Ok(None);
        }
        Ok(matches.first().map(|place| StoreKey::new(place)))
    }

    async fn ping(&self) -> Result<()> {
        if self.has(PingFails) {
            Err(broken())
        } else {
            Ok(())
        }
    }
}

fn broken() -> Error {
    Error::new(ErrorKind::Unavailable, "calling a broken store")
}

/// Yields often enough for every other task to run in between.
async fn pause() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    // Lets the other threads run, too, on a machine with few processors.
    std::thread::yield_now();
}

/// How often a call pauses for a rival before it continues alone.
const PATIENCE: usize = 1_000;
