use std::time::{Duration, SystemTime};

use crate::model::{Expiry, after};

/// The expiry options of the site. A session can override some of them with `set_expiry`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) max_age: Duration,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) browser_close: bool,
    /// A read extends the session if this much time has passed since the last save or touch.
    pub(crate) slide: Option<Duration>,
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
            Expiry::Policy | Expiry::BrowserClose => after(now, self.max_age),
            Expiry::Idle(age) | Expiry::BrowserCloseOrIdle(age) => after(now, age),
            Expiry::At(at) => after(at, Duration::ZERO),
        };
        self.lifetime_ends(created)
            .map_or(idle, |end| end.min(idle))
    }

    /// Returns the latest end of a session that began at `created`, or `None` without a limit.
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
