use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::cached::Cached;
use super::cookie::{Carried, unsupported};
use super::decode::{tag, unpack};
use super::store::Stored;
use super::write_through::Mirrored;
use super::written::Written;
use crate::format::{Format, Own, Rules};
use crate::model::{
    Draft, Error, ErrorKind, Held, Key, Lookup, Meta, Owned, Owner, Place, Result, Tag, Version,
};
use crate::store::{AnyStore, Guarantees, Store};

/// Where sessions are kept, and in which form: a store read in a format, or the browser's own cookie.
///
/// Anything that is a [`Store`] becomes a shelf in Cloakroom's own format.
#[derive(Clone)]
pub struct Shelf {
    kind: Kind,
    max_size: usize,
}

#[derive(Clone)]
enum Kind {
    Stored(Stored),
    Cached(Cached),
    Mirrored(Mirrored),
    Carried(Carried),
}

impl Shelf {
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
            Kind::Cached(cached) => cached.guarantees(),
            Kind::Mirrored(mirrored) => mirrored.guarantees(),
            Kind::Carried(carried) => carried.guarantees(),
        };
        Guarantees {
            owners: guarantees.owners && self.rules().facts.are_all(),
            ..guarantees
        }
    }

    /// Bounds each call of the store.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        match &mut self.kind {
            Kind::Stored(stored) | Kind::Cached(Cached { back: stored, .. }) => {
                stored.timeout = timeout;
            }
            Kind::Mirrored(mirrored) => mirrored.set_timeout(timeout),
            Kind::Carried(_) => {}
        }
    }

    /// Bounds the data of one session.
    pub(crate) fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
    }

    /// Says what the cookie is called, for a shelf on which its length counts.
    pub(crate) fn set_cookie_name(&mut self, name: &str) {
        match &mut self.kind {
            Kind::Stored(_) | Kind::Cached(_) | Kind::Mirrored(_) => {}
            Kind::Carried(carried) => carried.set_cookie_name(name),
        }
    }

    /// What the core asks where formats differ. Of two tiers it is the back's, which decides.
    pub(crate) fn format(&self) -> &dyn Format {
        match &self.kind {
            Kind::Stored(stored) | Kind::Cached(Cached { back: stored, .. }) => &*stored.format,
            Kind::Mirrored(mirrored) => mirrored.format(),
            Kind::Carried(carried) => carried.format(),
        }
    }

    pub(crate) fn rules(&self) -> Rules {
        let rules = self.format().rules();
        match &self.kind {
            Kind::Stored(_) | Kind::Cached(_) | Kind::Carried(_) => rules,
            Kind::Mirrored(mirrored) => mirrored.rules(rules),
        }
    }

    pub(crate) fn tag(&self, lookup: &Lookup) -> Tag {
        tag(self.format(), lookup)
    }

    /// What `held` becomes when it is saved at `now`, or the error that says why it cannot be.
    pub(crate) fn draft(&self, held: &Held, expires: SystemTime, now: SystemTime) -> Result<Draft> {
        let data = self.format().encode(&held.contents, now)?;
        let owner = held
            .meta
            .owner
            .as_ref()
            .map_or(0, |owner| owner.as_str().len());
        let label = held.meta.label.as_ref().map_or(0, |label| label.len());
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
                ..held.meta.clone()
            },
            version: Version::random()?,
        })
    }

    /// What is at `at`, for somebody who reads.
    pub(crate) async fn load(
        &self,
        at: &Lookup,
        now: SystemTime,
    ) -> Result<Option<(Held, Version)>> {
        let format = self.format();
        match &self.kind {
            Kind::Stored(stored) => unpack(format, at, stored.load(at).await),
            Kind::Cached(cached) => unpack(format, at, cached.load(at, now).await),
            Kind::Mirrored(mirrored) => mirrored.load(at, now).await,
            Kind::Carried(carried) => unpack(format, at, Ok(carried.open(at))),
        }
    }

    /// What is at `at`, with a version that a write can build on.
    pub(crate) async fn reload(
        &self,
        at: &Lookup,
        now: SystemTime,
    ) -> Result<Option<(Held, Version)>> {
        match &self.kind {
            Kind::Stored(_) | Kind::Cached(_) | Kind::Carried(_) => self.load(at, now).await,
            Kind::Mirrored(mirrored) => mirrored.reload(at).await,
        }
    }

    /// Writes a new entry under a key that nobody else has.
    pub(crate) async fn create(&self, draft: &Draft) -> Result<Written> {
        match &self.kind {
            Kind::Stored(stored) => stored.create(draft).await,
            Kind::Cached(cached) => cached.create(draft).await,
            Kind::Mirrored(mirrored) => mirrored.create(draft).await,
            Kind::Carried(carried) => carried.seal(draft),
        }
    }

    /// Replaces the entry at `at` if nobody else did: where it is then, or `None`.
    pub(crate) async fn save(&self, at: &Place, new: &Draft) -> Result<Option<Written>> {
        match &self.kind {
            Kind::Stored(stored) => stored.save(at, new).await,
            Kind::Cached(cached) => cached.save(at, new).await,
            Kind::Mirrored(mirrored) => mirrored.save(at, new).await,
            Kind::Carried(carried) => carried.seal(new).map(Some),
        }
    }

    /// As [`save`](Self::save), under a new key. If the answer gets lost, `lost` says where the entry may be.
    pub(crate) async fn rename(
        &self,
        from: &Place,
        new: &Draft,
        lost: &mut Vec<(Key, Lookup)>,
    ) -> Result<Option<Written>> {
        match &self.kind {
            Kind::Stored(stored) => stored.rename(from, new, lost).await,
            Kind::Cached(cached) => cached.rename(from, new, lost).await,
            Kind::Mirrored(mirrored) => mirrored.rename(from, new, lost).await,
            Kind::Carried(carried) => carried.seal(new).map(Some),
        }
    }

    /// Writes new times to the entry at `at` if it is as it was.
    pub(crate) async fn touch(&self, at: &Place, meta: &Meta) -> Result<Option<Written>> {
        match &self.kind {
            Kind::Stored(stored) => stored.touch(at, meta).await,
            Kind::Cached(cached) => cached.touch(at, meta).await,
            Kind::Mirrored(mirrored) => mirrored.touch(at, meta).await,
            Kind::Carried(carried) => carried.touch(&at.lookup, meta),
        }
    }

    pub(crate) async fn delete(&self, at: &Lookup, now: SystemTime) -> Result<()> {
        match &self.kind {
            Kind::Stored(stored) => stored.delete(at).await,
            Kind::Cached(cached) => cached.delete(at, now).await,
            Kind::Mirrored(mirrored) => mirrored.delete(at).await,
            // The browser is told to drop it, and that is all that can be done.
            Kind::Carried(_) => Ok(()),
        }
    }

    pub(crate) async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        match &self.kind {
            Kind::Stored(stored) => stored.sweep(now, limit).await,
            Kind::Cached(cached) => cached.sweep(now, limit).await,
            Kind::Mirrored(mirrored) => mirrored.sweep(now, limit).await,
            Kind::Carried(_) => Ok(0),
        }
    }

    pub(crate) async fn owned_by(&self, owner: &Owner) -> Result<Vec<Owned>> {
        match &self.kind {
            Kind::Stored(stored) => stored.owned_by(owner).await,
            Kind::Cached(cached) => cached.owned_by(owner).await,
            Kind::Mirrored(mirrored) => mirrored.owned_by(owner).await,
            Kind::Carried(_) => Err(unsupported("listing an owner's sessions")),
        }
    }

    /// The session with this tag, if the store can tell.
    pub(crate) async fn find(&self, tag: &Tag) -> Result<Option<Lookup>> {
        match &self.kind {
            Kind::Stored(stored) => stored.find(tag).await,
            Kind::Cached(cached) => cached.find(tag).await,
            Kind::Mirrored(mirrored) => mirrored.find(tag).await,
            Kind::Carried(_) => Err(unsupported("finding a session by its tag")),
        }
    }

    pub(crate) async fn ping(&self) -> Result<()> {
        match &self.kind {
            Kind::Stored(stored) => stored.ping().await,
            Kind::Cached(cached) => cached.ping().await,
            Kind::Mirrored(mirrored) => mirrored.ping().await,
            Kind::Carried(_) => Ok(()),
        }
    }
}

