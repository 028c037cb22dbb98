use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use super::key::StoreKey;
use super::owner::Owner;
use super::version::{SaveId, Version};

/// What a store is to write.
#[derive(Clone)]
pub struct Draft {
    /// The session's data in the bytes of the format.
    pub data: Bytes,
    /// The session's facts.
    pub meta: Meta,
    /// Drawn for each draft. A store that issues no versions itself keeps it with the entry: if an answer gets lost, the
    /// core can then tell a save that happened from one that did not. With versions that the store makes it cannot, and
    /// the visitor is asked to try again.
    pub save_id: SaveId,
}

impl Draft {
    /// Returns the version of the entry once this draft is written, for a store that keeps [`save_id`](Self::save_id).
    pub fn version(&self) -> Version {
        self.save_id.into()
    }
}

/// What a store holds.
#[derive(Clone)]
pub struct Entry {
    /// The state in the bytes of the format.
    pub data: Bytes,
    /// The session's own facts.
    pub meta: Meta,
    /// What a later [`save`](crate::store::Store::save) compares.
    pub version: Version,
    // Boxed, since hardly any entry has one.
    moved_to: Option<Box<StoreKey>>,
}

impl Entry {
    /// Creates the entry of a session.
    pub fn new(data: Bytes, meta: Meta, version: Version) -> Self {
        Self {
            data,
            meta,
            version,
            moved_to: None,
        }
    }

    /// Creates the mark that a store leaves where an entry was before it moved to `to`. Its data are empty; `meta` has
    /// the owner, and says until when the mark is kept. It is no session.
    pub fn moved(to: StoreKey, meta: Meta, version: Version) -> Self {
        Self {
            data: Bytes::new(),
            meta,
            version,
            moved_to: Some(Box::new(to)),
        }
    }

    /// Returns the key under which the session is now, if this is the mark of one that moved.
    pub fn moved_to(&self) -> Option<&StoreKey> {
        self.moved_to.as_deref()
    }
}

impl From<Draft> for Entry {
    /// The entry once the draft is written, in a store that keeps [`save_id`](Draft::save_id).
    fn from(draft: Draft) -> Self {
        let version = draft.version();
        Self::new(draft.data, draft.meta, version)
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_without_values(f, "Draft", &self.data, &self.meta)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_without_values(f, "Entry", &self.data, &self.meta)
    }
}

fn debug_without_values(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    data: &Bytes,
    meta: &Meta,
) -> fmt::Result {
    f.debug_struct(name)
        .field("data", &format_args!("{} bytes", data.len()))
        .field("meta", meta)
        .finish_non_exhaustive()
}

/// A session's own facts, beside its items. The times are whole milliseconds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Meta {
    /// When the session began; a login begins it anew. Its absolute lifetime counts from here.
    pub created: SystemTime,
    /// When it was last saved or touched.
    pub touched: SystemTime,
    /// When it ends: the one truth about expiry.
    pub expires: SystemTime,
    /// The user it belongs to.
    pub owner: Option<Owner>,
    /// What the site calls it in lists, the device for instance.
    pub label: Option<Box<str>>,
}

/// What became of a write.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum Outcome {
    /// Done; the entry has this version now.
    Written(Version),
    /// Not done, and nothing changed: the entry was there already, is gone, or has another version.
    Stale,
}

impl Outcome {
    /// Returns the version of the entry if it was written.
    pub fn written(self) -> Option<Version> {
        match self {
            Self::Written(version) => Some(version),
            Self::Stale => None,
        }
    }
}

/// One entry in a list of a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OwnedEntry {
    /// The key under which it is.
    pub key: StoreKey,
    /// Its facts.
    pub meta: Meta,
}

impl OwnedEntry {
    /// Creates an entry of a list.
    pub fn new(key: StoreKey, meta: Meta) -> Self {
        Self { key, meta }
    }
}
