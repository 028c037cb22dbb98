use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

use super::builder::SessionsBuilder;
use crate::backend::Backend;
use crate::http::{Completion, Effects};
use crate::model::{Error, ErrorKind, Record, Result, SessionKey, SessionTag, StoreKey};
use crate::session::{Core, Presented, Session, SessionHandle};
use crate::store::Guarantees;

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
    pub fn new(backend: impl Into<Backend>) -> Self {
        Self::builder(backend)
            .build()
            .expect("the defaults fit together")
    }

    /// Sessions on this shelf, to be configured.
    pub fn builder(backend: impl Into<Backend>) -> SessionsBuilder {
        SessionsBuilder::new(backend.into())
    }

    pub(crate) fn from_core(core: Core) -> Self {
        Self(Arc::new(core))
    }

    pub(crate) fn core(&self) -> &Core {
        &self.0
    }

    /// Reads the request's cookies. Nothing is loaded before the handle is opened.
    pub fn begin(&self, headers: &HeaderMap) -> SessionHandle {
        let lines = headers.get_all(header::COOKIE).iter();
        self.begin_from(lines.map(HeaderValue::as_bytes), None)
    }

    /// As [`begin`](Self::begin), from the values of the `Cookie` lines, whatever type of header they come from, and
    /// inside of the session layer that made `outer`; see [`SessionHandle::named`].
    ///
    /// # Examples
    /// ```
    /// use cloakroom::Sessions;
    /// use cloakroom::store::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let sessions = Sessions::new(MemoryStore::new());
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
        let presented = Presented::read(&self.0.cookie, cookie_lines, format);
        SessionHandle::new(Arc::clone(&self.0), presented, outer)
    }

    /// Commits what the request did to its session. Call it once, when it is known how the request ended, and before a
    /// byte of the response is sent. A [`StatusCode`](http::StatusCode) is a [`Completion`].
    ///
    /// If the request [failed](Completion), only a logout is carried out. After an error the response that the handler
    /// made must not be sent: it may claim what was not saved. Answer with [`ErrorKind::status`], and with the effects
    /// that [`SessionHandle::acknowledged`] returns.
    ///
    /// If the future is dropped, a commit that has begun is finished in the background.
    ///
    /// # Errors
    /// As [`Session::save`]; [`Config`](ErrorKind::Config) if the handle is of other sessions.
    pub async fn finish(
        &self,
        handle: &SessionHandle,
        completion: impl Into<Completion>,
    ) -> Result<Effects> {
        if !handle.is_of(&self.0) {
            return Err(Error::new(
                ErrorKind::Config,
                "finishing a request: its handle is of other sessions; finish it where it was begun",
            ));
        }
        handle.finish(completion.into()).await
    }

    /// A new session outside of any request: for a test or a job. [`Session::save`] saves it.
    pub fn new_session(&self) -> Session {
        Session::new(Arc::clone(&self.0), None, Record::blank(self.0.now()))
    }

    /// The session with this key outside of any request, if it is alive. [`Session::save`] saves it.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) or [`Timeout`](ErrorKind::Timeout) if the store does not answer.
    pub async fn open(&self, key: &SessionKey) -> Result<Option<Session>> {
        let backend = &self.0.backend;
        match backend.format().parse_key(key.reveal()) {
            Some(key) => {
                let store_key = backend.format().store_key(&key);
                self.open_at(Some(&key), &store_key).await
            }
            None => Ok(None),
        }
    }

    /// The session with this tag outside of any request, if it is alive: for a job or a websocket that must not hold
    /// the key. It can be read, edited, saved and flushed, but not given a new key.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Unsupported`](ErrorKind::Unsupported) if the store cannot find by tag.
    pub async fn open_tagged(&self, tag: &SessionTag) -> Result<Option<Session>> {
        match self.0.backend.find(tag).await? {
            Some(store_key) => self.open_at(None, &store_key).await,
            None => Ok(None),
        }
    }

    async fn open_at(
        &self,
        key: Option<&SessionKey>,
        store_key: &StoreKey,
    ) -> Result<Option<Session>> {
        let found = self.0.open(key, store_key).await?;
        Ok(found.map(|(base, record)| Session::new(Arc::clone(&self.0), Some(base), record)))
    }

    /// Deletes up to `limit` expired entries; says how many. Fewer than `limit` means that no more were found for
    /// now. The background sweep does the same by itself.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn sweep(&self, limit: usize) -> Result<usize> {
        self.0.backend.sweep(self.0.now(), limit).await
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn ping(&self) -> Result<()> {
        self.0.backend.ping().await
    }

    /// What the store promises.
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
