use bytes::{Buf, BufMut, Bytes};
use cloakroom::Owner;
use cloakroom::store::{Draft, Entry, Meta, SaveId, Version, from_millis, millis};

use crate::client::Fault;

/// The bytes of an entry: the layout's number, the version, three times, owner and label, and then the data.
///
/// Whole numbers are big-endian; times are milliseconds since 1970. Owner and label are a byte that says whether there
/// is one, a length in four bytes, and the text.
pub(crate) fn encode(version: u64, new: &Draft) -> Vec<u8> {
    let meta = &new.meta;
    let mut bytes = Vec::with_capacity(size(new));
    bytes.put_u8(LAYOUT);
    bytes.put_u64(version);
    bytes.put_i64(millis(meta.created));
    bytes.put_i64(millis(meta.touched));
    bytes.put_i64(millis(meta.expires));
    put_text(&mut bytes, meta.owner.as_ref().map(Owner::as_str));
    put_text(&mut bytes, meta.label.as_deref());
    bytes.put_slice(&new.data);
    bytes
}

/// How many bytes an entry takes.
pub(crate) fn size(new: &Draft) -> usize {
    let owner = new.meta.owner.as_ref();
    let owner = owner.map_or(1, |owner| 1 + LEN + owner.as_str().len());
    let label = new.meta.label.as_ref();
    let label = label.map_or(1, |label| 1 + LEN + label.len());
    TIMES + owner + label + new.data.len()
}

/// The entry of these bytes.
pub(crate) fn decode(mut bytes: Bytes) -> Result<Entry, Fault> {
    let version = version(&bytes)?;
    bytes.advance(1 + 8);
    let mut time = || bytes.try_get_i64().map(from_millis).map_err(corrupt);
    let (created, touched, expires) = (time()?, time()?, time()?);
    let meta = Meta {
        created,
        touched,
        expires,
        owner: take_text(&mut bytes)?.map(Owner::from),
        label: take_text(&mut bytes)?.map(String::into_boxed_str),
    };
    Ok(Entry::new(bytes, meta, Version::from(SaveId::new(version))))
}

/// The version alone.
pub(crate) fn version(mut bytes: &[u8]) -> Result<u64, Fault> {
    match bytes.try_get_u8().map_err(corrupt)? {
        LAYOUT => bytes.try_get_u64().map_err(corrupt),
        _ => Err(Fault::Corrupt),
    }
}

/// The same bytes with the two times of `meta` that a touch changes.
pub(crate) fn touch(bytes: &[u8], meta: &Meta) -> Result<Vec<u8>, Fault> {
    let mut bytes = bytes.to_vec();
    let mut times = bytes.get_mut(TOUCHED..TIMES).ok_or(Fault::Corrupt)?;
    times.put_i64(millis(meta.touched));
    times.put_i64(millis(meta.expires));
    Ok(bytes)
}

fn put_text(bytes: &mut Vec<u8>, text: Option<&str>) {
    let Some(text) = text else {
        return bytes.put_u8(0);
    };
    bytes.put_u8(1);
    // What does not fit is too large for an item long before, and refused.
    bytes.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    bytes.put_slice(text.as_bytes());
}

fn take_text(bytes: &mut Bytes) -> Result<Option<String>, Fault> {
    match bytes.try_get_u8().map_err(corrupt)? {
        0 => Ok(None),
        1 => {
            let len = bytes.try_get_u32().map_err(corrupt)? as usize;
            if len > bytes.len() {
                return Err(Fault::Corrupt);
            }
            let text = bytes.split_to(len).to_vec();
            String::from_utf8(text).map(Some).map_err(corrupt)
        }
        _ => Err(Fault::Corrupt),
    }
}

fn corrupt<E>(_: E) -> Fault {
    Fault::Corrupt
}

const LAYOUT: u8 = 1;

/// Where `touched` and `expires` begin.
const TOUCHED: usize = 1 + 8 + 8;

/// Where the times end.
const TIMES: usize = TOUCHED + 8 + 8;

/// The length of a length.
const LEN: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_entry_survives_whole() {
        for (owner, label) in [(None, None), (Some("ada"), Some("")), (None, Some("Phöne"))] {
            let new = draft(owner, label);
            let bytes = encode(7, &new);
            assert_eq!(bytes.len(), size(&new));

            let entry = decode(bytes.into()).unwrap();

            assert_eq!((entry.data, entry.meta), (new.data, new.meta));
            assert_eq!(entry.version.save_id().map(SaveId::get), Some(7));
        }
    }

    #[test]
    fn the_layout_stays_as_it_is() {
        let bytes = encode(0x0102, &draft(Some("a"), None));

        let mut expected = vec![1];
        expected.extend([0, 0, 0, 0, 0, 0, 1, 2]);
        for time in [1_000_i64, 2_000, 3_000] {
            expected.extend(time.to_be_bytes());
        }
        expected.extend([1, 0, 0, 0, 1, b'a', 0]);
        expected.extend(b"data");
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_touch_changes_two_times_and_no_other_byte() {
        let mut new = draft(Some("ada"), Some("phone"));
        let bytes = encode(7, &new);
        new.meta.touched = from_millis(5_000);
        new.meta.expires = from_millis(6_000);

        let mut with = new.meta.clone();
        (with.owner, with.created) = (None, from_millis(0));
        let touched = touch(&bytes, &with).unwrap();

        assert_eq!(touched, encode(7, &new));
    }

    #[test]
    fn an_entry_that_is_cut_off_or_of_another_layout_is_corrupt() {
        let bytes = Bytes::from(encode(7, &draft(Some("ada"), Some("phone"))));
        let head = bytes.len() - b"data".len();
        for len in 0..head {
            assert!(decode(bytes.slice(..len)).is_err(), "{len}");
        }
        let mut newer = bytes.to_vec();
        newer[0] = 2;
        assert!(matches!(decode(newer.into()), Err(Fault::Corrupt)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), known: bool) {
            let bytes = match known {
                true => [&[LAYOUT][..], &bytes].concat(),
                false => bytes,
            };
            let _ = version(&bytes);
            let _ = touch(&bytes, &draft(None, None).meta);
            let _ = decode(bytes.into());
        }
    }

    fn draft(owner: Option<&str>, label: Option<&str>) -> Draft {
        Draft {
            data: "data".into(),
            meta: Meta {
                created: from_millis(1_000),
                touched: from_millis(2_000),
                expires: from_millis(3_000),
                owner: owner.map(Owner::from),
                label: label.map(Into::into),
            },
            save_id: SaveId::new(0),
        }
    }
}
