use std::time::SystemTime;

use super::core::Core;
use super::edits::Edits;
use crate::backend::Written;
use crate::model::{Draft, EntryRef, Meta, Record, Result};

/// One commit: what is to be done to the store, taken from a session in one go.
pub(crate) struct Commit {
    /// Where the entry is that a `flush` ended.
    pub(crate) ended: Option<EntryRef>,
    /// How many times the session had been flushed when this was taken from it.
    pub(crate) flushes: u32,
    pub(crate) edits: Edits,
    /// What to do once that which was ended is gone, or why that cannot be done.
    pub(crate) work: Result<Work>,
}

/// What to do to the store, and to which entry.
pub(crate) enum Work {
    Nothing,
    /// Only the times change.
    Touch(EntryRef, Meta),
    /// No entry yet: write one.
    Create(Save),
    /// Replace the entry.
    Save(EntryRef, Save),
    /// Replace the entry and give it a new key.
    Move(EntryRef, Save),
    /// The edits let the session expire.
    End(EntryRef),
}

/// What is to be written, and what follows from it for the cookie.
pub(crate) struct Save {
    pub(super) draft: Draft,
    browser_close: bool,
}

impl Save {
    /// What `record` becomes when it is saved at `now`; `None` if it expires with that.
    pub(crate) fn of(record: &Record, core: &Core, now: SystemTime) -> Result<Option<Self>> {
        let expires = core.expires(record, now);
        if expires <= now {
            return Ok(None);
        }
        Ok(Some(Self {
            draft: core.backend.draft(record, expires, now)?,
            browser_close: core.at_browser_close(record),
        }))
    }

    pub(super) fn at(&self, written: Written) -> EntryRef {
        let Written {
            key,
            store_key,
            version,
        } = written;
        EntryRef {
            key,
            store_key,
            version,
            meta: self.draft.meta.clone(),
            browser_close: self.browser_close,
        }
    }
}

/// What the store has acknowledged.
pub(crate) struct Committed {
    pub(crate) base: Option<EntryRef>,
    /// The contents that were saved, if others had saved in between and the edits were replayed.
    pub(crate) replayed: Option<Record>,
    pub(crate) change: Change,
}

/// What became of the session, as far as the browser must know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// There is an entry, with a key and an expiry to tell.
    Saved,
    /// There is none any more.
    Ended,
}
