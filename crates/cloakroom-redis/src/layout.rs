//! The layout of an entry in the value of its key:
//!
//! | bytes | content |
//! |---|---|
//! | 0–1 | the mark: `0xc7 0x02`, which is not valid UTF-8. The second byte is the number of this layout |
//! | 2–9 | the time at which the index of the owner removes the entry; 0 if the entry has no owner |
//! | 10– | the entry, in the layout of [`packed`] |
//!
//! Numbers are big-endian, and times are milliseconds since 1970. The fields that scripts compare
//! or change come before the fields of variable length, so no script has to read or move the
//! session data.

use bytes::{Buf, BufMut, Bytes};
use cloakroom::Result;
use cloakroom::store::{Draft, Entry, SaveId, Version, packed};

/// The mark and the save id of an entry. Scripts compare both with those of the stored value, so
/// that they never change a value that this store did not write.
pub(crate) type Head = [u8; 10];

/// Returns the head of the entry with this version, or `None` if this store did not issue the
/// version.
pub(crate) fn head(version: &Version) -> Option<Head> {
    version.save_id().map(head_of)
}

fn head_of(save_id: SaveId) -> Head {
    let mut head = [0; 10];
    head[..MARK_END].copy_from_slice(&MARK);
    head[MARK_END..].copy_from_slice(&save_id.get().to_be_bytes());
    head
}

/// Encodes a draft. `indexed_until` is the time at which the index of its owner removes the entry,
/// or 0 if the draft has no owner.
pub(crate) fn encode(new: &Draft, indexed_until: i64) -> Result<Vec<u8>> {
    let mut value = Vec::with_capacity(PACKED + packed::len(new));
    value.put_slice(&MARK);
    value.put_i64(indexed_until);
    packed::put(&mut value, new)?;
    Ok(value)
}

/// Decodes the entry in a value.
pub(crate) fn decode(mut value: Bytes) -> Result<Entry, Unread> {
    match value.first_chunk() {
        Some(&MARK) => {}
        Some(&OLD_MARK) => return Err(Unread::Older),
        _ => return Err(Unread::Foreign),
    }
    if value.len() < PACKED {
        return Err(Unread::Foreign);
    }
    value.advance(PACKED);
    packed::read(value).map(Entry::from).ok_or(Unread::Foreign)
}

/// Why a value could not be decoded.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Unread {
    /// The value was not written by this store.
    Foreign,
    /// The value has the first layout, which an older release of this store wrote.
    Older,
}

pub(crate) const MARK: [u8; 2] = [0xc7, 2];

/// The mark of the first layout, which this release does not read.
pub(crate) const OLD_MARK: [u8; 2] = [0xc7, 1];

// The offsets that the scripts use.

/// The end of the mark. The time at which the index removes the entry starts here.
pub(crate) const MARK_END: usize = MARK.len();

/// The start of the packed entry. The time at which the index removes the entry ends here.
pub(crate) const PACKED: usize = MARK_END + 8;

pub(crate) const SAVE_ID: usize = PACKED + packed::SAVE_ID;

/// The end of the save id. The fields that a touch changes start here.
pub(crate) const TOUCHED: usize = PACKED + packed::TOUCHED;

pub(crate) const OWNER: usize = PACKED + packed::OWNER;

/// The start of the owner's text, which follows the length of that text.
pub(crate) const OWNER_TEXT: usize = OWNER + packed::LEN_BYTES;

#[cfg(test)]
mod tests {
    use cloakroom::Owner;
    use cloakroom::store::{Meta, from_millis};

    use super::*;

    #[test]
    fn a_decoded_entry_equals_the_encoded_draft() {
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
    fn the_offsets_of_the_scripts_match_the_layout() {
        let draft = draft(Some("ada"), Some("label"));

        let value = encode(&draft, 7).unwrap();

        let head = head(&draft.version()).unwrap();
        assert_eq!([&value[..2], &value[10..18]].concat(), head);
        assert_eq!(value[2..10], 7_i64.to_be_bytes());
        assert_eq!(value[18..34], packed::touch(&draft.meta));
        assert_eq!(value[42..49], *b"\0\0\0\x03ada");
        assert_eq!([MARK_END, PACKED, SAVE_ID, TOUCHED], [2, 10, 10, 18]);
        assert_eq!([OWNER, OWNER_TEXT], [42, 46]);
    }

    #[test]
    fn a_truncated_or_foreign_value_is_not_decoded() {
        let whole = encode(&draft(Some("ada"), None), 7).unwrap();
        let data_at = whole.len() - b"data".len();
        for len in 0..data_at {
            let cut = decode(Bytes::copy_from_slice(&whole[..len]));
            assert_eq!(cut.unwrap_err(), Unread::Foreign);
        }
        let mut newer = whole.clone();
        newer[1] = 3;
        let mut too_long_owner = whole;
        too_long_owner[42..46].copy_from_slice(&u32::MAX.wrapping_sub(1).to_be_bytes());
        for foreign in [newer, too_long_owner, b"{\"num_visits\":3}".to_vec()] {
            assert_eq!(decode(foreign.into()).unwrap_err(), Unread::Foreign);
        }
    }

    #[test]
    fn a_value_of_the_first_layout_is_reported_as_older() {
        // The fields of the first layout: the mark, the save id, touched, expires, indexed until,
        // created, owner, label, data.
        let mut old = vec![0xc7, 1];
        for number in [7_u64, 2, 3, 7, 1] {
            old.put_u64(number);
        }
        old.put_slice(b"\0\0\0\x03ada\xff\xff\xff\xffdata");

        assert_eq!(decode(old.into()).unwrap_err(), Unread::Older);
    }

    fn draft(owner: Option<&str>, label: Option<&str>) -> Draft {
        Draft::new(
            Bytes::from_static(b"data"),
            Meta::new(from_millis(1), from_millis(2), from_millis(i64::MAX))
                .with_owner(owner.map(Owner::from))
                .with_label(label.map(Into::into)),
            SaveId::new(u64::MAX - 1),
        )
    }
}
