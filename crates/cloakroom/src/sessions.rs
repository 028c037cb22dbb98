use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

use crate::clock::{Clock, storable};
use crate::config::SessionsBuilder;
use crate::cookie::Cookie;
use crate::effects::Effects;
use crate::session::{Handle, Held, Place, Policy, Round, Session, Turns};
use crate::shelf::Shelf;
use crate::store::{Guarantees, Owned, Store, Version};
use crate::sweep::Sweep;
use crate::{Error, ErrorKind, Key, Lookup, Owner, Result, Tag};

/// The sessions of a site: a shelf, a cookie and a policy.
///
/// Every adapter is two calls: [`begin`](Self::begin) before the handler and [`finish`](Self::finish) after it.
/// Cheap to clone; clones are the same sessions.
///
/// # Examples
/// What an adapter does, here without any web framework:
/// ```
/// use cloakroom::Sessions;
/// use cloakroom::store::MemoryStore;
/// use http::{HeaderMap, StatusCode};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> cloakroom::Result<()> {
/// let sessions = Sessions::new(MemoryStore::new());
/// let request = HeaderMap::new();
/// let mut response = HeaderMap::new();
///
/// let handle = sessions.begin(&request);
/// handle.open().await?.set("theme", "dark")?;
/// sessions.finish(&handle, StatusCode::OK).await?.apply(&mut response);
///
/// assert!(response["set-cookie"].to_str().unwrap().starts_with("__Host-session="));
/// assert_eq!(response["vary"], "Cookie");
/// assert_eq!(response["cache-control"], "no-store");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Sessions(Arc<Core>);

impl Sessions {
    /// Sessions on this shelf with the defaults that [`SessionsBuilder`] lists.
    pub fn new(shelf: impl Into<Shelf>) -> Self {
        Self::builder(shelf)
            .build()
            .expect("the defaults fit together")
    }

    /// Sessions on this shelf, to be configured.
    pub fn builder(shelf: impl Into<Shelf>) -> SessionsBuilder {
        SessionsBuilder::new(shelf.into())
    }

    pub(crate) fn from_core(core: Core) -> Self {
        Self(Arc::new(core))
    }

    /// Reads the request's cookies. Nothing is loaded before the handle is opened.
    pub fn begin(&self, headers: &HeaderMap) -> Handle {
        self.begin_within(headers, None)
    }

    /// As [`begin`](Self::begin), inside of the session layer that made `outer`.
    pub(crate) fn begin_within(&self, headers: &HeaderMap, outer: Option<Handle>) -> Handle {
        let presented = self.0.cookie.read(headers, self.0.shelf.format());
        Handle::new(Arc::clone(&self.0), presented, outer)
    }

    /// Commits what the request did to its session; call it once, when the response's status is known and before a
    /// byte of it is sent.
    ///
    /// With a 5xx only a logout is carried out. After an error the response that the handler made must not be sent:
    /// it may claim what was not saved. Answer with [`ErrorKind::status`], and with what
    /// [`Handle::acknowledged`] tells.
    ///
    /// If the future is dropped, a commit that has begun goes on by itself.
    ///
    /// # Errors
    /// As [`Session::save`].
    pub async fn finish(&self, handle: &Handle, status: StatusCode) -> Result<Effects> {
        if let Some(session) = handle.finish() {
            let round = match status.is_server_error() {
                true => Round::Failed,
                false => Round::Finish,
            };
            session.commit(round).await?;
        }
        Ok(handle.acknowledged())
    }

    /// A new session outside of any request: for a test or a job. [`Session::save`] saves it.
    pub fn start(&self) -> Session {
        Session::new(Arc::clone(&self.0), None, Held::blank(self.0.now()))
    }

    /// The session with this key outside of any request, if it is alive. [`Session::save`] saves it.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) or [`Timeout`](ErrorKind::Timeout) if the store does not answer.
    pub async fn open(&self, key: &Key) -> Result<Option<Session>> {
        let format = self.0.shelf.format();
        match format.parse_key(key.reveal()) {
            Some(key) => self.0.open(Some(&key), &format.lookup(&key)).await,
            None => Ok(None),
        }
    }

    /// The session with this tag outside of any request, if it is alive: for a job or a websocket that must not hold
    /// the key. It can be read, edited, saved and flushed, but not given a new key.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Unsupported`](ErrorKind::Unsupported) if the store cannot find by tag.
    pub async fn open_tagged(&self, tag: &Tag) -> Result<Option<Session>> {
        match self.0.shelf.find(tag).await? {
            Some(lookup) => self.0.open(None, &lookup).await,
            None => Ok(None),
        }
    }

    /// The live sessions of a user, newest activity first.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Unsupported`](ErrorKind::Unsupported) if the store keeps no owners.
    pub async fn owned_by(&self, owner: &Owner) -> Result<Vec<Summary>> {
        let mut owned = self.0.owned_by(owner).await?;
        owned.sort_by_key(|owned| std::cmp::Reverse(owned.meta.touched));
        Ok(owned
            .into_iter()
            .map(|owned| self.0.summary(owned))
            .collect())
    }

    /// Ends the session of this user that has this tag; says whether there was one.
    ///
    /// # Errors
    /// As [`owned_by`](Self::owned_by).
    pub async fn end(&self, owner: &Owner, tag: &Tag) -> Result<bool> {
        let mut ended = false;
        for lookup in self.owned_where(owner, |other| other == *tag).await? {
            self.0.shelf.delete(&lookup).await?;
            ended = true;
        }
        Ok(ended)
    }

