use std::future::Future;

use cloakroom::{Error, Result, Session};

use crate::auth::account::Account;
use crate::auth::session::{self, Claim};
use crate::auth::signing::{Secrets, equal};

/// Who is logged in, by the rules of `django.contrib.auth`: the site's secret, and the backends that it accepts.
///
/// A session names its user and holds a hash of the user's password field, so whoever changes the password ends all
/// sessions that were begun with the old one, on every service that has the same secret.
///
/// # Examples
/// ```
/// # use std::borrow::Cow;
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{Session, Sessions};
/// use cloakroom_django::auth::{Account, Auth};
///
/// #[derive(Clone)]
/// struct User {
///     id: i64,
///     password: String,
///     is_active: bool,
/// }
/// # impl Account for User {
/// #     fn id(&self) -> Cow<'_, str> { self.id.to_string().into() }
/// #     fn password(&self) -> &str { &self.password }
/// #     fn is_active(&self) -> bool { self.is_active }
/// # }
/// # struct Database;
/// # impl Database {
/// #     async fn user(&self, id: i64) -> cloakroom::Result<Option<User>> {
/// #         Ok((id == 7).then(|| User { id, password: "a hash".into(), is_active: true }))
/// #     }
/// # }
///
/// async fn visitor(auth: &Auth, session: &Session, database: &Database) -> cloakroom::Result<Option<User>> {
///     auth.user(session, async |claim| match claim.id().parse() {
///         Ok(id) => database.user(id).await,
///         Err(_) => Ok(None),
///     })
///     .await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> cloakroom::Result<()> {
/// let auth = Auth::new("the SECRET_KEY of the Django site");
/// let session = Sessions::new(MemoryStore::new()).new_session();
/// # let database = Database;
/// assert!(visitor(&auth, &session, &database).await?.is_none());
///
/// let ada = database.user(7).await?.expect("she is there");
/// auth.log_in(&session, &ada)?;
/// assert!(visitor(&auth, &session, &database).await?.is_some());
///
/// auth.log_out(&session)?;
/// assert!(visitor(&auth, &session, &database).await?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Auth {
    secrets: Secrets,
    /// The first one is what a login writes.
    backends: Vec<String>,
}

impl Auth {
    /// With Django's `SECRET_KEY` and its usual backend, `django.contrib.auth.backends.ModelBackend`.
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self {
            secrets: Secrets::new(secret.as_ref()),
            backends: vec![MODEL_BACKEND.to_owned()],
        }
    }

    /// Also takes what was made with this secret, one of Django's `SECRET_KEY_FALLBACKS`. Nothing new is made with it.
    #[must_use]
    pub fn fallback(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.secrets.fallback(secret.as_ref());
        self
    }

    /// Accepts logins by these backends instead, Django's `AUTHENTICATION_BACKENDS`. The first is the one that
    /// [`log_in`](Self::log_in) writes; with none nobody is ever logged in.
    #[must_use]
    pub fn backends<B: Into<String>>(mut self, backends: impl IntoIterator<Item = B>) -> Self {
        self.backends = backends.into_iter().map(Into::into).collect();
        self
    }

    /// Returns the user that the session claims to have, or `None` if it names no user or a backend
    /// that is not accepted.
    ///
    /// Load the user's row by it, then pass the row's password field to
    /// [`verify_or_flush`](Self::verify_or_flush). [`user`](Self::user) does all of it.
    pub fn claim(&self, session: &Session) -> Option<Claim> {
        Claim::of(session).filter(|claim| self.accepts(claim.backend()))
    }

    /// Verifies that the session was begun with the password that the user has now, and flushes it
    /// if not: it ends with this request. `password_field` is the stored hash.
    ///
    /// A session that was begun under a [fallback](Self::fallback) secret gets a new key, and the
    /// hash that the current secret makes.
    ///
    /// Check before that the user is active. Django leaves the session of an inactive user as it
    /// is.
    ///
    /// # Errors
    /// [`Finished`](cloakroom::ErrorKind::Finished) if the request is over; as [`Session::cycle_key`].
    pub fn verify_or_flush(&self, session: &Session, password_field: &str) -> Result<LoginStatus> {
        let stored = session::read(session, session::HASH).unwrap_or_default();
        let current = self.session_auth_hash(password_field);
        if equal(&stored, &current) {
            return Ok(LoginStatus::Valid);
        }
        let mut fallbacks = self.secrets.fallbacks(SALT, password_field);
        if fallbacks.any(|hash| equal(&stored, &hash)) {
            session.cycle_key()?;
            session.set(session::HASH, current)?;
            return Ok(LoginStatus::Valid);
        }
        session.flush()?;
        Ok(LoginStatus::Ended)
    }

    /// The user who is logged in: found by `find`, active, and with the password that the session was begun with.
    ///
    /// `find` looks up the row; it runs only if the session names a user. If it finds none, or one who is not active,
    /// the visitor is anonymous and the session stays. Otherwise as
    /// [`verify_or_flush`](Self::verify_or_flush).
    ///
    /// If the future is dropped, nothing has happened to the session.
    ///
    /// # Errors
    /// Those of `find`; as [`verify_or_flush`](Self::verify_or_flush).
    pub async fn user<U, E, F>(
        &self,
        session: &Session,
        find: impl FnOnce(Claim) -> F,
    ) -> Result<Option<U>, E>
    where
        U: Account,
        E: From<Error>,
        F: Future<Output = Result<Option<U>, E>>,
    {
        let Some(claim) = self.claim(session) else {
            return Ok(None);
        };
        let Some(user) = find(claim).await?.filter(U::is_active) else {
            return Ok(None);
        };
        match self.verify_or_flush(session, user.password())? {
            LoginStatus::Valid => Ok(Some(user)),
            LoginStatus::Ended => Ok(None),
        }
    }

    /// What ties a session to a password field: Django's `get_session_auth_hash`.
    pub fn session_auth_hash(&self, password_field: &str) -> String {
        self.secrets.sign(SALT, password_field)
    }

    /// The backend that a login names.
    pub(crate) fn backend(&self) -> &str {
        self.backends.first().map_or(MODEL_BACKEND, String::as_str)
    }

    fn accepts(&self, backend: &str) -> bool {
        self.backends.iter().any(|accepted| accepted == backend)
    }
}

/// Whether a session's login holds against the row of its user; see [`Auth::verify_or_flush`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum LoginStatus {
    /// The visitor is the user.
    Valid,
    /// The password was changed since, or the session holds no proof of it. The session has been
    /// flushed, and the visitor is anonymous.
    Ended,
}

const MODEL_BACKEND: &str = "django.contrib.auth.backends.ModelBackend";

const SALT: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";
