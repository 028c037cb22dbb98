use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use super::guarantees::Guarantees;
use super::store::Store;
use crate::model::{Draft, Entry, Meta, Outcome, OwnedEntry, Owner, Result, StoreKey, Version};

/// A store that was chosen at run time.
///
/// # Examples
/// ```
/// use cloakroom::store::{AnyStore, MemoryStore, Store};
///
/// let stores = [AnyStore::new(MemoryStore::new()), AnyStore::new(MemoryStore::new())];
/// assert!(stores.iter().all(|store| store.guarantees().compares));
/// ```
#[derive(Clone)]
pub struct AnyStore(Arc<dyn BoxedStore>);

impl AnyStore {
    /// Hides which store this is.
    pub fn new(store: impl Store) -> Self {
        Self(Arc::new(store))
    }
}

impl Store for AnyStore {
    fn guarantees(&self) -> Guarantees {
        self.0.guarantees()
    }

    async fn load(&self, key: &StoreKey) -> Result<Option<Entry>> {
        self.0.load(key).await
    }

    async fn create(&self, key: &StoreKey, new: &Draft) -> Result<Outcome> {
        self.0.create(key, new).await
    }

    async fn save(&self, key: &StoreKey, seen: &Version, new: &Draft) -> Result<Outcome> {
        self.0.save(key, seen, new).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<()> {
        self.0.delete(key).await
    }

    async fn rename(
        &self,
        from: &StoreKey,
        seen: &Version,
        to: &StoreKey,
        new: &Draft,
    ) -> Result<Outcome> {
        self.0.rename(from, seen, to, new).await
    }

    async fn touch(&self, key: &StoreKey, seen: &Version, meta: &Meta) -> Result<Outcome> {
        self.0.touch(key, seen, meta).await
    }

    async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        self.0.sweep(now, limit).await
    }

    async fn owned_by(&self, owner: &Owner) -> Result<Vec<OwnedEntry>> {
        self.0.owned_by(owner).await
    }

    async fn find(&self, prefix: &[u8]) -> Result<Option<StoreKey>> {
        self.0.find(prefix).await
    }

    async fn ping(&self) -> Result<()> {
        self.0.ping().await
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyStore")
            .field(&Store::guarantees(self))
            .finish()
    }
}

/// The twin of [`Store`] that can be a trait object: the same methods, with boxed futures.
trait BoxedStore: Send + Sync {
    fn guarantees(&self) -> Guarantees;
    fn load<'a>(&'a self, key: &'a StoreKey) -> Boxed<'a, Option<Entry>>;
    fn create<'a>(&'a self, key: &'a StoreKey, new: &'a Draft) -> Boxed<'a, Outcome>;
    fn save<'a>(
        &'a self,
        key: &'a StoreKey,
        seen: &'a Version,
        new: &'a Draft,
    ) -> Boxed<'a, Outcome>;
    fn delete<'a>(&'a self, key: &'a StoreKey) -> Boxed<'a, ()>;
    fn rename<'a>(
        &'a self,
        from: &'a StoreKey,
        seen: &'a Version,
        to: &'a StoreKey,
        new: &'a Draft,
    ) -> Boxed<'a, Outcome>;
    fn touch<'a>(
        &'a self,
        key: &'a StoreKey,
        seen: &'a Version,
        meta: &'a Meta,
    ) -> Boxed<'a, Outcome>;
    fn sweep(&self, now: SystemTime, limit: usize) -> Boxed<'_, usize>;
    fn owned_by<'a>(&'a self, owner: &'a Owner) -> Boxed<'a, Vec<OwnedEntry>>;
    fn find<'a>(&'a self, prefix: &'a [u8]) -> Boxed<'a, Option<StoreKey>>;
    fn ping(&self) -> Boxed<'_, ()>;
}

impl<S: Store> BoxedStore for S {
    fn guarantees(&self) -> Guarantees {
        Store::guarantees(self)
    }

    fn load<'a>(&'a self, key: &'a StoreKey) -> Boxed<'a, Option<Entry>> {
        Box::pin(Store::load(self, key))
    }

    fn create<'a>(&'a self, key: &'a StoreKey, new: &'a Draft) -> Boxed<'a, Outcome> {
        Box::pin(Store::create(self, key, new))
    }

    fn save<'a>(
        &'a self,
        key: &'a StoreKey,
        seen: &'a Version,
        new: &'a Draft,
    ) -> Boxed<'a, Outcome> {
        Box::pin(Store::save(self, key, seen, new))
    }

    fn delete<'a>(&'a self, key: &'a StoreKey) -> Boxed<'a, ()> {
        Box::pin(Store::delete(self, key))
    }

    fn rename<'a>(
        &'a self,
        from: &'a StoreKey,
        seen: &'a Version,
        to: &'a StoreKey,
        new: &'a Draft,
    ) -> Boxed<'a, Outcome> {
        Box::pin(Store::rename(self, from, seen, to, new))
    }

    fn touch<'a>(
        &'a self,
        key: &'a StoreKey,
        seen: &'a Version,
        meta: &'a Meta,
    ) -> Boxed<'a, Outcome> {
        Box::pin(Store::touch(self, key, seen, meta))
    }

    fn sweep(&self, now: SystemTime, limit: usize) -> Boxed<'_, usize> {
        Box::pin(Store::sweep(self, now, limit))
    }

    fn owned_by<'a>(&'a self, owner: &'a Owner) -> Boxed<'a, Vec<OwnedEntry>> {
        Box::pin(Store::owned_by(self, owner))
    }

    fn find<'a>(&'a self, prefix: &'a [u8]) -> Boxed<'a, Option<StoreKey>> {
        Box::pin(Store::find(self, prefix))
    }

    fn ping(&self) -> Boxed<'_, ()> {
        Box::pin(Store::ping(self))
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;
