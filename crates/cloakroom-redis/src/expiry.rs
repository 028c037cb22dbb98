use std::time::{Duration, SystemTime};

use cloakroom::store::millis;

/// Returns the time at which the server deletes the key of a session, in milliseconds since 1970.
///
/// The session layer decides by its own clock when a session has expired. The server must keep the
/// session until then.
pub(crate) fn gone_at(expires: SystemTime) -> i64 {
    // No overflow, here or in the server: `millis` is at most the end of the year 9999.
    millis(expires) + whole_millis(GRACE)
}

/// Returns the time at which the index of its owner removes a session, in milliseconds since 1970.
pub(crate) fn indexed_until(expires: SystemTime) -> i64 {
    gone_at(expires) + whole_millis(AHEAD)
}

fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("the constants below are small")
}

/// How far the server's clock may be ahead of ours before the server deletes unexpired sessions.
pub(crate) const GRACE: Duration = Duration::from_secs(5 * 60);

/// How much longer a session stays in the index than in its own key.
///
/// Every save of an active session moves its expiry. With this margin, the two extra round trips
/// that update the index are needed about once an hour instead of at every save.
pub(crate) const AHEAD: Duration = Duration::from_secs(60 * 60);
