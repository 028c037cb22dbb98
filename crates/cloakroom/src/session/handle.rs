use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use http::Extensions;
use tokio::sync::OnceCell;

use super::core::Core;
use super::plan::{CommitPoint, CookieUpdate};
use super::presented::{Opened, Presented};
use super::request_scope::RequestScope;
use super::session::Session;
use crate::backend::Loaded;
use crate::format::OnUnknownKey;
use crate::http::{CacheControl, Completion, Effects, SetCookie};
use crate::model::{Error, ErrorKind, Record, Result};

/// The session of one request, before it is opened.
///
/// The layer puts a handle into the extensions of every request. Until the handle is opened, it
/// makes no store call and sets no header. Clones refer to the same session.
///
/// # Examples
/// A middleware that opens the session only for some paths:
/// ```
/// # #[cfg(feature = "axum-08")] {
/// use axum::extract::Request;
/// use axum::middleware::Next;
/// use axum::response::Response;
/// use cloakroom::SessionHandle;
///
/// async fn note_members(
///     handle: SessionHandle,
///     request: Request,
///     next: Next,
/// ) -> cloakroom::Result<Response> {
///     if request.uri().path().starts_with("/members")
///         && let Some(session) = handle.open_existing().await?
///     {
///         session.set("last_seen_in", "members")?;
///     }
///     Ok(next.run(request).await)
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct SessionHandle(Arc<Inner>);

impl SessionHandle {
    pub(crate) fn new(core: Arc<Core>, presented: Presented, outer: Option<Self>) -> Self {
        let role = outer
            .as_ref()
            .map_or(Role::Only, |outer| Role::inside(outer, &core));
        Self(Arc::new(Inner {
            core,
            presented,
            session: OnceCell::new(),
            scope: OnceLock::new(),
            looked_at: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            failed_inside: AtomicBool::new(false),
            role,
            outer,
        }))
    }

