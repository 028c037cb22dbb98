//! What a login, a logout and a change of the password do to a session.

use cloakroom::{Owner, Result, Session};

use crate::auth::account::Account;
use crate::auth::csrf;
use crate::auth::current_user::Auth;
use crate::auth::session::{BACKEND, HASH, USER_ID, UserId, read};
use crate::auth::signing::equal;

impl Auth {
    /// Gives the session to `user`, who has proved who they are and is active.
    ///
    /// The session gets a new key, also if it was the same user's before; Django keeps the key then. What an anonymous
    /// visitor or the same user had in it stays. What another user had in it is dropped, and so is what the same user
    /// had before a change of the password. A CSRF secret in the session is replaced; one in a cookie the caller
    /// replaces, see [`csrf`](crate::auth::csrf). The time of the login, `last_login`, is the caller's to write.
    ///
    /// The user's id becomes the session's owner, so that stores which know owners can list and end the user's
    /// sessions.
    ///
    /// # Errors
    /// As [`Session::log_in`].
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

    /// Ends the session: all that it held is gone, the key opens nothing, and the cookie is removed.
    ///
    /// # Errors
    /// As [`Session::flush`].
    pub fn log_out(&self, session: &Session) -> Result<()> {
        session.flush()
    }

    /// Keeps the user of this session logged in who has just changed the password to what `password_field` holds now.
    /// The session gets a new key; all other sessions of the user end when they are next used, since their hash is of
    /// the old password.
    ///
    /// # Errors
    /// As [`Session::cycle_key`].
    pub fn password_changed(&self, session: &Session, password_field: &str) -> Result<()> {
        session.cycle_key()?;
        session.set(HASH, self.session_auth_hash(password_field))
    }
}
