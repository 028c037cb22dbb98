use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::cached::CachedBackend;
use super::cookie::{CookieBackend, unsupported};
use super::decode::{tag, unpack};
use super::store::Stored;
use super::write_through::WriteThroughBackend;
use super::written::Written;
use crate::format::{DefaultFormat, Format, FormatRules};
use crate::model::{
    Draft, EntryRef, Error, ErrorKind, Meta, OwnedEntry, Owner, Record, Result, SaveId, SessionKey,
    SessionTag, StoreKey, Version,
};
use crate::store::{AnyStore, Guarantees, Store};

/// Where sessions are kept, and in which form: a store read in a format, or the browser's own cookie.
///
/// Anything that is a [`Store`] becomes a shelf in Cloakroom's own format.
#[derive(Clone)]
pub struct Backend {
    kind: Kind,
    max_size: usize,
}

#[derive(Clone)]
enum Kind {
    Stored(Stored),
    CachedBackend(CachedBackend),
    WriteThroughBackend(WriteThroughBackend),
    CookieBackend(CookieBackend),
}

impl Backend {
    /// The store, read in this format.
    pub fn new(store: impl Store, format: impl Format) -> Self {
        Self {
            kind: Kind::Stored(Stored {
                store: AnyStore::new(store),
                format: Arc::new(format),
                timeout: DEFAULT_TIMEOUT,
            }),
            max_size: DEFAULT_MAX_SIZE,
        }
    }

    /// What it promises.
    pub fn guarantees(&self) -> Guarantees {
        let guarantees = match &self.kind {
            Kind::Stored(stored) => stored.store.guarantees(),
            Kind::CachedBackend(cached) => cached.guarantees(),
            Kind::WriteThroughBackend(write_through) => write_through.guarantees(),
            Kind::CookieBackend(cookie) => cookie.guarantees(),
        };
        Guarantees {
            owners: guarantees.owners && self.rules().facts.are_all(),
            ..guarantees
        }
    }

