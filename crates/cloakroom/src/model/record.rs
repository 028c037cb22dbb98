use std::time::SystemTime;

use super::data::SessionData;
use super::entry::Meta;
use super::key::{SessionKey, StoreKey};
use super::owner::Owner;
use super::version::Version;

/// Where the store has a session's entry.
#[derive(Clone, Debug)]
pub(crate) struct EntryRef {
    /// `None` if the session was opened by its tag, which does not tell.
    pub(crate) key: Option<SessionKey>,
    pub(crate) store_key: StoreKey,
    pub(crate) version: Version,
    pub(crate) meta: Meta,
    /// Whether the cookie is to go when the browser closes.
    pub(crate) browser_close: bool,
}

/// A session's contents and facts, as a request works on them.
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
