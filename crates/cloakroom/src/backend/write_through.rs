use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::cache::Cache;
use super::call_limit::CallLimit;
use super::decode::{Loaded, decode};
use super::loads::Loads;
use super::tier::Tier;
use crate::format::{Facts, Format, FormatRules};
use crate::model::{
    Draft, Entry, EntryRef, Error, ErrorKind, Meta, Outcome, Record, Result, SaveId, SessionData,
    SessionKey, StoreKey, Version, after,
};
use crate::store::Store;

/// Two tiers that other programs read and write, too: an origin, whose entries are authoritative,
/// and a cache that keeps a copy of each entry in the cache's own format. Django's engine
/// `cached_db` works like this.
///
/// If only Cloakroom uses the cache, choose [`CachedBackend`](crate::CachedBackend), which trusts
/// its cache for only a few seconds. This backend trusts a copy until the session ends, because the
/// other programs do. Every change is therefore made in the origin, and the copy is updated or
/// removed:
///
/// * **A read** that finds a copy does not load the entry. A read that finds no copy loads the
///   entry and adds a copy. Then it loads the entry again, and removes the copy if the session was
///   saved or ended in the meantime.
/// * **A write** never builds on a copy. It loads the entry and applies the edits, and the origin
///   compares versions. Then the copy is replaced if it has not changed since that load began.
///   Otherwise the copy is removed, and the next read adds a new one.
/// * **A logout** and **a new key** remove the copy. If the removal fails, the request fails with
///   an error, since the copy would still be read.
///
/// The guarantees are those of the origin.
///
/// **If the cache fails**, requests ask the origin instead: the handler or commit that called the
/// cache does so until it ends, and all other requests do so for a second. But every change still
/// tries to remove the copy. This server uses no copy whose removal the cache did not acknowledge;
/// until it is restarted, it remembers up to 65,536 of them. Other programs may read such a copy
/// until its session would have expired. So a logout, or ending all sessions of a user, returns an
/// error in this case, although the sessions have ended in the origin. Repeat the call to remove
/// the copies. Until a copy is removed, requests with the key of its ended session fail. Giving a
/// session a new key returns an error, too, but the session then keeps its old key. **If the origin
/// fails**, requests that only read a session still succeed if the session has a copy. **If the
/// process is killed** between adding a copy and loading the entry again, the copy of a session
/// that ended at that moment can still be read for 30 seconds.
///
/// # Examples
/// ```
/// use cloakroom::format::DefaultFormat;
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{Backend, Sessions, WriteThroughBackend};
///
/// # let (cache, database) = (MemoryStore::new(), MemoryStore::new());
/// let cache = Backend::new(cache, DefaultFormat::new());
/// let sessions = Sessions::new(WriteThroughBackend::new(cache, database)?);
/// assert!(sessions.guarantees().compares);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone)]
pub struct WriteThroughBackend {
    pub(super) cache: Cache,
    /// The format of the copies.
    copies: Arc<dyn Format>,
    pub(super) origin: Tier,
    loads: Loads,
}

impl WriteThroughBackend {
    pub(super) fn of(cache: Tier, origin: Tier) -> Self {
        Self {
            cache: Cache::new(cache.store),
            copies: cache.format,
            origin,
            loads: Loads::default(),
        }
    }

    /// Returns the rules of the origin, limited to the facts that a copy keeps as well.
    pub(super) fn rules(&self, origin: FormatRules) -> FormatRules {
        let facts = match self.copies.rules().facts {
            Facts::All => origin.facts,
            fewer => fewer,
        };
        FormatRules { facts, ..origin }
    }

