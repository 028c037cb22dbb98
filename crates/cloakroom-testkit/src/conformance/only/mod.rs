//! Stores with less room for an entry than the suite's entries take.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cloakroom::store::{
    Cursor, Draft, Entry, Guarantees, Meta, Outcome, Page, SaveId, Store, Version,
};
use cloakroom::{Owner, Result, StoreKey};

mod bytes;
pub use bytes::OnlyBytes;

mod text;
pub use text::OnlyText;

/// A store that keeps less of an entry than the suite writes, as the suite needs it; see [`OnlyText`] and [`OnlyBytes`].
///
/// Lookups become keys of 32 letters and digits. What the store has no room for is remembered here.
pub struct Only<S, R> {
    store: S,
    rest: Arc<Mutex<R>>,
}

impl<S: Store, R: Rest> Only<S, R> {
    /// Stands before `store`.
    pub fn new(store: S) -> Self {
        Self {
            store,
            rest: Arc::default(),
        }
    }

    /// Stands before two stores that were opened on one place.
    pub fn pair<T: Store>(one: S, other: T) -> (Self, Only<T, R>) {
        let one = Self::new(one);
        let other = Only {
            store: other,
            rest: Arc::clone(&one.rest),
        };
        (one, other)
    }

    /// Before it is written: who loads it may be faster than the answer.
    fn kept(&self, new: &Draft) -> Draft {
        self.rest().kept(new)
    }

    fn rest(&self) -> MutexGuard<'_, R> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a store has no room for, and how that is put together again with what it keeps.
pub trait Rest: Default + Send + 'static {
    /// How large the data may be, where the store takes so much.
    fn max_size(of_store: usize) -> usize;

    /// What the store is given of a draft, the rest of which is remembered.
    fn kept(&mut self, new: &Draft) -> Draft;

    /// The entry as it was written, as far as the store has changed nothing; what it has changed fails the test.
    fn whole(&self, entry: Entry) -> Entry;

    /// What the store is given of a touch of the version that was seen.
    fn touching(&mut self, seen: &Version, touch: &Meta) -> Meta;

    /// The touch has been done.
    fn touched(&mut self, version: &Version, touch: &Meta) {
        let _ = (version, touch);
    }

    /// When the store is to sweep, for what has expired at `now` to go.
    fn sweeping(now: SystemTime) -> SystemTime {
        now
    }
}

impl<S: Store, R: Rest> Store for Only<S, R> {
    fn guarantees(&self) -> Guarantees {
        let mut guarantees = self.store.guarantees();
        guarantees.max_size = guarantees.max_size.map(R::max_size);
        guarantees
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        let entry = self.store.load(&plain(key)).await?;
        Ok(entry.map(|entry| self.rest().whole(entry)))
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        self.store.create(&plain(key), &self.kept(new)).await
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        self.store.save(&plain(key), seen, &self.kept(new)).await
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
    ) -> Result<Outcome> {
        let (from, to) = (plain(from), plain(to));
        self.store.rename(&from, seen, &to, &self.kept(new)).await
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        let kept = self.rest().touching(seen, meta);
        let outcome = self.store.touch(&plain(key), seen, &kept).await?;
        if let Outcome::Written(version) = &outcome {
            self.rest().touched(version, meta);
        }
        Ok(outcome)
    }

    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        self.store.sweep(R::sweeping(now), limit).await
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

/// A key as Django has them: 32 letters and digits. Two lookups never come out alike, as far as 128 bits tell.
fn plain(key: &StoreKey) -> StoreKey {
    let half = |nth: u8| {
        let mut hasher = DefaultHasher::new();
        (nth, key.as_bytes()).hash(&mut hasher);
        hasher.finish()
    };
    let key = format!("{:016x}{:016x}", half(0), half(1));
    StoreKey::new(key.as_bytes())
}

/// What a version can be remembered by.
type Name = (Option<u64>, Option<::bytes::Bytes>);

fn name(version: &Version) -> Name {
    (
        version.save_id().map(SaveId::get),
        version.as_bytes().cloned(),
    )
}
