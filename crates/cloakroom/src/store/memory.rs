use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::guarantees::Guarantees;
use super::store::Store;
use crate::model::{
    Cursor, Draft, Entry, Error, ErrorKind, Meta, Outcome, OwnedEntry, Owner, Page, Result,
    StoreKey, Version, from_millis,
};

/// Sessions in the memory of this process: for tests, for development and for sites that may forget.
///
/// It is bounded in bytes. When it is full it sweeps, and if that does not help it refuses: anonymous sessions from
/// nine tenths of the bound on, so that visitors can still log in while somebody floods the site, and everything
/// that grows at the bound itself. It never drops a live session.
///
/// **Guarantees**: compares, revokes, lists owners. **Its worst day**: the process ends and every visitor is a
/// stranger.
///
/// # Examples
/// ```
/// use cloakroom::Sessions;
/// use cloakroom::store::MemoryStore;
///
/// let sessions = Sessions::new(MemoryStore::new().max_bytes(64 << 20));
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    shelves: Mutex<Shelves>,
    max_bytes: usize,
}

impl MemoryStore {
    /// An empty store that may grow to 256 MiB.
    pub fn new() -> Self {
        Self {
            shelves: Mutex::default(),
            max_bytes: DEFAULT_MAX_BYTES,
        }
    }

