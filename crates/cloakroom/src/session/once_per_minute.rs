use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use crate::model::millis;

/// Limits a warning to one a minute.
pub(super) struct OncePerMinute(AtomicI64);

impl OncePerMinute {
    pub(super) const fn new() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    /// Returns whether the warning is due at `now`. If it is, it is due again a minute later.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        let (now, last) = (millis(now), self.0.load(Ordering::Relaxed));
        // The difference is also large if the clock was set back, so the warning is then due, too.
        now.abs_diff(last) >= A_MINUTE_MILLIS
            && self
                .0
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

const A_MINUTE_MILLIS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::from_millis;

    #[test]
    fn a_warning_is_due_once_a_minute_even_after_the_clock_was_set_back() {
        let warning = OncePerMinute::new();
        let due: Vec<i64> = [0, 1, 59_999, 60_000, 60_001, 120_000, 500, 501]
            .into_iter()
            .filter(|&at| warning.is_due(from_millis(at)))
            .collect();

        assert_eq!(due, [0, 60_000, 120_000, 500]);
    }
}
