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

/// A store in the memory of this process, for tests, development and sites that can afford to lose
/// their sessions when the process ends.
///
/// Its [guarantees](Guarantees) are `compares`, `revokes`, `owners`, `tombstones` and `scans`. It
/// never drops an unexpired session.
///
/// Its size is bounded in bytes. New sessions without an owner may fill 90 % of the bound; other
/// writes may fill all of it. Visitors can therefore still log in while the site is flooded with
/// anonymous sessions. If a write does not fit, expired entries are deleted. If that does not free
/// enough, the write returns [`Full`](ErrorKind::Full).
///
/// # Examples
/// ```
/// use cloakroom::Sessions;
/// use cloakroom::store::MemoryStore;
///
/// let sessions = Sessions::new(MemoryStore::new().max_bytes(64 << 20));
/// assert!(sessions.guarantees().compares);
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    table: Mutex<Table>,
    max_bytes: usize,
}

impl MemoryStore {
    /// Creates an empty store with a bound of 256 MiB.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::MemoryStore;
    ///
    /// assert!(MemoryStore::new().is_empty());
    /// ```
    pub fn new() -> Self {
        Self {
            table: Mutex::default(),
            max_bytes: DEFAULT_MAX_BYTES,
        }
    }

    /// Sets the maximum number of bytes for all sessions together.
    ///
    /// The estimated overhead, about 300 bytes per session, counts too.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{ErrorKind, Sessions, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let sessions = Sessions::new(MemoryStore::new().max_bytes(64 << 10));
    /// let session = sessions.new_session();
    /// session.set("essay", "x".repeat(100_000))?;
    /// assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::Full);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Returns the number of entries, including expired ones.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use cloakroom::{Sessions, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let store = Arc::new(MemoryStore::new());
    /// let sessions = Sessions::new(Arc::clone(&store));
    ///
    /// let session = sessions.new_session();
    /// session.set("theme", "dark")?;
    /// session.save().await?;
    /// assert_eq!(store.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn len(&self) -> usize {
        self.table().rows.len()
    }

    /// Returns whether there are no entries, not even expired ones.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::MemoryStore;
    ///
    /// assert!(MemoryStore::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code panics between two changes that belong together, so the data is consistent even
        // if the lock is poisoned.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for `new` and `tombstone`, which replace the entry at `old` if there is one.
    ///
    /// This may delete the entry at `old` if it has expired.
    fn make_room(
        &self,
        table: &mut Table,
        new: &Draft,
        tombstone: Option<&Draft>,
        old: Option<&StoreKey>,
    ) -> Result<()> {
        let bound = match (&new.meta.owner, old) {
            (None, None) => self.max_bytes - self.max_bytes / RESERVED_SHARE,
            _ => self.max_bytes,
        };
        let drafts = [Some(new), tombstone].into_iter().flatten();
        let needed: usize = drafts.map(|draft| weight(&draft.data, &draft.meta)).sum();
        let fits = |table: &Table| {
            let replaced = old.map_or(0, |old| table.weight_at(old));
            needed <= replaced || table.bytes + needed <= bound + replaced
        };
        if fits(table) {
            return Ok(());
        }
        // A store has no clock, but the caller sets `touched` to the current time. Before
        // `worth_sweeping_from`, a sweep would find few expired rows, and a sweep for every refused
        // visitor would be slow.
        if new.meta.touched >= table.worth_sweeping_from {
            table.sweep_all(new.meta.touched);
            if fits(table) {
                return Ok(());
            }
        }
        Err(Error::new(
            ErrorKind::Full,
            format!(
                "keeping a session in memory: {} of {} bytes are in use; raise max_bytes",
                table.bytes, self.max_bytes
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
        Guarantees::default()
            .compares()
            .revokes()
            .owners()
            .tombstones()
            .scans()
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        Ok(self.table().rows.get(key).cloned())
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        let mut table = self.table();
        if table.rows.contains_key(key) {
            return Ok(Outcome::Stale);
        }
        self.make_room(&mut table, new, None, None)?;
        Ok(table.insert(key, new))
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        let mut table = self.table();
        if !table.has_version(key, seen) {
            return Ok(Outcome::Stale);
        }
        self.make_room(&mut table, new, None, Some(key))?;
        // Making room may have deleted this entry, and a save never creates one.
        if table.remove(key).is_none() {
            return Ok(Outcome::Stale);
        }
        Ok(table.insert(key, new))
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.table().remove(key);
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
        let mut table = self.table();
        if !table.has_version(from, seen) || table.rows.contains_key(to) {
            return Ok(Outcome::Stale);
        }
        self.make_room(&mut table, new, tombstone, Some(from))?;
        if table.remove(from).is_none() {
            return Ok(Outcome::Stale);
        }
        if let Some(tombstone) = tombstone {
            let _ = table.insert(from, tombstone);
        }
        Ok(table.insert(to, new))
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        match self.table().rows.get_mut(key) {
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
        // Each step continues after the one before, so the loop ends at the last entry.
        while swept < limit {
            let (deleted, more) = self.table().sweep_step(now, limit - swept);
            swept += deleted;
            if !more {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(swept)
    }

    async fn owned_by(&self, owner: &Owner, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let table = self.table();
        let Some(keys) = table.keys_by_owner.get(owner) else {
            return Ok(Page::up_to(limit, Vec::new()));
        };
        let keys = keys
            .range((start_of_page(after), Bound::Unbounded))
            .take(limit.saturating_add(1));
        let entries = keys.map(|key| OwnedEntry::new(key.clone(), table.rows[key].meta.clone()));
        Ok(Page::up_to(limit, entries.collect()))
    }

    async fn revoke_owned(
        &self,
        owner: &Owner,
        except: Option<&StoreKey>,
        limit: usize,
    ) -> Result<Vec<StoreKey>> {
        let mut table = self.table();
        let keys = table.keys_by_owner.get(owner).into_iter().flatten();
        let keys: Vec<StoreKey> = keys
            .filter(|key| Some(*key) != except)
            .take(limit)
            .cloned()
            .collect();
        for key in &keys {
            table.remove(key);
        }
        Ok(keys)
    }

    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let table = self.table();
        let rows = table
            .rows
            .range((start_of_page(after), Bound::Unbounded))
            .filter(|(_, row)| !row.meta.is_tombstone())
            .take(limit.saturating_add(1));
        let entries = rows.map(|(key, row)| OwnedEntry::new(key.clone(), row.meta.clone()));
        Ok(Page::up_to(limit, entries.collect()))
    }

    async fn find(&self, prefix: &[u8]) -> Result<Option<StoreKey>> {
        let table = self.table();
        let mut first = [0; 32];
        let Some(start) = first.get_mut(..prefix.len()) else {
            return Ok(None);
        };
        start.copy_from_slice(prefix);
        let mut matches = table
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

/// All entries, with an index by owner and their total size.
#[derive(Debug)]
struct Table {
    rows: BTreeMap<StoreKey, Entry>,
    keys_by_owner: BTreeMap<Owner, BTreeSet<StoreKey>>,
    /// The sum of the [`weight`] of all rows.
    bytes: usize,
    /// The key at which the last sweep stopped. The next sweep continues after this key.
    swept_to: Option<StoreKey>,
    /// Before this time, a sweep of all rows would find few expired ones or none.
    worth_sweeping_from: SystemTime,
}

impl Table {
    /// Inserts an entry at a key that is free.
    fn insert(&mut self, key: &StoreKey, new: &Draft) -> Outcome {
        self.bytes += weight(&new.data, &new.meta);
        if let Some(owner) = &new.meta.owner {
            let keys = self.keys_by_owner.entry(owner.clone()).or_default();
            keys.insert(key.clone());
        }
        // Copied, because the draft's bytes may be a small part of a large buffer.
        let data = Bytes::copy_from_slice(&new.data);
        let row = Entry::new(data, new.meta.clone(), new.version());
        self.worth_sweeping_from = self.worth_sweeping_from.min(row.meta.expires);
        self.rows.insert(key.clone(), row);
        Outcome::Written(new.version())
    }

    fn remove(&mut self, key: &StoreKey) -> Option<Entry> {
        let row = self.rows.remove(key)?;
        self.unindex(key, &row);
        Some(row)
    }

    /// Updates the byte count and the owner index after `row` was removed.
    fn unindex(&mut self, key: &StoreKey, row: &Entry) {
        self.bytes -= weight(&row.data, &row.meta);
        if let Some(owner) = &row.meta.owner
            && let Some(keys) = self.keys_by_owner.get_mut(owner)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.keys_by_owner.remove(owner);
            }
        }
    }

    fn has_version(&self, key: &StoreKey, version: &Version) -> bool {
        self.rows
            .get(key)
            .is_some_and(|row| row.version == *version)
    }

    fn weight_at(&self, key: &StoreKey) -> usize {
        self.rows
            .get(key)
            .map_or(0, |row| weight(&row.data, &row.meta))
    }

    /// Examines the next `SWEEP_STEP` rows after `swept_to`, and deletes up to `limit` of them that
    /// have expired.
    ///
    /// Returns the number of deleted rows, and whether more rows may follow.
    fn sweep_step(&mut self, now: SystemTime, limit: usize) -> (usize, bool) {
        let start = match self.swept_to.take() {
            Some(last) => Bound::Excluded(last),
            None => Bound::Unbounded,
        };
        let mut expired = Vec::new();
        let mut last = None;
        for (store_key, row) in self.rows.range((start, Bound::Unbounded)).take(SWEEP_STEP) {
            last = Some(store_key);
            if row.meta.expires <= now {
                expired.push(store_key.clone());
                if expired.len() == limit {
                    break;
                }
            }
        }
        self.swept_to = last.cloned();
        for store_key in &expired {
            self.remove(store_key);
        }
        (expired.len(), self.swept_to.is_some())
    }

    /// Deletes all expired rows.
    fn sweep_all(&mut self, now: SystemTime) {
        let expired = self.rows.extract_if(.., |_, row| row.meta.expires <= now);
        let expired: Vec<(StoreKey, Entry)> = expired.collect();
        for (store_key, row) in &expired {
            self.unindex(store_key, row);
        }
        let expiries = self.rows.values().map(|row| row.meta.expires);
        let first = expiries.min().unwrap_or_else(never);
        // In a full store, rows expire all the time. Without the wait of `BETWEEN_SWEEPS`, each new
        // session would cause a scan of all rows.
        self.worth_sweeping_from = first.max(now + BETWEEN_SWEEPS);
    }
}

impl Default for Table {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            keys_by_owner: BTreeMap::new(),
            bytes: 0,
            swept_to: None,
            worth_sweeping_from: never(),
        }
    }
}

/// Returns the lower bound of the page that follows `after`.
fn start_of_page(after: Option<&Cursor>) -> Bound<StoreKey> {
    after.map_or(Bound::Unbounded, |after| {
        Bound::Excluded(StoreKey::new(after.as_bytes()))
    })
}

/// Returns a time that no expiry exceeds.
fn never() -> SystemTime {
    from_millis(i64::MAX)
}

/// Returns the number of bytes that an entry adds to [`Table::bytes`]: its contents, and an
/// estimate of the overhead of the maps.
fn weight(data: &Bytes, meta: &Meta) -> usize {
    let owner = meta.owner.as_ref().map_or(0, |owner| {
        // The entry and the index each contain the owner, and the index contains the key as well.
        2 * owner.as_str().len() + size_of::<StoreKey>() + size_of::<Owner>()
    });
    let label = meta.label.as_ref().map_or(0, |label| label.len());
    data.len() + owner + label + size_of::<(StoreKey, Entry)>() + MAP_OVERHEAD
}

/// The number of rows that a sweep examines before it releases the lock.
const SWEEP_STEP: usize = 1_024;

/// How long a full store refuses new sessions before it looks for expired sessions again.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(1);

const DEFAULT_MAX_BYTES: usize = 256 << 20;

/// `1 / RESERVED_SHARE` of the bound is reserved for logins and for existing sessions that grow.
const RESERVED_SHARE: usize = 10;

/// The estimated bytes per entry for the nodes of the B-trees: allocations, edges and empty slots.
const MAP_OVERHEAD: usize = 96;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::model::SaveId;

    #[tokio::test]
    async fn a_full_store_accepts_logins_and_refuses_anonymous_sessions_until_others_expire() {
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
        assert_eq!(store.len(), 1, "the nineteen older entries had expired");
    }

    #[tokio::test]
    async fn a_session_that_would_outgrow_the_bound_is_not_saved_and_no_session_is_dropped() {
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
    async fn a_save_whose_entry_is_swept_to_make_room_creates_nothing() {
        let store = MemoryStore::new().max_bytes(1_000);
        let _ = store.create(&at(1), &draft(0, 10)).await.unwrap();
        let mut large = draft(10, 20);
        large.data = Bytes::from(vec![b'x'; 2_000]);

        let refused = store.save(&at(1), &draft(0, 10).version(), &large).await;

        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Full);
        assert!(store.is_empty());
    }

    #[tokio::test]
    async fn a_sweep_continues_where_the_last_one_stopped() {
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
        Draft::new(Bytes::new(), meta(touched, expires), SaveId::new(7))
    }

    fn meta(touched: u64, expires: u64) -> Meta {
        Meta::new(
            UNIX_EPOCH,
            UNIX_EPOCH + Duration::from_secs(touched),
            UNIX_EPOCH + Duration::from_secs(expires),
        )
    }
}
