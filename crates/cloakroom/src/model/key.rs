use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;

use super::error::{Error, ErrorKind, Result};

/// The secret that opens a session: the value of the session cookie.
///
/// A `SessionKey` does not implement `Display`, and its `Debug` does not show the text. Only
/// [`reveal`](Self::reveal) returns the text.
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
    /// Creates a key from its text.
    ///
    /// This function does not validate the text. For the value of a cookie,
    /// [`Format::parse_key`](crate::format::Format::parse_key) validates the text and then calls
    /// this function.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::SessionKey;
    ///
    /// let key = SessionKey::new("a-secret-of-one-visitor");
    /// assert_eq!(key.reveal(), "a-secret-of-one-visitor");
    /// ```
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

    /// Returns the secret text.
    ///
    /// Never log it, and never put it in a URL or a page: anyone who reads it can use the session.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::SessionKey;
    ///
    /// let key = SessionKey::new("s3cret");
    /// assert_eq!(format!("session={}", key.reveal()), "session=s3cret");
    /// ```
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

/// The text of a key.
///
/// The key in the cookie is read for every request, even if the request never opens its session.
/// Keys of the usual length are stored inline, so that reading them does not allocate.
#[derive(Clone)]
enum Text {
    Inline(usize, [u8; INLINE_LEN]),
    Heap(Box<str>),
}

/// Long enough for the keys of the default format (43 characters) and Django's (32).
const INLINE_LEN: usize = 47;

/// The key under which a store keeps an entry, which is one stored session.
///
/// In the default format, a store key is a SHA-256 hash of the [`SessionKey`]. A session key cannot
/// be computed from its hash, so an attacker who reads the store cannot open the sessions in it. In
/// Django's formats, a store key is the session key itself. Treat every store key as a secret: its
/// `Debug` does not show the bytes, and logs use the [`SessionTag`] instead.
///
/// A store key is any sequence of bytes. Stores compare store keys byte by byte.
///
/// # Examples
/// ```
/// use cloakroom::StoreKey;
///
/// let key = StoreKey::new(&[7; 32]);
/// assert_eq!(key.as_bytes(), [7; 32]);
/// assert_eq!(format!("{key:?}"), "StoreKey(..)");
/// ```
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StoreKey(KeyBytes);

impl StoreKey {
    /// Creates a store key from its bytes. A store key can have any length.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::StoreKey;
    ///
    /// assert_ne!(StoreKey::new(b"k"), StoreKey::new(b"k\0"));
    /// ```
    pub fn new(bytes: &[u8]) -> Self {
        match bytes.try_into() {
            Ok(hash) => Self(KeyBytes::Hash(hash)),
            Err(_) => Self(KeyBytes::Other(bytes.into())),
        }
    }

    /// Creates the store key `NAMESPACE=VALUE`.
    pub(crate) fn pair(namespace: &str, value: &str) -> Self {
        let bytes = [namespace, "=", value].concat().into_bytes();
        match bytes[..].try_into() {
            Ok(hash) => Self(KeyBytes::Hash(hash)),
            Err(_) => Self(KeyBytes::Other(bytes.into())),
        }
    }

    /// Returns the bytes under which a store keeps the entry.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::StoreKey;
    ///
    /// assert_eq!(StoreKey::new(b"a key of any length").as_bytes(), b"a key of any length");
    /// ```
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            KeyBytes::Hash(bytes) => bytes,
            KeyBytes::Other(bytes) => bytes,
        }
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

// A key of 32 bytes is always a `Hash`. So equal keys have the same variant, and the derived
// comparisons find them equal. The derived order differs from the order of the bytes: every key of
// 32 bytes sorts before all keys of other lengths.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum KeyBytes {
    Hash([u8; 32]),
    Other(Box<[u8]>),
}

/// A short public id of a session, for lists and logs. It does not open the session.
///
/// The tag is derived from the [`StoreKey`], so it changes when the session gets a new key. As
/// text, the tag is 16 characters of base64url (RFC 4648 §5).
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
    /// Creates a tag from the first 12 bytes of a hash.
    ///
    /// # Panics
    /// If `hash` is shorter than 12 bytes.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::SessionTag;
    ///
    /// let tag = SessionTag::of_hash(&[0xff; 32]);
    /// assert_eq!(tag.to_string(), "________________");
    /// ```
    pub fn of_hash(hash: &[u8]) -> Self {
        Self(*hash.first_chunk().expect("a hash is longer than a tag"))
    }

    /// Returns the 12 bytes of the tag.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::SessionTag;
    ///
    /// let tag: SessionTag = "AAAAAAAAAAAAAAAB".parse()?;
    /// assert_eq!(tag.as_bytes(), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
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

    /// Parses the text form of a tag, as [`Display`](fmt::Display) writes it.
    ///
    /// # Errors
    /// [`BadValue`](ErrorKind::BadValue) if `text` is not 16 characters of base64url.
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

/// 96 bits: short enough for a list, and long enough that two of 10^12 sessions are unlikely to
/// share a tag.
const TAG_LEN: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_neither_key_nor_store_key() {
        for secret in ["s3cret", &"s3cret".repeat(20)] {
            assert!(!format!("{:?}", SessionKey::new(secret)).contains("s3cret"));
            assert!(!format!("{:?}", StoreKey::new(secret.as_bytes())).contains("s3cret"));
        }
    }

    #[test]
    fn a_key_of_any_length_is_revealed_whole() {
        for len in [0, 1, 43, INLINE_LEN, INLINE_LEN + 1, 4_000] {
            let text = "é".repeat(len / 2) + &"x".repeat(len % 2);
            assert_eq!(SessionKey::new(&text).reveal(), text);
        }
    }
}
