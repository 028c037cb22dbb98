use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cloakroom::store::{
    Cursor, Draft, Entry, Guarantees, Meta, Outcome, Page, SaveId, Store, Version,
};
use cloakroom::{Owner, Result, StoreKey};

/// A wrapper for a store that keeps only a part of what the suite writes; see
/// [`OnlyText`](super::OnlyText) and [`OnlyBytes`](super::OnlyBytes).
///
/// Store keys become 32 letters and digits. The wrapper remembers the parts of an entry that the
/// store does not keep, and adds them when the entry is loaded.
pub struct Only<S, R> {
    store: S,
    remainder: Arc<Mutex<R>>,
}

impl<S: Store, R: Remainder> Only<S, R> {
    /// Wraps `store`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::{MemoryStore, Store};
    /// use cloakroom_testkit::conformance::{OnlyText, draft, store_key};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
    /// let store = OnlyText::new(MemoryStore::new());
    /// store.create(&store_key(1), &draft(1)).await?;
    ///
    /// let entry = store.load(&store_key(1)).await?.expect("the entry was created");
    /// assert_eq!(entry.meta, draft(1).meta);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(store: S) -> Self {
        Self {
            store,
            remainder: Arc::default(),
        }
    }

    /// Wraps two stores on the same entries, for
    /// [`conformance_shared!`](crate::conformance_shared!).
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    ///
    /// use cloakroom::store::{MemoryStore, Store};
    /// use cloakroom_testkit::conformance::{OnlyText, draft, store_key};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
    /// let entries = Arc::new(MemoryStore::new());
    /// let (one, other) = OnlyText::pair(entries.clone(), entries);
    /// one.create(&store_key(1), &draft(1)).await?;
    ///
    /// let entry = other.load(&store_key(1)).await?.expect("the entry was created");
    /// assert_eq!(entry.meta, draft(1).meta);
    /// # Ok(())
    /// # }
    /// ```
    pub fn pair<T: Store>(one: S, other: T) -> (Self, Only<T, R>) {
        let one = Self::new(one);
        let other = Only {
            store: other,
            remainder: Arc::clone(&one.remainder),
        };
        (one, other)
    }

    /// Returns the draft to pass to the store, and remembers the parts that are not in it.
    ///
    /// Called before the write, because another call may load the entry, and need these parts,
    /// before the write returns.
    fn reduce(&self, new: &Draft) -> Draft {
        self.remainder().reduce(new)
    }

    fn remainder(&self) -> MutexGuard<'_, R> {
        self.remainder
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Remembers the parts of entries that a store does not keep, and restores them.
pub trait Remainder: Default + Send + 'static {
    /// Returns the maximum size of the data if the store's maximum is `of_store`.
    fn max_size(of_store: usize) -> usize;

    /// Returns the draft to pass to the store, and remembers the parts that are not in it.
    fn reduce(&mut self, new: &Draft) -> Draft;

    /// Returns the entry as it was written. If the store has changed the entry, the result differs
    /// from what was written, so that the suite fails.
    fn restore(&self, entry: Entry) -> Entry;

    /// Returns the times to pass to the store when the version `seen` is touched.
    fn before_touch(&mut self, seen: &Version, touch: &Meta) -> Meta;

    /// Called when the store has touched `version`.
    fn after_touch(&mut self, version: &Version, touch: &Meta) {
        let _ = (version, touch);
    }

    /// Returns the time to pass to the store for a sweep of the entries that have expired at `now`.
    fn sweep_time(now: SystemTime) -> SystemTime {
        now
    }
}

impl<S: Store, R: Remainder> Store for Only<S, R> {
    fn guarantees(&self) -> Guarantees {
        let mut guarantees = self.store.guarantees();
        guarantees.max_size = guarantees.max_size.map(R::max_size);
        guarantees
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let entry = self.store.load(&plain(key)).await?;
        Ok(entry.map(|entry| self.remainder().restore(entry)))
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        self.store.create(&plain(key), &self.reduce(new)).await
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        self.store.save(&plain(key), seen, &self.reduce(new)).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.store.delete(&plain(key)).await
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
        tombstone: Option<&Draft>,
    ) -> Result<Outcome> {
        let (from, to) = (plain(from), plain(to));
        self.store
            .rename(&from, seen, &to, &self.reduce(new), tombstone)
            .await
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let kept = self.remainder().before_touch(seen, meta);
        let outcome = self.store.touch(&plain(key), seen, &kept).await?;
        if let Outcome::Written(version) = &outcome {
            self.remainder().after_touch(version, meta);
        }
        Ok(outcome)
    }

    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        self.store.sweep(R::sweep_time(now), limit).await
    }

    async fn owned_by(&self, owner: &Owner, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        self.store.owned_by(owner, after, limit).await
    }

    async fn find(&self, prefix: &[u8]) -> Result<Option<StoreKey>> {
        self.store.find(prefix).await
    }

    async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }
}

/// Returns a key of 32 letters and digits, like Django's, that is unique for `key`.
fn plain(key: &StoreKey) -> StoreKey {
    let half = |nth: u8| {
        let mut hasher = DefaultHasher::new();
        (nth, key.as_bytes()).hash(&mut hasher);
        hasher.finish()
    };
    let key = format!("{:016x}{:016x}", half(0), half(1));
    StoreKey::new(key.as_bytes())
}

/// Identifies a version in a map.
pub(super) type VersionId = (Option<u64>, Option<::bytes::Bytes>);

pub(super) fn version_id(version: &Version) -> VersionId {
    let save_id = version.save_id().map(SaveId::get);
    (save_id, version.as_bytes().cloned())
}
