use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cloakroom::format::{
    Facts, Format, FormatRules, OnCorrupt, OnDuplicates, OnExpired, OnUnknownKey, Tags,
};
use cloakroom::session::{Items, SessionData};
use cloakroom::store::{Meta, after, from_millis, millis};
use cloakroom::{Error, ErrorKind, Expiry, Result, SessionKey, SessionTag, SetCookie, StoreKey};
use http::HeaderValue;

use super::cookie;
use crate::wire::expiry::{self, ExpiryItem};
use crate::wire::signing::{Signer, UnsignError, parse_base62};
use crate::wire::{json, key};

/// The format of Django's signed text, which the engines `db`, `cached_db`, `file` and
/// `signed_cookies` store.
///
/// [`Settings::file_format`](super::Settings::file_format) returns this format for a store that
/// keeps sessions in Django's files.
#[derive(Clone)]
pub struct SignedFormat {
    pub(super) signer: Signer,
    pub(super) medium: Medium,
    /// `SESSION_COOKIE_AGE`.
    pub(super) cookie_age: Duration,
    /// See [`Settings::removal_as_set`](super::Settings::removal_as_set).
    pub(super) removal_as_set: bool,
}

/// The place where the signed text is stored. It determines how the end of a session is computed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Medium {
    /// In a row, which also contains the date of expiry.
    Row,
    /// In a file, which has only the time of its last change.
    File,
    /// In the cookie, which has only the time at which it was signed.
    Cookie,
}

impl SignedFormat {
    /// Returns when a session stored in a file ends.
    ///
    /// If `_session_expiry` is a number of seconds, Django ignores the time of the file: with a
    /// negative number the session has ended, and with a positive number the session never ends.
    fn file_expires(&self, bytes: &Bytes, items: &Items, changed: SystemTime) -> SystemTime {
        if bytes.is_empty() {
            // Another process has just created the file and is about to write it.
            return never();
        }
        let ends = match ExpiryItem::of(items) {
            Ok(ExpiryItem::Secs(secs)) if secs < 0.0 => return UNIX_EPOCH,
            Ok(ExpiryItem::Secs(secs)) if secs > 0.0 => return never(),
            Ok(ExpiryItem::At(at)) => at,
            Ok(_) | Err(_) => after(changed, self.cookie_age),
        };
        // Django rounds the remaining time down to whole seconds. At zero, the session has ended.
        let ends = millis(ends).saturating_sub(LAST_SECOND_MILLIS);
        from_millis(ends)
    }

    /// Returns when the session in a cookie was signed and when it ends. Django still accepts a
    /// cookie whose age is exactly `SESSION_COOKIE_AGE`.
    fn cookie_times(&self, bytes: &Bytes) -> (SystemTime, SystemTime) {
        let timestamp = bytes.rsplit(|&byte| byte == b':').nth(1);
        let secs = timestamp.and_then(parse_base62);
        let signed = secs.map_or(0, |secs| secs.saturating_mul(1_000));
        let lifetime = self.cookie_age.saturating_add(ONE_MILLI);
        (from_millis(signed), after(from_millis(signed), lifetime))
    }
}

impl Format for SignedFormat {
    fn rules(&self) -> FormatRules {
        let mut rules = FormatRules::default();
        // The cookie contains the whole session, so a forged cookie has no key to keep.
        rules.corrupt = match self.medium {
            Medium::Row | Medium::File => OnCorrupt::KeepKey,
            Medium::Cookie => OnCorrupt::StartAfresh,
        };
        rules.unknown_key = OnUnknownKey::RemoveCookie;
        // Django deletes an expired file when it reads the file. Expired rows wait for
        // `clearsessions`.
        rules.expired = match self.medium {
            Medium::Row | Medium::Cookie => OnExpired::LeaveEntry,
            Medium::File => OnExpired::DeleteEntry,
        };
        rules.duplicates = OnDuplicates::Last;
        rules.tags = Tags::Hash;
        rules.facts = Facts::Expiry;
        rules
    }

