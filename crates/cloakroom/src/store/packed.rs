//! A session as one value, for stores that keep one sequence of bytes per key.
//!
//! | bytes | |
//! |---|---|
//! | 0–7 | the id of the save that wrote the entry |
//! | 8–15 | touched |
//! | 16–23 | expires |
//! | 24–31 | created |
//! | 32– | the owner: the length of its text in four bytes, then the text in UTF-8; [`NONE`] as the length, and no text, if there is no owner |
//! | | the label, in the same form |
//! | | the data, up to the end |
//!
//! Numbers are big-endian, and times are milliseconds since 1970. Fields of a fixed length come
//! first, so that a script can compare and change them at constant offsets. The bytes contain no
//! magic number and no format version. A store writes both in front of the bytes, and raises the
//! format version if this layout changes.
//!
//! # Examples
//! ```
//! use cloakroom::Owner;
//! use cloakroom::store::{Draft, Meta, SaveId, from_millis, packed};
//!
//! let meta = Meta::new(from_millis(1_000), from_millis(2_000), from_millis(3_000))
//!     .with_owner(Owner::from("ada"));
//! let mut draft = Draft::new("{}".into(), meta, SaveId::new(7));
//! let mut bytes = Vec::new();
//! packed::put(&mut bytes, &draft)?;
//! assert_eq!(bytes[..packed::TOUCHED], 7_u64.to_be_bytes());
//! assert_eq!(bytes[packed::OWNER..], *b"\x00\x00\x00\x03ada\xff\xff\xff\xff{}");
//!
//! // A touch changes the two times in place.
//! draft.meta.touched = from_millis(5_000);
//! draft.meta.expires = from_millis(6_000);
//! bytes[packed::TOUCHED..packed::CREATED].copy_from_slice(&packed::touch(&draft.meta));
//!
//! let read = packed::read(bytes.into()).expect("the bytes are complete");
//! assert_eq!((read.data, read.meta), (draft.data, draft.meta));
//! assert_eq!(read.save_id, draft.save_id);
//! # Ok::<(), cloakroom::Error>(())
//! ```

use bytes::{Buf, BufMut, Bytes};

use crate::model::{Draft, Error, ErrorKind, Meta, Owner, Result, SaveId, from_millis, millis};

/// The offset of the save id.
pub const SAVE_ID: usize = 0;

/// The offset of the time of the last touch.
pub const TOUCHED: usize = SAVE_ID + 8;

/// The offset of the time of expiry.
pub const EXPIRES: usize = TOUCHED + 8;

/// The offset of the time of creation.
pub const CREATED: usize = EXPIRES + 8;

/// The offset of the owner's length. All fields before it have a fixed length.
pub const OWNER: usize = CREATED + 8;

/// The number of bytes of the length field of the owner and of the label.
pub const LEN_BYTES: usize = 4;

/// The value of the length field if there is no owner or no label.
pub const NONE: u32 = u32::MAX;

/// Appends a session to `bytes`.
///
/// # Errors
/// [`TooLarge`](ErrorKind::TooLarge) if the owner or the label is 4 GiB or longer. A part of the
/// session may have been appended.
pub fn put(bytes: &mut Vec<u8>, draft: &Draft) -> Result<()> {
    let meta = &draft.meta;
    bytes.reserve(len(draft));
    bytes.put_u64(draft.save_id.get());
    bytes.put_slice(&touch(meta));
    bytes.put_i64(millis(meta.created));
    put_text(bytes, meta.owner.as_ref().map(Owner::as_str))?;
    put_text(bytes, meta.label.as_deref())?;
    bytes.put_slice(&draft.data);
    Ok(())
}

/// Returns the number of bytes that [`put`] appends.
pub fn len(draft: &Draft) -> usize {
    let meta = &draft.meta;
    let owner = meta.owner.as_ref().map_or(0, |owner| owner.as_str().len());
    let label = meta.label.as_ref().map_or(0, |label| label.len());
    EMPTY + owner + label + draft.data.len()
}

/// Returns the bytes from [`TOUCHED`] to [`CREATED`]: the two times that a touch changes.
pub fn touch(meta: &Meta) -> [u8; CREATED - TOUCHED] {
    let mut times = [0; CREATED - TOUCHED];
    let (touched, expires) = times.split_at_mut(EXPIRES - TOUCHED);
    touched.copy_from_slice(&millis(meta.touched).to_be_bytes());
    expires.copy_from_slice(&millis(meta.expires).to_be_bytes());
    times
}

/// Returns the bytes from [`OWNER`] to the label: the length of the owner and its text.
///
/// # Errors
/// [`TooLarge`](ErrorKind::TooLarge) if the owner is 4 GiB or longer.
pub fn owner(owner: Option<&Owner>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    put_text(&mut bytes, owner.map(Owner::as_str))?;
    Ok(bytes)
}

