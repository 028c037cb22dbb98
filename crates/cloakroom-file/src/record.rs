use bytes::{Buf, Bytes};
use cloakroom::store::{Draft, packed};
use cloakroom::{Result, StoreKey};
use sha2::{Digest, Sha256};

/// What one file holds: an entry, and where it belongs.
///
/// ```text
/// 10 bytes   "cloakroom" and the version of this layout, 2
/// 32 bytes   SHA-256 of all that follows
///  …         the store_key
///  …         the store_key from which the entry is moving, or nothing
///            the entry as `cloakroom::store::packed` has it, to the end of the file
/// ```
/// `…` is a big-endian length of eight bytes and as many bytes; a length of all ones is nothing.
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

    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let mut file = Vec::with_capacity(packed::len(&self.draft) + USUAL_OVERHEAD);
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&[0; CHECKSUM_LEN]);
        put(&mut file, Some(self.store_key.as_bytes()));
        put(&mut file, self.came_from.as_ref().map(StoreKey::as_bytes));
        packed::put(&mut file, &self.draft)?;
        let checksum = Sha256::digest(&file[BODY..]);
        file[MAGIC.len()..BODY].copy_from_slice(&checksum);
        Ok(file)
    }

    /// What these bytes are; `None` if they are not all of a file that [`encode`](Self::encode) made.
    pub(super) fn decode(mut file: Bytes) -> Option<Self> {
        let checksum = file.strip_prefix(MAGIC)?.get(..CHECKSUM_LEN)?;
        if checksum != Sha256::digest(&file[BODY..]).as_slice() {
            return None;
        }
        file.advance(BODY);
        Some(Self {
            store_key: take(&mut file)?.map(|bytes| StoreKey::new(&bytes))?,
            came_from: take(&mut file)?.map(|bytes| StoreKey::new(&bytes)),
            draft: packed::read(file)?,
        })
    }
}

/// Whether a file that begins so is a session of an older version, which nothing reads any more.
pub(super) fn is_older(begin: &[u8]) -> bool {
    let version = begin.strip_prefix(NAME);
    matches!(version, Some([version]) if *version < VERSION)
}

fn put(file: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let len = bytes.map_or(NOTHING, |bytes| bytes.len() as u64);
    file.extend_from_slice(&len.to_be_bytes());
    file.extend_from_slice(bytes.unwrap_or_default());
}

/// `None` if there is too little; `Some(None)` if nothing stands there.
fn take(rest: &mut Bytes) -> Option<Option<Bytes>> {
    let len = rest.try_get_u64().ok()?;
    if len == NOTHING {
        return Some(None);
    }
    let len = usize::try_from(len).ok()?;
    (len <= rest.len()).then(|| Some(rest.split_to(len)))
}

/// The name of the layout, then its version.
pub(super) const MAGIC: &[u8; 10] = b"cloakroom\x02";

const NAME: &[u8] = MAGIC.split_at(9).0;

const VERSION: u8 = MAGIC[9];

const CHECKSUM_LEN: usize = 32;

/// Where that begins which the checksum is of.
const BODY: usize = MAGIC.len() + CHECKSUM_LEN;

const NOTHING: u64 = u64::MAX;

/// Everything but the entry, as a rule.
const USUAL_OVERHEAD: usize = 160;

#[cfg(test)]
mod tests {
    use cloakroom::Owner;
    use cloakroom::store::{Meta, SaveId, from_millis, millis};

    use super::*;

    #[test]
    fn whatever_byte_is_changed_cut_or_added_the_file_is_no_record() {
        let file = sample().encode().unwrap();
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
        let mut file = sample().encode().unwrap();
        for len in [5, 100_000, u64::MAX - 1, u64::MAX] {
            file[BODY..BODY + 8].copy_from_slice(&len.to_be_bytes());
            let checksum = Sha256::digest(&file[BODY..]);
            file[MAGIC.len()..BODY].copy_from_slice(&checksum);
            let record = Record::decode(file.clone().into());
            assert!(
                record.is_none_or(|record| record.store_key != sample().store_key),
                "{len}"
            );
        }
    }

    #[test]
    fn the_layout_stays_as_it_is() {
        let sample = sample();
        let file = sample.encode().unwrap();

        let mut body = [&[0; 7][..], b"\x04here", &[0; 7], b"\x05there"].concat();
        packed::put(&mut body, &sample.draft).unwrap();
        assert_eq!(file[..10], *b"cloakroom\x02");
        assert_eq!(file[10..42], *Sha256::digest(&body));
        assert_eq!(file[42..], body);
    }

    #[test]
    fn a_file_of_the_first_layout_is_older_and_no_record() {
        let file = first_layout();

        assert!(is_older(&file[..MAGIC.len()]));
        assert!(Record::decode(file.clone().into()).is_none());
        // The same bytes under the mark of today.
        let today = [MAGIC, &file[MAGIC.len()..]].concat();
        assert!(!is_older(&today[..MAGIC.len()]));
        assert!(Record::decode(today.into()).is_none());
        for other in [&b"cloakroom\x03"[..], b"cloakroom", b"a poem, a ", b""] {
            assert!(!is_older(other));
        }
    }

    /// The sample, as the first layout had it: the version of the entry, three times, two
    /// lookups, owner, label, and the data.
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
