//! Shared helpers of the tests.

use std::borrow::Cow;

use cloakroom::store::MemoryStore;
use cloakroom::{Session, SessionKey, Sessions};
use cloakroom_django::auth::Account;

/// A row of `auth_user`.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) password: &'static str,
    pub(crate) is_active: bool,
}

impl User {
    pub(crate) const ADA: Self = Self {
        id: 7,
        password: "pbkdf2_sha256$1000000$saltsaltsaltsaltsaltsa$aGFzaA==",
        is_active: true,
    };
}

impl Account for User {
    fn id(&self) -> Cow<'_, str> {
        self.id.to_string().into()
    }

    fn password(&self) -> &str {
        self.password
    }

    fn is_active(&self) -> bool {
        self.is_active
    }
}

/// Returns a `Sessions` that stores its entries in memory.
pub(crate) fn sessions() -> Sessions {
    Sessions::new(MemoryStore::new())
}

/// Saves the session and opens it again with its current key, as the browser's next request does.
pub(crate) async fn next_request(sessions: &Sessions, session: &Session) -> Session {
    session.save().await.unwrap();
    open(sessions, &session.key().unwrap()).await.unwrap()
}

pub(crate) async fn open(sessions: &Sessions, key: &SessionKey) -> Option<Session> {
    sessions.open(key).await.unwrap()
}
