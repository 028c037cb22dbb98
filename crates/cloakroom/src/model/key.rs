use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;

use super::error::{Error, ErrorKind, Result};

/// What the cookie carries: the one secret that opens a session.
///
/// It has no `Display`, and its `Debug` is redacted. Whoever must see it says so with [`reveal`](Self::reveal).
///
/// # Examples
/// ```
/// use cloakroom::SessionKey;
///
/// let key = SessionKey::new("a-secret-of-one-visitor");
/// assert_eq!(format!("{key:?}"), "SessionKey(..)");
/// assert_eq!(key.reveal(), "a-secret-of-one-visitor");
/// ```
#[derive(Clone)]
pub struct SessionKey(Text);

impl SessionKey {
    /// The key with this text, which a [`Format`](crate::format::Format) has checked.
    pub fn new(text: &str) -> Self {
        let mut bytes = [0; INLINE_LEN];
        match bytes.get_mut(..text.len()) {
            Some(start) => {
                start.copy_from_slice(text.as_bytes());
                Self(Text::Inline(text.len(), bytes))
            }
            None => Self(Text::Heap(text.into())),
        }
    }

    /// The secret itself. Never log it, and never put it in a URL or a page.
    pub fn reveal(&self) -> &str {
        match &self.0 {
            Text::Inline(len, bytes) => {
                std::str::from_utf8(&bytes[..*len]).expect("copied from a `str`")
            }
            Text::Heap(text) => text,
        }
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

/// A request that never opens its session must not pay for an allocation, so usual keys live in the handle.
#[derive(Clone)]
enum Text {
    Inline(usize, [u8; INLINE_LEN]),
    Heap(Box<str>),
}

/// Room for Cloakroom's keys (43 characters) and Django's (32).
const INLINE_LEN: usize = 47;

/// What a store is asked by: in Cloakroom's own format the SHA-256 of the key, so a stolen store opens no session.
///
/// In Django's formats it is the key itself, so treat it like one: `Debug` is redacted, and logs carry the [`SessionTag`].
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StoreKey(LookupBytes);

impl StoreKey {
    /// The lookup with these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        match bytes.try_into() {
            Ok(hash) => Self(LookupBytes::Hash(hash)),
            Err(_) => Self(LookupBytes::Other(bytes.into())),
        }
    }

    /// The bytes that a store keeps the entry under.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            LookupBytes::Hash(bytes) => bytes,
            LookupBytes::Other(bytes) => bytes,
        }
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

// `StoreKey::new` is the only maker, so equal bytes are always the same variant and the derived order is total. The
// order of two lookups of different lengths means nothing; stores compare bytes.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum LookupBytes {
    Hash([u8; 32]),
    Other(Box<[u8]>),
}

/// A session's short public name for lists and logs. It opens nothing.
///
/// It is made from the session's lookup, so it changes when the key does.
///
/// # Examples
/// ```
/// use cloakroom::SessionTag;
///
/// let tag: SessionTag = "q83vEjRWeJCrze8S".parse()?;
/// assert_eq!(tag.to_string(), "q83vEjRWeJCrze8S");
/// assert!("not a tag".parse::<SessionTag>().is_err());
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionTag([u8; TAG_LEN]);

impl SessionTag {
    /// The tag made of the first bytes of a hash.
    ///
    /// # Panics
    /// If there are fewer than 12 of them.
    pub fn of_hash(hash: &[u8]) -> Self {
        Self(*hash.first_chunk().expect("a hash is longer than a tag"))
    }

    /// The bytes that the text spells.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionTag({self})")
    }
}

impl FromStr for SessionTag {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        match bytes.and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => Ok(Self(bytes)),
            None => Err(Error::new(
                ErrorKind::BadValue,
                "reading a tag: it is not 16 characters of `A-Z a-z 0-9 - _`",
            )),
        }
    }
}

/// 96 bits: short enough for a list, and no two of a million million sessions share one by chance.
const TAG_LEN: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_key_nor_store_key() {
        for secret in ["s3cret", &"s3cret".repeat(20)] {
            assert!(!format!("{:?}", SessionKey::new(secret)).contains("s3cret"));
            assert!(!format!("{:?}", StoreKey::new(secret.as_bytes())).contains("s3cret"));
        }
    }

    #[test]
    fn a_key_of_any_length_comes_back_whole() {
        for len in [0, 1, 43, INLINE_LEN, INLINE_LEN + 1, 4_000] {
            let text = "é".repeat(len / 2) + &"x".repeat(len % 2);
            assert_eq!(SessionKey::new(&text).reveal(), text);
        }
    }
}
