use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use cloakroom::Clock;
use cloakroom::store::from_millis;

/// A clock that moves only when the test moves it.
///
/// Clones show the same time: pass one clone to [`Sessions`](cloakroom::Sessions) and one to a
/// [`Browser`](crate::Browser), and keep a third in the test. Every clock starts at
/// 2025-06-15T15:06:40Z, a whole second, because dates in cookies have no smaller unit.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use cloakroom::Sessions;
/// use cloakroom::store::MemoryStore;
/// use cloakroom_testkit::HandClock;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> cloakroom::Result<()> {
/// let clock = HandClock::new();
/// let sessions = Sessions::builder(MemoryStore::new())
///     .clock(clock.clone())
///     .max_age(Duration::from_secs(60))
///     .build()?;
/// let session = sessions.new_session();
/// session.set("theme", "dark")?;
/// session.save().await?;
/// let key = session.key().expect("a saved session has a key");
///
/// clock.advance(Duration::from_secs(60));
/// assert!(sessions.open(&key).await?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HandClock(Arc<Mutex<SystemTime>>);

impl HandClock {
    /// Creates a clock that shows 2025-06-15T15:06:40Z.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// use cloakroom::Clock;
    /// use cloakroom_testkit::HandClock;
    ///
    /// let start = UNIX_EPOCH + Duration::from_secs(1_750_000_000);
    /// assert_eq!(HandClock::new().now(), start);
    /// ```
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(from_millis(START_MILLIS))))
    }

    /// Moves the clock forward.
    ///
    /// # Panics
    /// If the system's time type cannot represent the result.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// use cloakroom::Clock;
    /// use cloakroom_testkit::HandClock;
    ///
    /// let clock = HandClock::new();
    /// let before = clock.now();
    /// clock.advance(Duration::from_secs(60));
    ///
    /// assert_eq!(clock.now(), before + Duration::from_secs(60));
    /// ```
    pub fn advance(&self, by: Duration) {
        *self.shown() += by;
    }

    /// Sets the clock to `to`, which may be earlier than the time that the clock shows.
    ///
    /// # Examples
    /// ```
    /// use std::time::UNIX_EPOCH;
    ///
    /// use cloakroom::Clock;
    /// use cloakroom_testkit::HandClock;
    ///
    /// let clock = HandClock::new();
    /// clock.set(UNIX_EPOCH);
    ///
    /// assert_eq!(clock.now(), UNIX_EPOCH);
    /// ```
    pub fn set(&self, to: SystemTime) {
        *self.shown() = to;
    }

    fn shown(&self) -> MutexGuard<'_, SystemTime> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for HandClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for HandClock {
    fn now(&self) -> SystemTime {
        *self.shown()
    }
}

/// 2025-06-15T15:06:40Z. A whole second, because dates in cookies have no smaller unit.
const START_MILLIS: i64 = 1_750_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn all_clocks_start_at_the_same_time_and_stand_still() {
        let clock = HandClock::new();

        assert_eq!(clock.now(), HandClock::default().now());
        assert_eq!(clock.now(), clock.now());
    }

    #[test]
    fn a_clock_can_be_set_back() {
        let clock = HandClock::new();

        clock.set(UNIX_EPOCH);

        assert_eq!(clock.now(), UNIX_EPOCH);
    }
}
