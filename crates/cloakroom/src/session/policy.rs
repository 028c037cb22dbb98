use std::time::{Duration, SystemTime};

use crate::model::{Expiry, after};

/// The site's policy: what holds for every session that asked for nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) max_age: Duration,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) browser_close: bool,
    /// Reading counts as activity when this much has passed since the last save or touch.
    pub(crate) slide: Option<Duration>,
    /// Every request counts as activity, whether it looks at its session or not.
    pub(crate) save_every_request: bool,
}

impl Policy {
    /// When a session that began at `created` ends if it is saved or touched at `now`.
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

    /// When a session that began at `created` ends at the latest.
    pub(crate) fn lifetime_ends(&self, created: SystemTime) -> Option<SystemTime> {
        self.max_lifetime.map(|lifetime| after(created, lifetime))
    }

    /// Whether the cookie is to go when the browser closes.
    pub(crate) fn at_browser_close(&self, expiry: Expiry) -> bool {
        match expiry {
            Expiry::Policy => self.browser_close,
            Expiry::BrowserClose | Expiry::BrowserCloseOrIdle(_) => true,
            Expiry::Idle(_) | Expiry::At(_) => false,
        }
    }
}
