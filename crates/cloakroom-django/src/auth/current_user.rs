use std::future::Future;

use cloakroom::{Error, Result, Session};

use crate::auth::account::Account;
use crate::auth::session::{self, Claim};
use crate::auth::signing::{Secrets, equal};

/// Finds the user of a session, and logs users in and out, by the rules of `django.contrib.auth`.
///
/// A session names its user and contains a hash of the user's password field. A change of password
/// therefore ends all sessions that were started with the old password, in every service with the
/// same `SECRET_KEY`.
///
/// # Examples
/// ```
/// # use std::borrow::Cow;
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{Result, Session, Sessions};
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
/// async fn current_user(auth: &Auth, session: &Session, db: &Database) -> Result<Option<User>> {
///     auth.user(session, async |claim| match claim.id().parse() {
///         Ok(id) => db.user(id).await,
///         Err(_) => Ok(None),
///     })
///     .await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> cloakroom::Result<()> {
/// let auth = Auth::new("the site's SECRET_KEY");
/// let session = Sessions::new(MemoryStore::new()).new_session();
/// # let db = Database;
/// assert!(current_user(&auth, &session, &db).await?.is_none());
///
/// let ada = db.user(7).await?.expect("she has a row");
/// auth.log_in(&session, &ada)?;
/// assert!(current_user(&auth, &session, &db).await?.is_some());
///
/// auth.log_out(&session)?;
/// assert!(current_user(&auth, &session, &db).await?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Auth {
    secrets: Secrets,
    /// The dotted names of the accepted authentication backends. A login writes the first of them
    /// into the session.
    backends: Vec<String>,
}

