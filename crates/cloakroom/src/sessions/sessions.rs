use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

use super::builder::SessionsBuilder;
use crate::backend::Backend;
use crate::http::{Completion, CookieSet, Effects};
use crate::model::{Error, ErrorKind, Record, Result, SavedEntry, SessionKey, SessionTag};
use crate::session::{Core, Presented, Session, SessionHandle};
use crate::store::Guarantees;

/// The sessions of a site: where they are stored, their cookie, and when they expire.
///
/// With tower or axum, add the [layer](crate::tower::SessionLayer) to the router. An adapter to
/// another framework makes two calls: [`begin`](Self::begin) before the handler and
/// [`finish`](Self::finish) after it.
///
/// Cheap to clone. Clones share all state.
///
/// # Examples
/// What an adapter does, without any web framework:
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
/// assert_eq!(response["cache-control"], "private");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Sessions(Arc<Core>);

impl Sessions {
    /// Creates the sessions of a site, kept in `backend`, with the default options of
    /// [`SessionsBuilder`].
    ///
    /// A [`Store`](crate::store::Store) converts into a backend that uses the default format.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Sessions, store::MemoryStore};
    ///
    /// let sessions = Sessions::new(MemoryStore::new());
    /// assert!(sessions.new_session().is_empty());
    /// ```
    pub fn new(backend: impl Into<Backend>) -> Self {
        Self::builder(backend)
            .build()
            .expect("the default options are consistent")
    }

