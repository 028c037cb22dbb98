use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloakroom::store::Store;
use cloakroom::{Error, ErrorKind, Result};

use super::{Around, Call, When, store_methods};

/// A store whose calls fail on demand.
///
/// A call that fails [`Before`](When::Before) does not reach the store and changes nothing. A call
/// that fails [`After`](When::After) reaches the store, which does its work, but the caller
/// receives an error, as if the answer of a server were lost.
///
/// # Examples
/// Two creates are answered as if their key were taken:
/// ```
/// use cloakroom::StoreKey;
/// use cloakroom::store::{Draft, MemoryStore, Outcome, Store};
/// use cloakroom_testkit::wrap::{Call, Flaky};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
/// # let key = StoreKey::new(b"a store key");
/// # let draft = cloakroom_testkit::conformance::draft(1);
/// let flaky = Flaky::new(MemoryStore::new());
/// flaky.stale_next(Call::Create, 2);
///
/// assert_eq!(flaky.create(&key, &draft).await?, Outcome::Stale);
/// assert_eq!(flaky.create(&key, &draft).await?, Outcome::Stale);
/// assert!(matches!(flaky.create(&key, &draft).await?, Outcome::Written(_)));
/// # Ok(())
/// # }
/// ```
pub struct Flaky<S> {
    inner: Arc<S>,
    faults: Arc<Mutex<Faults>>,
}

impl<S: Store> Flaky<S> {
    /// Wraps `store`. No call fails yet.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::store::{MemoryStore, Store};
    /// # use cloakroom_testkit::wrap::Flaky;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let flaky = Flaky::new(MemoryStore::new());
    ///
    /// assert!(flaky.ping().await.is_ok());
    /// # }
    /// ```
    pub fn new(store: S) -> Self {
        Self {
            inner: Arc::new(store),
            faults: Arc::default(),
        }
    }

    /// Makes the next call of the method `call` fail with an error of `kind`.
    ///
    /// Failures queue up: if `fail_next` was called twice for [`Call::Save`], the next two saves
    /// fail, the first save with the error that was requested first.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::ErrorKind;
    /// # use cloakroom::store::{MemoryStore, Store};
    /// # use cloakroom_testkit::wrap::{Call, Flaky, When};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let flaky = Flaky::new(MemoryStore::new());
    /// flaky.fail_next(Call::Ping, When::Before, ErrorKind::Timeout);
    ///
    /// assert_eq!(flaky.ping().await.unwrap_err().kind(), ErrorKind::Timeout);
    /// assert!(flaky.ping().await.is_ok());
    /// # }
    /// ```
    pub fn fail_next(&self, call: Call, when: When, kind: ErrorKind) {
        let mut faults = self.faults();
        faults.of(call).next.push_back(Fault { when, kind });
    }

    /// Makes every `nth` of the following calls of the method `call` fail with an error of `kind`.
    ///
    /// If `nth` is 1, every call of the method fails. Replaces an earlier `fail_every` for the same
    /// `call`.
    ///
    /// # Panics
    /// If `nth` is zero.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::ErrorKind;
    /// # use cloakroom::store::{MemoryStore, Store};
    /// # use cloakroom_testkit::wrap::{Call, Flaky, When};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let flaky = Flaky::new(MemoryStore::new());
    /// flaky.fail_every(2, Call::Ping, When::Before, ErrorKind::Unavailable);
    ///
    /// assert!(flaky.ping().await.is_ok());
    /// assert!(flaky.ping().await.is_err());
    /// assert!(flaky.ping().await.is_ok());
    /// assert!(flaky.ping().await.is_err());
    /// # }
    /// ```
    pub fn fail_every(&self, nth: usize, call: Call, when: When, kind: ErrorKind) {
        let nth = NonZeroUsize::new(nth).expect("`nth` is at least 1");
        let mut faults = self.faults();
        faults.of(call).every = Some(Every {
            nth,
            made: 0,
            fault: Fault { when, kind },
        });
    }