impl Auth {
    /// Creates an `Auth` for a site with this `SECRET_KEY` and Django's default authentication
    /// backend, `django.contrib.auth.backends.ModelBackend`.
    ///
    /// # Examples
    /// The hash that Django stores in `_auth_user_hash`:
    /// ```
    /// use cloakroom_django::auth::Auth;
    ///
    /// let auth = Auth::new("cloakroom-public-secret-key-0123456789");
    /// let password_field = "pbkdf2_sha256$1000000$abcdefghijklmnopqrstuv\
    ///                       $T0JVc2VIYXNoT0JVc2VIYXNoT0JVc2VIYXNoMTIzNDU=";
    /// assert_eq!(
    ///     auth.session_auth_hash(password_field),
    ///     "b5ed49e1aeed18d6a68dda3aa1e6591c7e5a09c5625a1a0c57992116cd5f7dc2",
    /// );
    /// ```
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self {
            secrets: Secrets::new(secret.as_ref()),
            backends: vec![MODEL_BACKEND.to_owned()],
        }
    }

    /// Also accepts sessions whose hash was made with this older secret: one of
    /// `SECRET_KEY_FALLBACKS`.
    ///
    /// New hashes are made only with the current `SECRET_KEY`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::{Account, Auth, LoginStatus};
    /// # use std::borrow::Cow;
    /// # use cloakroom::Sessions;
    /// # use cloakroom::store::MemoryStore;
    /// # struct User { id: i64, password: String }
    /// # impl Account for User {
    /// #     fn id(&self) -> Cow<'_, str> { self.id.to_string().into() }
    /// #     fn password(&self) -> &str { &self.password }
    /// #     fn is_active(&self) -> bool { true }
    /// # }
    ///
    /// # let ada = User { id: 7, password: "pbkdf2_sha256$1000000$salt$hash".into() };
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// Auth::new("the old SECRET_KEY").log_in(&session, &ada)?;
    ///
    /// let auth = Auth::new("the new SECRET_KEY").fallback("the old SECRET_KEY");
    /// assert_eq!(auth.verify_or_flush(&session, &ada.password)?, LoginStatus::Valid);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[must_use]
    pub fn fallback(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.secrets.fallback(secret.as_ref());
        self
    }

    /// Sets the accepted authentication backends: Django's `AUTHENTICATION_BACKENDS`, a list of
    /// dotted class names.
    ///
    /// A session contains the name of the backend that logged the user in.
    /// [`log_in`](Self::log_in) writes the first name of the list. With an empty list, every
    /// visitor is anonymous.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::Auth;
    /// # use cloakroom::Sessions;
    /// # use cloakroom::store::MemoryStore;
    ///
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// # session.set("_auth_user_id", "7")?;
    /// session.set("_auth_user_backend", "library.auth.LdapBackend")?;
    ///
    /// let auth = Auth::new("the site's SECRET_KEY");
    /// assert!(auth.claim(&session).is_none());
    /// let auth = auth.backends(["library.auth.LdapBackend"]);
    /// assert!(auth.claim(&session).is_some());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[must_use]
    pub fn backends<B: Into<String>>(mut self, backends: impl IntoIterator<Item = B>) -> Self {
        self.backends = backends.into_iter().map(Into::into).collect();
        self
    }

    /// Returns the user that the session names. Returns `None` if the session names no user, or if
    /// it names a backend that is not one of the accepted [backends](Self::backends).
    ///
    /// Load the row of that user, then pass its password field to
    /// [`verify_or_flush`](Self::verify_or_flush). [`user`](Self::user) performs both steps.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::Auth;
    /// # use cloakroom::Sessions;
    /// # use cloakroom::store::MemoryStore;
    ///
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// let auth = Auth::new("the site's SECRET_KEY");
    /// assert!(auth.claim(&session).is_none());
    ///
    /// session.set("_auth_user_id", "7")?;
    /// session.set("_auth_user_backend", "django.contrib.auth.backends.ModelBackend")?;
    /// assert_eq!(auth.claim(&session).map(|claim| claim.id().to_owned()), Some("7".into()));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn claim(&self, session: &Session) -> Option<Claim> {
        Claim::of(session).filter(|claim| self.accepts(claim.backend()))
    }

    /// Verifies that the session was started with the user's current password, and flushes the
    /// session if it was not.
    ///
    /// `password_field` is the password field of the user's row.
    ///
    /// If the hash in the session was made with a [fallback](Self::fallback) secret, the hash is
    /// replaced by one made with the current `SECRET_KEY`, and the session gets a new session key.
    ///
    /// Check first that the user is active, and do not call this method for an inactive user:
    /// Django treats such a visitor as anonymous and leaves the session unchanged.
    ///
    /// # Errors
    /// [`Finished`](cloakroom::ErrorKind::Finished) if the request has ended, and those of
    /// [`Session::cycle_key`].
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::{Account, Auth, LoginStatus};
    /// # use std::borrow::Cow;
    /// # use cloakroom::Sessions;
    /// # use cloakroom::store::MemoryStore;
    /// # struct User { id: i64, password: String }
    /// # impl Account for User {
    /// #     fn id(&self) -> Cow<'_, str> { self.id.to_string().into() }
    /// #     fn password(&self) -> &str { &self.password }
    /// #     fn is_active(&self) -> bool { true }
    /// # }
    ///
    /// # let ada = User { id: 7, password: "pbkdf2_sha256$1000000$salt$hash".into() };
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// let auth = Auth::new("the site's SECRET_KEY");
    /// auth.log_in(&session, &ada)?;
    /// assert_eq!(auth.verify_or_flush(&session, &ada.password)?, LoginStatus::Valid);
    ///
    /// let new_password = "pbkdf2_sha256$1000000$new$hash";
    /// assert_eq!(auth.verify_or_flush(&session, new_password)?, LoginStatus::Ended);
    /// assert!(session.is_empty());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
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

    /// Returns the user who is logged in, or `None` for an anonymous visitor.
    ///
    /// `find` loads the row of the user. It is called only if the session names a user. If it
    /// returns `None` or an inactive user, the visitor is anonymous and the session stays
    /// unchanged. Otherwise the session is verified with
    /// [`verify_or_flush`](Self::verify_or_flush).
    ///
    /// If the future is dropped before it completes, the session stays unchanged.
    ///
    /// # Errors
    /// Those of `find` and of [`verify_or_flush`](Self::verify_or_flush).
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::{Account, Auth};
    /// # use std::borrow::Cow;
    /// # use cloakroom::Sessions;
    /// # use cloakroom::store::MemoryStore;
    /// # struct User { id: i64, password: String }
    /// # impl Account for User {
    /// #     fn id(&self) -> Cow<'_, str> { self.id.to_string().into() }
    /// #     fn password(&self) -> &str { &self.password }
    /// #     fn is_active(&self) -> bool { true }
    /// # }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let ada = || User { id: 7, password: "pbkdf2_sha256$1000000$salt$hash".into() };
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// let auth = Auth::new("the site's SECRET_KEY");
    /// auth.log_in(&session, &ada())?;
    ///
    /// // A real service queries its database here.
    /// let find = async |claim: cloakroom_django::auth::Claim| {
    ///     cloakroom::Result::Ok((claim.id() == "7").then(ada))
    /// };
    /// assert_eq!(auth.user(&session, find).await?.map(|user| user.id), Some(7));
    /// # Ok(())
    /// # }
    /// ```
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

    /// Returns the hash that ties a session to a password field: Django's `get_session_auth_hash`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::Auth;
    ///
    /// let auth = Auth::new("the site's SECRET_KEY");
    /// let hash = auth.session_auth_hash("pbkdf2_sha256$1000000$salt$hash");
    /// assert_eq!(hash.len(), 64);
    /// assert_ne!(hash, auth.session_auth_hash("pbkdf2_sha256$1000000$new$hash"));
    /// ```
    pub fn session_auth_hash(&self, password_field: &str) -> String {
        self.secrets.sign(SALT, password_field)
    }

    /// Returns the backend that a login writes into the session.
    pub(crate) fn backend(&self) -> &str {
        self.backends.first().map_or(MODEL_BACKEND, String::as_str)
    }

    fn accepts(&self, backend: &str) -> bool {
        self.backends.iter().any(|accepted| accepted == backend)
    }
}

/// The result of [`Auth::verify_or_flush`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum LoginStatus {
    /// The visitor is logged in.
    Valid,
    /// The session contains no valid hash of the password field, usually because the password has
    /// changed since the login. The session has been flushed, and the visitor is anonymous.
    Ended,
}

const MODEL_BACKEND: &str = "django.contrib.auth.backends.ModelBackend";

const SALT: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";
