use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::cache::{Cache, copies_remain};
use super::cached::CachedBackend;
use super::call_limit::CallLimit;
use super::cookie::CookieBackend;
use super::decode::{Loaded, decode, tag};
use super::tier::Tier;
use super::write_through::WriteThroughBackend;
use crate::format::{DefaultFormat, Format, FormatRules, Tags};
use crate::http::Cookie;
use crate::model::{
    Cursor, Draft, EntryRef, Error, ErrorKind, Meta, Owner, Page, Record, Result, SaveId,
    SessionData, SessionKey, SessionTag, StoreKey, Version, limits,
};
use crate::store::{AnyStore, Guarantees, Store};

/// Where and in which format sessions are kept: a store, two tiers of stores, or the cookie.
///
/// Every [`Store`] converts to a backend in the default format.
///
/// # Examples
/// ```
/// use cloakroom::{Backend, CookieBackend, Sessions, store::MemoryStore};
///
/// let in_memory = Sessions::new(MemoryStore::new());
/// assert!(in_memory.guarantees().revokes);
///
/// let in_cookies = Sessions::new(CookieBackend::new(&[7; 32])?);
/// assert!(!in_cookies.guarantees().revokes);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone)]
pub struct Backend {
    kind: Kind,
    max_size: usize,
}

#[derive(Clone)]
enum Kind {
    Store(Tier),
    Cached(CachedBackend),
    WriteThrough(WriteThroughBackend),
    Cookie(CookieBackend),
}

