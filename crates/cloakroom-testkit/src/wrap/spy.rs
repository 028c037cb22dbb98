use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloakroom::Result;
use cloakroom::store::Store;

use super::{Around, Call, store_methods};

/// A store that records its calls in the order in which they began.
///
/// A call is recorded when its future is first polled. If the future is dropped before its first
/// poll, nothing is recorded.
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
/// store.load(&StoreKey::new(b"a store key")).await?;
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
    /// Wraps `store`. No calls are recorded yet.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::MemoryStore;
    /// use cloakroom_testkit::wrap::Spy;
    ///
    /// assert_eq!(Spy::new(MemoryStore::new()).calls(), []);
    /// ```
    pub fn new(store: S) -> Self {
        Self {
            inner: Arc::new(store),
            calls: Arc::default(),
        }
    }

    /// Returns the recorded calls, the oldest first.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::store::{MemoryStore, Store};
    /// # use cloakroom_testkit::wrap::{Call, Spy};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
    /// let spy = Spy::new(MemoryStore::new());
    /// spy.ping().await?;
    ///
    /// assert_eq!(spy.calls(), [Call::Ping]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn calls(&self) -> Vec<Call> {
        self.recorded().clone()
    }

    /// Returns how many calls of this kind were recorded.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::store::{MemoryStore, Store};
    /// # use cloakroom_testkit::wrap::{Call, Spy};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
    /// let spy = Spy::new(MemoryStore::new());
    /// spy.ping().await?;
    /// spy.ping().await?;
    ///
    /// assert_eq!(spy.count(Call::Ping), 2);
    /// assert_eq!(spy.count(Call::Load), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn count(&self, call: Call) -> usize {
        self.recorded().iter().filter(|made| **made == call).count()
    }

    /// Returns the recorded calls, the oldest first, and clears the record.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::store::{MemoryStore, Store};
    /// # use cloakroom_testkit::wrap::{Call, Spy};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
    /// let spy = Spy::new(MemoryStore::new());
    /// spy.ping().await?;
    ///
    /// assert_eq!(spy.take(), [Call::Ping]);
    /// assert_eq!(spy.take(), []);
    /// # Ok(())
    /// # }
    /// ```
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.recorded())
    }

    fn recorded(&self) -> MutexGuard<'_, Vec<Call>> {
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
        self.recorded().push(call);
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
    async fn a_future_that_is_never_polled_is_not_recorded() {
        let spy = Spy::new(MemoryStore::new());

        drop(spy.load(&store_key(1)));

        assert_eq!(spy.calls(), []);
    }
}
