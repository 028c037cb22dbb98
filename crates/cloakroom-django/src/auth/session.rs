//! The items of a logged-in session, under their names in Django.

use cloakroom::{Item, Session};
use serde::{Deserialize, Serialize};

/// The user's primary key.
pub(crate) const USER_ID: Item<UserId> = Item::new("_auth_user_id");

/// The dotted name of the authentication backend: the Django class that logged the user in.
pub(crate) const BACKEND: Item<String> = Item::new("_auth_user_backend");

/// The hash that ties the session to the password field of its user.
pub(crate) const HASH: Item<String> = Item::new("_auth_user_hash");

/// Returns the value of `item`, or `None` if it is not set or has another type.
///
/// Another service that shares the store may write any value under this name, so a wrong type must
/// not cause an error page.
pub(crate) fn read<T: serde::de::DeserializeOwned>(session: &Session, item: Item<T>) -> Option<T> {
    session.get(item).ok().flatten()
}

/// A user's primary key. Django writes it as text, and also reads the integers that old versions of
/// Django wrote.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum UserId {
    Text(String),
    Integer(i64),
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        match id {
            UserId::Text(text) => text,
            UserId::Integer(number) => number.to_string(),
        }
    }
}

/// The user that a session names.
///
/// Do not trust the claim until you have compared the session with the row of the user, as
/// [`Auth::user`](crate::auth::Auth::user) does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    id: String,
    backend: String,
}

impl Claim {
    /// Returns the user that the session names, or `None` if the id or the backend is missing or
    /// unreadable.
    pub(crate) fn of(session: &Session) -> Option<Self> {
        Some(Self {
            id: read(session, USER_ID)?.into(),
            backend: read(session, BACKEND)?,
        })
    }

    /// Returns the user's primary key.
    ///
    /// The text may be forged. Parse it, and if that fails, treat the visitor as anonymous.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::Auth;
    /// # use cloakroom::Sessions;
    /// # use cloakroom::store::MemoryStore;
    ///
    /// # let auth = Auth::new("the site's SECRET_KEY");
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// # session.set("_auth_user_id", "7")?;
    /// # session.set("_auth_user_backend", "django.contrib.auth.backends.ModelBackend")?;
    /// let claim = auth.claim(&session).expect("a user is logged in");
    /// assert_eq!(claim.id().parse(), Ok(7));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the dotted name of the authentication backend, the Django class that logged the user
    /// in.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::Auth;
    /// # use cloakroom::Sessions;
    /// # use cloakroom::store::MemoryStore;
    ///
    /// # let auth = Auth::new("the site's SECRET_KEY");
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// # session.set("_auth_user_id", "7")?;
    /// # session.set("_auth_user_backend", "django.contrib.auth.backends.ModelBackend")?;
    /// let claim = auth.claim(&session).expect("a user is logged in");
    /// assert_eq!(claim.backend(), "django.contrib.auth.backends.ModelBackend");
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn backend(&self) -> &str {
        &self.backend
    }
}
