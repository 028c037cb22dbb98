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

/// Django's signed text: what the engines db, cached_db, file and signed_cookies keep.
#[derive(Clone)]
pub struct SignedFormat {
    pub(super) signer: Signer,
    pub(super) medium: Medium,
    /// `SESSION_COOKIE_AGE`.
    pub(super) cookie_age: Duration,
    /// See [`Settings::removal_as_set`](super::Settings::removal_as_set).
    pub(super) removal_as_set: bool,
}

/// Where the text is, and so what tells when its session ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Medium {
    /// Beside a date of expiry.
    Row,
    /// With the time of its last change and nothing else.
    File,
    /// With nothing but the time at which it was signed.
    Cookie,
}

impl SignedFormat {
    /// When a session ends that is kept in a file. A number of seconds is not counted from anything: it says that the
    /// session has ended if it is negative, and that it never ends if it is not.
    fn file_expires(&self, bytes: &Bytes, items: &Items, changed: SystemTime) -> SystemTime {
        if bytes.is_empty() {
            // Another process is about to write it.
            return never();
        }
        let ends = match ExpiryItem::of(items) {
            Ok(ExpiryItem::Secs(secs)) if secs < 0.0 => return UNIX_EPOCH,
            Ok(ExpiryItem::Secs(secs)) if secs > 0.0 => return never(),
            Ok(ExpiryItem::At(at)) => at,
            Ok(_) | Err(_) => after(changed, self.cookie_age),
        };
        // What is left is counted in whole seconds, and with none left it is over.
        let ends = millis(ends).saturating_sub(LAST_SECOND_MILLIS);
        from_millis(ends)
    }

    /// When the session in a cookie was signed, and from when on it is not believed any more: that it may be just as old
    /// as it may become still counts.
    fn cookie_times(&self, bytes: &Bytes) -> (SystemTime, SystemTime) {
        let timestamp = bytes.rsplit(|&byte| byte == b':').nth(1);
        let secs = timestamp.and_then(parse_base62);
        let signed = secs.map_or(0, |secs| secs.saturating_mul(1_000));
        let lasts = self.cookie_age.saturating_add(A_MILLI);
        (from_millis(signed), after(from_millis(signed), lasts))
    }
}

impl Format for SignedFormat {
    fn rules(&self) -> FormatRules {
        let mut rules = FormatRules::default();
        // A cookie that no secret signed has no session.
        rules.corrupt = match self.medium {
            Medium::Row | Medium::File => OnCorrupt::KeepKey,
            Medium::Cookie => OnCorrupt::StartAfresh,
        };
        rules.unknown_key = OnUnknownKey::RemoveCookie;
        // Rows wait for a sweep. Django deletes a file when it meets it.
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

    fn store_key(&self, key: &SessionKey) -> StoreKey {
        cookie::store_key(key)
    }

    fn encode(&self, data: &SessionData, now: SystemTime) -> Result<Bytes> {
        let json = json::write(&data.items)?;
        let text = self.signer.dumps(json.as_bytes(), millis(now) / 1_000);
        Ok(text.into())
    }

    /// What is signed and cannot be read is empty, and nobody is told: so Django has it.
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
                let lasts = match self.expiry(data) {
                    Expiry::Idle(age) => age,
                    _ => self.cookie_age,
                };
                let touched = meta.expires.checked_sub(lasts);
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

/// What the item `_session_expiry` says. Django fails on one that it cannot read; here the site's policy holds then.
pub(super) fn expiry(data: &SessionData) -> Expiry {
    ExpiryItem::of(&data.items).map_or(Expiry::Policy, ExpiryItem::expiry)
}

pub(super) fn set_expiry(data: &mut SessionData, expiry: Expiry) -> Result<()> {
    if ExpiryItem::of(&data.items).is_err() {
        data.items.remove(expiry::NAME);
    }
    expiry::put(&mut data.items, expiry)
}

/// The words and the logger are Django's, so that who watches for them sees both programs.
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

/// With less than a whole second left, a session is over.
const LAST_SECOND_MILLIS: i64 = 999;

const A_MILLI: Duration = Duration::from_millis(1);