impl Cached {
    /// The back, with `front` before it for 10 seconds at a time.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the back is no store.
    pub fn new(front: impl Store, back: impl Into<Shelf>) -> Result<Self> {
        match back.into().kind {
            Kind::Stored(back) => Ok(Self::of(AnyStore::new(front), back)),
            Kind::Carried(_) | Kind::Cached(_) | Kind::Mirrored(_) => Err(Error::new(
                ErrorKind::Config,
                "putting a front before a shelf: the back must be a store; give the store itself",
            )),
        }
    }
}

impl Mirrored {
    /// The back, with copies in the front.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if one of them is no store.
    pub fn new(front: impl Into<Shelf>, back: impl Into<Shelf>) -> Result<Self> {
        match (front.into().kind, back.into().kind) {
            (Kind::Stored(front), Kind::Stored(back)) => Ok(Self::of(front, back)),
            _ => Err(Error::new(
                ErrorKind::Config,
                "putting copies of sessions before a shelf: both must be stores; give the stores themselves",
            )),
        }
    }
}

impl<S: Store> From<S> for Shelf {
    fn from(store: S) -> Self {
        Self::new(store, Own::new())
    }
}

impl From<Cached> for Shelf {
    fn from(cached: Cached) -> Self {
        Self {
            kind: Kind::Cached(cached),
            max_size: DEFAULT_MAX_SIZE,
        }
    }
}

impl From<Mirrored> for Shelf {
    fn from(mirrored: Mirrored) -> Self {
        Self {
            kind: Kind::Mirrored(mirrored),
            max_size: DEFAULT_MAX_SIZE,
        }
    }
}

impl From<Carried> for Shelf {
    fn from(carried: Carried) -> Self {
        Self {
            kind: Kind::Carried(carried),
            max_size: DEFAULT_MAX_SIZE,
        }
    }
}

impl fmt::Debug for Shelf {
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
