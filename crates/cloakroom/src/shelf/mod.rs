use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use sha2::{Digest, Sha256};

use crate::cookie::SetCookie;
use crate::format::{Format, OnCorrupt, Own, Rules, Tags};
use crate::session::{Contents, Held, Place};
use crate::store::{AnyStore, Draft, Entry, Guarantees, Meta, Owned, Store, Version};
use crate::{Error, ErrorKind, Key, Lookup, Owner, Result, Tag};

mod cached;
pub use cached::Cached;

mod carried;
pub use carried::Carried;

mod packed;

mod stored;
use stored::Stored;

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
        match &self.kind {
            Kind::Stored(stored) => stored.store.guarantees(),
            Kind::Cached(cached) => cached.guarantees(),
            Kind::Carried(carried) => carried.guarantees(),
        }
    }

    /// Bounds each call of the store.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        match &mut self.kind {
            Kind::Stored(stored) | Kind::Cached(Cached { back: stored, .. }) => {
                stored.timeout = timeout;
            }
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
            Kind::Stored(_) | Kind::Cached(_) => {}
            Kind::Carried(carried) => carried.set_cookie_name(name),
        }
    }

    pub(crate) fn rules(&self) -> Rules {
        match &self.kind {
            Kind::Stored(stored) | Kind::Cached(Cached { back: stored, .. }) => {
                stored.format.rules()
            }
            Kind::Carried(_) => Rules {
                tags: Tags::Hash,
                ..Rules::default()
            },
        }
    }

    pub(crate) fn parse_key(&self, text: &str) -> Option<Key> {
        match &self.kind {
            Kind::Stored(stored) | Kind::Cached(Cached { back: stored, .. }) => {
                stored.format.parse_key(text)
            }
            Kind::Carried(_) => Carried::parse_key(text),
        }
    }

    pub(crate) fn lookup(&self, key: &Key) -> Lookup {
        match &self.kind {
            Kind::Stored(stored) | Kind::Cached(Cached { back: stored, .. }) => {
                stored.format.lookup(key)
            }
            Kind::Carried(_) => Lookup::new(key.reveal().as_bytes()),
        }
    }

    pub(crate) fn spell(&self, cookie: &SetCookie<'_>) -> HeaderValue {
        match &self.kind {
            Kind::Stored(stored) | Kind::Cached(Cached { back: stored, .. }) => {
                stored.format.spell(cookie)
            }
            Kind::Carried(_) => cookie.spell(),
        }
    }

    pub(crate) fn tag(&self, lookup: &Lookup) -> Tag {
        match self.rules().tags {
            Tags::Prefix => Tag::of_hash(lookup.as_bytes()),
            Tags::Hash => Tag::of_hash(&Sha256::digest(lookup.as_bytes())),
        }
    }

    /// What `held` becomes when it is saved at `now`, or the error that says why it cannot be.
    pub(crate) fn draft(&self, held: &Held, expires: SystemTime, now: SystemTime) -> Result<Draft> {
        let data = match &self.kind {
            Kind::Stored(stored) | Kind::Cached(Cached { back: stored, .. }) => {
                stored.format.encode(&held.contents)?
            }
            Kind::Carried(_) => Own::new().encode(&held.contents)?,
        };
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

    pub(crate) async fn load(
        &self,
        at: &Lookup,
        now: SystemTime,
    ) -> Result<Option<(Held, Version)>> {
        let loaded = match &self.kind {
            Kind::Stored(stored) => stored.load(at).await,
            Kind::Cached(cached) => cached.load(at, now).await,
            Kind::Carried(carried) => Ok(carried.open(at)),
        };
        let entry = match loaded {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(None),
            // The store itself cannot read what it has there: nobody can, so there is no session.
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.warn_of_corrupt(at, &error);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let decoded = match &self.kind {
            Kind::Stored(stored) | Kind::Cached(Cached { back: stored, .. }) => {
                stored.format.decode(&entry.data)
            }
            Kind::Carried(_) => Own::new().decode(&entry.data),
        };
        let contents = match decoded {
            Ok(contents) => contents,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.warn_of_corrupt(at, &error);
                match self.rules().corrupt {
                    OnCorrupt::StartAfresh => return Ok(None),
                    OnCorrupt::KeepKey => Contents::default(),
                }
            }
            Err(error) => return Err(error),
        };
        let Entry { meta, version, .. } = entry;
        Ok(Some((Held { contents, meta }, version)))
    }

    /// Writes a new entry under a key that nobody else has.
    pub(crate) async fn create(&self, draft: &Draft) -> Result<Written> {
        match &self.kind {
            Kind::Stored(stored) => stored.create(draft).await,
            Kind::Cached(cached) => cached.create(draft).await,
            Kind::Carried(carried) => carried.seal(draft),
        }
    }

    /// Replaces the entry at `at` if nobody else did: where it is then, or `None`.
    pub(crate) async fn save(&self, at: &Place, new: &Draft) -> Result<Option<Written>> {
        match &self.kind {
            Kind::Stored(stored) => stored.save(at, new).await,
            Kind::Cached(cached) => cached.save(at, new).await,
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
            Kind::Carried(carried) => carried.seal(new).map(Some),
        }
    }

    /// Writes new times to the entry at `at` if it is as it was.
    pub(crate) async fn touch(&self, at: &Place, meta: &Meta) -> Result<Option<Written>> {
        match &self.kind {
            Kind::Stored(stored) => stored.touch(at, meta).await,
            Kind::Cached(cached) => cached.touch(at, meta).await,
            Kind::Carried(carried) => carried.touch(&at.lookup, meta),
        }
    }

    pub(crate) async fn delete(&self, at: &Lookup, now: SystemTime) -> Result<()> {
        match &self.kind {
            Kind::Stored(stored) => stored.delete(at).await,
            Kind::Cached(cached) => cached.delete(at, now).await,
            // The browser is told to drop it, and that is all that can be done.
            Kind::Carried(_) => Ok(()),
        }
    }

    pub(crate) async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        match &self.kind {
            Kind::Stored(stored) => stored.sweep(now, limit).await,
            Kind::Cached(cached) => cached.sweep(now, limit).await,
            Kind::Carried(_) => Ok(0),
        }
    }

    pub(crate) async fn owned_by(&self, owner: &Owner) -> Result<Vec<Owned>> {
        match &self.kind {
            Kind::Stored(stored) => stored.owned_by(owner).await,
            Kind::Cached(cached) => cached.owned_by(owner).await,
            Kind::Carried(_) => Err(carried::unsupported("listing an owner's sessions")),
        }
    }

    /// The session with this tag, if the store can tell.
    pub(crate) async fn find(&self, tag: &Tag) -> Result<Option<Lookup>> {
        match &self.kind {
            Kind::Stored(stored) => stored.find(tag).await,
            Kind::Cached(cached) => cached.find(tag).await,
            Kind::Carried(_) => Err(carried::unsupported("finding a session by its tag")),
        }
    }

    pub(crate) async fn ping(&self) -> Result<()> {
        match &self.kind {
            Kind::Stored(stored) => stored.ping().await,
            Kind::Cached(cached) => cached.ping().await,
            Kind::Carried(_) => Ok(()),
        }
    }
}

impl Shelf {
    fn warn_of_corrupt(&self, at: &Lookup, error: &Error) {
        let (session, error) = (self.tag(at), format!("{error:#}"));
        tracing::error!(%session, error, "a stored session cannot be read; it counts as none");
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

/// Where an entry is after it was written. On a shelf that carries sessions in their cookies, every write moves it.
pub(crate) struct Written {
    /// `None` if the session was opened by its tag, which does not tell.
    pub(crate) key: Option<Key>,
    pub(crate) lookup: Lookup,
    pub(crate) version: Version,
}

impl Written {
    fn new(key: Key, lookup: Lookup, version: Version) -> Self {
        Self {
            key: Some(key),
            lookup,
            version,
        }
    }
}

/// Whether a call that failed so may nevertheless have been done, or be done later.
pub(crate) fn may_have_happened(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
}

/// Long enough for a database that fails over, short enough for a visitor who waits.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// 1 MiB. A session is loaded whole with every request, so a large one makes every page slow.
const DEFAULT_MAX_SIZE: usize = 1 << 20;
