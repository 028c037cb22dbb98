use std::fmt;

use bytes::Bytes;

use super::entry::OwnedEntry;
use super::key::StoreKey;

/// One page of a list of entries.
///
/// The pages of a list are not a snapshot. An entry that exists from the first call to the last is
/// listed at least once, and may be listed more than once. The list ends with the page whose
/// [`next`](Self::next) is `None`. A page before the last one can have fewer entries than the
/// limit, or be empty.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page {
    /// The entries of this page.
    pub entries: Vec<OwnedEntry>,
    /// The cursor to pass for the next page, or `None` if this is the last page.
    pub next: Option<Cursor>,
}

impl Page {
    /// Creates a page. `next` is `None` for the last page.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Page;
    ///
    /// let last = Page::new(Vec::new(), None);
    /// assert!(last.entries.is_empty() && last.next.is_none());
    /// ```
    pub fn new(entries: Vec<OwnedEntry>, next: Option<Cursor>) -> Self {
        Self { entries, next }
    }

    /// Creates a page of the first `limit` entries in `entries`.
    ///
    /// This is for a store that lists entries in the order of their keys. Such a store passes up to
    /// `limit + 1` entries: the additional entry shows that another page follows.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::StoreKey;
    /// use cloakroom::store::{Cursor, OwnedEntry, Page};
    ///
    /// # let meta = cloakroom_testkit::conformance::draft(7).meta;
    /// let entry = |n| OwnedEntry::new(StoreKey::new(&[n; 32]), meta.clone());
    ///
    /// let page = Page::up_to(2, vec![entry(1), entry(2), entry(3)]);
    /// assert_eq!(page.entries.len(), 2);
    /// assert!(page.next == Some(Cursor::at(&StoreKey::new(&[2; 32]))));
    ///
    /// assert!(Page::up_to(2, vec![entry(3)]).next.is_none());
    /// ```
    pub fn up_to(limit: usize, mut entries: Vec<OwnedEntry>) -> Self {
        let last = limit.checked_sub(1).and_then(|last| entries.get(last));
        let next = last.filter(|_| entries.len() > limit);
        let next = next.map(|last| Cursor::at(&last.key));
        entries.truncate(limit);
        Self::new(entries, next)
    }

    /// Creates a page from the whole list: up to `limit` entries after the cursor `after`.
    ///
    /// This is for a store that can only read the whole list. The entries may come in any order;
    /// the page lists them in the order of their keys' bytes.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::StoreKey;
    /// use cloakroom::store::{OwnedEntry, Page};
    ///
    /// # let meta = cloakroom_testkit::conformance::draft(7).meta;
    /// let all: Vec<_> = [3, 1, 2]
    ///     .map(|n| OwnedEntry::new(StoreKey::new(&[n; 32]), meta.clone()))
    ///     .into();
    ///
    /// let first = Page::of(all.clone(), None, 2);
    /// let second = Page::of(all, first.next.as_ref(), 2);
    /// assert_eq!(second.entries[0].key, StoreKey::new(&[3; 32]));
    /// assert!(second.next.is_none());
    /// ```
    pub fn of(mut all: Vec<OwnedEntry>, after: Option<&Cursor>, limit: usize) -> Self {
        if let Some(after) = after {
            all.retain(|entry| entry.key.as_bytes() > after.as_bytes());
        }
        all.sort_by(|one, other| one.key.as_bytes().cmp(other.key.as_bytes()));
        all.truncate(limit.saturating_add(1));
        Self::up_to(limit, all)
    }
}

/// The end of a page, from which the next page continues. Only the store that issued a cursor can
/// read it.
#[derive(Clone, Eq, PartialEq)]
pub struct Cursor(Bytes);

impl Cursor {
    /// Creates a cursor from bytes that the store chooses.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Cursor;
    ///
    /// let cursor = Cursor::new("row 17".into());
    /// assert_eq!(cursor.as_bytes(), b"row 17");
    /// ```
    pub fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Creates the cursor of a page whose last entry has this key. For a store that lists entries
    /// in the order of their keys.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::StoreKey;
    /// use cloakroom::store::Cursor;
    ///
    /// let last = StoreKey::new(&[7; 32]);
    /// assert_eq!(Cursor::at(&last).as_bytes(), last.as_bytes());
    /// ```
    pub fn at(key: &StoreKey) -> Self {
        Self(Bytes::copy_from_slice(key.as_bytes()))
    }

    /// Returns the bytes of the cursor, for the store that issued it.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Cursor;
    ///
    /// assert_eq!(Cursor::new("row 17".into()).as_bytes(), b"row 17");
    /// ```
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

// Redacted: a cursor may contain a store key, and in Django's formats that key opens the session.
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
    fn pages_of_a_whole_list_contain_each_entry_once() {
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
        let meta = Meta::new(UNIX_EPOCH, UNIX_EPOCH, UNIX_EPOCH);
        OwnedEntry::new(StoreKey::new(&[n]), meta)
    }
}
