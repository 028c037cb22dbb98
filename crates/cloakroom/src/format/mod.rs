//! How a session looks outside of the program: the key in the cookie, the lookup in the store, the bytes of an entry.
//!
//! [`Own`] is Cloakroom's format and the default. Whatever is particular to another framework's sessions stands
//! behind [`Format`]; the core asks its [`Rules`] and never which format it is.

use bytes::Bytes;
use http::HeaderValue;

use crate::cookie::SetCookie;
use crate::session::Contents;
use crate::{Key, Lookup, Result};

#[cfg(feature = "django")]
pub mod django;
mod own;
pub use own::Own;

/// How a key looks, what its lookup is, and how a state becomes bytes.
pub trait Format: Send + Sync + 'static {
    /// What the core does where formats differ in behaviour.
    fn rules(&self) -> Rules;

    /// A key that nobody can guess.
    ///
    /// # Errors
    /// [`Random`](crate::ErrorKind::Random) if the operating system gives no random numbers; never a weaker key.
    fn new_key(&self) -> Result<Key>;

    /// The key that a cookie's value spells, if it has the form of one. What has not never reaches a store.
    fn parse_key(&self, text: &str) -> Option<Key>;

    /// What the store is asked by.
    fn lookup(&self, key: &Key) -> Lookup;

    /// The bytes that the store keeps.
    ///
    /// # Errors
    /// [`BadValue`](crate::ErrorKind::BadValue) if the contents have no form in this format.
    fn encode(&self, contents: &Contents) -> Result<Bytes>;

    /// The contents that [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if they cannot be read; [`Rules::corrupt`] says what follows. Any other
    /// kind reaches the handler, and the entry is not overwritten.
    fn decode(&self, data: &Bytes) -> Result<Contents>;

    /// How the cookie is spelled.
    fn spell(&self, cookie: &SetCookie<'_>) -> HeaderValue {
        cookie.spell()
    }
}

/// What the core does where formats differ in behaviour. The default is Cloakroom's own.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// What an entry that cannot be read means.
    pub corrupt: OnCorrupt,
    /// What happens to a cookie that names no live session.
    pub unknown_key: OnUnknownKey,
    /// Which of several cookies of the same name counts.
    pub duplicates: OnDuplicates,
    /// How a session's tag is made.
    pub tags: Tags,
}

/// What an entry that cannot be read means.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnCorrupt {
    /// No session; the next write gets a new key, and the entry stays until it is swept.
    #[default]
    StartAfresh,
    /// An empty session under the same key; the next write replaces the entry.
    KeepKey,
}

/// What happens to a cookie that was looked up and names no live session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnUnknownKey {
    /// It is left alone: a late answer must not remove the cookie of a login that came in between.
    #[default]
    LeaveCookie,
    /// It is removed.
    RemoveCookie,
}

/// Which of several cookies of the same name counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnDuplicates {
    /// None, unless they all say the same: one of them was put there by somebody else, and nobody can say which.
    #[default]
    Refuse,
    /// The last.
    Last,
}

/// How a session's tag is made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Tags {
    /// It is the beginning of the lookup, so a store can find the session by it.
    #[default]
    Prefix,
    /// It is the beginning of the lookup's SHA-256, where the lookup itself opens the session.
    Hash,
}
