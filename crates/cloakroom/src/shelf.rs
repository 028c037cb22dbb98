use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::format::{Format, OnCorrupt, Own, Tags};
use crate::session::{Contents, Held};
use crate::store::{AnyStore, Draft, Meta, Outcome, Owned, Store, Version};
use crate::{Error, ErrorKind, Key, Lookup, Owner, Result, Tag};

/// A store read in a format.
///
/// Anything that is a [`Store`] becomes a shelf in Cloakroom's own format.
#[derive(Clone)]
pub struct Shelf {
    store: AnyStore,
    format: Arc<dyn Format>,
    timeout: Duration,
    max_size: usize,
}

impl Shelf {
    /// The store, read in this format.
    pub fn new(store: impl Store, format: impl Format) -> Self {
        Self {
            store: AnyStore::new(store),
            format: Arc::new(format),
            timeout: DEFAULT_TIMEOUT,
            max_size: DEFAULT_MAX_SIZE,
        }
    }

    /// Bounds each call of the store.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Bounds the data of one session.
    pub(crate) fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
    }

    pub(crate) fn store(&self) -> &AnyStore {
        &self.store
    }

    pub(crate) fn has_owners(&self) -> bool {
        self.store.guarantees().owners
    }

    pub(crate) fn format(&self) -> &dyn Format {
        &*self.format
    }

    pub(crate) fn tag(&self, lookup: &Lookup) -> Tag {
        use sha2::{Digest, Sha256};

        match self.format.rules().tags {
            Tags::Prefix => Tag::of_hash(lookup.as_bytes()),
            Tags::Hash => Tag::of_hash(&Sha256::digest(lookup.as_bytes())),
        }
    }

    /// What `held` becomes when it is saved at `now`, or the error that says why it cannot be.
    pub(crate) fn draft(&self, held: &Held, expires: SystemTime, now: SystemTime) -> Result<Draft> {
        let data = self.format.encode(&held.contents)?;
        let limits = [Some(self.max_size), self.store.guarantees().max_size];
        let limit = limits.into_iter().flatten().min().unwrap_or(usize::MAX);
        let owner = held
            .meta
            .owner
            .as_ref()
            .map_or(0, |owner| owner.as_str().len());
        let label = held.meta.label.as_ref().map_or(0, |label| label.len());
        let size = data.len() + owner + label;
        if size > limit {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "saving a session: it takes {size} bytes of {limit}; keep large things in the site's database \
                     and their ids in the session, or raise max_size"
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

    pub(crate) async fn load(&self, at: &Lookup) -> Result<Option<(Held, Version)>> {
        let entry = self
            .within("loading a session", self.store.load(at))
            .await?;
        let Some(entry) = entry else {
            return Ok(None);
        };
        let contents = match self.format.decode(&entry.data) {
            Ok(contents) => contents,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                tracing::error!(session = %self.tag(at), error = format!("{error:#}"), "corrupt session");
                match self.format.rules().corrupt {
                    OnCorrupt::StartAfresh => return Ok(None),
                    OnCorrupt::KeepKey => Contents::default(),
                }
            }
            Err(error) => return Err(error),
        };
        let held = Held {
            contents,
            meta: entry.meta,
        };
        Ok(Some((held, entry.version)))
    }

    /// Writes a new entry under a key that nobody else has.
    pub(crate) async fn create(&self, draft: &Draft) -> Result<(Key, Lookup, Version)> {
        for _ in 0..KEY_TRIES {
            let key = self.format.new_key()?;
            let lookup = self.format.lookup(&key);
            let created = self
                .within("creating a session", self.store.create(&lookup, draft))
                .await;
            match created {
                Ok(Outcome::Written(version)) => return Ok((key, lookup, version)),
                Ok(Outcome::Stale) => {}
                Err(error) if may_have_happened(&error) => {
                    return match self.load(&lookup).await {
                        Ok(Some((_, version))) if version == draft.version => {
                            Ok((key, lookup, version))
                        }
                        // Nobody will ever know its key. If it is there after all, it is of no use to anybody.
                        _ => {
                            let _ = self.delete(&lookup).await;
                            Err(error)
                        }
                    };
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("creating a session: {KEY_TRIES} fresh keys in a row were taken"),
        ))
    }

    pub(crate) async fn save(&self, at: &Lookup, seen: &Version, new: &Draft) -> Result<Outcome> {
        self.within("saving a session", self.store.save(at, seen, new))
            .await
    }

    pub(crate) async fn rename(
        &self,
        from: &Lookup,
        seen: &Version,
        to: &Lookup,
        new: &Draft,
    ) -> Result<Outcome> {
        let renamed = self.store.rename(from, seen, to, new);
        self.within("moving a session to a new key", renamed).await
    }

    pub(crate) async fn touch(&self, at: &Lookup, seen: &Version, meta: &Meta) -> Result<Outcome> {
        self.within("touching a session", self.store.touch(at, seen, meta))
            .await
    }

    pub(crate) async fn delete(&self, at: &Lookup) -> Result<()> {
        match self.within("ending a session", self.store.delete(at)).await {
            Err(error) if may_have_happened(&error) => match self.store_has(at).await {
                Ok(false) => Ok(()),
                _ => Err(error),
            },
            outcome => outcome,
        }
    }

    pub(crate) async fn sweep(&self, now: SystemTime, limit: usize) -> Result<usize> {
        self.within("sweeping expired sessions", self.store.sweep(now, limit))
            .await
    }

    pub(crate) async fn owned_by(&self, owner: &Owner) -> Result<Vec<Owned>> {
        self.within("listing an owner's sessions", self.store.owned_by(owner))
            .await
    }

    /// The session with this tag, if the store can tell.
    pub(crate) async fn find(&self, tag: &Tag) -> Result<Option<Lookup>> {
        if self.format.rules().tags == Tags::Hash {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "finding a session by its tag: in this format a tag does not lead to its session",
            ));
        }
        self.within(
            "finding a session by its tag",
            self.store.find(tag.as_bytes()),
        )
        .await
    }

    pub(crate) async fn ping(&self) -> Result<()> {
        self.within("asking the store whether it answers", self.store.ping())
            .await
    }

    async fn store_has(&self, at: &Lookup) -> Result<bool> {
        let entry = self.within("loading a session", self.store.load(at));
        Ok(entry.await?.is_some())
    }

    async fn within<T>(
        &self,
        doing: &'static str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!(
                    "{doing}: the store did not answer within {:?}",
                    self.timeout
                ),
            )),
        }
    }
}

impl<S: Store> From<S> for Shelf {
    fn from(store: S) -> Self {
        Self::new(store, Own::new())
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf")
            .field("store", &self.store)
            .field("timeout", &self.timeout)
            .field("max_size", &self.max_size)
            .finish_non_exhaustive()
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

/// How many taken keys in a row are bad luck. One is already less likely than a broken machine.
const KEY_TRIES: usize = 8;