impl Backend {
    /// Creates a backend that keeps sessions in `store` and encodes them in `format`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::format::DefaultFormat;
    /// use cloakroom::{Backend, store::MemoryStore};
    ///
    /// let backend = Backend::new(MemoryStore::new(), DefaultFormat::new());
    /// assert!(backend.guarantees().compares);
    /// ```
    pub fn new(store: impl Store, format: impl Format) -> Self {
        Self::of(Kind::Store(Tier {
            store: AnyStore::new(store),
            format: Arc::new(format),
            timeout: DEFAULT_TIMEOUT,
            // `set_tombstone_age` sets it.
            tombstone_age: Duration::ZERO,
            // `set_cookie` sets it before the first session is created.
            namespace: "".into(),
        }))
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            max_size: DEFAULT_MAX_SIZE,
        }
    }

    /// Returns what the backend promises. Two tiers promise what their origin promises.
    /// [`owners`](Guarantees#structfield.owners) is promised only if the store promises it and the
    /// format keeps owners.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Backend, CachedBackend, store::MemoryStore};
    ///
    /// let origin = MemoryStore::new();
    /// let backend = Backend::from(CachedBackend::new(MemoryStore::new(), origin)?);
    /// assert!(backend.guarantees().owners);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn guarantees(&self) -> Guarantees {
        let mut guarantees = match &self.kind {
            Kind::Cookie(cookie) => cookie.guarantees(),
            Kind::Store(origin)
            | Kind::Cached(CachedBackend { origin, .. })
            | Kind::WriteThrough(WriteThroughBackend { origin, .. }) => origin.store.guarantees(),
        };
        guarantees.owners &= self.rules().facts.are_all();
        guarantees
    }

    /// Limits the time that the store calls of a handler or of a commit may take together.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        match &mut self.kind {
            Kind::Store(origin) | Kind::Cached(CachedBackend { origin, .. }) => {
                origin.timeout = timeout;
            }
            Kind::WriteThrough(WriteThroughBackend { origin, .. }) => origin.timeout = timeout,
            Kind::Cookie(_) => {}
        }
    }

    /// Returns how long a cached backend serves an entry without asking the origin, or `None` for
    /// every other backend. A write-through backend uses a copy until its session expires.
    pub(crate) fn cache_ttl(&self) -> Option<Duration> {
        match &self.kind {
            Kind::Cached(cached) => Some(cached.ttl),
            Kind::Store(_) | Kind::WriteThrough(_) | Kind::Cookie(_) => None,
        }
    }

    pub(crate) fn tombstone_age(&self) -> Duration {
        self.origin()
            .map_or(Duration::ZERO, |origin| origin.tombstone_age)
    }

    /// Returns whether the server keeps the sessions, in contrast to the cookie.
    pub(crate) fn keeps_entries(&self) -> bool {
        self.origin().is_some()
    }

    pub(crate) fn max_size(&self) -> usize {
        self.max_size
    }

    /// Limits the size of one session.
    pub(crate) fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
    }

    /// Sets how long a tombstone stays at the old key of a session that moved. If `age` is zero, no
    /// tombstone is written.
    pub(crate) fn set_tombstone_age(&mut self, age: Duration) {
        match &mut self.kind {
            Kind::Store(origin)
            | Kind::Cached(CachedBackend { origin, .. })
            | Kind::WriteThrough(WriteThroughBackend { origin, .. }) => {
                let keeps_them = origin.store.guarantees().tombstones;
                origin.tombstone_age = if keeps_them { age } else { Duration::ZERO };
            }
            Kind::Cookie(_) => {}
        }
    }

    /// Sets the cookie, which determines the namespace of new keys.
    pub(crate) fn set_cookie(&mut self, cookie: &Cookie) {
        match &mut self.kind {
            Kind::Store(origin)
            | Kind::Cached(CachedBackend { origin, .. })
            | Kind::WriteThrough(WriteThroughBackend { origin, .. }) => {
                origin.namespace = cookie.own_namespace().into();
            }
            Kind::Cookie(sealed) => sealed.set_cookie(cookie),
        }
    }

    /// Returns the format of the sessions. With two tiers, this is the format of the origin.
    pub(crate) fn format(&self) -> &dyn Format {
        match &self.kind {
            Kind::Store(origin)
            | Kind::Cached(CachedBackend { origin, .. })
            | Kind::WriteThrough(WriteThroughBackend { origin, .. }) => &*origin.format,
            Kind::Cookie(cookie) => cookie.format(),
        }
    }

    pub(crate) fn rules(&self) -> FormatRules {
        let rules = self.format().rules();
        match &self.kind {
            Kind::Store(_) | Kind::Cached(_) | Kind::Cookie(_) => rules,
            Kind::WriteThrough(write_through) => write_through.rules(rules),
        }
    }

    pub(crate) fn tag(&self, key: &StoreKey) -> SessionTag {
        tag(self.format(), key)
    }

    /// Encodes `record` for a save at `now`. Fails if the result is larger than the limit.
    pub(crate) fn draft(
        &self,
        record: &Record,
        expires: SystemTime,
        now: SystemTime,
    ) -> Result<Draft> {
        let data = self.format().encode(&record.data, now)?;
        let owner = record.meta.owner.as_ref();
        let owner = owner.map_or(0, |owner| owner.as_str().len());
        let label = record.meta.label.as_ref().map_or(0, |label| label.len());
        let size = data.len() + owner + label;
        let own_limit = self.guarantees().max_size.unwrap_or(usize::MAX);
        let (limit, advice) = match own_limit < self.max_size {
            true => (own_limit, "or sessions in another store"),
            false => (self.max_size, "or raise max_size"),
        };
        // A session without an owner leaves room for one, so that its visitor can log in.
        let reserved = match record.meta.owner {
            None if self.rules().facts.are_all() => limits::OWNER_BYTES,
            _ => 0,
        };
        let limit = limit.saturating_sub(reserved);
        if size > limit {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "saving a session: it takes {size} bytes of {limit}; keep large things in the \
                     site's database and their ids in the session, {advice}"
                ),
            ));
        }
        Ok(Draft::new(
            data,
            Meta {
                touched: now,
                expires,
                ..record.meta.clone()
            },
            SaveId::random()?,
        ))
    }

    /// Returns a draft that makes the entry with these facts expire.
    pub(crate) fn expired(&self, meta: &Meta, now: SystemTime) -> Result<Draft> {
        let data = self.format().encode(&SessionData::default(), now)?;
        let meta = Meta {
            touched: now,
            expires: UNIX_EPOCH,
            ..meta.clone()
        };
        Ok(Draft::new(data, meta, SaveId::random()?))
    }

    /// Returns a new limit for the store calls of a handler or of a commit.
    pub(crate) fn call_limit(&self) -> Arc<CallLimit> {
        CallLimit::new(
            self.origin()
                .map_or(DEFAULT_TIMEOUT, |origin| origin.timeout),
        )
    }

    /// Loads the entry at `key`. The result may come from a cache.
    pub(crate) async fn load(
        &self,
        key: &StoreKey,
        now: SystemTime,
    ) -> Result<Loaded<(Record, Version)>> {
        let format = self.format();
        match &self.kind {
            Kind::Store(origin) => decode(format, key, origin.load(key).await),
            Kind::Cached(cached) => decode(format, key, Box::pin(cached.load(key, now)).await),
            Kind::WriteThrough(write_through) => Box::pin(write_through.load(key, now)).await,
            Kind::Cookie(cookie) => decode(format, key, Ok(cookie.open(key))),
        }
    }

    /// Loads the entry at `key`. Its version includes the origin's version, which a write needs.
    pub(crate) async fn reload(
        &self,
        key: &StoreKey,
        now: SystemTime,
    ) -> Result<Loaded<(Record, Version)>> {
        match &self.kind {
            Kind::WriteThrough(write_through) => Box::pin(write_through.reload(key)).await,
            Kind::Store(_) | Kind::Cached(_) | Kind::Cookie(_) => self.load(key, now).await,
        }
    }

    /// Writes a new entry under a fresh key.
    pub(crate) async fn create(&self, draft: &Draft) -> Result<EntryRef> {
        match &self.kind {
            Kind::Store(origin) => origin.create(draft).await,
            Kind::Cached(cached) => Box::pin(cached.create(draft)).await,
            Kind::WriteThrough(write_through) => Box::pin(write_through.create(draft)).await,
            Kind::Cookie(cookie) => cookie.seal(draft),
        }
    }

    /// Replaces the entry if it still has the version in `at`. Returns the new reference, or `None`
    /// if the entry has changed.
    pub(crate) async fn save(&self, at: &EntryRef, new: &Draft) -> Result<Option<EntryRef>> {
        match &self.kind {
            Kind::Store(origin) => origin.save(at, new).await,
            Kind::Cached(cached) => Box::pin(cached.save(at, new)).await,
            Kind::WriteThrough(write_through) => Box::pin(write_through.save(at, new)).await,
            Kind::Cookie(cookie) => cookie.seal(new).map(Some),
        }
    }

    /// Does what [`save`](Self::save) does, and moves the entry to a fresh key. A tombstone stays
    /// at the old key. If the store's answer is lost, the entry may have moved, and the fresh key
    /// is added to `lost`.
    pub(crate) async fn rename(
        &self,
        from: &EntryRef,
        new: &Draft,
        lost: &mut Vec<(SessionKey, StoreKey)>,
    ) -> Result<Option<EntryRef>> {
        match &self.kind {
            Kind::Store(origin) => origin.rename(from, new, lost).await,
            Kind::Cached(cached) => Box::pin(cached.rename(from, new, lost)).await,
            Kind::WriteThrough(write_through) => {
                Box::pin(write_through.rename(from, new, lost)).await
            }
            Kind::Cookie(cookie) => cookie.seal(new).map(Some),
        }
    }

    /// Writes new times to the entry if it still has the version in `at`.
    pub(crate) async fn touch(&self, at: &EntryRef, meta: &Meta) -> Result<Option<EntryRef>> {
        match &self.kind {
            Kind::Store(origin) => origin.touch(at, meta).await,
            Kind::Cached(cached) => Box::pin(cached.touch(at, meta)).await,
            Kind::WriteThrough(write_through) => Box::pin(write_through.touch(at, meta)).await,
            Kind::Cookie(cookie) => cookie.touch(&at.store_key, meta),
        }
    }

    pub(crate) async fn delete(&self, key: &StoreKey, now: SystemTime) -> Result<()> {
        match &self.kind {
            Kind::Store(origin) => origin.delete(key).await,
            Kind::Cached(cached) => Box::pin(cached.delete(key, now)).await,
            Kind::WriteThrough(write_through) => Box::pin(write_through.delete(key, now)).await,
            // The response removes the cookie. Nothing is kept on the server.
            Kind::Cookie(_) => Ok(()),
        }
    }
}

