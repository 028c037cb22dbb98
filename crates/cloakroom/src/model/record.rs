use std::time::SystemTime;

use super::data::SessionData;
use super::entry::Meta;
use super::key::{SessionKey, StoreKey};
use super::owner::Owner;
use super::version::Version;

/// Where an entry is, and in which state it was seen there.
#[derive(Clone, Debug)]
pub(crate) struct EntryRef {
    /// `None` if the session was opened by its tag, which does not lead to the key.
    pub(crate) key: Option<SessionKey>,
    pub(crate) store_key: StoreKey,
    pub(crate) version: Version,
}

impl EntryRef {
    pub(crate) fn new(key: SessionKey, store_key: StoreKey, version: Version) -> Self {
        Self {
            key: Some(key),
            store_key,
            version,
        }
    }

    /// The same place after a write.
    pub(crate) fn at_version(&self, version: Version) -> Self {
        Self {
            version,
            ..self.clone()
        }
    }
}

/// An entry as a request knows it: where it is, and what decides about its cookie.
#[derive(Clone, Debug)]
pub(crate) struct SavedEntry {
    pub(crate) entry: EntryRef,
    pub(crate) meta: Meta,
    /// Whether the cookie goes when the browser closes.
    pub(crate) browser_close: bool,
}

/// A session's data and facts, as a request works on them.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) data: SessionData,
    pub(crate) meta: Meta,
}

impl Record {
    /// A session that begins at `now`.
    pub(crate) fn blank(now: SystemTime) -> Self {
        Self {
            data: SessionData::default(),
            meta: Meta {
                created: now,
                touched: now,
                expires: now,
                owner: None,
                label: None,
            },
        }
    }

    /// Gives the session to `owner`. What another user left in it is not theirs to see.
    pub(crate) fn log_in(&mut self, owner: Option<&Owner>, at: SystemTime) {
        let before = self.meta.owner.as_ref();
        if before.is_some() && before != owner {
            *self = Self::blank(at);
        }
        self.meta.owner = owner.cloned();
        self.meta.created = at;
    }

    /// Whether a visitor without a session gets one for this.
    pub(crate) fn is_worth_keeping(&self) -> bool {
        !self.data.items.is_empty() || self.meta.owner.is_some()
    }
}
