use std::borrow::Cow;
use std::time::SystemTime;

use bytes::Bytes;
use cloakroom::format::{Facts, Format, FormatRules, OnDuplicates, OnUnknownKey, Tags};
use cloakroom::session::SessionData;
use cloakroom::{Error, Expiry, Result, SessionKey, SessionTag, SetCookie, StoreKey};
use http::HeaderValue;

use super::cookie;
use super::signed::{expiry, log_corrupt, set_expiry};
use crate::wire::{key, pickle};

/// The format of the engine `cache`, and of the cache in the engine `cached_db`: a pickled
/// dictionary.
///
/// Reading returns an error if the entry has a value that could not be written back without a
/// loss. So such an entry is never overwritten.
#[derive(Clone, Copy)]
pub(super) struct PickledFormat {
    /// See [`Settings::removal_as_set`](super::Settings::removal_as_set).
    pub(super) removal_as_set: bool,
}

impl Format for PickledFormat {
    fn rules(&self) -> FormatRules {
        let mut rules = FormatRules::default();
        rules.unknown_key = OnUnknownKey::RemoveCookie;
        rules.duplicates = OnDuplicates::Last;
        rules.tags = Tags::Hash;
        rules.facts = Facts::Nothing;
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

    fn encode(&self, data: &SessionData, _now: SystemTime) -> Result<Bytes> {
        pickle::write(&data.items)
    }

    fn decode(&self, bytes: &Bytes) -> Result<SessionData> {
        Ok(SessionData {
            items: pickle::read(bytes)?,
            ..SessionData::default()
        })
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
