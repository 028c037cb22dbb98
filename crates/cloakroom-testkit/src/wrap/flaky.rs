use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloakroom::store::Store;
use cloakroom::{Error, ErrorKind, Result};

use super::{Around, Call, When, store_methods};

/// A store that fails when the test says so.
///
/// A failure [`Before`](When::Before) the store is asked changes nothing. A failure [`After`](When::After) is an
/// outcome that nobody knows: the store has done what it was asked, and the caller sees an error.
///
/// # Examples
/// A visitor's new key is taken already, twice:
/// ```
/// use cloakroom::StoreKey;
/// use cloakroom::store::{Draft, MemoryStore, Outcome, Store};
/// use cloakroom_testkit::wrap::{Call, Flaky};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
/// # let at = StoreKey::new(b"a store_key");
/// # let draft = cloakroom_testkit::conformance::draft(1);
/// let flaky = Flaky::new(MemoryStore::new());
/// flaky.stale_next(Call::Create, 2);
///
/// assert_eq!(flaky.create(&at, &draft).await?, Outcome::Stale);
/// assert_eq!(flaky.create(&at, &draft).await?, Outcome::Stale);
/// assert!(matches!(flaky.create(&at, &draft).await?, Outcome::Written(_)));
/// # Ok(())
/// # }
/// ```
pub struct Flaky<S> {
    inner: Arc<S>,
    faults: Arc<Mutex<Faults>>,
}

impl<S: Store> Flaky<S> {
    /// A store that does not fail yet.
    pub fn new(store: S) -> Self {
        Self {
            inner: Arc::new(store),
            faults: Arc::default(),
        }
    }

    /// Fails the next call of this kind. Told twice, it fails the next two, in the order in which it was told.
    pub fn fail_next(&self, call: Call, when: When, kind: ErrorKind) {
        let mut faults = self.faults();
        faults.of(call).next.push_back(Fault { when, kind });
    }

    /// Fails every `nth` call of this kind, counted from now: the `nth`, the one `nth` later, and so on.
    ///
    /// # Panics
    /// If `nth` is zero.
    pub fn fail_every(&self, nth: usize, call: Call, when: When, kind: ErrorKind) {
        let nth = NonZeroUsize::new(nth).expect("every zeroth call is none");
        let mut faults = self.faults();
        faults.of(call).every = Some(Every {
            nth,
            made: 0,
            fault: Fault { when, kind },
        });
    }

    /// Answers the next `times` calls of this kind with `Stale`, without asking the store.
    ///
    /// # Panics
    /// If calls of this kind have no [`Outcome`](cloakroom::store::Outcome).
    pub fn stale_next(&self, call: Call, times: usize) {
        assert!(
            matches!(call, Call::Create | Call::Save | Call::Rename | Call::Touch),
            "{call:?} has no outcome that could be stale"
        );
        self.faults().of(call).stale = times;
    }

    /// Never fails again, unless it is told to.
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
                    format!(
                        "asking a flaky store: the test wants {call:?} to fail {when:?} it is done"
                    ),
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
    /// What happens to the call that is made now.
    fn draw(&mut self) -> Option<Fault> {
        // Counted even if another fault comes first, so that the nth call is the nth whatever else was planned.
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
    async fn a_failure_before_changes_nothing_and_one_after_has_happened() {
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
    async fn every_third_call_fails_until_it_is_healed() {
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
    async fn a_fault_of_one_kind_leaves_the_others_alone() {
        let flaky = Flaky::new(MemoryStore::new());
        flaky.fail_next(Call::Load, When::Before, ErrorKind::Unavailable);

        assert!(flaky.ping().await.is_ok());
        assert!(flaky.load(&store_key(1)).await.is_err());
    }

    #[tokio::test]
    async fn a_stale_answer_does_not_reach_the_store() {
        let flaky = Flaky::new(MemoryStore::new());
        flaky.stale_next(Call::Create, 1);

        assert_eq!(
            flaky.create(&store_key(1), &draft(1)).await.unwrap(),
            Outcome::Stale
        );
        assert!(flaky.load(&store_key(1)).await.unwrap().is_none());
    }
}
