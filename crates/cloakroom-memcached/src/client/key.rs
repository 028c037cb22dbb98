use std::fmt;

use cloakroom::StoreKey;
use sha2::{Digest, Sha256};

/// The key of an item.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) struct Key(pub(crate) Box<str>);

impl Key {
    /// memcached's limit in bytes.
    pub(crate) const MAX_LEN: usize = 250;

    /// Returns the prefix, a colon and the store key in hexadecimal digits. If the store key is too
    /// long for that, `h` and the SHA-256 of the store key follow the colon instead.
    ///
    /// The digits contain no colon, so the last colon ends the prefix, and two prefixes never share
    /// a key.
    pub(crate) fn new(prefix: &str, key: &StoreKey) -> Self {
        let bytes = key.as_bytes();
        let key = match prefix.len() + 1 + 2 * bytes.len() {
            ..=Self::MAX_LEN => format!("{prefix}:{}", Hex(bytes)),
            // `h` is not a hexadecimal digit, so this is never the key of another session.
            _ => format!("{prefix}:h{}", Hex(&Sha256::digest(bytes))),
        };
        Self(key.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether `text` contains the key, or enough of its start to recognize the session.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let (_, store_key) = self.0.rsplit_once(':').unwrap_or(("", &self.0));
        let recognizable: usize = store_key
            .chars()
            .take(RECOGNIZABLE)
            .map(char::len_utf8)
            .sum();
        let shown = &self.0[..self.0.len() - store_key.len() + recognizable];
        text.contains(shown) || (!store_key.is_empty() && text.contains(store_key))
    }
}

/// Used only to write commands. `Debug` is not implemented, so that no key gets into a log.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that contains this many leading characters of a store key is assumed to quote the key.
const RECOGNIZABLE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_exceeds_the_limit_of_memcached_and_has_no_spaces() {
        for (prefix, len) in [
            ("cloakroom", 32),
            ("", 125),
            (&*"p".repeat(100), 75),
            ("s", 5_000),
        ] {
            let key = Key::new(prefix, &StoreKey::new(&vec![0x20; len]));
            assert!(key.as_str().len() <= Key::MAX_LEN);
            assert!(key.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
        }
        let key = Key::new("site", &StoreKey::new(b"\x00\xffA"));
        assert_eq!(key.as_str(), "site:00ff41");
    }

    #[test]
    fn different_store_keys_or_prefixes_have_different_keys() {
        let long = [7; 200];
        let hash = Sha256::digest(long);
        let keys = [
            Key::new("a", &StoreKey::new(&long)),
            Key::new("a", &StoreKey::new(&hash)),
            Key::new("a", &StoreKey::new(&[&long[..], &[7]].concat())),
            Key::new("a:07", &StoreKey::new(&[7])),
            Key::new("a", &StoreKey::new(&[7, 7])),
            Key::new("a07", &StoreKey::new(&[7])),
            Key::new("", &StoreKey::new(&[7])),
        ];
        for (n, key) in keys.iter().enumerate() {
            assert!(!keys[..n].contains(key), "{n}");
        }
    }

    #[test]
    fn a_key_is_found_in_a_text_that_repeats_or_truncates_it() {
        let key = Key::new("site", &StoreKey::new(&[0xab; 32]));

        assert!(key.is_in(&format!("CLIENT_ERROR no such command: mg {key} v")));
        assert!(key.is_in("CLIENT_ERROR no such command: mg site:abababab"));
        assert!(!key.is_in("CLIENT_ERROR bad data chunk"));
    }
}
