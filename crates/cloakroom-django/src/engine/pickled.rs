use std::borrow::Cow;
use std::time::SystemTime;

use bytes::Bytes;
use cloakroom::format::{Facts, Format, OnDuplicates, OnUnknownKey, Rules, Tags};
use cloakroom::session::Contents;
use cloakroom::{Error, Expiry, Key, Lookup, Result, SetCookie, Tag};
use http::HeaderValue;

use super::cookie;
use super::signed::{expiry, log_corrupt, set_expiry};
use crate::wire::{key, pickle};

/// The dictionary as Python's pickle has it: what the engine cache keeps, and the front of cached_db.
///
/// What is no pickle is no session. A pickle that holds what cannot be taken apart safely is an error, and stays as it is.
#[derive(Clone, Copy)]
pub(super) struct Pickled {
    /// See [`Settings::removal_as_set`](super::Settings::removal_as_set).
    pub(super) removal_as_set: bool,
}

impl Format for Pickled {
    fn rules(&self) -> Rules {
        Rules {
            unknown_key: OnUnknownKey::RemoveCookie,
            duplicates: OnDuplicates::Last,
            tags: Tags::Hash,
            facts: Facts::Nothing,
            ..Rules::default()
        }
    }

    fn new_key(&self) -> Result<Key> {
        key::new_key()
    }

    fn parse_key(&self, text: &str) -> Option<Key> {
        cookie::parse_key(text)
    }

    fn lookup(&self, key: &Key) -> Lookup {
        cookie::lookup(key)
    }

    fn encode(&self, contents: &Contents, _now: SystemTime) -> Result<Bytes> {
        pickle::write(&contents.state)
    }

    fn decode(&self, data: &Bytes) -> Result<Contents> {
        Ok(Contents {
            state: pickle::read(data)?,
            ..Contents::default()
        })
    }

    fn expiry(&self, contents: &Contents) -> Expiry {
        expiry(contents)
    }

    fn set_expiry(&self, contents: &mut Contents, expiry: Expiry) -> Result<()> {
        set_expiry(contents, expiry)
    }

    fn unquote<'a>(&self, value: &'a [u8]) -> Option<Cow<'a, str>> {
        cookie::unquoted(value)
    }

    fn spell(&self, cookie: &SetCookie<'_>) -> HeaderValue {
        cookie::spell(cookie, self.removal_as_set)
    }

    fn log_corrupt(&self, session: &Tag, error: &Error) {
        log_corrupt(session, error);
    }
}
