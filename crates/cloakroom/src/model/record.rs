use std::time::SystemTime;

use super::data::SessionData;
use super::entry::Meta;
use super::key::{SessionKey, StoreKey};
use super::owner::Owner;
use super::version::Version;

/// The location of an entry, and the version that was seen there.
#[derive(Clone, Debug)]
pub(crate) struct EntryRef {
    /// `None` if the session was opened by its tag, from which the key cannot be derived.
    pub(crate) key: Option<SessionKey>,
    pub(crate) store_key: StoreKey,
    pub(crate) version: Version,
    /// Whether the entry is in the namespace of a [former cookie](crate::Cookie::formerly). The
    /// next save moves it to the current namespace.
    pub(crate) is_former: bool,
}

impl EntryRef {
    pub(crate) fn new(key: SessionKey, store_key: StoreKey, version: Version) -> Self {
        Self {
            key: Some(key),
            store_key,
            version,
            is_former: false,
        }
    }

    /// Returns the same location with the version of a later write.
    pub(crate) fn at_version(&self, version: Version) -> Self {
        Self {
            version,
            ..self.clone()
        }
    }
}

/// A stored entry as a request last saw it: its location, and the facts on which the cookie
/// depends.
#[derive(Clone, Debug)]
pub(crate) struct SavedEntry {
    pub(crate) entry: EntryRef,
    pub(crate) meta: Meta,
    /// When the cookie ends, or `None` if it ends when the browser closes.
    pub(crate) cookie_expires: Option<SystemTime>,
}

/// The data and facts of a session, as a request edits them.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) data: SessionData,
    pub(crate) meta: Meta,
}

impl Record {
    /// Creates an empty session that begins at `now`.
    pub(crate) fn blank(now: SystemTime) -> Self {
        Self {
            data: SessionData::default(),
            meta: Meta::new(now, now, now),
        }
    }

    /// Makes `owner` the owner of the session. Clears the session first if it belonged to another
    /// user, since its data is not for `owner` to see.
    pub(crate) fn log_in(&mut self, owner: Option<&Owner>, at: SystemTime) {
        if self.is_of_another(owner) {
            *self = Self::blank(at);
        }
        self.meta.owner = owner.cloned();
        self.meta.created = at;
    }

    /// Returns whether the session belongs to a user other than `owner`.
    pub(crate) fn is_of_another(&self, owner: Option<&Owner>) -> bool {
        let before = self.meta.owner.as_ref();
        before.is_some() && before != owner
    }

    /// Returns whether this record is worth a new entry. A record that has neither items nor an
    /// owner is not stored.
    pub(crate) fn is_worth_keeping(&self) -> bool {
        !self.data.items.is_empty() || self.meta.owner.is_some()
    }
}