    /// Bounds each call of the store.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        match &mut self.kind {
            Kind::Stored(stored) | Kind::CachedBackend(CachedBackend { origin: stored, .. }) => {
                stored.timeout = timeout;
            }
            Kind::WriteThroughBackend(write_through) => write_through.set_timeout(timeout),
            Kind::CookieBackend(_) => {}
        }
    }

    /// Bounds the data of one session.
    pub(crate) fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
    }

    /// Says what the cookie is called, for a shelf on which its length counts.
    pub(crate) fn set_cookie_name(&mut self, name: &str) {
        match &mut self.kind {
            Kind::Stored(_) | Kind::CachedBackend(_) | Kind::WriteThroughBackend(_) => {}
            Kind::CookieBackend(cookie) => cookie.set_cookie_name(name),
        }
    }

    /// What the core asks where formats differ. Of two tiers it is the back's, which decides.
    pub(crate) fn format(&self) -> &dyn Format {
        match &self.kind {
            Kind::Stored(stored) | Kind::CachedBackend(CachedBackend { origin: stored, .. }) => {
                &*stored.format
            }
            Kind::WriteThroughBackend(write_through) => write_through.format(),
            Kind::CookieBackend(cookie) => cookie.format(),
        }
    }

    pub(crate) fn rules(&self) -> FormatRules {
        let rules = self.format().rules();
        match &self.kind {
            Kind::Stored(_) | Kind::CachedBackend(_) | Kind::CookieBackend(_) => rules,
            Kind::WriteThroughBackend(write_through) => write_through.rules(rules),
        }
    }

    pub(crate) fn tag(&self, store_key: &StoreKey) -> SessionTag {
        tag(self.format(), store_key)
    }

    /// What `record` becomes when it is saved at `now`, or the error that says why it cannot be.
    pub(crate) fn draft(
        &self,
        record: &Record,
        expires: SystemTime,
        now: SystemTime,
    ) -> Result<Draft> {
        let data = self.format().encode(&record.data, now)?;
        let owner = record
            .meta
            .owner
            .as_ref()
            .map_or(0, |owner| owner.as_str().len());
        let label = record.meta.label.as_ref().map_or(0, |label| label.len());
        let size = data.len() + owner + label;
        let own_limit = self.guarantees().max_size.unwrap_or(usize::MAX);
        let (limit, advice) = match own_limit < self.max_size {
            true => (own_limit, "or sessions in another store"),
            false => (self.max_size, "or raise max_size"),
        };
        if size > limit {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "saving a session: it takes {size} bytes of {limit}; keep large things in the site's database \
                     and their ids in the session, {advice}"
                ),
            ));
        }
        Ok(Draft {
            data,
            meta: Meta {
                touched: now,
                expires,
                ..record.meta.clone()
            },
            save_id: SaveId::random()?,
        })
    }

    /// What is at `at`, for somebody who reads.
    pub(crate) async fn load(
        &self,
        key: &StoreKey,
        now: SystemTime,
    ) -> Result<Option<(Record, Version)>> {
        let format = self.format();
        match &self.kind {
            Kind::Stored(stored) => unpack(format, key, stored.load(key).await),
            Kind::CachedBackend(cached) => unpack(format, key, cached.load(key, now).await),
            Kind::WriteThroughBackend(write_through) => write_through.load(key, now).await,
            Kind::CookieBackend(cookie) => unpack(format, key, Ok(cookie.open(key))),
        }
    }

    /// What is at `at`, with a version that a write can build on.
    pub(crate) async fn reload(
        &self,
        key: &StoreKey,
        now: SystemTime,
    ) -> Result<Option<(Record, Version)>> {
        match &self.kind {
            Kind::Stored(_) | Kind::CachedBackend(_) | Kind::CookieBackend(_) => {
                self.load(key, now).await
            }
            Kind::WriteThroughBackend(write_through) => write_through.reload(key).await,
        }
    }

    /// Writes a new entry under a key that nobody else has.
    pub(crate) async fn create(&self, draft: &Draft) -> Result<Written> {
        match &self.kind {
            Kind::Stored(stored) => stored.create(draft).await,
            Kind::CachedBackend(cached) => cached.create(draft).await,
            Kind::WriteThroughBackend(write_through) => write_through.create(draft).await,
            Kind::CookieBackend(cookie) => cookie.seal(draft),
        }
    }

    /// Replaces the entry at `at` if nobody else did: where it is then, or `None`.
    pub(crate) async fn save(&self, at: &EntryRef, new: &Draft) -> Result<Option<Written>> {
        match &self.kind {
            Kind::Stored(stored) => stored.save(at, new).await,
            Kind::CachedBackend(cached) => cached.save(at, new).await,
            Kind::WriteThroughBackend(write_through) => write_through.save(at, new).await,
            Kind::CookieBackend(cookie) => cookie.seal(new).map(Some),
        }
    }

    /// As [`save`](Self::save), under a new key. If the answer gets lost, `lost` says where the entry may be.
    pub(crate) async fn rename(
        &self,
        from: &EntryRef,
        new: &Draft,
        lost: &mut Vec<(SessionKey, StoreKey)>,
    ) -> Result<Option<Written>> {
        match &self.kind {
            Kind::Stored(stored) => stored.rename(from, new, lost).await,
            Kind::CachedBackend(cached) => cached.rename(from, new, lost).await,
            Kind::WriteThroughBackend(write_through) => write_through.rename(from, new, lost).await,
            Kind::CookieBackend(cookie) => cookie.seal(new).map(Some),
        }
    }

    /// Writes new times to the entry at `at` if it is as it was.
    pub(crate) async fn touch(&self, at: &EntryRef, meta: &Meta) -> Result<Option<Written>> {
        match &self.kind {
            Kind::Stored(stored) => stored.touch(at, meta).await,
            Kind::CachedBackend(cached) => cached.touch(at, meta).await,
            Kind::WriteThroughBackend(write_through) => write_through.touch(at, meta).await,
            Kind::CookieBackend(cookie) => cookie.touch(&at.store_key, meta),
        }
    }

    pub(crate) async fn delete(&self, key: &StoreKey, now: SystemTime) -> Result<()> {
        match &self.kind {
            Kind::Stored(stored) => stored.delete(key).await,
            Kind::CachedBackend(cached) => cached.delete(key, now).await,
            Kind::WriteThroughBackend(write_through) => write_through.delete(key).await,
            // The browser is told to drop it, and that is all that can be done.
            Kind::CookieBackend(_) => Ok(()),
        }
    }

    pub(crate) async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        match &self.kind {
            Kind::Stored(stored) => stored.sweep(now, limit).await,
            Kind::CachedBackend(cached) => cached.sweep(now, limit).await,
            Kind::WriteThroughBackend(write_through) => write_through.sweep(now, limit).await,
            Kind::CookieBackend(_) => Ok(0),
        }
    }

    pub(crate) async fn owned_by(&self, owner: &Owner) -> Result<Vec<OwnedEntry>> {
        match &self.kind {
            Kind::Stored(stored) => stored.owned_by(owner).await,
            Kind::CachedBackend(cached) => cached.owned_by(owner).await,
            Kind::WriteThroughBackend(write_through) => write_through.owned_by(owner).await,
            Kind::CookieBackend(_) => Err(unsupported("listing an owner's sessions")),
        }
    }

    /// The session with this tag, if the store can tell.
    pub(crate) async fn find(&self, tag: &SessionTag) -> Result<Option<StoreKey>> {
        match &self.kind {
            Kind::Stored(stored) => stored.find(tag).await,
            Kind::CachedBackend(cached) => cached.find(tag).await,
            Kind::WriteThroughBackend(write_through) => write_through.find(tag).await,
            Kind::CookieBackend(_) => Err(unsupported("finding a session by its tag")),
        }
    }

    pub(crate) async fn ping(&self) -> Result<()> {
        match &self.kind {
            Kind::Stored(stored) => stored.ping().await,
            Kind::CachedBackend(cached) => cached.ping().await,
            Kind::WriteThroughBackend(write_through) => write_through.ping().await,
            Kind::CookieBackend(_) => Ok(()),
        }
    }
}

