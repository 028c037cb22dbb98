use std::fmt;

use cloakroom::{Owner, StoreKey};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// Where the file of an entry is: its subfolder and its name.
///
/// The name is `x` followed by the store key in hexadecimal digits. If the store key is longer than
/// 32 bytes, the name is `h` followed by the SHA-256 of the store key in hexadecimal digits.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct EntryPath {
    pub(super) shard: Shard,
    pub(super) name: String,
}

impl EntryPath {
    pub(super) fn of(key: &StoreKey) -> Self {
        let bytes = key.as_bytes();
        match bytes.len() {
            ..=HASH_LEN => Self::encoded('x', bytes),
            _ => Self::encoded('h', &Sha256::digest(bytes)),
        }
    }

    /// Parses the name of a session's file. Returns `None` if the name does not have the form that
    /// [`EntryPath`] describes.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let letter = name.chars().next().filter(|first| "xh".contains(*first))?;
        let bytes = HEXLOWER.decode(&name.as_bytes()[1..]).ok()?;
        (bytes.len() <= HASH_LEN).then(|| Self::encoded(letter, &bytes))
    }

    fn encoded(letter: char, bytes: &[u8]) -> Self {
        Self {
            shard: Shard::of(&bytes[..bytes.len().min(SHARDED_BY)]),
            name: format!("{letter}{}", HEXLOWER.encode(bytes)),
        }
    }
}

/// Returns every subfolder that may contain the file of a store key with this prefix.
pub(super) fn shards_of_prefix(prefix: &[u8]) -> Vec<Shard> {
    match prefix.get(..SHARDED_BY) {
        Some(start) => vec![Shard::of(start)],
        None => Shard::all().collect(),
    }
}

/// Converts a prefix of store keys to the matching prefix of file names. Applies only to store keys
/// of up to 32 bytes.
pub(super) fn name_prefix(prefix: &[u8]) -> String {
    format!("x{}", HEXLOWER.encode(prefix))
}

/// Parses a store key of 32 bytes from the name of a file. Returns `None` if the name does not
/// contain a store key of that length.
pub(super) fn parse_hash(name: &str) -> Option<StoreKey> {
    let bytes = HEXLOWER.decode(name.strip_prefix('x')?.as_bytes()).ok()?;
    (bytes.len() == HASH_LEN).then(|| StoreKey::new(&bytes))
}

/// Returns the subfolder that contains the owner's marks, and the prefix of their names.
///
/// A mark is an empty file that leads from an owner to one of the owner's sessions; see the module
/// `owners`.
pub(super) fn mark_path(owner: &Owner) -> (Shard, String) {
    let hash = Sha256::digest(owner.as_str().as_bytes());
    // Two owners may have the same truncated hash, so `owned_by` also compares the owner that is
    // stored in each entry.
    let hash = &hash[..OWNER_LEN];
    (Shard::of(hash), format!("{}-", HEXLOWER.encode(hash)))
}

/// The number of a subfolder. Files are spread evenly over all subfolders.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Shard(u16);

impl Shard {
    /// The number of subfolders. Of a million sessions, each subfolder contains about 250.
    pub(super) const COUNT: u16 = 1 << 12;

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// Returns the shard with this number, modulo [`COUNT`](Self::COUNT).
    pub(super) fn wrapping(number: usize) -> Self {
        let number = number % usize::from(Self::COUNT);
        Self(u16::try_from(number).expect("a remainder below `COUNT` fits into a u16"))
    }

    // Hashes `start`, because store keys that are text begin with few different bytes. Without the
    // hash, the files of such store keys would be in only a few subfolders.
    fn of(start: &[u8]) -> Self {
        let hash = Sha256::digest(start);
        Self(u16::from_be_bytes([hash[0], hash[1]]) % Self::COUNT)
    }

    pub(super) fn sessions_folder(self) -> String {
        format!("sessions-{:03x}", self.0)
    }

    pub(super) fn owners_folder(self) -> String {
        format!("owners-{:03x}", self.0)
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shard({:03x})", self.0)
    }
}

const HASH_LEN: usize = 32;

/// How many leading bytes of a store key determine its subfolder. A session tag is a longer prefix
/// of the store key, so a search for a tag lists only one subfolder.
const SHARDED_BY: usize = 8;

/// How many bytes of an owner's hash are in the names of the owner's marks.
const OWNER_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_store_key_becomes_a_file_name_of_one_letter_and_hexadecimal_digits() {
        let long = [b'/'; 5_000];
        for hostile in [&b""[..], b"../../etc/passwd", b"\0", b".", b"lock", &long] {
            let EntryPath { shard, name } = EntryPath::of(&StoreKey::new(hostile));

            assert!(name.starts_with(['x', 'h']), "{name}");
            assert!(
                name[1..].bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{name}"
            );
            assert!(name.len() <= 65, "{name}");
            assert!(EntryPath::parse(&name) == Some(EntryPath { shard, name }));
        }
    }

    #[test]
    fn a_name_that_no_session_file_can_have_is_not_parsed() {
        for name in ["", "é", "lock", "new", "x0", "xAB", "x..", "../x00"] {
            assert!(EntryPath::parse(name).is_none(), "{name}");
        }
    }

    #[test]
    fn store_keys_that_are_text_are_spread_over_most_subfolders() {
        let mut used: Vec<Shard> = (0..10_000)
            .map(|n| EntryPath::of(&StoreKey::new(format!("{n:032}").as_bytes())).shard)
            .chain((0..10_000).map(|n| {
                EntryPath::of(&StoreKey::new(format!("{n:08}").repeat(4).as_bytes())).shard
            }))
            .collect();
        used.sort();
        used.dedup();
        assert!(used.len() > 3_000, "{}", used.len());
    }
}