    pub(super) async fn load(
        &self,
        key: &StoreKey,
        now: SystemTime,
    ) -> Result<Loaded<(Record, Version)>> {
        if self.cache.undropped().contains(key, now) && !self.remove_copy(key, now).await {
            return self.load_despite_copy(key).await;
        }
        let reading = self.cache.store.load(key);
        let cache = self.cache.ask("reading", reading).await;
        if let Some(Some(copy)) = &cache
            && let Some(record) = self.read_copy(copy)
            && record.meta.expires > now
        {
            let version = Version::of_tiers(Some(copy.version.clone()), None);
            return Ok(Loaded::Session((record, version)));
        }
        let load = || {
            let (origin, key) = (self.origin.clone(), key.clone());
            async move { origin.load(&key).await }
        };
        let loaded = self.loads.join(&self.origin, key, load).await;
        let (record, entry) = match decode(&*self.origin.format, key, loaded)? {
            Loaded::Session(found) => found,
            no_session => return Ok(no_session),
        };
        let copy = match cache {
            Some(Some(unreadable)) => Some(unreadable.version),
            Some(None) if record.meta.expires > after(now, MIN_COPY_LIFETIME) => {
                self.fill(key, &record, &entry, now).await
            }
            Some(None) | None => None,
        };
        let version = Version::of_tiers(copy, Some(entry));
        Ok(Loaded::Session((record, version)))
    }

    /// Loads the entry from the origin. The returned version includes the version of the copy,
    /// which is read before the entry: if a write finds the same version, the copy has not changed
    /// in the meantime.
    pub(super) async fn reload(&self, key: &StoreKey) -> Result<Loaded<(Record, Version)>> {
        let reading = self.cache.store.load(key);
        let cache = self.cache.ask("reading", reading).await.flatten();
        let loaded = self.origin.load(key).await;
        Ok(match decode(&*self.origin.format, key, loaded)? {
            Loaded::Session((record, entry)) => {
                let copy = cache.map(|copy| copy.version);
                Loaded::Session((record, Version::of_tiers(copy, Some(entry))))
            }
            no_session => no_session,
        })
    }

    pub(super) async fn create(&self, draft: &Draft) -> Result<EntryRef> {
        let written = self.origin.create(draft).await?;
        Ok(self.with_first_copy(written, draft).await)
    }

    pub(super) async fn save(&self, at: &EntryRef, new: &Draft) -> Result<Option<EntryRef>> {
        let (copy, Some(entry)) = at.version.tiers() else {
            return Ok(None);
        };
        let saved = self.origin.save(&in_origin(at, entry), new).await;
        self.loads.forget(&at.store_key);
        match saved {
            Ok(Some(written)) => {
                let copy = self
                    .update_copy(&at.store_key, copy, &written.version, new)
                    .await;
                Ok(Some(in_both(written, copy)))
            }
            // Another write came first, and that write updates the copy.
            Ok(None) => Ok(None),
            Err(error) => {
                self.remove_copy(&at.store_key, new.meta.touched).await;
                Err(error)
            }
        }
    }

    pub(super) async fn rename(
        &self,
        from: &EntryRef,
        new: &Draft,
        lost: &mut Vec<(SessionKey, StoreKey)>,
    ) -> Result<Option<EntryRef>> {
        let (_, Some(entry)) = from.version.tiers() else {
            return Ok(None);
        };
        // The copy is removed before the rename: once the session has moved, a failed removal can
        // no longer fail the request. The copy is removed again after the rename, since a read may
        // have added one in the meantime.
        let now = new.meta.touched;
        CallLimit::with_half(Box::pin(self.drop_copy(&from.store_key, now))).await?;
        let renamed = self.origin.rename(&in_origin(from, entry), new, lost).await;
        self.loads.forget(&from.store_key);
        self.remove_copy(&from.store_key, now).await;
        match renamed? {
            Some(written) => Ok(Some(self.with_first_copy(written, new).await)),
            None => Ok(None),
        }
    }

    pub(super) async fn touch(&self, at: &EntryRef, meta: &Meta) -> Result<Option<EntryRef>> {
        let (copy, entry) = at.version.tiers();
        let entry = match entry {
            Some(entry) => entry.clone(),
            None => match self.origin.load(&at.store_key).await? {
                Some(entry) if entry.meta.expires > meta.touched => entry.version,
                _ => return Ok(None),
            },
        };
        let touched = self.origin.touch(&in_origin(at, &entry), meta).await;
        self.loads.forget(&at.store_key);
        let Some(touched) = touched? else {
            return Ok(None);
        };
        // A copy that is not touched only expires earlier.
        let copy = match copy {
            Some(copy) => {
                let touch = self.cache.store.touch(&at.store_key, copy, meta);
                let outcome = self.cache.ask("updating", touch).await;
                outcome.and_then(Outcome::written)
            }
            None => None,
        };
        Ok(Some(in_both(touched, copy)))
    }

