use std::time::{Duration, SystemTime};

use cloakroom::store::millis;

/// Returns when the server drops the key of a session, in milliseconds since 1970.
///
/// The session layer decides by its own clock when a session has expired. The server must keep it
/// until then.
pub(crate) fn gone_at(expires: SystemTime) -> i64 {
    // No overflow, here or in the server: `millis` is at most the end of the year 9999.
    millis(expires) + whole_millis(GRACE)
}

/// Returns when the index of its owner drops a session, in milliseconds since 1970.
pub(crate) fn indexed_until(expires: SystemTime) -> i64 {
    gone_at(expires) + whole_millis(AHEAD)
}

fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("the constants below are small")
}

/// How far the clock of the server may be ahead of ours before it drops sessions that have not
/// expired.
pub(crate) const GRACE: Duration = Duration::from_secs(5 * 60);

/// How much longer the index keeps a session than the server does.
///
/// Every save of an active session moves its expiry. With this margin, the two extra round trips
/// that update the index are needed once an hour instead of at every save.
pub(crate) const AHEAD: Duration = Duration::from_secs(60 * 60);
