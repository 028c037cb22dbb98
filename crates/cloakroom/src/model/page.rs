use std::fmt;

use bytes::Bytes;

use super::entry::OwnedEntry;
use super::key::StoreKey;

/// One page of a store's list of entries.
///
/// A list that is read page by page is no snapshot: an entry that stays for the whole time is listed at least once. A
/// page may be shorter than asked for, and even empty, before the end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page {
    /// The entries.
    pub entries: Vec<OwnedEntry>,
    /// Where the next page begins, or `None` if this is the last one.
    pub next: Option<Cursor>,
}

impl Page {
    /// Creates a page; `next` is `None` if it is the last one.
    pub fn new(entries: Vec<OwnedEntry>, next: Option<Cursor>) -> Self {
        Self { entries, next }
    }

    /// Makes a page of up to `limit` entries out of one more than that, for a store that lists entries in the order of
    /// their keys.
    pub fn up_to(limit: usize, mut entries: Vec<OwnedEntry>) -> Self {
        let last = limit.checked_sub(1).and_then(|last| entries.get(last));
        let next = last.filter(|_| entries.len() > limit);
        let next = next.map(|last| Cursor::at(&last.key));
        entries.truncate(limit);
        Self::new(entries, next)
    }

    /// Cuts the page behind `after` out of a whole list, for a store that has to read it whole.
    pub fn of(mut all: Vec<OwnedEntry>, after: Option<&Cursor>, limit: usize) -> Self {
        if let Some(after) = after {
            all.retain(|entry| entry.key.as_bytes() > after.as_bytes());
        }
        all.sort_by(|one, other| one.key.as_bytes().cmp(other.key.as_bytes()));
        all.truncate(limit.saturating_add(1));
        Self::up_to(limit, all)
    }
}

/// Where a page ended, in a form that only the store that issued it can read.
#[derive(Clone, Eq, PartialEq)]
pub struct Cursor(Bytes);

impl Cursor {
    /// The cursor with these bytes.
    pub fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The cursor behind this entry, for a store that lists entries in the order of their keys.
    pub fn at(key: &StoreKey) -> Self {
        Self(Bytes::copy_from_slice(key.as_bytes()))
    }

    /// The bytes, for the store that issued it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

// In formats whose store key opens the session, a cursor may hold one.
impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::model::Meta;

    #[test]
    fn pages_of_a_whole_list_hold_each_entry_once() {
        let all: Vec<_> = [3, 1, 2, 5, 4].map(entry).into();
        for limit in 1..7 {
            let (mut seen, mut after) = (Vec::new(), None);
            for _ in 0..=all.len() {
                let page = Page::of(all.clone(), after.as_ref(), limit);
                assert!(page.entries.len() <= limit);
                seen.extend(page.entries.iter().map(|entry| entry.key.as_bytes()[0]));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, [1, 2, 3, 4, 5], "in pages of {limit}");
        }
    }

    fn entry(n: u8) -> OwnedEntry {
        let meta = Meta {
            created: UNIX_EPOCH,
            touched: UNIX_EPOCH,
            expires: UNIX_EPOCH,
            owner: None,
            label: None,
        };
        OwnedEntry::new(StoreKey::new(&[n]), meta)
    }
}
