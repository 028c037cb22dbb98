use cloakroom::store::{Meta, millis};

/// For how long memcached is to keep a session, in the numbers of its commands and as Django counts: whole seconds.
pub(crate) fn of(meta: &Meta) -> i64 {
    let (now, left) = (millis(meta.touched), millis(meta.expires));
    let left = (left - now).div_euclid(1_000);
    match left {
        // Memcached takes 0 for forever.
        0 => GONE,
        // More is no time that memcached can read, and as much over.
        ..0 => left.max(i64::from(i32::MIN)),
        1..=LONGEST => left,
        // As a point in time, since memcached takes so large a number for one.
        _ => (now.div_euclid(1_000) + left).min(LAST_SECOND),
    }
}

/// An item that is gone at once.
pub(crate) const GONE: i64 = -1;

/// Thirty days.
const LONGEST: i64 = 30 * 24 * 60 * 60;

/// In January 2038. What is later is cut to 32 bits, and the item would vanish at once.
const LAST_SECOND: i64 = i32::MAX as i64;

#[cfg(test)]
mod tests {
    use cloakroom::store::from_millis;

    use super::*;

    #[test]
    fn a_session_is_kept_for_the_whole_seconds_that_it_has_left() {
        let now = 1_764_000_000;
        let exptime = |left: i64| {
            of(&Meta {
                created: from_millis(0),
                touched: from_millis(now * 1_000 + 500),
                expires: from_millis(now * 1_000 + 500 + left),
                owner: None,
                label: None,
            })
        };

        assert_eq!(exptime(10_000), 10);
        assert_eq!(exptime(9_999), 9);
        assert_eq!(exptime(999), GONE);
        assert_eq!(exptime(0), GONE);
        assert_eq!(exptime(-5_000), -5);
        assert_eq!(exptime(-now * 1_000), -now);
        assert_eq!(exptime(LONGEST * 1_000), LONGEST);
        assert_eq!(exptime((LONGEST + 1) * 1_000), now + LONGEST + 1);
        assert_eq!(exptime((LAST_SECOND - now) * 1_000), LAST_SECOND);
        assert_eq!(exptime((LAST_SECOND + 1 - now) * 1_000), LAST_SECOND);
        assert_eq!(exptime(253_000_000_000_000), LAST_SECOND);
    }

    #[test]
    fn no_time_is_out_of_the_range_that_memcached_reads() {
        let exptime = |touched, expires| {
            of(&Meta {
                created: from_millis(0),
                touched: from_millis(touched),
                expires: from_millis(expires),
                owner: None,
                label: None,
            })
        };

        assert_eq!(exptime(0, i64::MAX), LAST_SECOND);
        assert_eq!(exptime(i64::MAX, 0), i64::from(i32::MIN));
        assert_eq!(exptime(i64::MAX, i64::MAX), GONE);
    }
}
