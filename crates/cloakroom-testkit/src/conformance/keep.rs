use cloakroom::store::Store;

use crate::wrap::{Around, Call, store_methods};

/// A store, and what has to live as long as it does: a temporary folder, a server that is a child process.
///
/// The store is dropped first and the guard after it.
///
/// # Examples
/// ```
/// use cloakroom::store::{MemoryStore, Store};
/// use cloakroom_testkit::conformance::Keep;
///
/// let folder = std::sync::Arc::new("stands for a folder that is removed when it is dropped");
/// let store = Keep::new(MemoryStore::new(), folder.clone());
///
/// assert!(store.guarantees().compares);
/// assert_eq!(std::sync::Arc::strong_count(&folder), 2);
/// drop(store);
/// assert_eq!(std::sync::Arc::strong_count(&folder), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Keep<S, G> {
    // The order of the fields is the order in which they are dropped.
    store: S,
    _guard: G,
}

impl<S, G> Keep<S, G> {
    /// Keeps `guard` until `store` has been dropped.
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
