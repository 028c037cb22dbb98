use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use cloakroom::Clock;
use cloakroom::store::from_millis;

/// A clock that is turned by hand. Clones show the same time.
///
/// It starts at the same instant in every test, a whole second in 2025.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cloakroom::Clock;
/// use cloakroom_testkit::HandClock;
///
/// let clock = HandClock::new();
/// let on_the_wall = clock.clone();
/// let before = on_the_wall.now();
///
/// clock.advance(Duration::from_secs(60));
///
/// assert_eq!(on_the_wall.now(), before + Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct HandClock(Arc<Mutex<SystemTime>>);

impl HandClock {
    /// A clock that shows the instant at which all hand clocks start.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(from_millis(START_MILLIS))))
    }

    /// Turns it forward.
    pub fn advance(&self, by: Duration) {
        *self.shown() += by;
    }

    /// Turns it to `to`, which may lie in the past.
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

/// 2025-06-15T15:06:40Z. A whole second, because cookie dates have no smaller part.
const START_MILLIS: i64 = 1_750_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn every_clock_starts_at_the_same_time_and_stands_still() {
        let clock = HandClock::new();

        assert_eq!(clock.now(), HandClock::default().now());
        assert_eq!(clock.now(), clock.now());
    }

    #[test]
    fn it_can_be_turned_back() {
        let clock = HandClock::new();

        clock.set(UNIX_EPOCH);

        assert_eq!(clock.now(), UNIX_EPOCH);
    }
}
