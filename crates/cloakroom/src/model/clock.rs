use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of the current time.
///
/// Cloakroom decides with this clock whether a session has expired. Stores have no clock: they
/// receive the time as an argument. A test can pass a clock and set its time, instead of waiting.
///
/// The clocks of a site's servers may differ by up to
/// [`CLOCK_SKEW`](crate::limits::CLOCK_SKEW).
///
/// # Examples
/// ```
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
/// use cloakroom::Clock;
///
/// struct Noon;
///
/// impl Clock for Noon {
///     fn now(&self) -> SystemTime {
///         UNIX_EPOCH + Duration::from_secs(12 * 60 * 60)
///     }
/// }
///
/// assert_eq!(Noon.now().duration_since(UNIX_EPOCH).unwrap().as_secs(), 43_200);
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> SystemTime;
}

/// The clock of the operating system. This is the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Converts a time to whole milliseconds since 1970, the unit in which stores keep times.
///
/// Rounds down, and clamps to the years 1970 to 9999.
///
/// # Examples
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use cloakroom::store::{from_millis, millis};
///
/// let at = UNIX_EPOCH + Duration::from_millis(1_764_000_000_123);
/// assert_eq!(millis(at), 1_764_000_000_123);
/// assert_eq!(from_millis(millis(at)), at);
/// ```
pub fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).map_or(LAST_MILLI, |millis| millis.min(LAST_MILLI))
}

/// Converts milliseconds since 1970 to a time, clamped to the years 1970 to 9999.
///
/// # Examples
/// ```
/// use std::time::UNIX_EPOCH;
/// use cloakroom::store::{from_millis, millis};
///
/// assert_eq!(millis(from_millis(1_764_000_000_123)), 1_764_000_000_123);
/// assert_eq!(from_millis(-1), UNIX_EPOCH);
/// ```
pub fn from_millis(millis: i64) -> SystemTime {
    let millis = millis.clamp(0, LAST_MILLI);
    UNIX_EPOCH + Duration::from_millis(millis.unsigned_abs())
}

/// Converts a time to whole microseconds since 1970, the unit in the tables of some other programs.
///
/// Rounds down, and clamps to the years 1970 to 9999.
///
/// # Examples
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use cloakroom::store::{from_micros, micros};
///
/// let at = UNIX_EPOCH + Duration::from_micros(1_764_000_000_123_456);
/// assert_eq!(micros(at), 1_764_000_000_123_456);
/// assert_eq!(from_micros(micros(at)), at);
/// ```
pub fn micros(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).map_or(LAST_MICRO, |micros| micros.min(LAST_MICRO))
}

/// Converts microseconds since 1970 to a time, clamped to the years 1970 to 9999.
///
/// # Examples
/// ```
/// use std::time::UNIX_EPOCH;
/// use cloakroom::store::{from_micros, micros};
///
/// assert_eq!(micros(from_micros(1_764_000_000_123_456)), 1_764_000_000_123_456);
/// assert_eq!(from_micros(-1), UNIX_EPOCH);
/// ```
pub fn from_micros(micros: i64) -> SystemTime {
    let micros = micros.clamp(0, LAST_MICRO);
    UNIX_EPOCH + Duration::from_micros(micros.unsigned_abs())
}

/// Rounds `at` down to whole milliseconds, the unit in which stores keep times. A store then
/// returns exactly the time that was written.
pub(crate) fn storable(at: SystemTime) -> SystemTime {
    from_millis(millis(at))
}

/// Returns `at + by` in whole milliseconds, or the end of the year 9999 if that is earlier.
///
/// # Examples
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use cloakroom::store::{after, from_millis};
///
/// assert_eq!(after(UNIX_EPOCH, Duration::from_secs(1)), from_millis(1_000));
/// assert_eq!(after(UNIX_EPOCH, Duration::MAX), from_millis(i64::MAX));
/// ```
pub fn after(at: SystemTime, by: Duration) -> SystemTime {
    storable(
        at.checked_add(by)
            .unwrap_or_else(|| from_millis(LAST_MILLI)),
    )
}

/// 9999-12-31T23:59:59.999Z: the last instant that every database and every cookie date can
/// express.
pub(super) const LAST_MILLI: i64 = 253_402_300_799_999;

const LAST_MICRO: i64 = LAST_MILLI * 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_clamped_to_the_years_1970_to_9999() {
        assert_eq!(millis(after(UNIX_EPOCH, Duration::MAX)), LAST_MILLI);
        assert_eq!(
            millis(after(from_millis(i64::MAX), Duration::from_secs(1))),
            LAST_MILLI
        );
        assert_eq!(from_millis(i64::MIN), UNIX_EPOCH);
        assert_eq!(millis(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(from_micros(i64::MAX), from_millis(i64::MAX));
        assert_eq!(micros(from_micros(i64::MAX)), LAST_MICRO);
    }
}