    /// Ends every session of this user but the one with the tag `kept`; says how many.
    ///
    /// A session that is given a new key meanwhile is found at its new place: this looks again until there is no
    /// other session left.
    ///
    /// # Errors
    /// As [`owned_by`](Self::owned_by); [`Conflict`](ErrorKind::Conflict) if new ones kept appearing.
    pub async fn end_others(&self, owner: &Owner, kept: &Tag) -> Result<usize> {
        self.end_where(owner, |tag| tag != *kept).await
    }

    /// Ends every session of this user; says how many.
    ///
    /// # Errors
    /// As [`end_others`](Self::end_others).
    pub async fn end_all(&self, owner: &Owner) -> Result<usize> {
        self.end_where(owner, |_| true).await
    }

    /// Deletes up to `limit` expired entries; says how many. Fewer than `limit` means that no more were found for
    /// now. The background sweep does the same by itself.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn sweep(&self, limit: usize) -> Result<usize> {
        self.0.shelf.sweep(self.0.now(), limit).await
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn ping(&self) -> Result<()> {
        self.0.shelf.ping().await
    }

    /// What the store promises.
    pub fn guarantees(&self) -> Guarantees {
        self.0.shelf.store().guarantees()
    }

    async fn end_where(&self, owner: &Owner, ends: impl Fn(Tag) -> bool) -> Result<usize> {
        let mut ended = 0;
        for _ in 0..END_ROUNDS {
            let lookups = self.owned_where(owner, &ends).await?;
            if lookups.is_empty() {
                return Ok(ended);
            }
            for lookup in lookups {
                self.0.shelf.delete(&lookup).await?;
                ended += 1;
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "ending a user's sessions: there were new ones {END_ROUNDS} times in a row; try again"
            ),
        ))
    }

    async fn owned_where(
        &self,
        owner: &Owner,
        matches: impl Fn(Tag) -> bool,
    ) -> Result<Vec<Lookup>> {
        let owned = self.0.owned_by(owner).await?;
        let lookups = owned.into_iter().map(|owned| owned.lookup);
        Ok(lookups
            .filter(|lookup| matches(self.0.shelf.tag(lookup)))
            .collect())
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("cookie", &self.0.cookie)
            .field("policy", &self.0.policy)
            .field("store", self.0.shelf.store())
            .finish_non_exhaustive()
    }
}

/// One of a user's sessions, as a list shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Summary {
    /// Its short public name.
    pub tag: Tag,
    /// What the site calls it, the device for instance.
    pub label: Option<String>,
    /// When the user logged in with it.
    pub created: SystemTime,
    /// When it was last saved or touched.
    pub touched: SystemTime,
    /// When it ends.
    pub expires: SystemTime,
}

/// What all handles and sessions of one [`Sessions`] share.
pub(crate) struct Core {
    pub(crate) shelf: Shelf,
    pub(crate) cookie: Cookie,
    pub(crate) policy: Policy,
    /// Whether a response that sets the cookie is kept out of caches.
    pub(crate) no_store: bool,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) turns: Turns,
    pub(crate) sweep: Option<Sweep>,
    pub(crate) sweeping: AtomicBool,
}

impl Core {
    /// The time now, cut to what stores can keep.
    pub(crate) fn now(&self) -> SystemTime {
        storable(self.clock.now())
    }

    /// When `held` ends if it is saved at `now`.
    pub(crate) fn expires(&self, held: &Held, now: SystemTime) -> SystemTime {
        self.policy
            .expires(held.contents.expiry, held.meta.created, now)
    }

    /// What is alive at `lookup`. Here, and by this clock alone, a session expires.
    pub(crate) async fn load(&self, lookup: &Lookup) -> Result<Option<(Held, Version)>> {
        let found = self.shelf.load(lookup).await?;
        let now = self.now();
        Ok(found.filter(|(held, _)| {
            let lifetime_ends = self.policy.lifetime_ends(held.meta.created);
            held.meta.expires > now && lifetime_ends.is_none_or(|end| end > now)
        }))
    }

    /// The session at `lookup`, if it is alive.
    pub(crate) async fn open(
        self: &Arc<Self>,
        key: Option<&Key>,
        lookup: &Lookup,
    ) -> Result<Option<Session>> {
        self.start_sweeping();
        let found = self.load(lookup).await?;
        Ok(found.map(|(held, version)| {
            let base = Place {
                key: key.cloned(),
                lookup: lookup.clone(),
                version,
                expires: held.meta.expires,
            };
            Session::new(Arc::clone(self), Some(base), held)
        }))
    }

    async fn owned_by(&self, owner: &Owner) -> Result<Vec<Owned>> {
        let mut owned = self.shelf.owned_by(owner).await?;
        let now = self.now();
        owned.retain(|owned| owned.meta.expires > now);
        Ok(owned)
    }

    fn summary(&self, owned: Owned) -> Summary {
        Summary {
            tag: self.shelf.tag(&owned.lookup),
            label: owned.meta.label.map(String::from),
            created: owned.meta.created,
            touched: owned.meta.touched,
            expires: owned.meta.expires,
        }
    }
}

/// How often ending a user's sessions looks again for ones that moved or were begun meanwhile.
const END_ROUNDS: usize = 8;