    /// Returns a builder for the sessions of a site, kept in `backend`.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cloakroom::{Sessions, store::MemoryStore};
    ///
    /// let half_an_hour = Duration::from_secs(30 * 60);
    /// let sessions = Sessions::builder(MemoryStore::new()).max_age(half_an_hour).build()?;
    /// assert!(sessions.new_session().expiry_age() >= half_an_hour);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn builder(backend: impl Into<Backend>) -> SessionsBuilder {
        SessionsBuilder::new(backend.into())
    }

    pub(crate) fn from_core(core: Core) -> Self {
        Self(Arc::new(core))
    }

    pub(crate) fn core(&self) -> &Core {
        &self.0
    }

    /// Reads the session cookie of a request and returns the handle of its session.
    ///
    /// Loads nothing: the store is not called before the handle is opened.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let handle = sessions.begin(&http::HeaderMap::new());
    /// assert!(handle.opened().is_none());
    /// ```
    pub fn begin(&self, headers: &HeaderMap) -> SessionHandle {
        let lines = headers.get_all(header::COOKIE).iter();
        self.begin_from(lines.map(HeaderValue::as_bytes), None)
    }

    /// Does what [`begin`](Self::begin) does, for frameworks with their own header types.
    ///
    /// `cookie_lines` are the values of the request's `Cookie` headers. `outer` is the handle of
    /// the next outer session layer, if there is one. [`SessionHandle::named`] of the new handle
    /// can return `outer`.
    ///
    /// If an outer layer serves the same `Sessions`, both handles refer to one session, which is
    /// committed when the outermost handle is finished. If an outer layer serves another `Sessions`
    /// whose cookie has the same name, opening the new handle returns a
    /// [`Config`](ErrorKind::Config) error.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let cookie_lines = ["theme=dark; lang=en"];
    ///
    /// let handle = sessions.begin_from(cookie_lines.iter().map(|line| line.as_bytes()), None);
    /// assert!(handle.open().await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn begin_from<'a>(
        &self,
        cookie_lines: impl IntoIterator<Item = &'a [u8]>,
        outer: Option<SessionHandle>,
    ) -> SessionHandle {
        let format = self.0.backend.format();
        let presented = Presented::read(
            &self.0.cookie,
            cookie_lines,
            format,
            self.0.rules.duplicates,
        );
        SessionHandle::new(Arc::clone(&self.0), presented, outer)
    }

    /// Commits the edits of a request and returns the headers that its response needs.
    ///
    /// Call it once per request: after the handler, and before any of the response is sent.
    /// `completion` is how the request ended; a [`StatusCode`](http::StatusCode) converts to it. If
    /// the request [failed](Completion), a logout is the only unsaved change that is carried out.
    ///
    /// After an error, do not send the handler's response, since it may claim a save that did not
    /// happen. Instead, send a response with [`ErrorKind::status`], and apply the effects of
    /// [`SessionHandle::acknowledged`] to this response.
    ///
    /// If the future is dropped, a commit that has begun is finished in the background.
    ///
    /// # Errors
    /// As [`Session::save`]; [`Config`](ErrorKind::Config) if another `Sessions` created the
    /// handle.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use http::{HeaderMap, StatusCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let handle = sessions.begin(&HeaderMap::new());
    /// handle.open().await?.set("theme", "dark")?;
    /// let effects = sessions.finish(&handle, StatusCode::OK).await?;
    /// assert_eq!(effects.set_cookies().count(), 1);
    ///
    /// // The edits of a request that failed are not saved.
    /// let handle = sessions.begin(&HeaderMap::new());
    /// handle.open().await?.set("theme", "dark")?;
    /// let effects = sessions.finish(&handle, StatusCode::INTERNAL_SERVER_ERROR).await?;
    /// assert_eq!(effects.set_cookies().count(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn finish(
        &self,
        handle: &SessionHandle,
        completion: impl Into<Completion>,
    ) -> Result<Effects> {
        if !handle.is_of(&self.0) {
            return Err(Error::new(
                ErrorKind::Config,
                "finishing a request: its handle is from another `Sessions`; \
                 call `finish` on the `Sessions` that began the request",
            ));
        }
        handle.finish(completion.into()).await
    }

    /// Creates a session outside of any request, for a test or a job. [`Session::save`] stores it.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let session = sessions.new_session();
    /// session.log_in("ada")?;
    /// session.save().await?;
    /// assert!(session.key().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn new_session(&self) -> Session {
        Session::outside(Arc::clone(&self.0), None, Record::blank(self.0.now()))
    }

    /// Loads the session with this key outside of any request, or returns `None` if there is no
    /// live one. To save edits, call [`Session::save`].
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) or [`Timeout`](ErrorKind::Timeout) if the store does
    /// not answer.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use cloakroom::SessionKey;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let session = sessions.new_session();
    /// # session.set("theme", "dark")?;
    /// # session.save().await?;
    /// let key = session.key().expect("a saved session has a key");
    /// assert!(sessions.open(&key).await?.is_some());
    /// assert!(sessions.open(&SessionKey::new("unknown")).await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(&self, key: &SessionKey) -> Result<Option<Session>> {
        let backend = &self.0.backend;
        match backend.format().parse_key(key.reveal()) {
            Some(key) => {
                let found = self.0.open_key(&key, CookieSet::CURRENT).await?;
                Ok(found.session().map(|found| self.session(found)))
            }
            None => Ok(None),
        }
    }

    /// Loads the session with this tag outside of any request, or returns `None` if there is no
    /// live one. For jobs and websockets, which should not have access to the key.
    ///
    /// The session can be read, edited, saved and flushed, but not given a new key.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Unsupported`](ErrorKind::Unsupported) if the store or the format
    /// cannot find sessions by tag.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let session = sessions.new_session();
    /// # session.set("theme", "dark")?;
    /// # session.save().await?;
    /// let tag = session.tag().expect("a saved session has a tag");
    ///
    /// let same = sessions.open_tagged(&tag).await?.expect("it is alive");
    /// assert_eq!(same.get::<String>("theme")?.as_deref(), Some("dark"));
    /// assert!(same.cycle_key().is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open_tagged(&self, tag: &SessionTag) -> Result<Option<Session>> {
        match self.0.backend.find(tag).await? {
            Some(store_key) => {
                let found = self.0.open(None, &store_key).await?;
                Ok(found.session().map(|found| self.session(found)))
            }
            None => Ok(None),
        }
    }

    fn session(&self, (base, record): (SavedEntry, Record)) -> Session {
        Session::outside(Arc::clone(&self.0), Some(base), record)
    }

    /// Deletes up to `limit` expired entries and returns how many it deleted. Fewer than `limit`
    /// means that no more were found.
    ///
    /// Not needed while the background [sweep](SessionsBuilder::sweep) is on. If the future is
    /// dropped, some of the entries may have been deleted.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// use std::time::Duration;
    /// use cloakroom_testkit::HandClock;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let clock = HandClock::new();
    /// # let sessions = Sessions::builder(MemoryStore::new()).clock(clock.clone()).build()?;
    /// let session = sessions.new_session();
    /// session.set("theme", "dark")?;
    /// session.save().await?;
    ///
    /// clock.advance(Duration::from_secs(14 * 24 * 60 * 60));
    /// assert_eq!(sessions.sweep(1_000).await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sweep(&self, limit: usize) -> Result<usize> {
        self.0.backend.sweep(self.0.now(), limit).await
    }

    /// Checks that the store answers. For health checks.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// assert!(sessions.ping().await.is_ok());
    /// # }
    /// ```
    pub async fn ping(&self) -> Result<()> {
        self.0.backend.ping().await
    }

    /// Returns what the store promises.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// let sessions = Sessions::new(MemoryStore::new());
    /// assert!(sessions.guarantees().compares);
    /// assert!(!sessions.guarantees().durable);
    /// ```
    pub fn guarantees(&self) -> Guarantees {
        self.0.backend.guarantees()
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("cookie", &self.0.cookie)
            .field("policy", &self.0.policy)
            .field("backend", &self.0.backend)
            .finish_non_exhaustive()
    }
}
