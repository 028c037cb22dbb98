use std::fmt;

use cloakroom::{Owner, StoreKey};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// The subfolder and the name of the file in which the entry of a store key is kept.
///
/// The name is a letter and hexadecimal digits: `x` and the store key, or `h` and the hash of a
/// store key that is longer than a hash.
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

    /// Returns the path of the session file with this name, or `None` for any other name.
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

/// Returns the subfolders that may contain store keys with this prefix.
pub(super) fn shards_of_prefix(prefix: &[u8]) -> Vec<Shard> {
    match prefix.get(..SHARDED_BY) {
        Some(start) => vec![Shard::of(start)],
        None => Shard::all().collect(),
    }
}

/// Returns the beginning of the names of the 32-byte store keys with this prefix.
pub(super) fn name_prefix(prefix: &[u8]) -> String {
    format!("x{}", HEXLOWER.encode(prefix))
}

/// Returns the store key of the file with this name, or `None` if it is not one of 32 bytes.
pub(super) fn parse_hash(name: &str) -> Option<StoreKey> {
    let bytes = HEXLOWER.decode(name.strip_prefix('x')?.as_bytes()).ok()?;
    (bytes.len() == HASH_LEN).then(|| StoreKey::new(&bytes))
}

/// Returns the subfolder of the owner's marks, and the prefix of their names.
pub(super) fn mark_path(owner: &Owner) -> (Shard, String) {
    let hash = Sha256::digest(owner.as_str().as_bytes());
    // Two owners may share this part of the hash. `owned_by` compares the owners of the entries.
    let hash = &hash[..OWNER_LEN];
    (Shard::of(hash), format!("{}-", HEXLOWER.encode(hash)))
}

/// The number of a subfolder. The files are spread over all of them.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Shard(u16);

impl Shard {
    /// 4096 subfolders: of a million sessions, each has about 250.
    pub(super) const COUNT: u16 = 1 << 12;

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// Returns the shard with this number, modulo [`COUNT`](Self::COUNT).
    pub(super) fn wrapping(number: usize) -> Self {
        let number = number % usize::from(Self::COUNT);
        Self(u16::try_from(number).expect("a number modulo a u16 is a u16"))
    }

    // By a hash, because store keys that are text have few different first bytes.
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

/// How many bytes of a store key determine its subfolder. A tag has more, so it leads to one
/// subfolder.
const SHARDED_BY: usize = 8;

const OWNER_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_any_store_key_is_a_letter_and_hexadecimal_digits() {
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
    fn other_names_are_not_parsed_as_a_session() {
        for name in ["", "é", "lock", "new", "x0", "xAB", "x..", "../x00"] {
            assert!(EntryPath::parse(name).is_none(), "{name}");
        }
    }

    #[test]
    fn store_keys_that_are_text_are_spread_evenly() {
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
