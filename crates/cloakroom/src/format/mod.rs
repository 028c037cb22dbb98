//! How a session looks outside of the program: the key in the cookie, the lookup in the store, the bytes of an entry.
//!
//! [`Own`] is Cloakroom's format and the default. Whatever is particular to another framework's sessions stands
//! behind [`Format`]; the core asks its [`Rules`] and never which format it is.

use std::borrow::Cow;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderValue;

use crate::cookie::SetCookie;
use crate::session::{Contents, Expiry};
use crate::store::Meta;
use crate::{Error, Key, Lookup, Result, Tag};

#[cfg(feature = "django")]
pub mod django;
mod own;
pub use own::Own;

/// How a key looks, what its lookup is, and how a state becomes bytes.
///
/// The provided methods are what Cloakroom's own format does.
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

    /// The bytes that the store keeps of what is saved at `now`.
    ///
    /// # Errors
    /// [`BadValue`](crate::ErrorKind::BadValue) if the contents have no form in this format.
    fn encode(&self, contents: &Contents, now: SystemTime) -> Result<Bytes>;

    /// The contents that [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if they cannot be read; [`Rules::corrupt`] says what follows. Any other
    /// kind reaches the handler, and the entry is not overwritten.
    fn decode(&self, data: &Bytes) -> Result<Contents>;

    /// Fills in what a store does not know of an entry, because the data say it or the site's settings do. `meta` is
    /// what the store said.
    fn complete(&self, data: &Bytes, contents: &Contents, meta: &mut Meta) {
        let _ = (data, contents, meta);
    }

    /// What `set_expiry` asked for, wherever in the contents the format keeps it.
    fn expiry(&self, contents: &Contents) -> Expiry {
        contents.expiry
    }

    /// Writes what `set_expiry` asks for to where [`expiry`](Self::expiry) reads it.
    ///
    /// # Errors
    /// [`BadValue`](crate::ErrorKind::BadValue) if it has no form in this format.
    fn set_expiry(&self, contents: &mut Contents, expiry: Expiry) -> Result<()> {
        contents.expiry = expiry;
        Ok(())
    }

    /// The text of a cookie's value, which may be quoted. What is no text is no key.
    fn unquote<'a>(&self, value: &'a [u8]) -> Option<Cow<'a, str>> {
        let quoted = value.strip_prefix(b"\"");
        let unquoted = quoted.and_then(|value| value.strip_suffix(b"\""));
        let text = std::str::from_utf8(unquoted.unwrap_or(value)).ok()?;
        Some(text.into())
    }

    /// How the cookie is spelled.
    fn spell(&self, cookie: &SetCookie<'_>) -> HeaderValue {
        cookie.spell()
    }

    /// Says in the log that an entry could not be read.
    fn log_corrupt(&self, session: &Tag, error: &Error) {
        let error = format!("{error:#}");
        tracing::error!(%session, error, "a stored session cannot be read; it counts as none");
    }
}

/// What the core does where formats differ in behaviour. The default is Cloakroom's own.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// What an entry that cannot be read means.
    pub corrupt: OnCorrupt,
    /// What happens to a cookie that names no live session.
    pub unknown_key: OnUnknownKey,
    /// What happens to an entry that was looked up and has expired.
    pub expired: OnExpired,
    /// Which of several cookies of the same name counts.
    pub duplicates: OnDuplicates,
    /// How a session's tag is made.
    pub tags: Tags,
    /// Which of a session's own facts are kept beside its contents.
    pub facts: Facts,
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
    /// It is removed. So is one that cannot be a key at all, even if nobody looked at the session.
    RemoveCookie,
}

/// What happens to an entry that was looked up and has expired.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnExpired {
    /// It waits for the sweep.
    #[default]
    LeaveEntry,
    /// It is deleted.
    DeleteEntry,
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

/// Which of a session's own facts are kept beside its contents.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Facts {
    /// All of them: when it began and was touched, when it ends, whose it is, what the site calls it.
    #[default]
    All,
    /// When it ends. It has no owner and no label: a login gives it a new key, and that is all. There is no absolute
    /// lifetime.
    Expiry,
    /// None that can be read back: when it ends is known only to the backend, which drops it then.
    Nothing,
}

impl Facts {
    /// Whether there is a place for an owner, a label and the session's beginning.
    pub(crate) fn are_all(self) -> bool {
        self == Self::All
    }
}
