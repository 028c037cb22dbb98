use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use crate::clock::{Clock, storable};
use crate::cookie::Cookie;
use crate::session::{Held, Place, Policy, Session, Turns};
use crate::shelf::Shelf;
use crate::store::Version;
use crate::sweep::Sweep;
use crate::{Key, Lookup, Result};

/// What all handles and sessions of one [`Sessions`] share.
pub(crate) struct Core {
    pub(crate) shelf: Shelf,
    pub(crate) cookie: Cookie,
    pub(crate) policy: Policy,
    /// Whether a response that sets the cookie is kept out of caches.
    pub(crate) no_store: bool,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) turns: Turns,
    pub(crate) sweep: Option<Sweep>,
    pub(crate) sweeping: AtomicBool,
}

impl Core {
    /// The time now, cut to what stores can keep.
    pub(crate) fn now(&self) -> SystemTime {
        storable(self.clock.now())
    }

    /// When `held` ends if it is saved at `now`.
    pub(crate) fn expires(&self, held: &Held, now: SystemTime) -> SystemTime {
        self.policy
            .expires(held.contents.expiry, held.meta.created, now)
    }

    /// What is alive at `lookup`. Here, and by this clock alone, a session expires.
    pub(crate) async fn load(&self, lookup: &Lookup) -> Result<Option<(Held, Version)>> {
        let found = self.shelf.load(lookup).await?;
        let now = self.now();
        Ok(found.filter(|(held, _)| {
            let lifetime_ends = self.policy.lifetime_ends(held.meta.created);
            held.meta.expires > now && lifetime_ends.is_none_or(|end| end > now)
        }))
    }

    /// The session at `lookup`, if it is alive.
    pub(crate) async fn open(
        self: &Arc<Self>,
        key: Option<&Key>,
        lookup: &Lookup,
    ) -> Result<Option<Session>> {
        self.start_sweeping();
        let found = self.load(lookup).await?;
        Ok(found.map(|(held, version)| {
            let base = Place {
                key: key.cloned(),
                lookup: lookup.clone(),
                version,
                expires: held.meta.expires,
            };
            Session::new(Arc::clone(self), Some(base), held)
        }))
    }
}
