use std::time::SystemTime;

use super::core::Core;
use super::edits::Edits;
use crate::http::Completion;
use crate::model::{
    Draft, EntryRef, Error, ErrorKind, Meta, Record, Result, SavedEntry, Tombstone,
};

/// The point in a request at which a commit happens. The point decides what the commit includes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CommitPoint {
    /// The handler called `save`.
    Save,
    /// The response is ready.
    Finish,
    /// The request failed. The commit carries out a logout, and no other change.
    Failed,
}

impl CommitPoint {
    /// Returns the commit point of a request that ended with `completion`.
    pub(crate) fn after(completion: Completion) -> Self {
        match completion.is_failure() {
            true => Self::Failed,
            false => Self::Finish,
        }
    }
}

/// The pending changes of a session, captured for one commit while the session is locked.
pub(crate) struct Commit {
    /// The entries that a `flush` discarded or that a new session replaces. They are deleted first.
    pub(crate) ended: Vec<SavedEntry>,
    /// How many times the session had been flushed when the changes were captured.
    pub(crate) flushes: u32,
    pub(crate) edits: Edits,
    /// What to do after the `ended` entries are deleted, or the error that prevents it.
    pub(crate) plan: Result<Plan>,
}

/// What a commit does to the store.
pub(crate) enum Plan {
    Nothing,
    /// Write new times.
    Touch(SavedEntry, Meta),
    /// Write the full expiry to an entry whose cookie has come back for the first time. The cookie
    /// already has this expiry.
    Confirm(SavedEntry, Meta),
    /// Write the first entry.
    Create(Write),
    /// Replace the entry.
    Save(SavedEntry, Write),
    /// Replace the entry and give it a new key.
    Rename(SavedEntry, Write),
    /// Write a new entry for a login whose request has the old key of a session that has moved.
    LogIn(Tombstone),
    /// Delete the entry, because the edits set an expiry that has passed.
    End(SavedEntry),
}

/// The draft to write, and when its cookie ends: `None` if it ends when the browser closes.
pub(crate) struct Write {
    pub(crate) draft: Draft,
    cookie_expires: Option<SystemTime>,
}

impl Write {
    /// Returns what a save of `record` at `now` writes, or `None` if the record has expired.
    pub(crate) fn of(record: &Record, core: &Core, now: SystemTime) -> Result<Option<Self>> {
        let expires = core.expires(record, now);
        Self::until(expires, expires, record, core, now)
    }

    /// Does what [`of`](Self::of) does, for a session whose cookie has not come back yet.
    pub(crate) fn unconfirmed(
        record: &Record,
        core: &Core,
        now: SystemTime,
    ) -> Result<Option<Self>> {
        let full = core.expires(record, now);
        let expires = match record.meta.owner {
            Some(_) => full,
            None => core
                .policy
                .unconfirmed_until(now)
                .map_or(full, |end| end.min(full)),
        };
        Self::until(expires, full, record, core, now)
    }

    fn until(
        expires: SystemTime,
        cookie_expires: SystemTime,
        record: &Record,
        core: &Core,
        now: SystemTime,
    ) -> Result<Option<Self>> {
        if expires <= now {
            return Ok(None);
        }
        Ok(Some(Self {
            draft: core.backend.draft(record, expires, now)?,
            cookie_expires: (!core.at_browser_close(record)).then_some(cookie_expires),
        }))
    }

    /// Returns the [`SavedEntry`] of this draft, which the store has written as `entry`.
    pub(crate) fn saved(&self, entry: EntryRef) -> SavedEntry {
        SavedEntry {
            entry,
            meta: self.draft.meta.clone(),
            cookie_expires: self.cookie_expires,
        }
    }
}

/// The result of a commit that the store has acknowledged.
pub(crate) struct Committed {
    pub(crate) base: Option<SavedEntry>,
    /// The record that was saved, if another request saved first and the edits were replayed.
    pub(crate) replayed: Option<Box<Record>>,
    pub(crate) cookie: CookieUpdate,
}

impl Committed {
    pub(crate) fn saved(base: SavedEntry) -> Self {
        Self {
            base: Some(base),
            replayed: None,
            cookie: CookieUpdate::Set,
        }
    }

    pub(crate) fn ended() -> Self {
        Self {
            base: None,
            replayed: None,
            cookie: CookieUpdate::Remove,
        }
    }
}

/// What the response does with the cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CookieUpdate {
    /// Leaves it alone.
    None,
    /// Sets it to the key of the entry, with the expiry of the entry.
    Set,
    /// Removes it.
    Remove,
}

/// The error of a commit whose session is gone.
pub(crate) fn interrupted() -> Error {
    Error::new(
        ErrorKind::Interrupted,
        "saving a session: it was logged out, moved or expired while this request was working; \
         nothing was saved",
    )
}
