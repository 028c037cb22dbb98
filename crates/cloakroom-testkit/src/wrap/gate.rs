use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloakroom::Result;
use cloakroom::store::Store;
use tokio::sync::{Semaphore, watch};

use super::{Around, Call, When, store_methods};

/// A store that holds calls until the test lets them go on, so that an interleaving is exact and nobody sleeps.
///
/// A gate that is never opened is a store that never answers.
///
/// # Examples
/// A save that has reached the store, and whose caller does not know it yet:
/// ```
/// use cloakroom::StoreKey;
/// use cloakroom::store::{MemoryStore, Store};
/// use cloakroom_testkit::conformance::draft;
/// use cloakroom_testkit::wrap::{Call, Gate, When};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
/// let gate = Gate::new(MemoryStore::new());
/// gate.close(When::After, Call::Create);
///
/// let store = gate.clone();
/// let visitor = tokio::spawn(async move {
///     store.create(&StoreKey::new(b"a store_key"), &draft(1)).await
/// });
/// gate.reached(When::After, Call::Create, 1).await;
///
/// assert!(gate.load(&StoreKey::new(b"a store_key")).await?.is_some());
/// assert!(!visitor.is_finished());
///
/// gate.open(When::After, Call::Create);
/// assert!(visitor.await.is_ok());
/// # Ok(())
/// # }
/// ```
pub struct Gate<S> {
    inner: Arc<S>,
    closed: Arc<Mutex<ClosedGates>>,
}

impl<S: Store> Gate<S> {
    /// A store with all gates open.
    pub fn new(store: S) -> Self {
        Self {
            inner: Arc::new(store),
            closed: Arc::default(),
        }
    }

    /// From now on, calls of this kind wait before or after the store is asked.
    pub fn close(&self, when: When, call: Call) {
        self.closed().entry((when, call)).or_default();
    }

    /// Lets all calls go on that wait here, and holds no more.
    pub fn open(&self, when: When, call: Call) {
        if let Some(gate) = self.closed().remove(&(when, call)) {
            gate.permits.close();
        }
    }

    /// Lets one call go on: the one that has waited longest, or the next to come. The gate stays closed.
    ///
    /// # Panics
    /// If the gate is open.
    pub fn let_one_pass(&self, when: When, call: Call) {
        self.gate(when, call).permits.add_permits(1);
    }

    /// Waits until at least `count` calls are held here at once; for ever, if they never come.
    ///
    /// # Panics
    /// If the gate is open.
    pub async fn reached(&self, when: When, call: Call, count: usize) {
        let mut waiting = self.gate(when, call).waiting.subscribe();
        // An error would mean that the gate was opened meanwhile, and then nobody will ever wait here.
        let reached = waiting.wait_for(|waiting| *waiting >= count).await;
        assert!(
            reached.is_ok(),
            "the gate {when:?} {call:?} was opened before {count} calls came"
        );
    }

    async fn pass(&self, when: When, call: Call) {
        let Some(gate) = self.closed().get(&(when, call)).cloned() else {
            return;
        };
        let _waiting = Waiting::at(&gate);
        // An error means that the gate is open now.
        if let Ok(permit) = gate.permits.acquire().await {
            permit.forget();
        }
    }

    fn gate(&self, when: When, call: Call) -> Arc<ClosedGate> {
        let gate = self.closed().get(&(when, call)).cloned();
        gate.unwrap_or_else(|| panic!("the gate {when:?} {call:?} is open; close it first"))
    }

    fn closed(&self) -> MutexGuard<'_, ClosedGates> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store> Around for Gate<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.inner
    }

    async fn around<T: Send>(
        &self,
        call: Call,
        inner: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.pass(When::Before, call).await;
        let answer = inner.await;
        self.pass(When::After, call).await;
        answer
    }
}

impl<S: Store> Store for Gate<S> {
    store_methods!();
}

impl<S> Clone for Gate<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            closed: self.closed.clone(),
        }
    }
}

impl<S> fmt::Debug for Gate<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

type ClosedGates = HashMap<(When, Call), Arc<ClosedGate>>;

struct ClosedGate {
    permits: Semaphore,
    waiting: watch::Sender<usize>,
}

impl Default for ClosedGate {
    fn default() -> Self {
        Self {
            permits: Semaphore::new(0),
            waiting: watch::Sender::new(0),
        }
    }
}

/// Counts one waiting call, until it is dropped.
struct Waiting<'a>(&'a ClosedGate);

impl<'a> Waiting<'a> {
    fn at(gate: &'a ClosedGate) -> Self {
        gate.waiting.send_modify(|waiting| *waiting += 1);
        Self(gate)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{draft, store_key};
    use cloakroom::store::MemoryStore;

    crate::conformance!(conforms, Gate::new(MemoryStore::new()));

    #[tokio::test]
    async fn a_call_held_before_has_not_reached_the_store() {
        let gate = Gate::new(MemoryStore::new());
        gate.close(When::Before, Call::Create);
        let creating = tokio::spawn(create(gate.clone(), 1));
        gate.reached(When::Before, Call::Create, 1).await;

        assert!(gate.load(&store_key(1)).await.unwrap().is_none());

        gate.open(When::Before, Call::Create);
        creating.await.unwrap();
        assert!(gate.load(&store_key(1)).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn one_passes_at_a_time_and_the_others_stay() {
        let gate = Gate::new(MemoryStore::new());
        gate.close(When::Before, Call::Create);
        let first = tokio::spawn(create(gate.clone(), 1));
        gate.reached(When::Before, Call::Create, 1).await;
        let second = tokio::spawn(create(gate.clone(), 2));
        gate.reached(When::Before, Call::Create, 2).await;

        gate.let_one_pass(When::Before, Call::Create);
        first.await.unwrap();
        assert!(!second.is_finished());
        assert!(gate.load(&store_key(2)).await.unwrap().is_none());

        gate.let_one_pass(When::Before, Call::Create);
        second.await.unwrap();
    }

    #[tokio::test]
    async fn a_call_that_is_dropped_waits_no_more() {
        let gate = Gate::new(MemoryStore::new());
        gate.close(When::Before, Call::Create);
        let dropped = tokio::spawn(create(gate.clone(), 1));
        gate.reached(When::Before, Call::Create, 1).await;

        dropped.abort();
        assert!(dropped.await.unwrap_err().is_cancelled());

        let another = tokio::spawn(create(gate.clone(), 2));
        gate.reached(When::Before, Call::Create, 1).await;
        gate.let_one_pass(When::Before, Call::Create);
        another.await.unwrap();
    }

    async fn create(gate: Gate<MemoryStore>, n: u64) {
        let _ = gate.create(&store_key(n), &draft(n)).await.unwrap();
    }
}
