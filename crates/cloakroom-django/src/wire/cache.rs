//! The keys and lifetimes of sessions in Django's cache, for the drivers of Redis and memcached.

use cloakroom::store::{Meta, millis};

/// The prefix of the session key in the engine `cache`.
pub const CACHE: &str = "django.contrib.sessions.cache";

/// The prefix of the session key in the engine `cached_db`.
pub const CACHED_DB: &str = "django.contrib.sessions.cached_db";

/// The flags of a session in memcached: those that pymemcache, the client library of Django's
/// backend `PyMemcacheCache`, sets for a pickle.
pub const MEMCACHED_FLAGS: u32 = 1;

/// An `exptime` that makes memcached remove an item at once.
pub const MEMCACHED_GONE: i64 = -1;

/// Returns the start of the cache keys of all sessions: `KEY_PREFIX`, `VERSION` and the prefix of
/// the engine. The session key follows without a separator.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::cache::{CACHE, key_prefix};
///
/// assert_eq!(key_prefix("", 1, CACHE), ":1:django.contrib.sessions.cache");
/// assert_eq!(key_prefix("shop", 2, CACHE), "shop:2:django.contrib.sessions.cache");
/// ```
pub fn key_prefix(prefix: &str, version: u32, engine: &str) -> String {
    format!("{prefix}:{version}:{engine}")
}

/// Returns the number of seconds for which Redis keeps a session.
///
/// As in Django, fractions of a second are dropped. Returns 0 if the session has ended. Do not
/// store such a session: Redis does not accept 0 as a lifetime.
///
/// # Examples
/// ```
/// # use cloakroom::store::{Meta, from_millis};
/// use cloakroom_django::wire::cache::redis_ttl;
///
/// # let meta = |touched, expires| {
/// #     Meta::new(from_millis(0), from_millis(touched), from_millis(expires))
/// # };
/// assert_eq!(redis_ttl(&meta(1_764_000_000_500, 1_764_000_010_499)), 9);
/// ```
pub fn redis_ttl(meta: &Meta) -> i64 {
    secs_left(meta).max(0)
}

/// Returns the `exptime` of a session in memcached: a number of seconds up to 30 days, and beyond
/// that a time in seconds since 1970. It is negative for a session that has ended.
///
/// memcached cannot represent a time after January 2038 (2^31 − 1 seconds since 1970). A session
/// that would last longer ends at that time.
///
/// # Examples
/// ```
/// # use cloakroom::store::{Meta, from_millis};
/// use cloakroom_django::wire::cache::memcached_exptime;
///
/// # let meta = |touched, expires| {
/// #     Meta::new(from_millis(0), from_millis(touched), from_millis(expires))
/// # };
/// let now = 1_764_000_000_000;
/// assert_eq!(memcached_exptime(&meta(now, now + 10_000)), 10);
/// let forty_days = 40 * 24 * 60 * 60 * 1_000;
/// assert_eq!(memcached_exptime(&meta(now, now + forty_days)), 1_767_456_000);
/// ```
pub fn memcached_exptime(meta: &Meta) -> i64 {
    let left = secs_left(meta);
    match left {
        // To memcached, 0 means "forever".
        0 => MEMCACHED_GONE,
        // memcached reads a signed number of 32 bits.
        ..0 => left.max(i64::from(i32::MIN)),
        1..=MAX_RELATIVE_SECS => left,
        _ => (millis(meta.touched).div_euclid(1_000) + left).min(LAST_SECOND),
    }
}

/// Returns the whole seconds between the last change of a session and its end.
fn secs_left(meta: &Meta) -> i64 {
    (millis(meta.expires) - millis(meta.touched)).div_euclid(1_000)
}

/// Thirty days. memcached interprets a larger number as a time since 1970.
const MAX_RELATIVE_SECS: i64 = 30 * 24 * 60 * 60;

/// The last time that memcached can represent, in January 2038. memcached truncates a later time to
/// 32 bits, so the item would vanish at once.
const LAST_SECOND: i64 = i32::MAX as i64;

#[cfg(test)]
mod tests {
    use cloakroom::store::from_millis;

    use super::*;

    #[test]
    fn redis_keeps_a_session_for_its_remaining_whole_seconds() {
        let ttl = |expires| redis_ttl(&meta(1_764_000_000_500, expires));

        assert_eq!(ttl(1_764_000_010_500), 10);
        assert_eq!(ttl(1_764_000_010_499), 9);
        assert_eq!(ttl(1_764_000_001_499), 0);
        assert_eq!(ttl(1_764_000_000_500), 0);
        assert_eq!(ttl(0), 0);
        assert_eq!(ttl(i64::MAX), 251_638_300_799, "the end of the year 9999");
    }

    #[test]
    fn memcached_keeps_a_session_for_its_remaining_whole_seconds() {
        let now = 1_764_000_000;
        let exptime = |millis_left: i64| {
            let touched = now * 1_000 + 500;
            memcached_exptime(&meta(touched, touched + millis_left))
        };

        assert_eq!(exptime(10_000), 10);
        assert_eq!(exptime(9_999), 9);
        assert_eq!(exptime(1_900), 1);
        assert_eq!(exptime(999), MEMCACHED_GONE);
        assert_eq!(exptime(0), MEMCACHED_GONE);
        assert_eq!(exptime(-900), MEMCACHED_GONE);
        assert_eq!(exptime(-5_000), -5);
        assert_eq!(exptime(-now * 1_000), -now);
        assert_eq!(exptime(MAX_RELATIVE_SECS * 1_000), MAX_RELATIVE_SECS);
        assert_eq!(exptime(MAX_RELATIVE_SECS * 1_000 + 500), MAX_RELATIVE_SECS);
        let over = MAX_RELATIVE_SECS + 1;
        assert_eq!(exptime(over * 1_000), now + over);
        assert_eq!(exptime((LAST_SECOND - now) * 1_000), LAST_SECOND);
        assert_eq!(exptime((LAST_SECOND + 1 - now) * 1_000), LAST_SECOND);
        assert_eq!(exptime(253_000_000_000_000), LAST_SECOND);
    }

    #[test]
    fn every_exptime_is_in_the_range_that_memcached_reads() {
        let exptime = |touched, expires| memcached_exptime(&meta(touched, expires));

        assert_eq!(exptime(0, i64::MAX), LAST_SECOND);
        assert_eq!(exptime(i64::MAX, 0), i64::from(i32::MIN));
        assert_eq!(exptime(i64::MAX, i64::MAX), MEMCACHED_GONE);
    }

    fn meta(touched: i64, expires: i64) -> Meta {
        Meta::new(from_millis(0), from_millis(touched), from_millis(expires))
    }
}
