use std::sync::Arc;
use std::time::SystemTime;

use super::policy::Policy;
use super::queue::CommitQueue;
use crate::backend::Backend;
use crate::format::OnExpired;
use crate::http::Cookie;
use crate::model::{
    Clock, EntryRef, Error, ErrorKind, Meta, Record, Result, SavedEntry, SessionKey, StoreKey,
    Version, storable,
};

/// What all handles and sessions of one [`Sessions`] share.
pub(crate) struct Core {
    pub(crate) backend: Backend,
    pub(crate) cookie: Cookie,
    pub(crate) policy: Policy,
    /// Whether a response that sets the cookie is kept out of caches.
    pub(crate) no_store: bool,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) queue: CommitQueue,
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

    /// When `record` ends if it is saved at `now`.
    pub(crate) fn expires(&self, record: &Record, now: SystemTime) -> SystemTime {
        let expiry = self.backend.format().expiry(&record.data);
        self.policy.expires(expiry, record.meta.created, now)
    }

    /// Whether the cookie of `record` is to go when the browser closes.
    pub(crate) fn at_browser_close(&self, record: &Record) -> bool {
        let expiry = self.backend.format().expiry(&record.data);
        self.policy.at_browser_close(expiry)
    }

    /// Whether an entry with these facts is alive. Here, and by this clock alone, a session expires.
    pub(crate) fn is_alive(&self, meta: &Meta) -> bool {
        let now = self.now();
        let lifetime_ends = self.policy.lifetime_ends(meta.created);
        meta.expires > now && lifetime_ends.is_none_or(|end| end > now)
    }

    /// Loads the session at `store_key` if it is alive. A cache may answer.
    pub(crate) async fn load(&self, store_key: &StoreKey) -> Result<Option<(Record, Version)>> {
        let found = self.backend.load(store_key, self.now()).await?;
        Ok(self.alive(store_key, found).await)
    }

    /// What is alive at `store_key`, with a version that a write can build on.
    pub(crate) async fn reload(&self, store_key: &StoreKey) -> Result<Option<(Record, Version)>> {
        let found = self.backend.reload(store_key, self.now()).await?;
        Ok(self.alive(store_key, found).await)
    }

    async fn alive(
        &self,
        store_key: &StoreKey,
        found: Option<(Record, Version)>,
    ) -> Option<(Record, Version)> {
        let (record, version) = found?;
        if self.is_alive(&record.meta) {
            return Some((record, version));
        }
        // What has expired is never saved again, so whatever is there now may go.
        if self.backend.rules().expired == OnExpired::DeleteEntry
            && let Err(error) = self.backend.delete(store_key, self.now()).await
        {
            let error = format!("{error:#}");
            tracing::warn!(error, "an expired session stays until it is swept");
        }
        None
    }

    /// What is alive at `store_key`, for a session that is opened with this key or without one.
    pub(crate) async fn open(
        self: &Arc<Self>,
        key: Option<&SessionKey>,
        store_key: &StoreKey,
    ) -> Result<Option<(SavedEntry, Record)>> {
        self.sweeper.start(self);
        let found = self.load(store_key).await?;
        Ok(found.map(|(record, version)| {
            let entry = EntryRef {
                key: key.cloned(),
                store_key: store_key.clone(),
                version,
            };
            let base = SavedEntry {
                entry,
                meta: record.meta.clone(),
                browser_close: self.at_browser_close(&record),
            };
            (base, record)
        }))
    }

    /// Ends the session at `store_key`, also if it is moving to a new key at this moment.
    ///
    /// Once the entry is deleted no move of it can succeed, and one that came before is among its owner's: it began
    /// when this one did, and it was not there before. A session without an owner cannot be followed so.
    pub(crate) async fn end(&self, store_key: &StoreKey, meta: &Meta) -> Result<()> {
        let Some(owner) = meta
            .owner
            .as_ref()
            .filter(|_| self.backend.guarantees().owners)
        else {
            return self.backend.delete(store_key, self.now()).await;
        };
        let mut known = self.backend.owned_by(owner).await?;
        if known.iter().all(|owned| owned.key != *store_key) {
            // It has moved already, or it is gone: then whatever began with it is what it became.
            known.retain(|owned| owned.meta.created != meta.created);
        }
        let mut ending = vec![store_key.clone()];
        for _ in 0..MOST_MOVES {
            for store_key in &ending {
                self.backend.delete(store_key, self.now()).await?;
            }
            let moved = self
                .backend
                .owned_by(owner)
                .await?
                .into_iter()
                .filter(|owned| {
                    owned.meta.created == meta.created
                        && known.iter().all(|known| known.key != owned.key)
                });
            ending = moved.map(|owned| owned.key).collect();
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
