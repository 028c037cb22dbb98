use std::time::SystemTime;

use cloakroom::store::millis;

/// Returns memcached's `exptime` for an entry that expires at `expires`.
///
/// The `exptime` is later than `expires` by a grace period: the session layer decides by its own
/// clock when a session has expired, and the server's clock may be ahead. The `exptime` is always a
/// point in time, never a duration. So a command that arrives late does not extend the session.
pub(crate) fn of(expires: SystemTime) -> i64 {
    let secs = (millis(expires) + 999) / 1_000 + GRACE_SECS;
    match secs {
        // memcached reads smaller numbers as durations.
        ..FIRST_SECOND => DROP_AT_ONCE,
        FIRST_SECOND..=LAST_SECOND => secs,
        // memcached truncates larger numbers to 32 bits and would remove the entry too early.
        _ => NEVER,
    }
}

/// The `exptime` for one minute from now. A rename uses it for the marker that replaces the entry
/// at the old key.
pub(crate) const A_MINUTE: i64 = 60;

/// How many seconds the server's clock may be ahead before the server removes unexpired sessions.
const GRACE_SECS: i64 = 5 * 60;

/// The first `exptime` that is a point in time: thirty days after the start of 1970.
const FIRST_SECOND: i64 = 30 * 24 * 60 * 60 + 1;

/// The last `exptime` that is a point in time, in January 2038.
const LAST_SECOND: i64 = i32::MAX as i64;

/// The `exptime` of an item that memcached removes at once.
const DROP_AT_ONCE: i64 = -1;

/// The `exptime` of an item that memcached keeps until the item is deleted or evicted.
const NEVER: i64 = 0;

#[cfg(test)]
mod tests {
    use cloakroom::store::from_millis;

    use super::*;

    #[test]
    fn an_exptime_includes_the_grace_period_and_is_unlimited_if_it_exceeds_32_bits() {
        let exptime = |millis| of(from_millis(millis));

        assert_eq!(exptime(1_800_000_000_000), 1_800_000_300);
        assert_eq!(exptime(1_800_000_000_001), 1_800_000_301, "rounded up");
        // The last second that fits into 32 bits, and the first one after it.
        assert_eq!(exptime(2_147_483_347_000), 2_147_483_647);
        assert_eq!(exptime(2_147_483_347_001), NEVER);
        assert_eq!(exptime(4_102_444_800_000), NEVER);
        assert_eq!(exptime(i64::MAX), NEVER);
    }

    #[test]
    fn an_item_with_a_time_that_memcached_would_read_as_a_duration_is_removed_at_once() {
        assert_eq!(of(from_millis(0)), DROP_AT_ONCE);
        let first = (FIRST_SECOND - GRACE_SECS) * 1_000;
        assert_eq!(of(from_millis(first)), 2_592_001);
        assert_eq!(of(from_millis(first - 1_000)), DROP_AT_ONCE);
    }
}
