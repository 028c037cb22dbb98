use std::sync::Arc;
use std::time::SystemTime;

use super::once_per_minute::OncePerMinute;
use super::policy::Policy;
use super::queue::CommitQueue;
use crate::backend::{Backend, Loaded};
use crate::format::OnExpired;
use crate::http::{CacheControl, Cookie, CookieSet};
use crate::model::{
    Clock, EntryRef, Error, ErrorKind, Meta, Record, Result, SavedEntry, SessionKey, StoreKey,
    Tombstone, Version, limits, storable,
};

/// The state shared by all handles and sessions of one [`Sessions`](crate::Sessions).
pub(crate) struct Core {
    pub(crate) backend: Backend,
    pub(crate) cookie: Cookie,
    pub(crate) policy: Policy,
    /// How a response that sets or removes the cookie may be cached.
    pub(crate) cache_control: CacheControl,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) queue: CommitQueue,
    pub(crate) sweeper: Box<dyn Sweeper>,
}

/// Deletes expired entries in the background.
pub(crate) trait Sweeper: Send + Sync {
    /// Starts sweeping the entries of `core`, unless a sweep is running or sweeping is turned off.
    /// Must be called inside a tokio runtime.
    fn start(&self, core: &Arc<Core>);
}

impl Core {
    /// Returns the current time, with the precision that stores can keep.
    pub(crate) fn now(&self) -> SystemTime {
        storable(self.clock.now())
    }

    /// Returns when the session of `record` expires if it is saved at `now`.
    pub(crate) fn expires(&self, record: &Record, now: SystemTime) -> SystemTime {
        let expiry = self.backend.format().expiry(&record.data);
        self.policy.expires(expiry, record.meta.created, now)
    }

    /// Returns whether browsers drop the cookie of `record` when they close.
    pub(crate) fn at_browser_close(&self, record: &Record) -> bool {
        let expiry = self.backend.format().expiry(&record.data);
        self.policy.at_browser_close(expiry)
    }

    /// Returns whether an entry with these facts has expired. Only this function decides that, and
    /// only by the clock of this `Core`.
    pub(crate) fn has_expired(&self, meta: &Meta, now: SystemTime) -> bool {
        let lifetime_ends = self.policy.lifetime_ends(meta.created);
        meta.expires <= now || lifetime_ends.is_some_and(|end| end <= now)
    }

    /// Returns whether the entry was written by a server whose clock is too far ahead of this
    /// server's. By this server's clock, such a session would last longer than the options allow.
    ///
    /// Always false for a format that does not store when a session began and was touched. Such a
    /// format derives these times from the expiry of the session and from the options. The options
    /// may have changed, so the times prove nothing about a clock.
    fn is_from_the_future(&self, meta: &Meta, now: SystemTime) -> bool {
        let tolerated = now + limits::CLOCK_SKEW;
        (meta.created > tolerated || meta.touched > tolerated)
            && self.backend.rules().facts.are_all()
    }

    /// Loads the session at `store_key` if it is alive. The result may come from a cache.
    pub(crate) async fn load(&self, store_key: &StoreKey) -> Result<Loaded<(Record, Version)>> {
        let found = self.backend.load(store_key, self.now()).await?;
        Ok(self.alive(store_key, found).await)
    }

    /// Loads the session at `store_key` if it is alive, with a version that a write can build on.
    pub(crate) async fn reload(&self, store_key: &StoreKey) -> Result<Loaded<(Record, Version)>> {
        let found = self.backend.reload(store_key, self.now()).await?;
        Ok(self.alive(store_key, found).await)
    }

    async fn alive(
        &self,
        store_key: &StoreKey,
        found: Loaded<(Record, Version)>,
    ) -> Loaded<(Record, Version)> {
        let now = self.now();
        let (record, version) = match found {
            Loaded::Session(found) => found,
            Loaded::Moved(_, expires) if !self.is_current(expires, now) => return Loaded::Nothing,
            no_session => return no_session,
        };
        if !self.has_expired(&record.meta, now) {
            if !self.is_from_the_future(&record.meta, now) {
                return Loaded::Session((record, version));
            }
            if FROM_THE_FUTURE.is_due(now) {
                tracing::warn!(
                    session = %self.backend.tag(store_key),
                    "ignoring a session whose times are in the future; synchronise the clocks of \
                     the servers"
                );
            }
            return Loaded::Nothing;
        }
        // An expired entry is never saved again, so it can be deleted without comparing versions.
        if self.backend.rules().expired == OnExpired::DeleteEntry
            && let Err(error) = self.backend.delete(store_key, now).await
        {
            let error = format!("{error:#}");
            tracing::warn!(error, "an expired session stays until it is swept");
        }
        Loaded::Nothing
    }