/// Operations on the origin.
impl Backend {
    /// Returns the tier whose entries are authoritative, or `None` if sessions are kept in cookies.
    fn origin(&self) -> Option<&Tier> {
        match &self.kind {
            Kind::Store(origin)
            | Kind::Cached(CachedBackend { origin, .. })
            | Kind::WriteThrough(WriteThroughBackend { origin, .. }) => Some(origin),
            Kind::Cookie(_) => None,
        }
    }

    fn cache(&self) -> Option<&Cache> {
        match &self.kind {
            Kind::Cached(CachedBackend { cache, .. })
            | Kind::WriteThrough(WriteThroughBackend { cache, .. }) => Some(cache),
            Kind::Store(_) | Kind::Cookie(_) => None,
        }
    }

    /// Returns the version of the entry at `key` in the origin, whatever the entry contains.
    pub(crate) async fn version(&self, key: &StoreKey) -> Result<Option<Version>> {
        match self.origin() {
            Some(origin) => Ok(origin.load(key).await?.map(|entry| entry.version)),
            None => Ok(None),
        }
    }

    pub(crate) async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        if let Some(cache) = self.cache() {
            cache.ask("sweeping", cache.store.sweep(now, limit)).await;
        }
        let Some(origin) = self.origin() else {
            return Ok(0);
        };
        let swept = origin.store.sweep(now, limit);
        origin.within("sweeping expired sessions", swept).await
    }

    /// Lists one page of an owner's entries, expired ones included.
    pub(crate) async fn owned_by(&self, owner: &Owner, after: Option<&Cursor>) -> Result<Page> {
        let doing = "listing an owner's sessions";
        let origin = self.origin().ok_or_else(|| kept_in_cookies(doing))?;
        let page = origin.store.owned_by(owner, after, BATCH);
        origin.within(doing, page).await
    }

    /// Deletes a batch of an owner's entries, except the one at `except`, and their copies in a
    /// cache. Returns the number of deleted entries, which is zero if no more were found.
    pub(crate) async fn revoke_owned(
        &self,
        owner: &Owner,
        except: Option<&StoreKey>,
        now: SystemTime,
    ) -> Result<usize> {
        let doing = "ending an owner's sessions";
        let origin = self.origin().ok_or_else(|| kept_in_cookies(doing))?;
        let deleted = origin.store.revoke_owned(owner, except, BATCH);
        let deleted = origin.within(doing, deleted).await?;
        let Some(cache) = self.cache() else {
            return Ok(deleted.len());
        };
        // The copies to drop include those that an earlier call could not drop.
        let mut keys = cache.undropped().of_owner(owner, now);
        keys.extend_from_slice(&deleted);
        let mut keys = keys.iter();
        // After the first failure, the keys of the remaining copies are only recorded.
        if let Some(failed) = self.drop_copies(&mut keys, now).await? {
            for key in std::iter::once(failed).chain(keys) {
                self.remember_copy(key, owner, now);
            }
            return Err(copies_remain());
        }
        Ok(deleted.len())
    }

    /// Drops the copies of entries that the origin has deleted. Stops at the first copy that the
    /// cache does not acknowledge as gone, and returns its key.
    async fn drop_copies<'a>(
        &self,
        keys: impl Iterator<Item = &'a StoreKey>,
        now: SystemTime,
    ) -> Result<Option<&'a StoreKey>> {
        for key in keys {
            let dropped = match &self.kind {
                Kind::Cached(cached) => cached.invalidate(key, now).await?,
                Kind::WriteThrough(tiers) => tiers.drop_copy(key, now).await.is_ok(),
                Kind::Store(_) | Kind::Cookie(_) => true,
            };
            if !dropped {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Records that the copy of an entry of `owner` may still be in the cache.
    fn remember_copy(&self, key: &StoreKey, owner: &Owner, now: SystemTime) {
        match &self.kind {
            Kind::Cached(cached) => cached.distrust(key, Some(owner), now),
            Kind::WriteThrough(tiers) => tiers.cache.undropped().add(key, Some(owner), now, None),
            Kind::Store(_) | Kind::Cookie(_) => {}
        }
    }

    /// Deletes an entry whose key no browser has, in the background.
    pub(crate) fn delete_later(&self, key: &StoreKey) {
        if let Some(origin) = self.origin() {
            origin.delete_later(key.clone());
        }
    }

    /// Drops the copy of a session that is gone from the origin. A request may have found the
    /// session in the cache, although the origin no longer has it.
    pub(crate) async fn drop_copy(&self, key: &StoreKey, now: SystemTime) -> Result<()> {
        match &self.kind {
            Kind::Cached(cached) => Box::pin(cached.invalidate(key, now)).await.map(drop),
            Kind::WriteThrough(tiers) => Box::pin(tiers.drop_copy(key, now)).await,
            Kind::Store(_) | Kind::Cookie(_) => Ok(()),
        }
    }

    /// Returns the store key of the session with this tag.
    pub(crate) async fn find(&self, tag: &SessionTag) -> Result<Option<StoreKey>> {
        let doing = "finding a session by its tag";
        let origin = self.origin().ok_or_else(|| kept_in_cookies(doing))?;
        if origin.format.rules().tags == Tags::Hash {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{doing}: this format does not support it"),
            ));
        }
        origin
            .within(doing, origin.store.find(tag.as_bytes()))
            .await
    }

    pub(crate) async fn ping(&self) -> Result<()> {
        match self.origin() {
            Some(origin) => {
                let ping = origin.store.ping();
                origin
                    .within("asking the store whether it answers", ping)
                    .await
            }
            None => Ok(()),
        }
    }
}