    /// Returns the handle that a session layer put into the extensions of a request. For
    /// extractors and middleware of any framework that uses [`http::Extensions`].
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if no session layer wraps the route.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{ErrorKind, SessionHandle};
    ///
    /// let request = http::Request::new(()); // has not passed through a session layer
    /// let error = SessionHandle::of(request.extensions()).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Config);
    /// ```
    ///
    /// An extractor for axum that reads an item:
    /// ```
    /// # #[cfg(feature = "axum-08")] {
    /// use axum::extract::FromRequestParts;
    /// use axum::http::request::Parts;
    /// use cloakroom::SessionHandle;
    ///
    /// struct Theme(String);
    ///
    /// impl<S: Sync> FromRequestParts<S> for Theme {
    ///     type Rejection = cloakroom::Error;
    ///
    ///     async fn from_request_parts(parts: &mut Parts, _: &S) -> cloakroom::Result<Self> {
    ///         let session = SessionHandle::of(&parts.extensions)?.open().await?;
    ///         Ok(Self(session.get_or("theme", "light".to_owned())?))
    ///     }
    /// }
    /// # }
    /// ```
    pub fn of(extensions: &Extensions) -> Result<Self> {
        extensions.get().cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "opening a session: no session layer wraps this route; \
                 add `.layer(sessions.layer())` to its router",
            )
        })
    }

    /// Returns the request's session. The first call loads the session if the browser sent a key.
    /// The session is new if the browser sent no key, or if the key opens no live session.
    ///
    /// Opening writes nothing to the store, except that some formats delete an expired entry when
    /// they find it. If the future is dropped, the next call loads the session again.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) or [`Timeout`](ErrorKind::Timeout) if the store does
    /// not answer.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let handle = sessions.begin(&http::HeaderMap::new()); // the browser sent no cookie
    ///
    /// let session = handle.open().await?;
    /// assert!(session.is_new());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(&self) -> Result<Session> {
        let inner = self.resolved();
        inner.looked_at.store(true, Ordering::Relaxed);
        let session = inner.session.get_or_try_init(|| inner.load()).await?;
        // With `SeqCst`, either this check sees that the request is over, or `close` finds the
        // session and closes it.
        if inner.finished.load(Ordering::SeqCst) {
            session.finish();
        }
        Ok(session.clone())
    }

    /// Returns the session if the browser has a live one, or if this request has put data into a
    /// new one; otherwise returns `None`. Makes no store call if the browser sent no key.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let handle = sessions.begin(&http::HeaderMap::new()); // the browser sent no cookie
    /// assert!(handle.open_existing().await?.is_none());
    ///
    /// handle.open().await?.set("theme", "dark")?;
    /// assert!(handle.open_existing().await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open_existing(&self) -> Result<Option<Session>> {
        let inner = self.resolved();
        inner.looked_at.store(true, Ordering::Relaxed);
        let is_ours = matches!(inner.role, Role::Only);
        if is_ours && !inner.presented.has_keys() && inner.session.get().is_none() {
            return Ok(None);
        }
        let session = self.open().await?;
        Ok(session.exists().then_some(session))
    }

    /// Returns the session if it has been opened. Loads nothing.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let handle = sessions.begin(&http::HeaderMap::new());
    /// assert!(handle.opened().is_none());
    ///
    /// handle.open().await?;
    /// assert!(handle.opened().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn opened(&self) -> Option<Session> {
        self.resolved().session.get().cloned()
    }

    /// Returns the handle of the session layer with this cookie name: the layer of this handle, or
    /// one of the layers around it. Returns `None` if no layer has this name.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Cookie, Sessions};
    /// use cloakroom::store::MemoryStore;
    ///
    /// let site = Sessions::new(MemoryStore::new());
    /// let shop = Sessions::builder(MemoryStore::new()).cookie(Cookie::new("shop")).build()?;
    ///
    /// let outer = site.begin(&http::HeaderMap::new());
    /// let inner = shop.begin_from([], Some(outer)); // the layer of `shop` inside that of `site`
    /// assert!(inner.named("shop").is_some());
    /// assert!(inner.named("__Host-session").is_some());
    /// assert!(inner.named("cart").is_none());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn named(&self, cookie_name: &str) -> Option<Self> {
        let mut handle = Some(self);
        // One step for each layer.
        while let Some(candidate) = handle {
            if candidate.0.core.cookie.name() == cookie_name {
                return Some(candidate.clone());
            }
            handle = candidate.0.outer.as_ref();
        }
        None
    }

    /// Sets the address of the client, for the limit
    /// [`max_new_sessions`](crate::SessionsBuilder::max_new_sessions). Only the first call has an
    /// effect.
    ///
    /// Call it in a middleware, before the handler is done. Behind a proxy, the peer of the
    /// connection is the proxy and not the client. The site must then read the header in which its
    /// own proxy names the client, and must ignore this header in requests from anywhere else.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{ErrorKind, Sessions, store::MemoryStore};
    /// use std::net::Ipv4Addr;
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let sessions = Sessions::builder(MemoryStore::new())
    ///     .max_new_sessions(1, Duration::from_secs(60))
    ///     .build()?;
    /// # let request = http::HeaderMap::new();
    /// for expected in [None, Some(ErrorKind::TooManyNewSessions)] {
    ///     let handle = sessions.begin(&request); // without a cookie
    ///     handle.set_client(Ipv4Addr::LOCALHOST);
    ///     let session = handle.open().await?;
    ///     session.set("theme", "dark")?;
    ///     assert_eq!(session.save().await.err().map(|error| error.kind()), expected);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_client(&self, address: impl Into<IpAddr>) {
        let inner = self.resolved();
        // Without a limit, requests that do not open their session need no scope.
        if inner.core.new_session_limit.is_some() {
            let _ = inner.scope().client.set(address.into());
        }
    }

    /// Returns the headers for the saves and logouts that the store has acknowledged so far.
    ///
    /// When [`finish`](crate::Sessions::finish) fails, an adapter applies these effects to its
    /// error response. The browser then gets the cookie of a session that `save().await` stored
    /// before the failure.
    ///
    /// # Examples
    /// ```
    /// # use cloakroom::{Sessions, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let handle = sessions.begin(&http::HeaderMap::new());
    /// let session = handle.open().await?;
    /// session.set("theme", "dark")?;
    /// assert_eq!(handle.acknowledged().set_cookies().count(), 0);
    ///
    /// session.save().await?;
    /// assert_eq!(handle.acknowledged().set_cookies().count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn acknowledged(&self) -> Effects {
        if !matches!(self.0.role, Role::Only) {
            return Effects::default();
        }
        let core = &self.0.core;
        let session = self.0.session.get();
        let is_unwanted = self.is_unwanted();
        let mut effects = Effects::default();
        effects.vary = self.0.looked_at.load(Ordering::Relaxed) || is_unwanted;
        let (update, base) = session.map_or((CookieUpdate::None, None), Session::pending_cookie);
        let key = base.as_ref().and_then(|base| base.entry.key.as_ref());
        let (key, saved) = match (update, key) {
            (CookieUpdate::Set, Some(key)) => (Some(key), base.as_ref()),
            (CookieUpdate::Remove, _) if self.0.presented.is_something() => (None, None),
            (CookieUpdate::None, _) if is_unwanted => (None, None),
            _ => return effects,
        };
        let cookie = SetCookie {
            cookie: &core.cookie,
            key,
            expires: saved.and_then(|saved| saved.cookie_expires),
            // Measured from the save, so that `Max-Age` is exactly the configured age.
            now: saved.map_or_else(|| core.now(), |saved| saved.meta.touched),
        };
        let format = core.backend.format();
        // Former cookies go before the current one, because some clients ignore the domain and keep
        // only the last cookie of a name.
        for former in self.0.presented.former(&core.cookie) {
            effects.set_cookie(format.spell(&SetCookie {
                cookie: former,
                key: None,
                expires: None,
                now: cookie.now,
            }));
        }
        effects.set_cookie(format.spell(&cookie));
        let logs_out = update == CookieUpdate::Remove || session.is_some_and(Session::was_flushed);
        effects.cache_control = match core.cache_control {
            CacheControl::Private if logs_out => CacheControl::NoStore,
            configured => configured,
        };
        effects
    }

    /// Returns whether the response removes the cookie because the cookie names no session.
    fn is_unwanted(&self) -> bool {
        let names_none = match self.0.session.get() {
            Some(session) => self.0.presented.is_something() && session.is_unknown(),
            None => self.0.presented.is_junk(),
        };
        names_none && self.0.core.rules.unknown_key == OnUnknownKey::RemoveCookie
    }

    /// Finishes the request: commits the edits of its session, which accepts no more edits from now
    /// on.
    pub(crate) async fn finish(&self, completion: Completion) -> Result<Effects> {
        let Some(completion) = self.completion(completion) else {
            return Ok(Effects::default());
        };
        if self.saves_unedited(completion)
            && let Err(error) = self.open().await
        {
            // The handler did not need the session, so the handler's response is still sent.
            let error = format!("{error:#}");
            tracing::warn!(error, "loading a session to extend it failed");
        }
        if let Some(session) = self.close() {
            session.commit(CommitPoint::after(completion)).await?;
        }
        Ok(self.acknowledged())
    }

    /// Finishes the request if that needs no store call. Otherwise returns `None`, and
    /// [`finish`](Self::finish) must be called.
    #[cfg(feature = "tower")]
    pub(crate) fn finish_at_once(&self, completion: Completion) -> Option<Effects> {
        let Some(completion) = self.completion(completion) else {
            return Some(Effects::default());
        };
        if self.saves_unedited(completion) {
            return None;
        }
        match self.close() {
            None if !self.0.looked_at.load(Ordering::Relaxed) && !self.0.presented.is_junk() => {
                Some(Effects::default())
            }
            Some(session) if session.has_work(CommitPoint::after(completion)) => None,
            _ => Some(self.acknowledged()),
        }
    }

    /// Finishes a request that got no response. Returns whether the request recorded a logout,
    /// which [`finish`](Self::finish) carries out.
    #[cfg(feature = "tower")]
    pub(crate) fn abandon(&self) -> bool {
        self.completion(Completion::Dropped).is_some()
            && self.close().is_some_and(Session::has_logout)
    }

    /// Returns how the request ended, or `None` if another layer finishes it.
    ///
    /// An inner layer of the same `Sessions` may have seen the request fail and turned the failure
    /// into a response. The failure counts nevertheless.
    fn completion(&self, completion: Completion) -> Option<Completion> {
        match &self.0.role {
            Role::Only if self.0.failed_inside.load(Ordering::Relaxed) => Some(Completion::Error),
            Role::Only => Some(completion),
            Role::Repeated(outer) => {
                if completion.is_failure() {
                    outer.0.failed_inside.store(true, Ordering::Relaxed);
                }
                None
            }
            Role::Conflicting => None,
        }
    }

    /// Returns the handle that opens and commits the session.
    fn resolved(&self) -> &Inner {
        match &self.0.role {
            Role::Repeated(outer) => &outer.0,
            Role::Only | Role::Conflicting => &self.0,
        }
    }

    /// Refuses further edits, even of a session that is opened later. Returns the session if it has
    /// been opened.
    fn close(&self) -> Option<&Session> {
        self.0.finished.store(true, Ordering::SeqCst);
        let session = self.0.session.get();
        if let Some(session) = session {
            session.finish();
        }
        session
    }

    /// Returns whether the session is loaded and touched even if the handler did not open it.
    fn saves_unedited(&self, completion: Completion) -> bool {
        self.0.core.policy.save_every_request
            && self.0.presented.has_keys()
            && !completion.is_failure()
    }

    /// Returns the seconds after which a client that has begun too many sessions may begin another,
    /// or `None` if there is no such limit.
    #[cfg(feature = "tower")]
    pub(crate) fn new_session_secs(&self) -> Option<u64> {
        let limit = self.0.core.new_session_limit.as_ref()?;
        Some(limit.per.as_secs())
    }

    /// Returns whether another session layer wraps the layer of this handle.
    #[cfg(feature = "tower")]
    pub(crate) fn is_nested(&self) -> bool {
        self.0.outer.is_some()
    }

    /// Returns whether the handle was made by the `Sessions` with this core.
    pub(crate) fn is_of(&self, core: &Arc<Core>) -> bool {
        Arc::ptr_eq(&self.0.core, core)
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle")
            .field("cookie", &self.0.core.cookie.name())
            .field("presented", &self.0.presented)
            .field("session", &self.opened())
            .finish()
    }
}