/// Reads the save id only. Returns `None` if there are too few bytes.
pub fn save_id(bytes: &[u8]) -> Option<SaveId> {
    let number = bytes.get(SAVE_ID..)?.first_chunk()?;
    Some(SaveId::new(u64::from_be_bytes(*number)))
}

/// Reads a session that [`put`] wrote. Returns `None` if the bytes do not have this layout.
///
/// The data of the result shares the memory of `bytes`.
pub fn read(mut bytes: Bytes) -> Option<Draft> {
    let save_id = SaveId::new(bytes.try_get_u64().ok()?);
    let mut time = || bytes.try_get_i64().ok().map(from_millis);
    let (touched, expires, created) = (time()?, time()?, time()?);
    let owner = take_text(&mut bytes)?.map(Owner::from);
    let label = take_text(&mut bytes)?.map(String::into_boxed_str);
    Some(Draft::new(
        bytes,
        Meta::new(created, touched, expires)
            .with_owner(owner)
            .with_label(label),
        save_id,
    ))
}

fn put_text(bytes: &mut Vec<u8>, text: Option<&str>) -> Result<()> {
    let Some(text) = text else {
        bytes.put_u32(NONE);
        return Ok(());
    };
    match u32::try_from(text.len()) {
        Ok(len) if len != NONE => {
            bytes.put_u32(len);
            bytes.put_slice(text.as_bytes());
            Ok(())
        }
        _ => Err(Error::new(
            ErrorKind::TooLarge,
            "writing a session: its owner or its label has 4 GiB or more",
        )),
    }
}

/// Splits a text off the front of `bytes`. Returns `None` if the bytes are damaged, and
/// `Some(None)` if the field has no text.
fn take_text(bytes: &mut Bytes) -> Option<Option<String>> {
    let len = bytes.try_get_u32().ok()?;
    if len == NONE {
        return Some(None);
    }
    let len = usize::try_from(len).ok()?;
    let text = (len <= bytes.len()).then(|| bytes.split_to(len))?;
    String::from_utf8(text.into()).ok().map(Some)
}

/// The number of bytes of a session without owner, label and data.
pub(crate) const EMPTY: usize = OWNER + 2 * LEN_BYTES;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_session_is_read_as_it_was_written() {
        let texts = [None, Some(""), Some("ada"), Some("tél")];
        for (owner, label) in texts.iter().flat_map(|a| texts.map(|b| (*a, b))) {
            let draft = draft(owner, label);
            let bytes = packed(&draft);
            assert_eq!(bytes.len(), len(&draft));

            let back = read(bytes.into()).unwrap();

            assert_eq!((back.data, back.meta), (draft.data, draft.meta));
            assert_eq!(back.save_id, draft.save_id);
        }
    }

    /// Stores keep these bytes on disks and servers. If the layout changes, every store that uses
    /// the layout must raise its format version.
    #[test]
    fn the_layout_is_stable() {
        let draft = draft(Some("ada"), None);

        let bytes = packed(&draft);

        let mut expected = 0x0102_u64.to_be_bytes().to_vec();
        for time in [2_000_i64, 3_000, 1_000] {
            expected.extend(time.to_be_bytes());
        }
        expected.extend(b"\0\0\0\x03ada\xff\xff\xff\xffdata");
        assert_eq!(bytes, expected);
        assert_eq!(
            [SAVE_ID, TOUCHED, EXPIRES, CREATED, OWNER],
            [0, 8, 16, 24, 32]
        );
        assert_eq!(save_id(&bytes), Some(draft.save_id));
        assert_eq!(bytes[TOUCHED..CREATED], touch(&draft.meta));
        assert_eq!(
            bytes[OWNER..OWNER + 7],
            owner(draft.meta.owner.as_ref()).unwrap()
        );
    }

    #[test]
    fn truncated_bytes_wrong_lengths_and_invalid_utf8_are_refused() {
        let whole = packed(&draft(Some("ada"), Some("phone")));
        for len in 0..whole.len() - b"data".len() {
            assert!(
                read(Bytes::copy_from_slice(&whole[..len])).is_none(),
                "{len}"
            );
        }
        let mut too_long = whole.clone();
        too_long[OWNER..OWNER + LEN_BYTES].copy_from_slice(&(NONE - 1).to_be_bytes());
        assert!(read(too_long.into()).is_none());
        let mut not_utf8 = whole;
        not_utf8[OWNER + LEN_BYTES] = 0xff;
        assert!(read(not_utf8.into()).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_cause_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = save_id(&bytes);
            let _ = read(bytes.into());
        }
    }

    fn packed(draft: &Draft) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, draft).unwrap();
        bytes
    }

    fn draft(owner: Option<&str>, label: Option<&str>) -> Draft {
        Draft::new(
            "data".into(),
            Meta::new(from_millis(1_000), from_millis(2_000), from_millis(3_000))
                .with_owner(owner.map(Owner::from))
                .with_label(label.map(Into::into)),
            SaveId::new(0x0102),
        )
    }
}
