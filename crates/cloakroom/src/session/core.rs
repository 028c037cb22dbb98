use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::new_session_limit::NewSessionLimit;
use super::once_per_minute::OncePerMinute;
use super::policy::Policy;
use super::queue::CommitQueue;
use super::session_limit::SessionLimit;
use crate::backend::{Backend, CallLimit, Loaded};
use crate::format::{FormatRules, OnExpired};
use crate::http::{CacheControl, Cookie, CookieSet};
use crate::model::{
    Clock, EntryRef, Error, ErrorKind, Meta, Owner, Record, Result, SavedEntry, SessionKey,
    StoreKey, Tombstone, Version, limits, storable,
};

/// The state shared by all handles and sessions of one [`Sessions`](crate::Sessions).
pub(crate) struct Core {
    pub(crate) backend: Backend,
    /// The rules of the backend. They are kept here because every request needs them, and the
    /// backend computes them for each call.
    pub(crate) rules: FormatRules,
    pub(crate) cookie: Cookie,
    pub(crate) policy: Policy,
    /// `None` if a user may have any number of sessions.
    pub(crate) session_limit: Option<SessionLimit>,
    /// `None` if clients may begin any number of sessions.
    pub(crate) new_session_limit: Option<NewSessionLimit>,
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
        (meta.created > tolerated || meta.touched > tolerated) && self.rules.facts.are_all()
    }

    /// Loads the session at `store_key` if it is alive. The result may come from a cache.
    pub(crate) async fn load(&self, store_key: &StoreKey) -> Result<Loaded<(Record, Version)>> {
        let found = self.backend.load(store_key, self.now()).await?;
        Ok(self.alive(store_key, found).await)
    }

    /// Loads the session at `store_key` if it is alive. Its version includes the origin's version,
    /// which a write needs.
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
        if self.rules.expired == OnExpired::DeleteEntry
            && let Err(error) = self.backend.delete(store_key, now).await
        {
            let error = format!("{error:#}");
            tracing::warn!(error, "an expired session stays until it is swept");
        }
        Loaded::Nothing
    }

    /// Returns whether a tombstone that expires at `expires` is valid at `now`. A tombstone that
    /// expires too late was written by a server whose clock is too far ahead.
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
            cookie_expires: (!self.at_browser_close(&record)).then_some(record.meta.expires),
        };
        Ok(Loaded::Session((base, record)))
    }

    /// Lists all entries of `owner`, expired ones included.
    pub(crate) async fn owned_by(&self, owner: &Owner) -> Result<BTreeMap<StoreKey, Meta>> {
        // An entry may be on two pages.
        let (mut owned, mut after) = (BTreeMap::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self.backend.owned_by(owner, after.as_ref()).await?;
            let entries = page.entries.into_iter();
            owned.extend(entries.map(|owned| (owned.key, owned.meta)));
            after = page.next;
            if after.is_none() {
                return Ok(owned);
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "listing a user's sessions: there are more than {MAX_PAGES} pages; end some of \
                 them with `revoke_all`"
            ),
        ))
    }

    /// Revokes the session at `store_key`, if it belongs to `owner`. Returns whether it was alive.
    pub(crate) async fn revoke(&self, owner: &Owner, store_key: &StoreKey) -> Result<bool> {
        let found = self.backend.reload(store_key, self.now()).await?;
        let Some((record, version)) = found.session() else {
            return Ok(false);
        };
        if record.meta.owner.as_ref() != Some(owner) {
            return Ok(false);
        }
        let entry = EntryRef {
            key: None,
            store_key: store_key.clone(),
            version,
            is_former: false,
        };
        // An expired session is ended as well: a server whose clock is behind may still accept it.
        self.end(&entry, &record.meta).await?;
        Ok(!self.has_expired(&record.meta, self.now()))
    }

    /// Ends a session, even if it is moving to a new key at the same time.
    ///
    /// The moves of a session without an owner are not followed: its entry is only deleted.
    pub(crate) async fn end(&self, entry: &EntryRef, meta: &Meta) -> Result<()> {
        let mut at = entry.clone();
        if meta.owner.is_some() {
            for _ in 0..END_TRIES {
                // Deleting the entry at once could delete a tombstone instead, and with it the only
                // trace of the new key. So the entry is first replaced by an expired one. The
                // replacement fails if the session has moved.
                let is_full = match self.expire(&at, meta).await {
                    Ok(true) => break,
                    Ok(false) => false,
                    // A store may have no room for the replacement.
                    Err(error) if error.kind() == ErrorKind::Full => true,
                    Err(error) => return Err(error),
                };
                match self.follow(&at, meta).await? {
                    Some(current) => at = current,
                    None => return self.backend.drop_copy(&at.store_key, self.now()).await,
                }
                if is_full {
                    break;
                }
            }
        }
        self.backend.delete(&at.store_key, self.now()).await
    }

    /// Replaces an entry by an expired one. Returns `false` if the entry has changed or is gone.
    /// Returns `true` if the answer was lost, since the entry is deleted next.
    async fn expire(&self, at: &EntryRef, meta: &Meta) -> Result<bool> {
        let expired = self.backend.expired(meta, self.now())?;
        // Half of the time remains for the delete.
        match CallLimit::with_half(Box::pin(self.backend.save(at, &expired))).await {
            Ok(saved) => Ok(saved.is_some()),
            Err(error) if error.kind().may_have_happened() => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Returns where the session of a changed entry is now. Returns `None` if it is gone, or if the
    /// session there belongs to a later login, whose user has just been authenticated.
    async fn follow(&self, at: &EntryRef, meta: &Meta) -> Result<Option<EntryRef>> {
        let mut current = at.clone();
        for _ in 0..MAX_MOVES {
            match self.backend.reload(&current.store_key, self.now()).await? {
                Loaded::Session((Record { meta: found, .. }, version)) => {
                    current.version = version;
                    let is_same = found.owner == meta.owner && found.created == meta.created;
                    return Ok(is_same.then_some(current));
                }
                Loaded::Moved(tombstone, _) => current.store_key = tombstone.successor,
                Loaded::Nothing => break,
            }
        }
        Ok(None)
    }
}

/// One limit for the whole process, because the warning has the same cause for all sessions.
static FROM_THE_FUTURE: OncePerMinute = OncePerMinute::new();

/// How many pages a list of a user's sessions may have. With full pages, that is 10 million
/// sessions.
pub(crate) const MAX_PAGES: usize = 10_000;

/// How many tombstones are followed to a session. Each is the trace of a login or a new key within
/// the site's `tombstone_age`, a minute by default.
const MAX_MOVES: usize = 8;

/// How many times a session that is being ended may be saved or moved by other requests before its
/// entry is deleted without a comparison.
const END_TRIES: usize = 8;