struct Inner {
    core: Arc<Core>,
    presented: Presented,
    session: OnceCell<Session>,
    scope: OnceLock<Arc<RequestScope>>,
    looked_at: AtomicBool,
    finished: AtomicBool,
    /// Whether an inner layer of the same `Sessions` saw the request fail.
    failed_inside: AtomicBool,
    role: Role,
    /// The handle of the session layer around this one.
    outer: Option<SessionHandle>,
}

impl Inner {
    fn scope(&self) -> &Arc<RequestScope> {
        let new = || Arc::new(RequestScope::new(self.core.backend.call_limit()));
        self.scope.get_or_init(new)
    }

    async fn load(&self) -> Result<Session> {
        let core = &self.core;
        if matches!(self.role, Role::Conflicting) {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "opening a session: two session layers with different `Sessions` accept the \
                     same cookie, which is `{}` or a former cookie; build `Sessions` once and \
                     clone it, or give one layer another cookie",
                    core.cookie.name()
                ),
            ));
        }
        let scope = self.scope();
        let opening = Arc::clone(&scope.call_limit).scope(self.presented.open(core));
        let Opened { session, refused } = opening.await?;
        let (base, record, tombstone) = match session {
            Loaded::Session((base, record)) => (Some(base), record, None),
            Loaded::Moved(tombstone, _) => (None, Record::blank(core.now()), Some(tombstone)),
            Loaded::Nothing => (None, Record::blank(core.now()), None),
        };
        let session = Session::new(Arc::clone(core), base, record, Some(Arc::clone(scope)));
        if let Some(tombstone) = tombstone {
            session.set_moved(tombstone);
        }
        if !refused.is_empty() {
            session.refuse(refused);
        }
        Ok(session)
    }
}

/// What a handle does, which depends on the session layers around the handle's layer.
enum Role {
    /// Opens and commits the session.
    Only,
    /// Leaves opening and committing to the handle of an outer layer of the same `Sessions`.
    Repeated(SessionHandle),
    /// Refuses to open the session, because an outer layer of another `Sessions` uses the same
    /// cookie name.
    Conflicting,
}

impl Role {
    fn inside(outer: &SessionHandle, core: &Arc<Core>) -> Self {
        let mut next = Some(outer);
        // One step for each layer.
        while let Some(handle) = next {
            if handle.is_of(core) {
                return match &handle.0.role {
                    Self::Repeated(outermost) => Self::Repeated(outermost.clone()),
                    Self::Only | Self::Conflicting => Self::Repeated(handle.clone()),
                };
            }
            if handle.0.core.cookie.shares_name_with(&core.cookie) {
                return Self::Conflicting;
            }
            next = handle.0.outer.as_ref();
        }
        Self::Only
    }
}
