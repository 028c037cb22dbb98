use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloakroom::Result;
use cloakroom::store::Store;
use tokio::sync::{Semaphore, watch};

use super::{Around, Call, When, store_methods};

/// A store that holds calls until the test lets them continue.
///
/// With gates, a test can choose exactly how requests interleave, without sleeping. There is one
/// gate for each combination of [`When`] and [`Call`]. All gates are open at first. A call waits at
/// a closed gate until the test opens the gate or lets one call pass.
///
/// # Examples
/// A create has written its entry, but its caller has not received the answer yet:
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
///     store.create(&StoreKey::new(b"a store key"), &draft(1)).await
/// });
/// gate.reached(When::After, Call::Create, 1).await;
///
/// assert!(gate.load(&StoreKey::new(b"a store key")).await?.is_some());
/// assert!(!visitor.is_finished());
///
/// gate.open(When::After, Call::Create);
/// assert!(visitor.await.unwrap().is_ok());
/// # Ok(())
/// # }
/// ```
pub struct Gate<S> {
    inner: Arc<S>,
    closed: Arc<Mutex<ClosedGates>>,
}

impl<S: Store> Gate<S> {
    /// Wraps `store`, with all gates open.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::store::{MemoryStore, Store};
    /// # use cloakroom_testkit::wrap::Gate;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let gate = Gate::new(MemoryStore::new());
    ///
    /// assert!(gate.ping().await.is_ok());
    /// # }
    /// ```
    pub fn new(store: S) -> Self {
        Self {
            inner: Arc::new(store),
            closed: Arc::default(),
        }
    }

    /// Closes a gate: from now on, each `call` waits at this gate.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::store::{MemoryStore, Store};
    /// # use cloakroom_testkit::wrap::{Call, Gate, When};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let gate = Gate::new(MemoryStore::new());
    /// gate.close(When::Before, Call::Ping);
    ///
    /// let store = gate.clone();
    /// let ping = tokio::spawn(async move { store.ping().await });
    /// gate.reached(When::Before, Call::Ping, 1).await;
    /// assert!(!ping.is_finished());
    /// # }
    /// ```
    pub fn close(&self, when: When, call: Call) {
        self.closed().entry((when, call)).or_default();
    }

    /// Opens a gate: all calls that wait at this gate continue, and later calls do not wait.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::store::{MemoryStore, Store};
    /// # use cloakroom_testkit::wrap::{Call, Gate, When};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
    /// let gate = Gate::new(MemoryStore::new());
    /// gate.close(When::Before, Call::Ping);
    /// let store = gate.clone();
    /// let ping = tokio::spawn(async move { store.ping().await });
    /// gate.reached(When::Before, Call::Ping, 1).await;
    ///
    /// gate.open(When::Before, Call::Ping);
    /// assert!(ping.await.unwrap().is_ok());
    /// assert!(gate.ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(&self, when: When, call: Call) {
        if let Some(gate) = self.closed().remove(&(when, call)) {
            gate.permits.close();
        }
    }

    /// Lets one call pass a closed gate: the call that has waited longest, or the next call to
    /// arrive if none is waiting.
    ///
    /// The gate stays closed.
    ///
    /// # Panics
    /// If the gate is open.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::store::{MemoryStore, Store};
    /// # use cloakroom_testkit::wrap::{Call, Gate, When};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let gate = Gate::new(MemoryStore::new());
    /// gate.close(When::Before, Call::Ping);
    /// gate.let_one_pass(When::Before, Call::Ping);
    ///
    /// assert!(gate.ping().await.is_ok());
    /// # }
    /// ```
    pub fn let_one_pass(&self, when: When, call: Call) {
        self.gate(when, call).permits.add_permits(1);
    }

    /// Waits until at least `count` calls are waiting at a closed gate at the same time.
    ///
    /// Waits forever if fewer calls arrive.
    ///
    /// # Panics
    /// If the gate is open, or if it is opened before `count` calls are waiting.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::store::{MemoryStore, Store};
    /// # use cloakroom_testkit::wrap::{Call, Gate, Spy, When};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let spy = Spy::new(MemoryStore::new());
    /// let gate = Gate::new(spy.clone());
    /// gate.close(When::Before, Call::Ping);
    ///
    /// let store = gate.clone();
    /// tokio::spawn(async move { store.ping().await });
    /// gate.reached(When::Before, Call::Ping, 1).await;
    /// assert_eq!(spy.count(Call::Ping), 0);
    /// # }
    /// ```
    pub async fn reached(&self, when: When, call: Call, count: usize) {
        let mut waiting = self.gate(when, call).waiting.subscribe();
        // An opened gate is dropped together with the sender of this channel, so `wait_for` fails.
        let reached = waiting.wait_for(|waiting| *waiting >= count).await;
        assert!(
            reached.is_ok(),
            "the gate {when:?} {call:?} was opened before {count} calls arrived"
        );
    }

    async fn pass(&self, when: When, call: Call) {
        let Some(gate) = self.closed().get(&(when, call)).cloned() else {
            return;
        };
        let _waiting = Waiting::at(&gate);
        // `acquire` fails if the gate is opened while the call waits. Then the call passes, too.
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

/// Counts one waiting call until this guard is dropped.
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
    async fn a_create_that_waits_before_its_call_of_the_store_has_written_nothing() {
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
    async fn let_one_pass_lets_one_call_pass() {
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
    async fn a_dropped_call_no_longer_counts_as_waiting() {
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