impl CachedBackend {
    /// The back, with `cache` before it for 10 seconds at a time.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the back is no store.
    pub fn new(cache: impl Store, origin: impl Into<Backend>) -> Result<Self> {
        match origin.into().kind {
            Kind::Stored(origin) => Ok(Self::of(AnyStore::new(cache), origin)),
            Kind::CookieBackend(_) | Kind::CachedBackend(_) | Kind::WriteThroughBackend(_) => {
                Err(Error::new(
                    ErrorKind::Config,
                    "putting a front before a shelf: the back must be a store; give the store itself",
                ))
            }
        }
    }
}

impl WriteThroughBackend {
    /// The back, with copies in the front.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if one of them is no store.
    pub fn new(cache: impl Into<Backend>, origin: impl Into<Backend>) -> Result<Self> {
        match (cache.into().kind, origin.into().kind) {
            (Kind::Stored(cache), Kind::Stored(origin)) => Ok(Self::of(cache, origin)),
            _ => Err(Error::new(
                ErrorKind::Config,
                "putting copies of sessions before a shelf: both must be stores; give the stores themselves",
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
        Self {
            kind: Kind::CachedBackend(cached),
            max_size: DEFAULT_MAX_SIZE,
        }
    }
}

impl From<WriteThroughBackend> for Backend {
    fn from(write_through: WriteThroughBackend) -> Self {
        Self {
            kind: Kind::WriteThroughBackend(write_through),
            max_size: DEFAULT_MAX_SIZE,
        }
    }
}

impl From<CookieBackend> for Backend {
    fn from(cookie: CookieBackend) -> Self {
        Self {
            kind: Kind::CookieBackend(cookie),
            max_size: DEFAULT_MAX_SIZE,
        }
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf")
            .field("guarantees", &self.guarantees())
            .field("max_size", &self.max_size)
            .finish_non_exhaustive()
    }
}

/// Long enough for a database that fails over, short enough for a visitor who waits.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// 1 MiB. A session is loaded whole with every request, so a large one makes every page slow.
const DEFAULT_MAX_SIZE: usize = 1 << 20;
