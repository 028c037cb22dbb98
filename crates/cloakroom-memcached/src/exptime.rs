use std::time::SystemTime;

use cloakroom::store::millis;

/// Until when memcached is to keep an entry that expires then, in the numbers of its commands.
///
/// It keeps it for a grace longer, in case its clock is ahead of the site's: the core decides what has expired. Always
/// a point in time, never a duration, so that an answer that comes late makes no session live longer.
pub(crate) fn of(expires: SystemTime) -> i64 {
    let secs = (millis(expires) + 999) / 1_000 + GRACE_SECS;
    match secs {
        // Smaller numbers are taken for durations.
        ..FIRST_SECOND => DROP_AT_ONCE,
        FIRST_SECOND..=LAST_SECOND => secs,
        // Larger ones are cut to 32 bits, and the entry dropped while it lives.
        _ => NEVER,
    }
}

/// A minute from now on: for an entry that has moved on, if it cannot be deleted.
pub(crate) const A_MINUTE: i64 = 60;

const GRACE_SECS: i64 = 5 * 60;

/// After thirty days of 1970.
const FIRST_SECOND: i64 = 30 * 24 * 60 * 60 + 1;

/// In January 2038.
const LAST_SECOND: i64 = i32::MAX as i64;

const DROP_AT_ONCE: i64 = -1;

/// Until it is deleted or evicted.
const NEVER: i64 = 0;

#[cfg(test)]
mod tests {
    use cloakroom::store::from_millis;

    use super::*;

    #[test]
    fn memcached_keeps_an_entry_a_little_longer_than_it_lives_and_never_shorter() {
        let exptime = |millis| of(from_millis(millis));

        assert_eq!(exptime(1_800_000_000_000), 1_800_000_300);
        assert_eq!(exptime(1_800_000_000_001), 1_800_000_301, "rounded up");
        // Last second of 32 bits, and the first one after it.
        assert_eq!(exptime(2_147_483_347_000), 2_147_483_647);
        assert_eq!(exptime(2_147_483_347_001), NEVER);
        assert_eq!(exptime(4_102_444_800_000), NEVER);
        assert_eq!(exptime(i64::MAX), NEVER);
    }

    #[test]
    fn a_time_that_would_be_taken_for_a_duration_is_over() {
        assert_eq!(of(from_millis(0)), DROP_AT_ONCE);
        let first = (FIRST_SECOND - GRACE_SECS) * 1_000;
        assert_eq!(of(from_millis(first)), 2_592_001);
        assert_eq!(of(from_millis(first - 1_000)), DROP_AT_ONCE);
    }
}
