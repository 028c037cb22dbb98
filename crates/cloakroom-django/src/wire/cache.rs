//! Where Django's cache keeps a session, and for how long.

/// What stands before the session's key in the engine cache.
pub const CACHE: &str = "django.contrib.sessions.cache";

/// What stands before the session's key in the engine cached_db.
pub const CACHED_DB: &str = "django.contrib.sessions.cached_db";

/// The flags of a session in memcached: a pickle, as pymemcache says it.
pub const MEMCACHED_FLAGS: u32 = 1;

/// The cache's key of a session: `KEY_PREFIX`, `VERSION`, the engine's prefix and the session's key.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::cache::{CACHE, cache_key};
///
/// assert_eq!(cache_key("", 1, CACHE, "abcdefgh"), ":1:django.contrib.sessions.cacheabcdefgh");
/// ```
pub fn cache_key(key_prefix: &str, version: i64, engine: &str, key: &str) -> String {
    format!("{key_prefix}:{version}:{engine}{key}")
}

/// Whether memcached can keep something under this key. Django refuses others itself, with an empty session.
pub fn fits_memcached(cache_key: &str) -> bool {
    // Django counts characters, memcached bytes; what only Django takes is an error of the server there.
    cache_key.chars().count() <= MAX_MEMCACHED_KEY
        && !cache_key.chars().any(|char| char <= ' ' || char == '\x7f')
}

/// For how many seconds Redis keeps a session of this age; with `None` it is deleted at once.
pub fn redis_ttl(age: f64) -> Option<u64> {
    let secs = age as u64;
    (secs > 0).then_some(secs)
}

/// The `exptime` of a session of this age in memcached: seconds up to 30 days, and a time since 1970 beyond.
pub fn memcached_exptime(age: f64, now_unix_secs: i64) -> i64 {
    // Zero would be "for ever".
    let age = if age as i64 == 0 { -1.0 } else { age };
    if age > MAX_RELATIVE_SECS {
        (age as i64).saturating_add(now_unix_secs)
    } else {
        age as i64
    }
}

const MAX_MEMCACHED_KEY: usize = 250;
const MAX_RELATIVE_SECS: f64 = 2_592_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_of_zero_or_less_is_never_for_ever() {
        for age in [0.0, 0.9, -0.9, -5.0, f64::MIN] {
            assert_eq!(redis_ttl(age), None, "{age}");
            assert!(memcached_exptime(age, 1_767_323_045) < 0, "{age}");
        }
        assert_eq!(redis_ttl(1.9), Some(1));
        assert_eq!(memcached_exptime(1.9, 1_767_323_045), 1);
        assert_eq!(redis_ttl(f64::MAX), Some(u64::MAX));
        assert_eq!(memcached_exptime(f64::MAX, 1), i64::MAX);
    }

    #[test]
    fn thirty_days_are_relative_and_a_second_more_is_a_time() {
        assert_eq!(memcached_exptime(2_592_000.0, 1_000), 2_592_000);
        assert_eq!(memcached_exptime(2_592_000.5, 1_000), 2_593_000);
        assert_eq!(memcached_exptime(2_592_001.0, 1_000), 2_593_001);
    }

    #[test]
    fn memcached_has_no_long_keys_and_none_with_spaces() {
        assert!(fits_memcached(&"k".repeat(250)));
        for key in [&"k".repeat(251)[..], "a b", "a\n", "a\0", "a\u{7f}"] {
            assert!(!fits_memcached(key), "{key}");
        }
    }
}