    /// Returns whether a tombstone that expires at `expires` is in use. One that expires too late
    /// was written by a server whose clock is too far ahead.
    fn is_current(&self, expires: SystemTime, now: SystemTime) -> bool {
        let latest = now + self.backend.tombstone_age() + limits::CLOCK_SKEW;
        expires > now && expires <= latest
    }

    /// Loads the session that has moved, wherever it is now, if it is alive and belongs to the
    /// owner in the tombstone. Returns `None` if the tombstone has no owner.
    pub(crate) async fn successor(&self, tombstone: &Tombstone) -> Result<Option<Record>> {
        if tombstone.owner.is_none() {
            return Ok(None);
        }
        let mut store_key = tombstone.successor.clone();
        for _ in 0..MAX_MOVES {
            match self.load(&store_key).await? {
                Loaded::Session((record, _)) => {
                    return Ok((record.meta.owner == tombstone.owner).then_some(record));
                }
                Loaded::Moved(next, _) => store_key = next.successor,
                Loaded::Nothing => break,
            }
        }
        Ok(None)
    }

    /// Loads the session that `key` opens. `names` are the cookies in which the browser sent the
    /// key.
    ///
    /// A key in the current cookie may belong to a former namespace: touching a session of a former
    /// namespace sets the current cookie but does not move the entry.
    pub(crate) async fn open_key(
        self: &Arc<Self>,
        key: &SessionKey,
        names: CookieSet,
    ) -> Result<Loaded<(SavedEntry, Record)>> {
        let format = self.backend.format();
        let current = format.store_key(self.cookie.own_namespace(), key);
        let mut tried = Vec::new();
        let mut found = Loaded::Nothing;
        for (number, cookie) in self.cookie.accepted().enumerate() {
            if !names.has_current() && !names.contains(number) {
                continue;
            }
            let store_key = match number {
                0 => current.clone(),
                _ => format.store_key(cookie.own_namespace(), key),
            };
            if tried.contains(&store_key) {
                continue;
            }
            match self.open(Some(key), &store_key).await? {
                Loaded::Session((mut base, record)) => {
                    base.entry.is_former = store_key != current;
                    return Ok(Loaded::Session((base, record)));
                }
                moved @ Loaded::Moved(..) => found = moved,
                Loaded::Nothing => {}
            }
            tried.push(store_key);
        }
        Ok(found)
    }

    /// Loads the session at `store_key` if it is alive, and starts the sweep. `key` is `None` if
    /// the session is opened by its tag.
    pub(crate) async fn open(
        self: &Arc<Self>,
        key: Option<&SessionKey>,
        store_key: &StoreKey,
    ) -> Result<Loaded<(SavedEntry, Record)>> {
        self.sweeper.start(self);
        let (record, version) = match self.load(store_key).await? {
            Loaded::Session(found) => found,
            Loaded::Moved(tombstone, expires) => return Ok(Loaded::Moved(tombstone, expires)),
            Loaded::Nothing => return Ok(Loaded::Nothing),
        };
        let entry = EntryRef {
            key: key.cloned(),
            store_key: store_key.clone(),
            version,
            is_former: false,
        };
        let base = SavedEntry {
            entry,
            meta: record.meta.clone(),
            browser_close: self.at_browser_close(&record),
        };
        Ok(Loaded::Session((base, record)))
    }

    /// Ends the session at `store_key`, even if it is moving to a new key at the same time.
    ///
    /// Once the entry is deleted, it can no longer be moved. If it was moved before, there is
    /// another entry of the same owner, which has the same `created` time and was not in the
    /// owner's list at first. Such entries are deleted, too. The moves of a session without an
    /// owner cannot be followed.
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
            // The session has already moved, or it is gone. An entry with the same `created` time
            // is the moved session, so it must not count as known.
            known.retain(|owned| owned.meta.created != meta.created);
        }
        let mut ending = vec![store_key.clone()];
        for _ in 0..MAX_MOVES {
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
                "ending a session: it moved to a new key {MAX_MOVES} times in a row; try again"
            ),
        ))
    }
}

/// One limit for the whole process: all such sessions have the same cause.
static FROM_THE_FUTURE: OncePerMinute = OncePerMinute::new();

/// How many times a session may move to a new key while it is being ended or looked for.
const MAX_MOVES: usize = 8;
