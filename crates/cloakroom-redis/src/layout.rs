//! How an entry becomes one value:
//!
//! | bytes | |
//! |---|---|
//! | 0–1 | the mark: `0xc7`, which no text begins with before a `0x01`, and the version of this layout, `1` |
//! | 2–9 | the version of the entry |
//! | 10–17 | touched |
//! | 18–25 | expires |
//! | 26–33 | until when the index of its owner keeps it; 0 without an owner |
//! | 34–41 | created |
//! | 42– | the owner: its length in four bytes, then its text; the length `0xffffffff` is nobody |
//! | | the label, likewise |
//! | | the data: the rest |
//!
//! Numbers have their high byte first, and times are milliseconds since 1970. What a script compares or changes stands
//! before what has no fixed length, so no script reads or moves the data.

use bytes::{BufMut, Bytes};
use cloakroom::store::{Draft, Entry, Meta, SaveId, Version, from_millis, millis};
use cloakroom::{Error, ErrorKind, Owner, Result};

/// What the value of an entry begins with, so that no script changes anything else: the mark and the version.
pub(crate) type Head = [u8; 10];

/// The head of the entry that has this version. This store issues no version but the id of a save.
pub(crate) fn head(version: &Version) -> Option<Head> {
    version.save_id().map(head_of)
}

fn head_of(save_id: SaveId) -> Head {
    let mut head = [0; 10];
    head[..2].copy_from_slice(&MARK);
    head[2..].copy_from_slice(&save_id.get().to_be_bytes());
    head
}

/// The value of a draft that the index of its owner keeps until `indexed_until`.
pub(crate) fn encode(new: &Draft, indexed_until: i64) -> Result<Vec<u8>> {
    let Draft {
        data,
        meta,
        save_id,
    } = new;
    let owner = owner_block(meta.owner.as_ref())?;
    let label = block(meta.label.as_deref())?;

    let mut value = Vec::with_capacity(OWNER_AT + owner.len() + label.len() + data.len());
    value.put_slice(&head_of(*save_id));
    value.put_slice(&times(meta));
    value.put_i64(indexed_until);
    value.put_i64(millis(meta.created));
    value.put_slice(&owner);
    value.put_slice(&label);
    value.put_slice(data);
    Ok(value)
}

/// What a touch writes: touched and expires, as they stand in the value.
pub(crate) fn times(meta: &Meta) -> [u8; 16] {
    let mut times = [0; 16];
    times[..8].copy_from_slice(&millis(meta.touched).to_be_bytes());
    times[8..].copy_from_slice(&millis(meta.expires).to_be_bytes());
    times
}

/// The owner as it stands in the value.
pub(crate) fn owner_block(owner: Option<&Owner>) -> Result<Vec<u8>> {
    block(owner.map(Owner::as_str))
}

/// The entry in a value, or `None` if this store has not written it.
pub(crate) fn decode(value: Bytes) -> Option<Entry> {
    let mut reader = Reader(value);
    if reader.take(MARK.len())? != MARK[..] {
        return None;
    }
    let version = Version::from(SaveId::new(reader.number()?));
    let touched = reader.time()?;
    let expires = reader.time()?;
    let _indexed_until = reader.number()?;
    let created = reader.time()?;
    let owner = reader.text()?.map(Owner::from);
    let label = reader.text()?.map(String::into_boxed_str);
    Some(Entry::new(
        reader.0,
        Meta {
            created: from_millis(created),
            touched: from_millis(touched),
            expires: from_millis(expires),
            owner,
            label,
        },
        version,
    ))
}

fn block(text: Option<&str>) -> Result<Vec<u8>> {
    let Some(text) = text else {
        return Ok(NOBODY.to_be_bytes().to_vec());
    };
    match u32::try_from(text.len()) {
        Ok(len) if len != NOBODY => Ok([&len.to_be_bytes(), text.as_bytes()].concat()),
        _ => Err(Error::new(
            ErrorKind::TooLarge,
            "writing a session to Redis: its owner or its label is longer than 4 GB",
        )),
    }
}

struct Reader(Bytes);

impl Reader {
    fn take(&mut self, len: usize) -> Option<Bytes> {
        (len <= self.0.len()).then(|| self.0.split_to(len))
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(*self.take(8)?.first_chunk()?))
    }

    fn time(&mut self) -> Option<i64> {
        self.number().map(u64::cast_signed)
    }

    /// Outside: is this an entry at all? Inside: has it such a text?
    fn text(&mut self) -> Option<Option<String>> {
        match u32::from_be_bytes(*self.take(4)?.first_chunk()?) {
            NOBODY => Some(None),
            len => {
                let text = self.take(usize::try_from(len).ok()?)?;
                Some(Some(String::from_utf8(text.into()).ok()?))
            }
        }
    }
}

pub(crate) const MARK: [u8; 2] = [0xc7, 1];

/// Where the owner stands. The scripts say it, too.
const OWNER_AT: usize = 42;

const NOBODY: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_whole() {
        for (owner, label) in [
            (None, None),
            (Some("ada"), Some("")),
            (Some(""), Some("tél")),
        ] {
            let draft = draft(owner, label);

            let entry = decode(encode(&draft, 7).unwrap().into()).unwrap();

            assert_eq!(
                (entry.data, entry.meta, entry.version),
                (draft.data.clone(), draft.meta.clone(), draft.version())
            );
        }
    }

    #[test]
    fn the_scripts_find_what_they_compare_and_change() {
        let draft = draft(Some("ada"), Some("label"));

        let value = encode(&draft, 7).unwrap();

        assert_eq!(value[..10], head(&draft.version()).unwrap());
        assert_eq!(value[10..26], times(&draft.meta));
        assert_eq!(value[26..34], 7_i64.to_be_bytes());
        assert_eq!(value[42..49], *b"\0\0\0\x03ada");
    }

    #[test]
    fn what_is_cut_or_foreign_is_no_entry() {
        let whole = encode(&draft(Some("ada"), None), 7).unwrap();
        let data_at = whole.len() - b"data".len();
        for len in 0..data_at {
            assert!(decode(Bytes::copy_from_slice(&whole[..len])).is_none());
        }
        let mut newer = whole.clone();
        newer[1] = 2;
        let mut endless = whole;
        endless[42..46].copy_from_slice(&u32::MAX.wrapping_sub(1).to_be_bytes());
        for foreign in [newer, endless, b"{\"num_visits\":3}".to_vec()] {
            assert!(decode(foreign.into()).is_none());
        }
    }

    fn draft(owner: Option<&str>, label: Option<&str>) -> Draft {
        Draft {
            data: Bytes::from_static(b"data"),
            meta: Meta {
                created: from_millis(1),
                touched: from_millis(2),
                expires: from_millis(i64::MAX),
                owner: owner.map(Owner::from),
                label: label.map(Into::into),
            },
            save_id: SaveId::new(u64::MAX - 1),
        }
    }
}
