use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use super::key::StoreKey;
use super::owner::Owner;
use super::version::Version;

/// What a store is to write: the data, the session's own facts, and a random version that names this one save.
#[derive(Clone)]
pub struct Draft {
    /// The state in the bytes of the format.
    pub data: Bytes,
    /// The session's own facts.
    pub meta: Meta,
    /// Drawn anew for each draft. A store that has no versions of its own keeps this one: if an answer gets lost, the
    /// core can then tell a save that happened from one that did not. With versions of the store's own making it
    /// cannot, and the visitor is asked to try again.
    pub version: Version,
}

/// What a store holds.
#[derive(Clone)]
pub struct Entry {
    /// The state in the bytes of the format.
    pub data: Bytes,
    /// The session's own facts.
    pub meta: Meta,
    /// What a later [`save`](Store::save) compares.
    pub version: Version,
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

/// One of an owner's entries, as [`owned_by`](Store::owned_by) lists it.
#[derive(Clone, Debug)]
pub struct OwnedEntry {
    /// Where it is.
    pub store_key: StoreKey,
    /// Its facts.
    pub meta: Meta,
}