    /// Makes the next `times` calls of the method `call` return `Stale` without calling the store.
    ///
    /// Replaces the count of an earlier `stale_next` for the same `call`.
    ///
    /// # Panics
    /// If the method `call` does not return an [`Outcome`](cloakroom::store::Outcome).
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::store::{MemoryStore, Outcome, Store};
    /// # use cloakroom_testkit::conformance::{draft, store_key};
    /// # use cloakroom_testkit::wrap::{Call, Flaky};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
    /// let flaky = Flaky::new(MemoryStore::new());
    /// flaky.stale_next(Call::Create, 1);
    ///
    /// assert_eq!(flaky.create(&store_key(1), &draft(1)).await?, Outcome::Stale);
    /// assert!(flaky.load(&store_key(1)).await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn stale_next(&self, call: Call, times: usize) {
        assert!(
            matches!(call, Call::Create | Call::Save | Call::Rename | Call::Touch),
            "{call:?} returns no outcome, so it cannot be stale"
        );
        self.faults().of(call).stale = times;
    }

    /// Cancels all failures and stale answers that have not happened yet.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::ErrorKind;
    /// # use cloakroom::store::{MemoryStore, Store};
    /// # use cloakroom_testkit::wrap::{Call, Flaky, When};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let flaky = Flaky::new(MemoryStore::new());
    /// flaky.fail_every(1, Call::Ping, When::Before, ErrorKind::Unavailable);
    /// assert!(flaky.ping().await.is_err());
    ///
    /// flaky.heal();
    /// assert!(flaky.ping().await.is_ok());
    /// # }
    /// ```
    pub fn heal(&self) {
        *self.faults() = Faults::default();
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store> Around for Flaky<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.inner
    }

    async fn around<T: Send>(
        &self,
        call: Call,
        inner: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let fault = self.faults().of(call).draw();
        match fault {
            None => inner.await,
            Some(Fault { when, kind }) => {
                if when == When::After {
                    let _ = inner.await?;
                }
                Err(Error::new(
                    kind,
                    format!("calling a flaky store: the test makes {call:?} fail ({when:?})"),
                ))
            }
        }
    }

    fn is_stale(&self, call: Call) -> bool {
        let mut faults = self.faults();
        let stale = &mut faults.of(call).stale;
        let is_stale = *stale > 0;
        *stale = stale.saturating_sub(1);
        is_stale
    }
}

impl<S: Store> Store for Flaky<S> {
    store_methods!();
}

impl<S> Clone for Flaky<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            faults: self.faults.clone(),
        }
    }
}

impl<S> fmt::Debug for Flaky<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flaky").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Faults(HashMap<Call, CallFaults>);

impl Faults {
    fn of(&mut self, call: Call) -> &mut CallFaults {
        self.0.entry(call).or_default()
    }
}

#[derive(Default)]
struct CallFaults {
    next: VecDeque<Fault>,
    every: Option<Every>,
    stale: usize,
}

impl CallFaults {
    /// Counts a call and returns its fault, or `None` if the call does not fail.
    fn draw(&mut self) -> Option<Fault> {
        // Counts the call even if a fault from `next` takes precedence.
        let every = self.every.as_mut().and_then(Every::draw);
        self.next.pop_front().or(every)
    }
}

struct Every {
    nth: NonZeroUsize,
    made: usize,
    fault: Fault,
}

impl Every {
    fn draw(&mut self) -> Option<Fault> {
        self.made += 1;
        self.made
            .is_multiple_of(self.nth.get())
            .then_some(self.fault)
    }
}

#[derive(Clone, Copy)]
struct Fault {
    when: When,
    kind: ErrorKind,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{draft, store_key};
    use cloakroom::store::{MemoryStore, Outcome};

    crate::conformance!(conforms, Flaky::new(MemoryStore::new()));

    #[tokio::test]
    async fn a_call_that_fails_after_the_store_has_an_effect_and_one_that_fails_before_has_none() {
        let flaky = Flaky::new(MemoryStore::new());

        flaky.fail_next(Call::Create, When::Before, ErrorKind::Full);
        flaky.fail_next(Call::Create, When::After, ErrorKind::Timeout);

        let before = flaky.create(&store_key(1), &draft(1)).await.unwrap_err();
        assert_eq!(before.kind(), ErrorKind::Full);
        assert!(flaky.load(&store_key(1)).await.unwrap().is_none());

        let after = flaky.create(&store_key(1), &draft(1)).await.unwrap_err();
        assert_eq!(after.kind(), ErrorKind::Timeout);
        assert!(flaky.load(&store_key(1)).await.unwrap().is_some());

        assert_eq!(
            flaky.create(&store_key(1), &draft(1)).await.unwrap(),
            Outcome::Stale
        );
    }

    #[tokio::test]
    async fn every_third_call_fails_until_the_store_is_healed() {
        let flaky = Flaky::new(MemoryStore::new());
        flaky.fail_every(3, Call::Ping, When::Before, ErrorKind::Unavailable);

        let mut answers = Vec::new();
        for _ in 0..6 {
            answers.push(flaky.ping().await.is_ok());
        }
        assert_eq!(answers, [true, true, false, true, true, false]);

        flaky.heal();
        for _ in 0..6 {
            assert!(flaky.ping().await.is_ok());
        }
    }

    #[tokio::test]
    async fn a_fault_affects_only_calls_of_the_given_method() {
        let flaky = Flaky::new(MemoryStore::new());
        flaky.fail_next(Call::Load, When::Before, ErrorKind::Unavailable);

        assert!(flaky.ping().await.is_ok());
        assert!(flaky.load(&store_key(1)).await.is_err());
    }

    #[tokio::test]
    async fn a_call_with_a_stale_answer_does_not_reach_the_store() {
        let flaky = Flaky::new(MemoryStore::new());
        flaky.stale_next(Call::Create, 1);

        assert_eq!(
            flaky.create(&store_key(1), &draft(1)).await.unwrap(),
            Outcome::Stale
        );
        assert!(flaky.load(&store_key(1)).await.unwrap().is_none());
    }
}
