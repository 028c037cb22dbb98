use std::time::{Duration, SystemTime};

use crate::model::{Expiry, Meta, after};

/// The expiry options of the site. A session can override some of them with `set_expiry`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) max_age: Duration,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) browser_close: bool,
    /// A read extends the session if this much time has passed since the last save or touch. For a
    /// session with a short idle time, less time is enough; see
    /// [`slides_after`](Self::slides_after).
    pub(crate) slide: Option<Duration>,
    /// How long a session without an owner lasts until its cookie comes back for the first time.
    pub(crate) unconfirmed: Option<Duration>,
    /// Every request extends the session, even if the handler does not open it.
    pub(crate) save_every_request: bool,
}

impl Policy {
    /// Returns when a session that began at `created` ends if it is saved or touched at `now`.
    pub(crate) fn expires(
        &self,
        expiry: Expiry,
        created: SystemTime,
        now: SystemTime,
    ) -> SystemTime {
        let idle = match expiry {
            Expiry::At(at) => after(at, Duration::ZERO),
            _ => after(now, self.idle_time(expiry)),
        };
        self.lifetime_ends(created)
            .map_or(idle, |end| end.min(idle))
    }

    /// Returns when a session without an owner that is saved at `now` ends, unless its cookie comes
    /// back before. Returns `None` if it lasts as long as any other.
    pub(crate) fn unconfirmed_until(&self, now: SystemTime) -> Option<SystemTime> {
        self.unconfirmed.map(|age| after(now, age))
    }

    /// Returns whether the last write of the entry with these facts gave it the shorter life of a
    /// session whose cookie has not come back.
    pub(crate) fn is_unconfirmed(&self, expiry: Expiry, meta: &Meta) -> bool {
        let ends_early = self
            .unconfirmed_until(meta.touched)
            .is_some_and(|end| meta.expires <= end);
        ends_early
            && meta.owner.is_none()
            && meta.expires < self.expires(expiry, meta.created, meta.touched)
    }

    /// Returns how much time must have passed since the last save or touch for a read to extend the
    /// session, or `None` if reads do not extend it.
    ///
    /// The result is at most half of the idle time. A visitor whose requests are no further apart
    /// than half of the idle time therefore stays logged in, even if `set_expiry` has shortened the
    /// idle time of the session.
    pub(crate) fn slides_after(&self, expiry: Expiry) -> Option<Duration> {
        let slide = self.slide?;
        Some(slide.min(self.idle_time(expiry) / 2))
    }

    /// Returns how long the session lasts without a save or touch. Returns [`Duration::MAX`] for a
    /// fixed end, which a touch does not change.
    fn idle_time(&self, expiry: Expiry) -> Duration {
        match expiry {
            Expiry::Policy | Expiry::BrowserClose => self.max_age,
            Expiry::Idle(age) | Expiry::BrowserCloseOrIdle(age) => age,
            Expiry::At(_) => Duration::MAX,
        }
    }

    /// Returns the latest end of a session that began at `created`, or `None` if lifetimes are not
    /// limited.
    pub(crate) fn lifetime_ends(&self, created: SystemTime) -> Option<SystemTime> {
        self.max_lifetime.map(|lifetime| after(created, lifetime))
    }

    /// Returns whether browsers drop the cookie when they close.
    pub(crate) fn at_browser_close(&self, expiry: Expiry) -> bool {
        match expiry {
            Expiry::Policy => self.browser_close,
            Expiry::BrowserClose | Expiry::BrowserCloseOrIdle(_) => true,
            Expiry::Idle(_) | Expiry::At(_) => false,
        }
    }
}
