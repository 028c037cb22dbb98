//! The changes that a login, a logout and a change of password make to a session.

use cloakroom::{Owner, Result, Session};

use crate::auth::account::Account;
use crate::auth::csrf;
use crate::auth::current_user::Auth;
use crate::auth::session::{BACKEND, HASH, USER_ID, UserId, read};
use crate::auth::signing::equal;

impl Auth {
    /// Logs `user` in: assigns the session to the user and gives the session a new key.
    ///
    /// Call this only after you have verified the user's identity, and only for an active user.
    ///
    /// If the visitor was anonymous, or if the same user was logged in, the items of the session
    /// are kept. If another user was logged in, or if the password has changed since the last
    /// login, the items are removed. The session key is new in all cases; Django keeps the key if
    /// the same user logs in again.
    ///
    /// The items are removed by a flush, as in Django. The flush also removes the items and the
    /// expiry that this request set before the login, so set them after the login. In a format that
    /// stores owners, a direct call of [`Session::log_in`] would keep these items and this expiry.
    ///
    /// In a format that stores owners, the user's id becomes the owner of the session. If the store
    /// supports owners as well, you can then list and revoke the user's sessions.
    ///
    /// A CSRF secret in the session is replaced. A CSRF secret in a cookie is not: replace it
    /// yourself, see [`csrf`](crate::auth::csrf). Also write `last_login` to the user's row.
    ///
    /// # Errors
    /// Those of [`Session::log_in`].
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
    /// # let ada = User { id: 7, password: "pbkdf2_sha256$1000000$salt$hash".into() };
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// let auth = Auth::new("the site's SECRET_KEY");
    /// session.set("basket", ["a book"])?;
    /// auth.log_in(&session, &ada)?;
    ///
    /// assert_eq!(session.get::<String>("_auth_user_id")?.as_deref(), Some("7"));
    /// assert!(session.contains("basket"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn log_in(&self, session: &Session, user: &impl Account) -> Result<()> {
        let id = user.id().into_owned();
        let hash = self.session_auth_hash(user.password());
        if session.contains(USER_ID) {
            let is_same = read(session, USER_ID).is_some_and(|before| String::from(before) == id)
                && read(session, HASH).is_some_and(|before| equal(&before, &hash));
            if !is_same {
                session.flush()?;
            }
        }
        session.log_in(Owner::from(&*id))?;
        session.set(USER_ID, UserId::Text(id))?;
        session.set(BACKEND, self.backend().to_owned())?;
        session.set(HASH, hash)?;
        csrf::rotate_in_session(session)
    }

    /// Ends the session: deletes its items and its entry in the store, and removes the cookie.
    ///
    /// # Errors
    /// Those of [`Session::flush`].
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
    /// # let ada = User { id: 7, password: "pbkdf2_sha256$1000000$salt$hash".into() };
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// let auth = Auth::new("the site's SECRET_KEY");
    /// auth.log_in(&session, &ada)?;
    /// auth.log_out(&session)?;
    ///
    /// assert!(auth.claim(&session).is_none());
    /// assert!(session.is_empty());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn log_out(&self, session: &Session) -> Result<()> {
        session.flush()
    }

    /// Keeps this session logged in after its user has changed the password, and gives it a new
    /// key.
    ///
    /// `password_field` is the new password field of the user's row. All other sessions of the user
    /// end when they are next used, because they contain a hash of the old password field.
    ///
    /// # Errors
    /// Those of [`Session::cycle_key`].
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
    ///
    /// let new_field = "pbkdf2_sha256$1000000$new$hash";
    /// auth.password_changed(&session, new_field)?;
    /// assert_eq!(auth.verify_or_flush(&session, new_field)?, LoginStatus::Valid);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn password_changed(&self, session: &Session, password_field: &str) -> Result<()> {
        session.cycle_key()?;
        session.set(HASH, self.session_auth_hash(password_field))
    }
}
