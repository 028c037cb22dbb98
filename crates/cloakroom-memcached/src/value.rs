use bytes::{Buf, Bytes};
use cloakroom::Result;
use cloakroom::store::{Draft, Entry, Meta, packed};

use crate::client::Fault;

/// Encodes an entry: the number of this layout, followed by the entry in the layout of
/// [`packed`](cloakroom::store::packed).
pub(crate) fn encode(new: &Draft) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size(new));
    bytes.push(LAYOUT);
    packed::put(&mut bytes, new)?;
    Ok(bytes)
}

/// Returns the size of an encoded entry in bytes.
pub(crate) fn size(new: &Draft) -> usize {
    PACKED + packed::len(new)
}

/// Decodes an entry.
pub(crate) fn decode(mut bytes: Bytes) -> Result<Entry, Fault> {
    check(&bytes)?;
    bytes.advance(PACKED);
    packed::read(bytes).map(Entry::from).ok_or(Fault::Corrupt)
}

/// Decodes only the version of an entry.
pub(crate) fn version(bytes: &[u8]) -> Result<u64, Fault> {
    let packed = check(bytes)?;
    let save_id = packed::save_id(packed).ok_or(Fault::Corrupt)?;
    Ok(save_id.get())
}

/// Returns a copy of the encoded entry with the times `touched` and `expires` of `meta`. No other
/// field changes.
pub(crate) fn touch(bytes: &[u8], meta: &Meta) -> Result<Vec<u8>, Fault> {
    check(bytes)?;
    let mut bytes = bytes.to_vec();
    let times = bytes.get_mut(PACKED + packed::TOUCHED..PACKED + packed::CREATED);
    times
        .ok_or(Fault::Corrupt)?
        .copy_from_slice(&packed::touch(meta));
    Ok(bytes)
}

/// Checks the number of the layout, and returns the bytes after it.
fn check(bytes: &[u8]) -> Result<&[u8], Fault> {
    match bytes {
        [LAYOUT, packed @ ..] => Ok(packed),
        // Layouts are numbered from 1.
        [1..LAYOUT, ..] => Err(Fault::Older),
        _ => Err(Fault::Corrupt),
    }
}

const LAYOUT: u8 = 2;

/// The offset of the packed entry.
const PACKED: usize = 1;

#[cfg(test)]
mod tests {
    use cloakroom::Owner;
    use cloakroom::store::{SaveId, from_millis};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_decoded_entry_equals_the_encoded_draft() {
        for (owner, label) in [(None, None), (Some("ada"), Some("")), (None, Some("Phöne"))] {
            let new = draft(owner, label);
            let bytes = encode(&new).unwrap();
            assert_eq!(bytes.len(), size(&new));

            let entry = decode(bytes.into()).unwrap();

            assert_eq!((entry.data, entry.meta), (new.data, new.meta));
            assert_eq!(entry.version.save_id().map(SaveId::get), Some(7));
        }
    }

    #[test]
    fn the_layout_is_the_same_in_every_release() {
        let draft = draft(Some("a"), None);
        let bytes = encode(&draft).unwrap();

        let mut expected = vec![2];
        packed::put(&mut expected, &draft).unwrap();
        assert_eq!(bytes, expected);
        assert_eq!(version(&bytes).unwrap(), 7);
    }

    #[test]
    fn an_entry_of_the_first_layout_is_reported_as_older_and_is_not_read() {
        let mut old = vec![1];
        old.extend(7_u64.to_be_bytes());
        for time in [1_000_i64, 2_000, 3_000] {
            old.extend(time.to_be_bytes());
        }
        old.extend([1, 0, 0, 0, 1, b'a', 0]);
        old.extend(b"data");

        assert!(matches!(version(&old), Err(Fault::Older)));
        let touched = touch(&old, &draft(None, None).meta);
        assert!(matches!(touched, Err(Fault::Older)));
        assert!(matches!(decode(old.into()), Err(Fault::Older)));
    }

    #[test]
    fn a_touch_changes_the_two_times_and_no_other_byte() {
        let mut new = draft(Some("ada"), Some("phone"));
        let bytes = encode(&new).unwrap();
        new.meta.touched = from_millis(5_000);
        new.meta.expires = from_millis(6_000);

        // A touch must ignore the other fields of `meta`.
        let mut meta = new.meta.clone();
        (meta.owner, meta.created) = (None, from_millis(0));
        let touched = touch(&bytes, &meta).unwrap();

        assert_eq!(touched, encode(&new).unwrap());
    }

    #[test]
    fn an_entry_that_is_truncated_or_has_a_newer_layout_is_an_error() {
        let bytes = Bytes::from(encode(&draft(Some("ada"), Some("phone"))).unwrap());
        let head = bytes.len() - b"data".len();
        for len in 0..head {
            assert!(decode(bytes.slice(..len)).is_err(), "{len}");
        }
        let mut newer = bytes.to_vec();
        newer[0] = 3;
        assert!(matches!(decode(newer.into()), Err(Fault::Corrupt)));
    }

    proptest! {
        #[test]
        fn decoding_never_panics(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            has_known_layout: bool,
        ) {
            let bytes = match has_known_layout {
                true => [&[LAYOUT][..], &bytes].concat(),
                false => bytes,
            };
            let _ = version(&bytes);
            let _ = touch(&bytes, &draft(None, None).meta);
            let _ = decode(bytes.into());
        }
    }

    fn draft(owner: Option<&str>, label: Option<&str>) -> Draft {
        Draft::new(
            "data".into(),
            Meta::new(from_millis(1_000), from_millis(2_000), from_millis(3_000))
                .with_owner(owner.map(Owner::from))
                .with_label(label.map(Into::into)),
            SaveId::new(7),
        )
    }
}
