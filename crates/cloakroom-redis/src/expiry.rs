use std::time::{Duration, SystemTime};

use cloakroom::store::millis;

/// When the key of a session goes, in milliseconds since 1970.
///
/// The core decides by its own clock that a session has expired; until it has, the server must keep it.
pub(crate) fn gone_at(expires: SystemTime) -> i64 {
    // `millis` ends in the year 9999, so there is room for more, here and in the server's arithmetic.
    millis(expires) + whole_millis(GRACE)
}

/// Until when the index of its owner keeps a session, in milliseconds since 1970.
pub(crate) fn indexed_until(expires: SystemTime) -> i64 {
    gone_at(expires) + whole_millis(AHEAD)
}

fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("it is one of the constants below")
}

/// How far the clock of the server may be ahead of ours before it takes sessions that have not expired.
pub(crate) const GRACE: Duration = Duration::from_secs(5 * 60);

/// How much longer than the session its place in the index lasts. A session that is used all the time has a later
/// expiry each time, and so costs a second and a third round trip once in this time and not at every save.
pub(crate) const AHEAD: Duration = Duration::from_secs(60 * 60);
