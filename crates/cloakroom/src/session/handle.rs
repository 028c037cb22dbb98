use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Extensions;
use tokio::sync::OnceCell;

use super::core::Core;
use super::plan::{CommitPoint, CookieUpdate};
use super::presented::Presented;
use super::session::Session;
use crate::format::OnUnknownKey;
use crate::http::{Completion, Effects, SetCookie};
use crate::model::{Error, ErrorKind, Record, Result};

/// The session of one request, not opened yet.
///
/// It is what the layer puts into the request's extensions, and costs nothing until somebody opens it: no store call
/// and no header. Clones are the same handle.
///
/// # Examples
/// A middleware that opens the session only where it needs it:
/// ```
/// # #[cfg(feature = "axum-08")] {
/// use axum::extract::Request;
/// use axum::middleware::Next;
/// use axum::response::Response;
/// use cloakroom::SessionHandle;
///
/// async fn greet_members(handle: SessionHandle, request: Request, next: Next) -> cloakroom::Result<Response> {
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
        Self(Arc::new(Inner {
            core,
            presented,
            session: OnceCell::new(),
            looked_at: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            outer,
        }))
    }

    /// The handle of a request that passed through a session layer, from its extensions: for extractors and middleware
    /// of any framework that has them.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if no session layer wraps the route.
    ///
    /// # Examples
    /// An extractor for axum that needs the session:
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
                "opening a session: no session layer wraps this route; add `.layer(sessions.layer())` to its router",
            )
        })
    }

    /// The session, loaded from the store the first time, if the browser sent a key; a new one if the store has
    /// nothing for that key.
    ///
    /// Nothing is written by opening. If the future is dropped, the next call loads again.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) or [`Timeout`](crate::ErrorKind::Timeout) if the store does
    /// not answer.
    pub async fn open(&self) -> Result<Session> {
        self.0.looked_at.store(true, Ordering::Relaxed);
        let session = self.0.session.get_or_try_init(|| self.load()).await?;
        // Either this sees that the request is over, or `finish` sees the session: both orders are sequential.
        if self.0.finished.load(Ordering::SeqCst) {
            session.finish();
        }
        Ok(session.clone())
    }

    /// The session, if the browser has one that is alive or this request has begun one; without a key there is no
    /// store call.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_existing(&self) -> Result<Option<Session>> {
        self.0.looked_at.store(true, Ordering::Relaxed);
        if self.0.presented.key().is_none() && self.opened().is_none() {
            return Ok(None);
        }
        let session = self.open().await?;
        Ok(session.exists().then_some(session))
    }

    /// The session, if it has been opened.
    pub fn opened(&self) -> Option<Session> {
        self.0.session.get().cloned()
    }

    /// The handle of the session with this cookie name, where several session layers wrap each other.
    pub fn named(&self, cookie_name: &str) -> Option<Self> {
        let mut handle = Some(self);
        // As many steps as there are layers.
        while let Some(candidate) = handle {
            if candidate.0.core.cookie.name() == cookie_name {
                return Some(candidate.clone());
            }
            handle = candidate.0.outer.as_ref();
        }
        None
    }

    /// What the browser has to be told already, whatever becomes of the response.
    pub fn acknowledged(&self) -> Effects {
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
        let lasting = saved.filter(|saved| !saved.browser_close);
        let cookie = SetCookie {
            cookie: &core.cookie,
            key,
            expires: lasting.map(|saved| saved.meta.expires),
            // Counted from the save, so that the age is the one that was configured, to the second.
            now: saved.map_or_else(|| core.now(), |saved| saved.meta.touched),
        };
        effects.set_cookie(core.backend.format().spell(&cookie));
        effects.no_store = core.no_store;
        effects
    }

    /// Whether the browser is to be rid of its cookie because it names no session.
    fn is_unwanted(&self) -> bool {
        let names_none = match self.0.session.get() {
            Some(session) => self.0.presented.is_something() && session.is_unknown(),
            None => self.0.presented.is_junk(),
        };
        names_none && self.0.core.backend.rules().unknown_key == OnUnknownKey::RemoveCookie
    }

    /// Finishes the request: commits what this session has recorded. From here on it takes no edits.
    pub(crate) async fn finish(&self, completion: Completion) -> Result<Effects> {
        if self.saves_unedited(completion)
            && let Err(error) = self.open().await
        {
            // The page needs nothing of the session, so it still goes out.
            let error = format!("{error:#}");
            tracing::warn!(error, "loading a session to save it failed");
        }
        if let Some(session) = self.close() {
            session.commit(CommitPoint::after(completion)).await?;
        }
        Ok(self.acknowledged())
    }

    /// Finishes a request that needs no store call for it. Returns `None` if it needs one.
    #[cfg(feature = "tower")]
    pub(crate) fn finish_at_once(&self, completion: Completion) -> Option<Effects> {
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

    /// Finishes a request that got no response. Returns whether it has recorded a logout, which
    /// [`finish`](Self::finish) carries out.
    #[cfg(feature = "tower")]
    pub(crate) fn abandon(&self) -> bool {
        self.close().is_some_and(Session::has_logout)
    }

    /// Refuses further edits, also those of a session that is opened later.
    fn close(&self) -> Option<&Session> {
        self.0.finished.store(true, Ordering::SeqCst);
        let session = self.0.session.get();
        if let Some(session) = session {
            session.finish();
        }
        session
    }

    /// Whether the session is loaded and touched although the handler did not ask for it.
    fn saves_unedited(&self, completion: Completion) -> bool {
        self.0.core.policy.save_every_request
            && self.0.presented.key().is_some()
            && !completion.is_failure()
    }

    /// Whether it is of these sessions.
    pub(crate) fn is_of(&self, core: &Arc<Core>) -> bool {
        Arc::ptr_eq(&self.0.core, core)
    }

    async fn load(&self) -> Result<Session> {
        let core = &self.0.core;
        let found = match self.0.presented.key() {
            Some(key) => {
                core.open(Some(key), &core.backend.format().store_key(key))
                    .await?
            }
            None => {
                core.sweeper.start(core);
                None
            }
        };
        let (base, record) = match found {
            Some((base, record)) => (Some(base), record),
            None => (None, Record::blank(core.now())),
        };
        Ok(Session::new(Arc::clone(core), base, record))
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
    looked_at: AtomicBool,
    finished: AtomicBool,
    /// The handle of the session layer around this one.
    outer: Option<SessionHandle>,
}
