use bytes::{Buf, Bytes};
use cloakroom::store::{Draft, packed};
use cloakroom::{Result, StoreKey};
use sha2::{Digest, Sha256};

/// The contents of a file: an entry and its store key.
///
/// ```text
/// 10 bytes   "cloakroom" and the version of this layout, 2
/// 32 bytes   SHA-256 of the rest of the file
///  …         the store key
///  …         the store key from which a move took the entry, or none
///            the entry in the layout of `cloakroom::store::packed`
/// ```
/// Each `…` is a length in eight bytes, big-endian, followed by that many bytes. A length with all
/// bits set means that there is no value.
pub(super) struct Record {
    pub(super) store_key: StoreKey,
    /// The store key that the entry had before its move to `store_key`, if a move wrote this file.
    /// Until the move is complete, the file is still at the path of this key.
    pub(super) came_from: Option<StoreKey>,
    pub(super) draft: Draft,
}

impl Record {
    pub(super) fn new(key: &StoreKey, came_from: Option<&StoreKey>, new: &Draft) -> Self {
        Self {
            store_key: key.clone(),
            came_from: came_from.cloned(),
            draft: new.clone(),
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let mut file = Vec::with_capacity(packed::len(&self.draft) + TYPICAL_OVERHEAD);
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&[0; CHECKSUM_LEN]);
        put(&mut file, Some(self.store_key.as_bytes()));
        put(&mut file, self.came_from.as_ref().map(StoreKey::as_bytes));
        packed::put(&mut file, &self.draft)?;
        let checksum = Sha256::digest(&file[BODY_START..]);
        file[MAGIC.len()..BODY_START].copy_from_slice(&checksum);
        Ok(file)
    }

    /// Decodes a file. Returns `None` if it is incomplete, or if it is not a result of
    /// [`encode`](Self::encode).
    pub(super) fn decode(mut file: Bytes) -> Option<Self> {
        let checksum = file.strip_prefix(MAGIC)?.get(..CHECKSUM_LEN)?;
        if checksum != Sha256::digest(&file[BODY_START..]).as_slice() {
            return None;
        }
        file.advance(BODY_START);
        Some(Self {
            store_key: take(&mut file)?.map(|bytes| StoreKey::new(&bytes))?,
            came_from: take(&mut file)?.map(|bytes| StoreKey::new(&bytes)),
            draft: packed::read(file)?,
        })
    }
}

/// Returns whether a file that begins with `start` has an older layout, which cannot be decoded.
pub(super) fn is_older(start: &[u8]) -> bool {
    let version = start.strip_prefix(NAME);
    matches!(version, Some([version]) if *version < VERSION)
}

fn put(file: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let len = bytes.map_or(NONE_LEN, |bytes| bytes.len() as u64);
    file.extend_from_slice(&len.to_be_bytes());
    file.extend_from_slice(bytes.unwrap_or_default());
}

/// Removes the next value from `rest`. Returns `None` if `rest` is too short, and `Some(None)` if
/// the length means that there is no value.
fn take(rest: &mut Bytes) -> Option<Option<Bytes>> {
    let len = rest.try_get_u64().ok()?;
    if len == NONE_LEN {
        return Some(None);
    }
    let len = usize::try_from(len).ok()?;
    (len <= rest.len()).then(|| Some(rest.split_to(len)))
}

/// The name of the layout and its version.
pub(super) const MAGIC: &[u8; 10] = b"cloakroom\x02";

const NAME: &[u8] = MAGIC.split_at(9).0;

const VERSION: u8 = MAGIC[9];

const CHECKSUM_LEN: usize = 32;

/// The offset of the part that the checksum covers.
const BODY_START: usize = MAGIC.len() + CHECKSUM_LEN;

const NONE_LEN: u64 = u64::MAX;

/// The usual size of everything in a file except the entry.
const TYPICAL_OVERHEAD: usize = 160;

#[cfg(test)]
mod tests {
    use cloakroom::Owner;
    use cloakroom::store::{Meta, SaveId, from_millis, millis};

    use super::*;

    #[test]
    fn a_file_with_any_byte_changed_removed_or_added_is_not_decoded() {
        let file = sample().encode().unwrap();
        assert!(Record::decode(file.clone().into()).is_some());

        for index in 0..file.len() {
            let mut changed = file.clone();
            changed[index] ^= 1;
            assert!(Record::decode(changed.into()).is_none(), "byte {index}");
            let cut = Bytes::copy_from_slice(&file[..index]);
            assert!(Record::decode(cut).is_none(), "{index} bytes");
        }
        let longer = [&file[..], b"\0"].concat();
        assert!(Record::decode(longer.into()).is_none());
    }

    #[test]
    fn a_wrong_length_never_yields_the_store_key_even_with_the_right_checksum() {
        let mut file = sample().encode().unwrap();
        for len in [5, 100_000, u64::MAX - 1, u64::MAX] {
            file[BODY_START..BODY_START + 8].copy_from_slice(&len.to_be_bytes());
            let checksum = Sha256::digest(&file[BODY_START..]);
            file[MAGIC.len()..BODY_START].copy_from_slice(&checksum);
            let record = Record::decode(file.clone().into());
            assert!(
                record.is_none_or(|record| record.store_key != sample().store_key),
                "{len}"
            );
        }
    }

    #[test]
    fn the_layout_has_not_changed() {
        let sample = sample();
        let file = sample.encode().unwrap();

        let mut body = [&[0; 7][..], b"\x04here", &[0; 7], b"\x05there"].concat();
        packed::put(&mut body, &sample.draft).unwrap();
        assert_eq!(file[..10], *b"cloakroom\x02");
        assert_eq!(file[10..42], *Sha256::digest(&body));
        assert_eq!(file[42..], body);
    }

    #[test]
    fn a_file_of_the_first_layout_is_reported_as_older_and_is_not_decoded() {
        let file = first_layout();

        assert!(is_older(&file[..MAGIC.len()]));
        assert!(Record::decode(file.clone().into()).is_none());
        // The magic bytes of the current layout do not make the rest of the file decodable.
        let current = [MAGIC, &file[MAGIC.len()..]].concat();
        assert!(!is_older(&current[..MAGIC.len()]));
        assert!(Record::decode(current.into()).is_none());
        for other in [&b"cloakroom\x03"[..], b"cloakroom", b"a poem, a ", b""] {
            assert!(!is_older(other));
        }
    }

    /// Encodes the sample in the first layout: the save id, the three points in time, the two store
    /// keys, the owner, the label and the data.
    fn first_layout() -> Vec<u8> {
        let Record {
            store_key,
            came_from,
            draft,
        } = sample();
        let mut body = draft.save_id.get().to_be_bytes().to_vec();
        for time in [draft.meta.created, draft.meta.touched, draft.meta.expires] {
            body.extend(millis(time).to_be_bytes());
        }
        put(&mut body, Some(store_key.as_bytes()));
        put(&mut body, came_from.as_ref().map(StoreKey::as_bytes));
        put(&mut body, Some(b"ada"));
        put(&mut body, None);
        body.extend(&draft.data);
        [b"cloakroom\x01", &*Sha256::digest(&body), &body].concat()
    }

    fn sample() -> Record {
        Record {
            store_key: StoreKey::new(b"here"),
            came_from: Some(StoreKey::new(b"there")),
            draft: Draft::new(
                Bytes::from_static(b"{}"),
                Meta::new(from_millis(1), from_millis(2), from_millis(3))
                    .with_owner(Some(Owner::from("ada"))),
                SaveId::new(u64::MAX),
            ),
        }
    }
}
