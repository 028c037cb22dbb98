use std::borrow::Cow;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderValue;

use super::rules::FormatRules;
use crate::http::SetCookie;
use crate::model::{
    Error, ErrorKind, Expiry, Meta, Result, SessionData, SessionKey, SessionTag, StoreKey,
    Tombstone,
};

/// The representation of a session outside the program: its key, its store key and its bytes.
///
/// [`DefaultFormat`](super::DefaultFormat) is the default. Implement this trait to share sessions
/// with another framework. The provided methods do what the default format does, except that they
/// keep no tombstones.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a format of sessions")]
pub trait Format: Send + Sync + 'static {
    /// Returns the rules that the core follows where the behaviour of formats differs. The core is
    /// the part of Cloakroom that calls formats and stores.
    fn rules(&self) -> FormatRules;

    /// Creates a random session key that cannot be guessed.
    ///
    /// # Errors
    /// [`Random`](crate::ErrorKind::Random) if the operating system provides no random numbers. A
    /// format must not create a weaker key instead.
    fn new_key(&self) -> Result<SessionKey>;

    /// Parses the value of a cookie. Returns `None` if the value cannot be a key of this format.
    ///
    /// A value that is not a key never reaches a store.
    fn parse_key(&self, text: &str) -> Option<SessionKey>;

    /// Returns the key under which the store keeps the session.
    ///
    /// `namespace` is the [namespace](crate::Cookie::namespace) of the cookie that contains `key`,
    /// by default the name of the cookie. A format may ignore the namespace, but then it must do so
    /// for every key. With such a format, a key opens the same session whatever the name of the
    /// cookie is.
    fn store_key(&self, namespace: &str, key: &SessionKey) -> StoreKey;

    /// Encodes the data of a session that is saved at `now`.
    ///
    /// # Errors
    /// [`BadValue`](crate::ErrorKind::BadValue) if the format cannot represent the data.
    fn encode(&self, data: &SessionData, now: SystemTime) -> Result<Bytes>;

    /// Decodes bytes that [`encode`](Self::encode) or another program wrote.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if the bytes cannot be read. [`FormatRules::corrupt`]
    /// decides what the core does then. For every other kind of error, the core returns the error
    /// to the handler and does not overwrite the stored bytes.
    fn decode(&self, bytes: &Bytes) -> Result<SessionData>;

    /// Encodes the tombstone that stays at the old key when a session moves to a new key. Returns
    /// `None` if the format keeps no tombstones. In that case, a request with the old key finds
    /// nothing.
    ///
    /// The provided method returns `None`.
    ///
    /// # Errors
    /// [`BadValue`](crate::ErrorKind::BadValue) if the format cannot represent the tombstone.
    fn encode_tombstone(&self, tombstone: &Tombstone) -> Result<Option<Bytes>> {
        let _ = tombstone;
        Ok(None)
    }

    /// Decodes bytes that [`encode_tombstone`](Self::encode_tombstone) wrote.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if the bytes cannot be read. Then the core treats the
    /// request as if the store had found nothing. The provided method always returns this error.
    fn decode_tombstone(&self, bytes: &Bytes) -> Result<Tombstone> {
        let _ = bytes;
        Err(Error::new(
            ErrorKind::Corrupt,
            "reading a tombstone: this format keeps none",
        ))
    }

    /// Fills in the fields of `meta` that the store does not keep.
    ///
    /// `meta` describes a loaded session: its owner, its label, and the times at which it began,
    /// was last touched and expires. When this method is called, `meta` contains what the store
    /// returned. A format implements this method if it can derive the missing fields from the
    /// session's data or from the site's settings. The provided method changes nothing.
    fn complete(&self, bytes: &Bytes, data: &SessionData, meta: &mut Meta) {
        let _ = (bytes, data, meta);
    }

    /// Returns the expiry that [`set_expiry`](Self::set_expiry) wrote to the data.
    fn expiry(&self, data: &SessionData) -> Expiry {
        data.expiry
    }

    /// Writes the requested expiry to the place in the data where the format keeps it.
    ///
    /// # Errors
    /// [`BadValue`](crate::ErrorKind::BadValue) if the format cannot represent the expiry.
    fn set_expiry(&self, data: &mut SessionData, expiry: Expiry) -> Result<()> {
        data.expiry = expiry;
        Ok(())
    }

    /// Returns the text of a raw cookie value, without the double quotes that may surround it.
    /// Returns `None` if the value is not valid text.
    fn unquote<'a>(&self, value: &'a [u8]) -> Option<Cow<'a, str>> {
        let quoted = value.strip_prefix(b"\"");
        let unquoted = quoted.and_then(|value| value.strip_suffix(b"\""));
        let text = std::str::from_utf8(unquoted.unwrap_or(value)).ok()?;
        Some(text.into())
    }

    /// Writes the value of a `Set-Cookie` header.
    ///
    /// The provided method follows RFC 6265bis.
    fn spell(&self, cookie: &SetCookie<'_>) -> HeaderValue {
        cookie.spell()
    }

    /// Logs that a stored session cannot be read.
    fn log_corrupt(&self, session: &SessionTag, error: &Error) {
        let error = format!("{error:#}");
        tracing::error!(%session, error, "ignoring a stored session that cannot be read");
    }
}
