use std::time::SystemTime;

use super::data::Contents;
use super::entry::Meta;
use super::key::{Key, Lookup};
use super::owner::Owner;
use super::version::Version;

/// Where the store has a session's entry.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// `None` if the session was opened by its tag, which does not tell.
    pub(crate) key: Option<Key>,
    pub(crate) lookup: Lookup,
    pub(crate) version: Version,
    pub(crate) meta: Meta,
    /// Whether the cookie is to go when the browser closes.
    pub(crate) browser_close: bool,
}

/// A session's contents and facts, as a request works on them.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) contents: Contents,
    pub(crate) meta: Meta,
}

impl Held {
    /// A session that begins at `now`.
    pub(crate) fn blank(now: SystemTime) -> Self {
        Self {
            contents: Contents::default(),
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
        !self.contents.state.is_empty() || self.meta.owner.is_some()
    }
}
