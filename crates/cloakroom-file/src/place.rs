use std::fmt;

use cloakroom::{Owner, StoreKey};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// Where the entry of a lookup is kept: the subfolder and the name of the file.
///
/// The name is a letter and hexadecimal digits, whatever the lookup is: `x` and the lookup itself, or `h` and the hash
/// of one that is longer than a hash.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) shard: Shard,
    pub(super) name: String,
}

impl Place {
    pub(super) fn of(key: &StoreKey) -> Self {
        let bytes = key.as_bytes();
        match bytes.len() {
            ..=HASH_LEN => Self::spelled('x', bytes),
            _ => Self::spelled('h', &Sha256::digest(bytes)),
        }
    }

    /// The place with this name, if it is one.
    pub(super) fn named(name: &str) -> Option<Self> {
        let letter = name.chars().next().filter(|first| "xh".contains(*first))?;
        let bytes = HEXLOWER.decode(&name.as_bytes()[1..]).ok()?;
        (bytes.len() <= HASH_LEN).then(|| Self::spelled(letter, &bytes))
    }

    fn spelled(letter: char, bytes: &[u8]) -> Self {
        Self {
            shard: Shard::of(&bytes[..bytes.len().min(SHARDED_BY)]),
            name: format!("{letter}{}", HEXLOWER.encode(bytes)),
        }
    }
}

/// The subfolders in which lookups that begin so may be.
pub(super) fn shards_of_prefix(prefix: &[u8]) -> Vec<Shard> {
    match prefix.get(..SHARDED_BY) {
        Some(start) => vec![Shard::of(start)],
        None => Shard::all().collect(),
    }
}

/// The beginning of the names of all 32-byte lookups that begin so.
pub(super) fn name_prefix(prefix: &[u8]) -> String {
    format!("x{}", HEXLOWER.encode(prefix))
}

/// The lookup with this name, if it is one of 32 bytes.
pub(super) fn hash_named(name: &str) -> Option<StoreKey> {
    let bytes = HEXLOWER.decode(name.strip_prefix('x')?.as_bytes()).ok()?;
    (bytes.len() == HASH_LEN).then(|| StoreKey::new(&bytes))
}

/// Where the empty files are that say which sessions an owner has, and how their names begin.
pub(super) fn of_owner(owner: &Owner) -> (Shard, String) {
    let hash = Sha256::digest(owner.as_str().as_bytes());
    // Two owners that share the beginning of a hash are told apart by what the entries say.
    let hash = &hash[..OWNER_LEN];
    (Shard::of(hash), format!("{}-", HEXLOWER.encode(hash)))
}

/// One of the subfolders over which the files are spread.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Shard(u16);

impl Shard {
    /// 4096: a million sessions are some 250 in each.
    pub(super) const COUNT: u16 = 1 << 12;

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// The shard with this number, counted in a circle.
    pub(super) fn numbered(number: usize) -> Self {
        let number = number % usize::from(Self::COUNT);
        Self(u16::try_from(number).expect("taken modulo a u16"))
    }

    // Django's lookups are text, and their first bytes are few; so they are spread by a hash.
    fn of(start: &[u8]) -> Self {
        let hash = Sha256::digest(start);
        Self(u16::from_be_bytes([hash[0], hash[1]]) % Self::COUNT)
    }

    pub(super) fn of_sessions(self) -> String {
        format!("sessions-{:03x}", self.0)
    }

    pub(super) fn of_owners(self) -> String {
        format!("owners-{:03x}", self.0)
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shard({:03x})", self.0)
    }
}

const HASH_LEN: usize = 32;

/// How much of a lookup decides on its subfolder: less than a tag has, so that a tag leads to one of them.
const SHARDED_BY: usize = 8;

const OWNER_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_letter_and_hexadecimal_digits_whatever_the_store_key_is() {
        let long = [b'/'; 5_000];
        for hostile in [&b""[..], b"../../etc/passwd", b"\0", b".", b"lock", &long] {
            let Place { shard, name } = Place::of(&StoreKey::new(hostile));

            assert!(name.starts_with(['x', 'h']), "{name}");
            assert!(
                name[1..].bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{name}"
            );
            assert!(name.len() <= 65, "{name}");
            assert!(Place::named(&name) == Some(Place { shard, name }));
        }
    }

    #[test]
    fn what_is_not_the_name_of_a_session_leads_nowhere() {
        for name in ["", "é", "lock", "new", "x0", "xAB", "x..", "../x00"] {
            assert!(Place::named(name).is_none(), "{name}");
        }
    }

    #[test]
    fn store_keys_that_are_text_are_spread_like_any_others() {
        let mut used: Vec<Shard> =
            (0..10_000)
                .map(|n| Place::of(&StoreKey::new(format!("{n:032}").as_bytes())).shard)
                .chain((0..10_000).map(|n| {
                    Place::of(&StoreKey::new(format!("{n:08}").repeat(4).as_bytes())).shard
                }))
                .collect();
        used.sort();
        used.dedup();
        assert!(used.len() > 3_000, "{}", used.len());
    }
}
