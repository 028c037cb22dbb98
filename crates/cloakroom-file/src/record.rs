use bytes::Bytes;
use cloakroom::store::{Draft, Meta, SaveId, from_millis, millis};
use cloakroom::{Owner, StoreKey};
use sha2::{Digest, Sha256};

/// What one file holds: an entry, and where it belongs.
///
/// ```text
/// 10 bytes   "cloakroom" and the version of this layout, 1
/// 32 bytes   SHA-256 of all that follows
///  8 bytes   the version of the entry
///  8 bytes   created     milliseconds since 1970, as the next two
///  8 bytes   touched
///  8 bytes   expires
///  …         the store_key
///  …         the store_key from which the entry is moving, or nothing
///  …         the owner, or nothing
///  …         the label, or nothing
///  …         the data, to the end of the file
/// ```
/// Numbers are big-endian. `…` is a length of eight bytes and as many bytes; a length of all ones is nothing.
pub(super) struct Record {
    pub(super) store_key: StoreKey,
    /// Set while the entry is moving: the file lies at this lookup's place already with the contents for `store_key`.
    pub(super) came_from: Option<StoreKey>,
    pub(super) draft: Draft,
}

impl Record {
    /// A draft for `key`.
    pub(super) fn drafted(key: &StoreKey, came_from: Option<&StoreKey>, new: &Draft) -> Self {
        Self {
            store_key: key.clone(),
            came_from: came_from.cloned(),
            draft: new.clone(),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let Draft {
            data,
            meta,
            save_id,
        } = &self.draft;
        let mut file = Vec::with_capacity(data.len() + USUAL_OVERHEAD);
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&[0; CHECKSUM_LEN]);
        file.extend_from_slice(&save_id.get().to_be_bytes());
        for time in [meta.created, meta.touched, meta.expires] {
            file.extend_from_slice(&millis(time).to_be_bytes());
        }
        put(&mut file, Some(self.store_key.as_bytes()));
        put(&mut file, self.came_from.as_ref().map(StoreKey::as_bytes));
        let owner = meta.owner.as_ref().map(Owner::as_str);
        put(&mut file, owner.map(str::as_bytes));
        put(&mut file, meta.label.as_deref().map(str::as_bytes));
        file.extend_from_slice(data);
        let checksum = Sha256::digest(&file[BODY..]);
        file[MAGIC.len()..BODY].copy_from_slice(&checksum);
        file
    }

    /// What these bytes are; `None` if they are not all of a file that [`encode`](Self::encode) made.
    pub(super) fn decode(file: Bytes) -> Option<Self> {
        let checksum = file.strip_prefix(MAGIC)?.get(..CHECKSUM_LEN)?;
        if checksum != Sha256::digest(&file[BODY..]).as_slice() {
            return None;
        }
        let mut rest = &file[BODY..];
        let save_id = SaveId::new(u64::from_be_bytes(number(&mut rest)?));
        let created = from_millis(i64::from_be_bytes(number(&mut rest)?));
        let touched = from_millis(i64::from_be_bytes(number(&mut rest)?));
        let expires = from_millis(i64::from_be_bytes(number(&mut rest)?));
        let store_key = StoreKey::new(take(&mut rest)??);
        let came_from = take(&mut rest)?.map(StoreKey::new);
        let owner = text(take(&mut rest)?)?.map(Owner::from);
        let label = text(take(&mut rest)?)?.map(Box::from);
        Some(Self {
            store_key,
            came_from,
            draft: Draft {
                data: file.slice_ref(rest),
                meta: Meta {
                    created,
                    touched,
                    expires,
                    owner,
                    label,
                },
                save_id,
            },
        })
    }
}

fn put(file: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let len = bytes.map_or(NOTHING, |bytes| bytes.len() as u64);
    file.extend_from_slice(&len.to_be_bytes());
    file.extend_from_slice(bytes.unwrap_or_default());
}

/// `None` if there is too little; `Some(None)` if nothing stands there.
fn take<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let len = u64::from_be_bytes(number(rest)?);
    if len == NOTHING {
        return Some(None);
    }
    let (bytes, behind) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = behind;
    Some(Some(bytes))
}

fn number<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*bytes)
}

fn text(bytes: Option<&[u8]>) -> Option<Option<&str>> {
    match bytes {
        Some(bytes) => std::str::from_utf8(bytes).ok().map(Some),
        None => Some(None),
    }
}

/// The name of the layout, then its version.
pub(super) const MAGIC: &[u8; 10] = b"cloakroom\x01";

const CHECKSUM_LEN: usize = 32;

/// Where that begins which the checksum is of.
const BODY: usize = MAGIC.len() + CHECKSUM_LEN;

const NOTHING: u64 = u64::MAX;

/// Everything but the data, as a rule.
const USUAL_OVERHEAD: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_byte_is_changed_cut_or_added_the_file_is_no_record() {
        let file = sample().encode();
        assert!(Record::decode(file.clone().into()).is_some());

        for place in 0..file.len() {
            let mut changed = file.clone();
            changed[place] ^= 1;
            assert!(Record::decode(changed.into()).is_none(), "byte {place}");
            let cut = Bytes::copy_from_slice(&file[..place]);
            assert!(Record::decode(cut).is_none(), "{place} bytes");
        }
        let longer = [&file[..], b"\0"].concat();
        assert!(Record::decode(longer.into()).is_none());
    }

    #[test]
    fn lengths_that_lie_are_no_record_even_with_the_right_checksum() {
        let mut file = sample().encode();
        let lookup_len = BODY + 4 * 8;
        for len in [5, 100_000, u64::MAX - 1, u64::MAX] {
            file[lookup_len..lookup_len + 8].copy_from_slice(&len.to_be_bytes());
            let checksum = Sha256::digest(&file[BODY..]);
            file[MAGIC.len()..BODY].copy_from_slice(&checksum);
            let record = Record::decode(file.clone().into());
            assert!(
                record.is_none_or(|record| record.store_key != sample().store_key),
                "{len}"
            );
        }
    }

    fn sample() -> Record {
        Record {
            store_key: StoreKey::new(b"here"),
            came_from: Some(StoreKey::new(b"there")),
            draft: Draft {
                data: Bytes::from_static(b"{}"),
                meta: Meta {
                    created: from_millis(1),
                    touched: from_millis(2),
                    expires: from_millis(3),
                    owner: Some(Owner::from("ada")),
                    label: None,
                },
                save_id: SaveId::new(u64::MAX),
            },
        }
    }
}
