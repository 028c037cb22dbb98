use std::sync::Arc;
use std::time::SystemTime;

use super::policy::Policy;
use super::queue::Turns;
use crate::backend::Shelf;
use crate::format::OnExpired;
use crate::http::Cookie;
use crate::model::{
    Clock, Error, ErrorKind, Held, Key, Lookup, Meta, Place, Result, Version, storable,
};

/// What all handles and sessions of one [`Sessions`] share.
pub(crate) struct Core {
    pub(crate) shelf: Shelf,
    pub(crate) cookie: Cookie,
    pub(crate) policy: Policy,
    /// Whether a response that sets the cookie is kept out of caches.
    pub(crate) no_store: bool,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) turns: Turns,
    pub(crate) sweeper: Box<dyn Sweeper>,
}

/// Deletes expired entries in the background.
pub(crate) trait Sweeper: Send + Sync {
    /// Starts sweeping the entries of `core`, unless it runs already or is turned off. Called inside of the runtime.
    fn start(&self, core: &Arc<Core>);
}

impl Core {
    /// The time now, cut to what stores can keep.
    pub(crate) fn now(&self) -> SystemTime {
        storable(self.clock.now())
    }

    /// When `held` ends if it is saved at `now`.
    pub(crate) fn expires(&self, held: &Held, now: SystemTime) -> SystemTime {
        let expiry = self.shelf.format().expiry(&held.contents);
        self.policy.expires(expiry, held.meta.created, now)
    }

    /// Whether the cookie of `held` is to go when the browser closes.
    pub(crate) fn at_browser_close(&self, held: &Held) -> bool {
        let expiry = self.shelf.format().expiry(&held.contents);
        self.policy.at_browser_close(expiry)
    }

    /// Whether an entry with these facts is alive. Here, and by this clock alone, a session expires.
    pub(crate) fn is_alive(&self, meta: &Meta) -> bool {
        let now = self.now();
        let lifetime_ends = self.policy.lifetime_ends(meta.created);
        meta.expires > now && lifetime_ends.is_none_or(|end| end > now)
    }

    /// What is alive at `lookup`, for somebody who reads.
    pub(crate) async fn load(&self, lookup: &Lookup) -> Result<Option<(Held, Version)>> {
        let found = self.shelf.load(lookup, self.now()).await?;
        Ok(self.alive(lookup, found).await)
    }

    /// What is alive at `lookup`, with a version that a write can build on.
    pub(crate) async fn reload(&self, lookup: &Lookup) -> Result<Option<(Held, Version)>> {
        let found = self.shelf.reload(lookup, self.now()).await?;
        Ok(self.alive(lookup, found).await)
    }

    async fn alive(
        &self,
        lookup: &Lookup,
        found: Option<(Held, Version)>,
    ) -> Option<(Held, Version)> {
        let (held, version) = found?;
        if self.is_alive(&held.meta) {
            return Some((held, version));
        }
        // What has expired is never saved again, so whatever is there now may go.
        if self.shelf.rules().expired == OnExpired::DeleteEntry
            && let Err(error) = self.shelf.delete(lookup, self.now()).await
        {
            let error = format!("{error:#}");
            tracing::warn!(error, "an expired session stays until it is swept");
        }
        None
    }

    /// What is alive at `lookup`, for a session that is opened with this key or without one.
    pub(crate) async fn open(
        self: &Arc<Self>,
        key: Option<&Key>,
        lookup: &Lookup,
    ) -> Result<Option<(Place, Held)>> {
        self.sweeper.start(self);
        let found = self.load(lookup).await?;
        Ok(found.map(|(held, version)| {
            let base = Place {
                key: key.cloned(),
                lookup: lookup.clone(),
                version,
                meta: held.meta.clone(),
                browser_close: self.at_browser_close(&held),
            };
            (base, held)
        }))
    }

    /// Ends the session at `lookup`, also if it is moving to a new key at this moment.
    ///
    /// Once the entry is deleted no move of it can succeed, and one that came before is among its owner's: it began
    /// when this one did, and it was not there before. A session without an owner cannot be followed so.
    pub(crate) async fn end(&self, lookup: &Lookup, meta: &Meta) -> Result<()> {
        let Some(owner) = meta
            .owner
            .as_ref()
            .filter(|_| self.shelf.guarantees().owners)
        else {
            return self.shelf.delete(lookup, self.now()).await;
        };
        let mut known = self.shelf.owned_by(owner).await?;
        if known.iter().all(|owned| owned.lookup != *lookup) {
            // It has moved already, or it is gone: then whatever began with it is what it became.
            known.retain(|owned| owned.meta.created != meta.created);
        }
        let mut ending = vec![lookup.clone()];
        for _ in 0..MOST_MOVES {
            for lookup in &ending {
                self.shelf.delete(lookup, self.now()).await?;
            }
            let moved = self
                .shelf
                .owned_by(owner)
                .await?
                .into_iter()
                .filter(|owned| {
                    owned.meta.created == meta.created
                        && known.iter().all(|known| known.lookup != owned.lookup)
                });
            ending = moved.map(|owned| owned.lookup).collect();
            if ending.is_empty() {
                return Ok(());
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "ending a session: it moved to a new key {MOST_MOVES} times meanwhile; try again"
            ),
        ))
    }
}

/// How often a session may move while it is being ended.
const MOST_MOVES: usize = 8;
