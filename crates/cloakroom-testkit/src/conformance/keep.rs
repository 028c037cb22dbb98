use cloakroom::store::Store;

use crate::wrap::{Around, Call, store_methods};

/// A store together with a guard, such as a temporary folder or a server process, that must not be
/// dropped before the store.
///
/// The store is dropped first, then the guard.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use cloakroom::store::{MemoryStore, Store};
/// use cloakroom_testkit::conformance::Keep;
///
/// # struct TempDir;
/// # impl TempDir { fn new() -> Self { Self } }
/// let folder = Arc::new(TempDir::new());
/// let store = Keep::new(MemoryStore::new(), folder.clone());
///
/// assert!(store.guarantees().compares);
/// drop(store);
/// assert_eq!(Arc::strong_count(&folder), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Keep<S, G> {
    // The order of the fields is the order in which they are dropped.
    store: S,
    _guard: G,
}

impl<S, G> Keep<S, G> {
    /// Wraps `store` and keeps `guard` until `store` has been dropped.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    ///
    /// use cloakroom::store::MemoryStore;
    /// use cloakroom_testkit::conformance::Keep;
    ///
    /// let guard = Arc::new(());
    /// let store = Keep::new(MemoryStore::new(), guard.clone());
    ///
    /// assert_eq!(Arc::strong_count(&guard), 2);
    /// # drop(store);
    /// ```
    pub fn new(store: S, guard: G) -> Self {
        Self {
            store,
            _guard: guard,
        }
    }
}

impl<S: Store, G: Send + Sync + 'static> Around for Keep<S, G> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.store
    }
}

impl<S: Store, G: Send + Sync + 'static> Store for Keep<S, G> {
    store_methods!();
}