    /// Bounds the bytes that all sessions take together, with what the store itself needs for each.
    #[must_use]
    pub fn max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// How many entries there are, expired ones included.
    pub fn len(&self) -> usize {
        self.shelves().rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        // No panic can happen between two changes that belong together, so a poisoned lock guards sound data.
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that there is room for `new` in the place of the entry at `old`, if there is one.
    ///
    /// The entry at `old` may be swept for it.
    fn make_room(&self, shelves: &mut Shelves, new: &Draft, old: Option<&StoreKey>) -> Result<()> {
        let bound = match (&new.meta.owner, old) {
            (None, None) => self.max_bytes - self.max_bytes / KEPT_FOR_LOGINS,
            _ => self.max_bytes,
        };
        let needed = weight(&new.data, &new.meta);
        let fits = |shelves: &Shelves| {
            let replaced = old.map_or(0, |old| shelves.weight_at(old));
            needed <= replaced || shelves.bytes + needed <= bound + replaced
        };
        if fits(shelves) {
            return Ok(());
        }
        // A draft is always dated by the core's clock, so the store needs none of its own. While nothing can have
        // expired there is nothing to look for, however many visitors are being refused.
        if new.meta.touched >= shelves.worth_sweeping_from {
            shelves.sweep_all(new.meta.touched);
            if fits(shelves) {
                return Ok(());
            }
        }
        Err(Error::new(
            ErrorKind::Full,
            format!(
                "keeping a session in memory: {} of {} bytes are in use; raise max_bytes",
                shelves.bytes, self.max_bytes
            ),
        ))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for MemoryStore {
    fn guarantees(&self) -> Guarantees {
        Guarantees::default().compares().revokes().owners()
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        Ok(self.shelves().rows.get(key).cloned())
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let mut shelves = self.shelves();
        if shelves.rows.contains_key(key) {
            return Ok(Outcome::Stale);
        }
        self.make_room(&mut shelves, new, None)?;
        Ok(shelves.put(key, new))
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let mut shelves = self.shelves();
        if !shelves.has(key, seen) {
            return Ok(Outcome::Stale);
        }
        self.make_room(&mut shelves, new, Some(key))?;
        // Making room may have swept this very entry, and a save never creates.
        if shelves.take(key).is_none() {
            return Ok(Outcome::Stale);
        }
        Ok(shelves.put(key, new))
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.shelves().take(key);
        Ok(())
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
    ) -> Result<Outcome> {
        let mut shelves = self.shelves();
        if !shelves.has(from, seen) || shelves.rows.contains_key(to) {
            return Ok(Outcome::Stale);
        }
        self.make_room(&mut shelves, new, Some(from))?;
        if shelves.take(from).is_none() {
            return Ok(Outcome::Stale);
        }
        Ok(shelves.put(to, new))
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        match self.shelves().rows.get_mut(key) {
            Some(row) if row.version == *seen => {
                row.meta.touched = meta.touched;
                row.meta.expires = meta.expires;
                Ok(Outcome::Written(row.version.clone()))
            }
            _ => Ok(Outcome::Stale),
        }
    }

    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        let mut swept = 0;
        // Ends with the last entry at the latest: each step goes on behind the one before.
        while swept < limit {
            let (dead, more) = self.shelves().sweep_on(now, limit - swept);
            swept += dead;
            if !more {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(swept)
    }

    async fn owned_by(&self, owner: &Owner, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let shelves = self.shelves();
        let Some(keys) = shelves.owned.get(owner) else {
            return Ok(Page::up_to(limit, Vec::new()));
        };
        let keys = keys
            .range((behind(after), Bound::Unbounded))
            .take(limit.saturating_add(1));
        let entries = keys.map(|key| OwnedEntry::new(key.clone(), shelves.rows[key].meta.clone()));
        Ok(Page::up_to(limit, entries.collect()))
    }

    async fn revoke_owned(
        &self,
        owner: &Owner,
        except: Option<&StoreKey>,
        limit: usize,
    ) -> Result<Vec<StoreKey>> {
        let mut shelves = self.shelves();
        let keys = shelves.owned.get(owner).into_iter().flatten();
        let keys: Vec<StoreKey> = keys
            .filter(|key| Some(*key) != except)
            .take(limit)
            .cloned()
            .collect();
        for key in &keys {
            shelves.take(key);
        }
        Ok(keys)
    }

    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let shelves = self.shelves();
        let rows = shelves
            .rows
            .range((behind(after), Bound::Unbounded))
            .take(limit.saturating_add(1));
        let entries = rows.map(|(key, row)| OwnedEntry::new(key.clone(), row.meta.clone()));
        Ok(Page::up_to(limit, entries.collect()))
    }

    async fn find(&self, prefix: &[u8]) -> Result<Option<StoreKey>> {
        let shelves = self.shelves();
        let mut first = [0; 32];
        let Some(start) = first.get_mut(..prefix.len()) else {
            return Ok(None);
        };
        start.copy_from_slice(prefix);
        let mut matches = shelves
            .rows
            .range(StoreKey::new(&first)..)
            .map(|(store_key, _)| store_key)
            .take_while(|store_key| store_key.as_bytes().starts_with(prefix));
        match (matches.next(), matches.next()) {
            (Some(only), None) => Ok(Some(only.clone())),
            _ => Ok(None),
        }
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Shelves {
    rows: BTreeMap<StoreKey, Entry>,
    owned: BTreeMap<Owner, BTreeSet<StoreKey>>,
    bytes: usize,
    /// Where the last sweep stopped, so that the next goes on behind it.
    swept_to: Option<StoreKey>,
    /// Until then a sweep of everything would find nothing, or hardly more than the last one.
    worth_sweeping_from: SystemTime,
}

impl Shelves {
    fn put(&mut self, key: &StoreKey, new: &Draft) -> Outcome {
        self.bytes += weight(&new.data, &new.meta);
        if let Some(owner) = &new.meta.owner {
            let owned = self.owned.entry(owner.clone()).or_default();
            owned.insert(key.clone());
        }
        // A copy, since the draft's bytes may be a small part of a large buffer.
        let data = Bytes::copy_from_slice(&new.data);
        let row = Entry::new(data, new.meta.clone(), new.version());
        self.worth_sweeping_from = self.worth_sweeping_from.min(row.meta.expires);
        self.rows.insert(key.clone(), row);
        Outcome::Written(new.version())
    }

    fn take(&mut self, key: &StoreKey) -> Option<Entry> {
        let row = self.rows.remove(key)?;
        self.forget(key, &row);
        Some(row)
    }

    /// Strikes a row that has just been removed from the books.
    fn forget(&mut self, key: &StoreKey, row: &Entry) {
        self.bytes -= weight(&row.data, &row.meta);
        if let Some(owner) = &row.meta.owner
            && let Some(owned) = self.owned.get_mut(owner)
        {
            owned.remove(key);
            if owned.is_empty() {
                self.owned.remove(owner);
            }
        }
    }

    fn has(&self, key: &StoreKey, version: &Version) -> bool {
        self.rows
            .get(key)
            .is_some_and(|row| row.version == *version)
    }

    fn weight_at(&self, key: &StoreKey) -> usize {
        self.rows
            .get(key)
            .map_or(0, |row| weight(&row.data, &row.meta))
    }

    /// Takes the expired among the next few entries behind the last sweep; says how many, and whether there are more
    /// to look at.
    fn sweep_on(&mut self, now: SystemTime, limit: usize) -> (usize, bool) {
        let start = match self.swept_to.take() {
            Some(last) => Bound::Excluded(last),
            None => Bound::Unbounded,
        };
        let mut dead = Vec::new();
        let mut last = None;
        for (store_key, row) in self.rows.range((start, Bound::Unbounded)).take(SWEEP_STEP) {
            last = Some(store_key);
            if row.meta.expires <= now {
                dead.push(store_key.clone());
                if dead.len() == limit {
                    break;
                }
            }
        }
        self.swept_to = last.cloned();
        for store_key in &dead {
            self.take(store_key);
        }
        (dead.len(), self.swept_to.is_some())
    }

    fn sweep_all(&mut self, now: SystemTime) {
        let dead = self.rows.extract_if(.., |_, row| row.meta.expires <= now);
        let dead: Vec<(StoreKey, Entry)> = dead.collect();
        for (store_key, row) in &dead {
            self.forget(store_key, row);
        }
        let expiries = self.rows.values().map(|row| row.meta.expires);
        let first = expiries.min().unwrap_or_else(never);
        // In a full store something expires all the time; looking at everything for each newcomer would be slow.
        self.worth_sweeping_from = first.max(now + BETWEEN_SWEEPS);
    }
}

impl Default for Shelves {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            owned: BTreeMap::new(),
            bytes: 0,
            swept_to: None,
            worth_sweeping_from: never(),
        }
    }
}

/// Where a page begins.
fn behind(after: Option<&Cursor>) -> Bound<StoreKey> {
    after.map_or(Bound::Unbounded, |after| {
        Bound::Excluded(StoreKey::new(after.as_bytes()))
    })
}

/// Later than any expiry.
fn never() -> SystemTime {
    from_millis(i64::MAX)
}

/// What an entry counts against the bound: its bytes, and what the maps need to keep it.
fn weight(data: &Bytes, meta: &Meta) -> usize {
    let owner = meta.owner.as_ref().map_or(0, |owner| {
        // The owner stands in the entry and in the index, and the index holds the lookup once more.
        2 * owner.as_str().len() + size_of::<StoreKey>() + size_of::<Owner>()
    });
    let label = meta.label.as_ref().map_or(0, |label| label.len());
    data.len() + owner + label + size_of::<(StoreKey, Entry)>() + MAP_OVERHEAD
}

/// How many entries a sweep looks at while it holds the lock.
const SWEEP_STEP: usize = 1_024;

/// How long a full store refuses newcomers before it looks again at everything it has.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(1);

const DEFAULT_MAX_BYTES: usize = 256 << 20;

/// The last tenth of the bound is kept for visitors who log in and for sessions that grow.
const KEPT_FOR_LOGINS: usize = 10;

/// The share of a B-tree node that its allocation, its edges and its empty slots take, for each entry.
const MAP_OVERHEAD: usize = 96;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::model::SaveId;

    #[tokio::test]
    async fn when_full_it_sweeps_then_refuses_the_anonymous_and_still_lets_visitors_log_in() {
        let store = MemoryStore::new().max_bytes(20 * weight(&Bytes::new(), &meta(0, 0)));
        for n in 0..18 {
            let outcome = store.create(&at(n), &draft(0, 10)).await.unwrap();
            assert_ne!(outcome, Outcome::Stale);
        }

        let refused = store.create(&at(100), &draft(0, 10)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Full);

        let mut login = draft(0, 10);
        login.meta.owner = Some(Owner::from("ada"));
        assert_ne!(
            store.create(&at(101), &login).await.unwrap(),
            Outcome::Stale
        );
        assert_eq!(store.len(), 19);

        assert_ne!(
            store.create(&at(102), &draft(10, 20)).await.unwrap(),
            Outcome::Stale
        );
        assert_eq!(store.len(), 1, "the eighteen and the login had expired");
    }

    #[tokio::test]
    async fn at_the_bound_even_a_logged_in_session_cannot_grow_and_none_is_dropped() {
        let one = weight(&Bytes::new(), &meta(0, 0));
        let store = MemoryStore::new().max_bytes(20 * one);
        for n in 0..15 {
            assert_ne!(
                store.create(&at(n), &draft(0, 10)).await.unwrap(),
                Outcome::Stale
            );
        }
        let mut large = draft(0, 10);
        large.data = Bytes::from(vec![b'x'; 19 * one]);

        let refused = store
            .save(&at(3), &draft(0, 10).version(), &large)
            .await
            .unwrap_err();

        assert_eq!(refused.kind(), ErrorKind::Full);
        assert_eq!(store.len(), 15);
    }

    #[tokio::test]
    async fn a_save_for_which_its_own_entry_was_swept_creates_nothing() {
        let store = MemoryStore::new().max_bytes(1_000);
        let _ = store.create(&at(1), &draft(0, 10)).await.unwrap();
        let mut large = draft(10, 20);
        large.data = Bytes::from(vec![b'x'; 2_000]);

        let refused = store.save(&at(1), &draft(0, 10).version(), &large).await;

        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Full);
        assert!(store.is_empty());
    }

    #[tokio::test]
    async fn a_sweep_goes_on_where_the_last_one_stopped() {
        let store = MemoryStore::new();
        for n in 0..10 {
            assert_ne!(
                store.create(&at(n), &draft(0, n)).await.unwrap(),
                Outcome::Stale
            );
        }
        let swept = async |limit| {
            store
                .sweep(UNIX_EPOCH + Duration::from_secs(6), limit)
                .await
                .unwrap()
        };

        assert_eq!(
            [
                swept(3).await,
                swept(3).await,
                swept(3).await,
                swept(3).await
            ],
            [3, 3, 1, 0]
        );
        assert_eq!(store.len(), 3);
    }

    fn at(n: u64) -> StoreKey {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        StoreKey::new(&bytes)
    }

    fn draft(touched: u64, expires: u64) -> Draft {
        Draft {
            data: Bytes::new(),
            meta: meta(touched, expires),
            save_id: SaveId::new(7),
        }
    }

    fn meta(touched: u64, expires: u64) -> Meta {
        Meta {
            created: UNIX_EPOCH,
            touched: UNIX_EPOCH + Duration::from_secs(touched),
            expires: UNIX_EPOCH + Duration::from_secs(expires),
            owner: None,
            label: None,
        }
    }
}
