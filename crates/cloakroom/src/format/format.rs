use std::borrow::Cow;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderValue;

use super::rules::FormatRules;
use crate::http::SetCookie;
use crate::model::{Error, Expiry, Meta, Result, SessionData, SessionKey, SessionTag, StoreKey};

/// How a key looks, what its lookup is, and how a state becomes bytes.
///
/// The provided methods are what Cloakroom's own format does.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a format of sessions")]
pub trait Format: Send + Sync + 'static {
    /// What the core does where formats differ in behaviour.
    fn rules(&self) -> FormatRules;

    /// A key that nobody can guess.
    ///
    /// # Errors
    /// [`Random`](crate::ErrorKind::Random) if the operating system gives no random numbers; never a weaker key.
    fn new_key(&self) -> Result<SessionKey>;

    /// The key that a cookie's value spells, if it has the form of one. What has not never reaches a store.
    fn parse_key(&self, text: &str) -> Option<SessionKey>;

    /// What the store is asked by.
    fn store_key(&self, key: &SessionKey) -> StoreKey;

    /// The bytes that the store keeps of what is saved at `now`.
    ///
    /// # Errors
    /// [`BadValue`](crate::ErrorKind::BadValue) if the contents have no form in this format.
    fn encode(&self, data: &SessionData, now: SystemTime) -> Result<Bytes>;

    /// The contents that [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if they cannot be read; [`FormatRules::corrupt`] says what follows. Any other
    /// kind reaches the handler, and the entry is not overwritten.
    fn decode(&self, bytes: &Bytes) -> Result<SessionData>;

    /// Fills in what a store does not know of an entry, because the data say it or the site's settings do. `meta` is
    /// what the store said.
    fn complete(&self, bytes: &Bytes, data: &SessionData, meta: &mut Meta) {
        let _ = (bytes, data, meta);
    }

    /// What `set_expiry` asked for, wherever in the contents the format keeps it.
    fn expiry(&self, data: &SessionData) -> Expiry {
        data.expiry
    }

    /// Writes what `set_expiry` asks for to where [`expiry`](Self::expiry) reads it.
    ///
    /// # Errors
    /// [`BadValue`](crate::ErrorKind::BadValue) if it has no form in this format.
    fn set_expiry(&self, data: &mut SessionData, expiry: Expiry) -> Result<()> {
        data.expiry = expiry;
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
    fn log_corrupt(&self, session: &SessionTag, error: &Error) {
        let error = format!("{error:#}");
        tracing::error!(%session, error, "a stored session cannot be read; it counts as none");
    }
}
