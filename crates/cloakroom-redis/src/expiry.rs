use std::time::{Duration, SystemTime};

use cloakroom::store::{Meta, millis};

/// Returns how long the server keeps an entry that was written at `meta.touched`, in milliseconds.
pub(crate) fn millis_left(meta: &Meta) -> u64 {
    let left = millis(meta.expires) - millis(meta.touched);
    left.max(1).unsigned_abs()
}

/// Returns the time at which the server deletes the key of a session, in milliseconds since 1970.
///
/// The session layer decides by its own clock when a session has expired. The server must keep the
/// session until then.
pub(crate) fn gone_at(expires: SystemTime) -> i64 {
    // No overflow, here or in the server: `millis` is at most the end of the year 9999.
    millis(expires) + whole_millis(GRACE)
}

/// Returns the time at which a session is removed from the index of its owner, the list of the
/// owner's sessions, in milliseconds since 1970.
pub(crate) fn indexed_until(expires: SystemTime) -> i64 {
    gone_at(expires) + whole_millis(AHEAD)
}

fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("the constants below are small")
}

/// How far the server's clock may be ahead of the site's clock before the server deletes unexpired
/// sessions.
pub(crate) const GRACE: Duration = Duration::from_secs(5 * 60);

/// How much longer the index keeps a session than the server keeps its key.
///
/// With sliding expiry, every request sets a later expiry. With this margin, the two extra round
/// trips that update the index are needed about once an hour instead of each time.
pub(crate) const AHEAD: Duration = Duration::from_secs(60 * 60);
