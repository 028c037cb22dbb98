use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloakroom::Result;
use cloakroom::store::Store;

use super::{Around, Call, store_methods};

/// A store that writes down which calls were made, in the order in which they began.
///
/// A call counts from the moment its future is polled, so one that is dropped unpolled was never made.
///
/// # Examples
/// ```
/// use cloakroom::StoreKey;
/// use cloakroom::store::{MemoryStore, Store};
/// use cloakroom_testkit::wrap::{Call, Spy};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
/// let spy = Spy::new(MemoryStore::new());
/// let store = spy.clone();
///
/// store.load(&StoreKey::new(b"a store_key")).await?;
/// store.ping().await?;
///
/// assert_eq!(spy.count(Call::Load), 1);
/// assert_eq!(spy.take(), [Call::Load, Call::Ping]);
/// assert_eq!(spy.calls(), []);
/// # Ok(())
/// # }
/// ```
pub struct Spy<S> {
    inner: Arc<S>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl<S: Store> Spy<S> {
    /// Watches `store`.
    pub fn new(store: S) -> Self {
        Self {
            inner: Arc::new(store),
            calls: Arc::default(),
        }
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.written().clone()
    }

    /// How many calls of this kind there were so far.
    pub fn count(&self, call: Call) -> usize {
        self.written().iter().filter(|made| **made == call).count()
    }

    /// The calls so far, and forgets them.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.written())
    }

    fn written(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store> Around for Spy<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.inner
    }

    async fn around<T: Send>(
        &self,
        call: Call,
        inner: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.written().push(call);
        inner.await
    }
}

impl<S: Store> Store for Spy<S> {
    store_methods!();
}

impl<S> Clone for Spy<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            calls: self.calls.clone(),
        }
    }
}

impl<S> fmt::Debug for Spy<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spy")
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::store_key;
    use cloakroom::store::MemoryStore;

    crate::conformance!(conforms, Spy::new(MemoryStore::new()));

    #[tokio::test]
    async fn a_future_that_is_never_polled_is_no_call() {
        let spy = Spy::new(MemoryStore::new());

        drop(spy.load(&store_key(1)));

        assert_eq!(spy.calls(), []);
    }
}
