//! The items of a session that has a user, by their names in Django.

use cloakroom::{Item, Session};
use serde::{Deserialize, Serialize};

/// The user's primary key.
pub(crate) const USER_ID: Item<UserId> = Item::new("_auth_user_id");

/// The dotted name of the class that logged the user in.
pub(crate) const BACKEND: Item<String> = Item::new("_auth_user_backend");

/// What ties the session to the user's password field.
pub(crate) const HASH: Item<String> = Item::new("_auth_user_hash");

/// The value of `item`, or `None` if there is none or it is something else. Whoever holds the secret of a shared store
/// may write anything there, and nothing senseless must become an error page.
pub(crate) fn read<T: serde::de::DeserializeOwned>(session: &Session, item: Item<T>) -> Option<T> {
    session.get(item).ok().flatten()
}

/// Django writes text, but has read integers ever since it wrote them.
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

/// Who a session says its user is. Whether that still holds only the user's row can tell: see
/// [`Auth::verify_or_flush`](crate::auth::Auth::verify_or_flush).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    id: String,
    backend: String,
}

impl Claim {
    /// What the session says, if it says both who and by what.
    pub(crate) fn of(session: &Session) -> Option<Self> {
        Some(Self {
            id: read(session, USER_ID)?.into(),
            backend: read(session, BACKEND)?,
        })
    }

    /// The user's primary key, as text that anybody may have made up: parse it, and if that fails, there is no user.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The dotted name of the class that logged the user in.
    pub fn backend(&self) -> &str {
        &self.backend
    }
}