    pub(super) async fn delete(&self, key: &StoreKey, now: SystemTime) -> Result<()> {
        let deleted = CallLimit::with_half(Box::pin(self.origin.delete(key))).await;
        self.loads.forget(key);
        let copy_dropped = self.drop_copy(key, now).await;
        deleted.and(copy_dropped)
    }

    /// Loads the entry although the cache has not acknowledged that an outdated copy is gone.
    ///
    /// # Errors
    /// If the session has ended: other programs may still read the copy, so the request must not
    /// succeed as if the session were gone.
    async fn load_despite_copy(&self, key: &StoreKey) -> Result<Loaded<(Record, Version)>> {
        match decode(&*self.origin.format, key, self.origin.load(key).await)? {
            Loaded::Session((record, entry)) => {
                let version = Version::of_tiers(None, Some(entry));
                Ok(Loaded::Session((record, version)))
            }
            Loaded::Moved(..) | Loaded::Nothing => Err(copy_remains("loading a session")),
        }
    }

    /// Decodes a copy. Returns `None` if the copy cannot be read; the caller then asks the origin.
    fn read_copy(&self, copy: &Entry) -> Option<Record> {
        let session_data = self.copies.decode(&copy.data).ok()?;
        let mut meta = copy.meta.clone();
        self.copies.complete(&copy.data, &session_data, &mut meta);
        Some(Record {
            data: session_data,
            meta,
        })
    }

    /// Adds a copy if there is none, and loads the entry again to confirm the copy. Runs on its own
    /// task, so that the copy is confirmed even if the caller drops its future.
    async fn fill(
        &self,
        key: &StoreKey,
        record: &Record,
        entry: &Version,
        now: SystemTime,
    ) -> Option<Version> {
        let meta = Meta {
            touched: now,
            ..record.meta.clone()
        };
        let confirmed = self.copy_of(&record.data, &meta)?;
        let mut unconfirmed = confirmed.clone();
        unconfirmed.meta.expires = meta.expires.min(after(now, UNCONFIRMED_LIFETIME));
        let (tiers, key, entry) = (self.clone(), key.clone(), entry.clone());
        let filling = async move {
            let cache = &tiers.cache;
            let create = cache.store.create(&key, &unconfirmed);
            let Some(filled) = cache.ask("filling", create).await else {
                // The copy may exist, although the call failed.
                tiers.remove_copy(&key, now).await;
                return None;
            };
            let copy = tiers.confirm(&key, filled.written()?, &entry, now).await?;
            let touch = cache.store.touch(&key, &copy, &confirmed.meta);
            let outcome = cache.ask("filling", touch).await;
            outcome.and_then(Outcome::written)
        };
        tokio::spawn(filling).await.ok().flatten()
    }

    /// Replaces the copy with what was just written to the origin, if the copy still has the
    /// version `seen`. Otherwise removes the copy.
    async fn update_copy(
        &self,
        key: &StoreKey,
        seen: Option<&Version>,
        entry: &Version,
        new: &Draft,
    ) -> Option<Version> {
        let outcome = match (self.copy_of_draft(new), seen) {
            (Some(copy), Some(seen)) => {
                let save = self.cache.store.save(key, seen, &copy);
                self.cache.ask("updating", save).await
            }
            (Some(copy), None) => {
                let create = self.cache.store.create(key, &copy);
                self.cache.ask("updating", create).await
            }
            (None, _) => None,
        };
        match outcome.and_then(Outcome::written) {
            // A cache that compares bytes does not notice a copy that changed and changed back.
            Some(copy) => self.confirm(key, copy, entry, new.meta.touched).await,
            None => {
                self.remove_copy(key, new.meta.touched).await;
                None
            }
        }
    }