    fn new_key(&self) -> Result<SessionKey> {
        key::new_key()
    }

    fn parse_key(&self, text: &str) -> Option<SessionKey> {
        cookie::parse_key(text)
    }

    fn store_key(&self, _namespace: &str, key: &SessionKey) -> StoreKey {
        cookie::store_key(key)
    }

    fn encode(&self, data: &SessionData, now: SystemTime) -> Result<Bytes> {
        let json = json::write(&data.items)?;
        let text = self.signer.dumps(json.as_bytes(), millis(now) / 1_000);
        Ok(text.into())
    }

    /// Returns empty data for text that is signed but unreadable. As in Django, such text is not
    /// logged.
    fn decode(&self, bytes: &Bytes) -> Result<SessionData> {
        if bytes.is_empty() && self.medium == Medium::File {
            return Ok(SessionData::default());
        }
        let items = match self.signer.loads(bytes) {
            Ok(signed) => json::read(&signed.json).unwrap_or_default(),
            Err(UnsignError::Undecodable) => Items::new(),
            Err(UnsignError::BadSignature) => {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    "reading a stored session: none of the secrets signed it",
                ));
            }
        };
        Ok(SessionData {
            items,
            ..SessionData::default()
        })
    }

    fn complete(&self, bytes: &Bytes, data: &SessionData, meta: &mut Meta) {
        match self.medium {
            Medium::Row => {
                // A row contains no time of its last change. Compute this time from the date of
                // expiry.
                let lifetime = match self.expiry(data) {
                    Expiry::Idle(age) => age,
                    _ => self.cookie_age,
                };
                let touched = meta.expires.checked_sub(lifetime);
                meta.touched = from_millis(millis(touched.unwrap_or(UNIX_EPOCH)));
            }
            Medium::File => {
                meta.expires = self.file_expires(bytes, &data.items, meta.touched);
            }
            Medium::Cookie => (meta.touched, meta.expires) = self.cookie_times(bytes),
        }
    }

    fn expiry(&self, data: &SessionData) -> Expiry {
        expiry(data)
    }

    fn set_expiry(&self, data: &mut SessionData, expiry: Expiry) -> Result<()> {
        set_expiry(data, expiry)
    }

    fn unquote<'a>(&self, value: &'a [u8]) -> Option<Cow<'a, str>> {
        cookie::unquoted(value)
    }

    fn spell(&self, cookie: &SetCookie<'_>) -> HeaderValue {
        cookie::spell(cookie, self.removal_as_set)
    }

    fn log_corrupt(&self, session: &SessionTag, error: &Error) {
        log_corrupt(session, error);
    }
}

/// Returns the expiry in the item `_session_expiry`. An item that Django cannot read counts as
/// [`Expiry::Policy`]; Django itself responds with a 500.
pub(super) fn expiry(data: &SessionData) -> Expiry {
    ExpiryItem::of(&data.items).map_or(Expiry::Policy, ExpiryItem::expiry)
}

/// Writes the expiry to the item `_session_expiry`. Replaces an item that Django cannot read.
pub(super) fn set_expiry(data: &mut SessionData, expiry: Expiry) -> Result<()> {
    if ExpiryItem::of(&data.items).is_err() {
        data.items.remove(expiry::NAME);
    }
    expiry::put(&mut data.items, expiry)
}

/// Logs Django's message under the name of Django's logger, so that one alert covers both Django
/// and this service.
pub(super) fn log_corrupt(session: &SessionTag, error: &Error) {
    let error = format!("{error:#}");
    tracing::warn!(
        target: "django.security.SuspiciousSession",
        %session,
        error,
        "Session data corrupted"
    );
}

fn never() -> SystemTime {
    from_millis(i64::MAX)
}

/// In a file, a session with less than a whole second left has ended.
const LAST_SECOND_MILLIS: i64 = 999;

const ONE_MILLI: Duration = Duration::from_millis(1);