fn kept_in_cookies(doing: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "{doing}: the server has no list of sessions kept in cookies; keep them in a store"
        ),
    )
}

impl CachedBackend {
    /// Puts `cache` in front of the store `origin`, with a [`ttl`](Self::ttl) of 10 seconds.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if `origin` is not a store but a cached, write-through or
    /// cookie backend.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{CachedBackend, CookieBackend, Sessions, store::MemoryStore};
    ///
    /// # let (cache, database) = (MemoryStore::new(), MemoryStore::new());
    /// let sessions = Sessions::new(CachedBackend::new(cache, database)?);
    /// assert!(sessions.guarantees().compares);
    ///
    /// let in_cookies = CookieBackend::new(&[7; 32])?;
    /// assert!(CachedBackend::new(MemoryStore::new(), in_cookies).is_err());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn new(cache: impl Store, origin: impl Into<Backend>) -> Result<Self> {
        match origin.into().kind {
            Kind::Store(origin) => Ok(Self::of(AnyStore::new(cache), origin)),
            Kind::Cookie(_) | Kind::Cached(_) | Kind::WriteThrough(_) => Err(Error::new(
                ErrorKind::Config,
                "adding a cache to a backend: the origin must be a store; pass the store itself",
            )),
        }
    }
}

impl WriteThroughBackend {
    /// Puts `cache`, which keeps copies of the entries, in front of the store `origin`.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if `cache` or `origin` is not a store but a cached,
    /// write-through or cookie backend.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Sessions, WriteThroughBackend, store::MemoryStore};
    ///
    /// # let (cache, database) = (MemoryStore::new(), MemoryStore::new());
    /// let sessions = Sessions::new(WriteThroughBackend::new(cache, database)?);
    /// assert!(sessions.guarantees().compares);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn new(cache: impl Into<Backend>, origin: impl Into<Backend>) -> Result<Self> {
        match (cache.into().kind, origin.into().kind) {
            (Kind::Store(cache), Kind::Store(origin)) => Ok(Self::of(cache, origin)),
            _ => Err(Error::new(
                ErrorKind::Config,
                "adding a cache of copies to a backend: cache and origin must be stores; \
                 pass the stores themselves",
            )),
        }
    }
}

impl<S: Store> From<S> for Backend {
    fn from(store: S) -> Self {
        Self::new(store, DefaultFormat::new())
    }
}

impl From<CachedBackend> for Backend {
    fn from(cached: CachedBackend) -> Self {
        Self::of(Kind::Cached(cached))
    }
}

impl From<WriteThroughBackend> for Backend {
    fn from(write_through: WriteThroughBackend) -> Self {
        Self::of(Kind::WriteThrough(write_through))
    }
}

impl From<CookieBackend> for Backend {
    fn from(cookie: CookieBackend) -> Self {
        Self::of(Kind::Cookie(cookie))
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("guarantees", &self.guarantees())
            .field("max_size", &self.max_size)
            .finish_non_exhaustive()
    }
}

/// Long enough for a database to fail over, short enough for a visitor to wait.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// 1 MiB. Every request that opens a session loads all of it, so a large session slows down every
/// page.
const DEFAULT_MAX_SIZE: usize = 1 << 20;

/// How many entries one store call lists or deletes. A store needs much less than the time limit of
/// a call for this number.
const BATCH: usize = 1_000;