    /// Loads the entry again. Returns `copy` if the entry still has the version `entry`; otherwise
    /// removes the copy.
    async fn confirm(
        &self,
        key: &StoreKey,
        copy: Version,
        entry: &Version,
        now: SystemTime,
    ) -> Option<Version> {
        match self.origin.load(key).await {
            Ok(Some(there)) if there.version == *entry => Some(copy),
            _ => {
                self.remove_copy(key, now).await;
                None
            }
        }
    }

    /// Removes the copy: a missing copy cannot be wrong. Returns whether the cache acknowledged
    /// that. If it did not, this process does not use the copy.
    async fn remove_copy(&self, key: &StoreKey, now: SystemTime) -> bool {
        let is_gone = self.cache.drop_copy(key, now).await;
        self.record_removal(key, is_gone, now);
        is_gone
    }

    fn record_removal(&self, key: &StoreKey, is_gone: bool, now: SystemTime) {
        match is_gone {
            true => self.cache.undropped().remove(key),
            false => self.cache.undropped().add(key, None, now, None),
        }
    }

    /// Removes the copy of a session that has ended or moved, which other programs must not read.
    ///
    /// # Errors
    /// If the cache does not acknowledge that the copy is gone.
    pub(super) async fn drop_copy(&self, key: &StoreKey, now: SystemTime) -> Result<()> {
        self.loads.forget(key);
        let doing = "removing the cached copy of a session";
        if self.cache.has_failed() {
            return match self.remove_copy(key, now).await {
                true => Ok(()),
                false => Err(copy_remains(doing)),
            };
        }
        let dropped = self
            .origin
            .within(doing, self.cache.store.delete(key))
            .await;
        if dropped.is_err() {
            self.cache.set_failed();
        }
        self.record_removal(key, dropped.is_ok(), now);
        dropped
    }

    /// Adds a copy under a fresh key. No other request knows the key yet, so the copy needs no
    /// confirmation.
    async fn with_first_copy(&self, in_origin: EntryRef, draft: &Draft) -> EntryRef {
        let copy = match self.copy_of_draft(draft) {
            Some(copy) => {
                let create = self.cache.store.create(&in_origin.store_key, &copy);
                let outcome = self.cache.ask("filling", create).await;
                outcome.and_then(Outcome::written)
            }
            None => None,
        };
        in_both(in_origin, copy)
    }

    fn copy_of_draft(&self, draft: &Draft) -> Option<Draft> {
        let session_data = self.origin.format.decode(&draft.data).ok()?;
        self.copy_of(&session_data, &draft.meta)
    }

    /// Encodes a copy. Returns `None` if the format of the cache cannot encode the data; the origin
    /// is then always asked.
    fn copy_of(&self, session_data: &SessionData, meta: &Meta) -> Option<Draft> {
        Some(Draft::new(
            self.copies.encode(session_data, meta.touched).ok()?,
            meta.clone(),
            SaveId::random().ok()?,
        ))
    }
}

impl fmt::Debug for WriteThroughBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteThroughBackend")
            .field("cache", &self.cache.store)
            .field("origin", &self.origin.store)
            .finish()
    }
}

/// The error of a request whose session has ended, if other programs may still read its copy.
fn copy_remains(doing: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("{doing}: it has ended, but the cache did not acknowledge that; try again"),
    )
}

/// Returns the entry with the version that the origin issued.
fn in_origin(at: &EntryRef, entry: &Version) -> EntryRef {
    at.at_version(entry.clone())
}

/// Returns the entry with the versions of both tiers.
fn in_both(in_origin: EntryRef, copy: Option<Version>) -> EntryRef {
    EntryRef {
        version: Version::of_tiers(copy, Some(in_origin.version)),
        ..in_origin
    }
}

/// How long a copy lasts if the entry is not loaded again to confirm it.
const UNCONFIRMED_LIFETIME: Duration = Duration::from_secs(30);

/// A session that ends sooner gets no copy, since caches count in whole seconds.
const MIN_COPY_LIFETIME: Duration = Duration::from_secs(1);
