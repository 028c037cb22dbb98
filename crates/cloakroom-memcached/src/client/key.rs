use std::fmt;

use cloakroom::StoreKey;
use sha2::{Digest, Sha256};

/// The name of an item.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) struct Key(pub(crate) Box<str>);

impl Key {
    /// What memcached takes.
    pub(crate) const MAX_LEN: usize = 250;

    /// The prefix of the site, a colon and the lookup in hexadecimal digits.
    ///
    /// Without the prefix there is no colon behind the last one, so two prefixes never share an item.
    pub(crate) fn new(prefix: &str, key: &StoreKey) -> Self {
        let bytes = key.as_bytes();
        let key = match prefix.len() + 1 + 2 * bytes.len() {
            ..=Self::MAX_LEN => format!("{prefix}:{}", Hex(bytes)),
            // No hexadecimal digit is an `h`, so no lookup gets the name of another.
            _ => format!("{prefix}:h{}", Hex(&Sha256::digest(bytes))),
        };
        Self(key.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` shows the key, or so much of it that it may be the key cut off.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let (_, store_key) = self.0.rsplit_once(':').unwrap_or(("", &self.0));
        let telling: usize = store_key.chars().take(TELLING).map(char::len_utf8).sum();
        let shown = &self.0[..self.0.len() - store_key.len() + telling];
        text.contains(shown) || (!store_key.is_empty() && text.contains(store_key))
    }
}

/// For commands only: `Debug` is left out so that no key gets into a log.
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

/// So many characters of a lookup are no accident.
const TELLING: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_longer_than_memcached_takes_and_has_no_spaces() {
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
    fn store_keys_and_prefixes_that_differ_have_keys_that_differ() {
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
    fn a_key_is_found_in_a_text_that_repeats_or_cuts_it() {
        let key = Key::new("site", &StoreKey::new(&[0xab; 32]));

        assert!(key.is_in(&format!("CLIENT_ERROR no such command: mg {key} v")));
        assert!(key.is_in("CLIENT_ERROR no such command: mg site:abababab"));
        assert!(!key.is_in("CLIENT_ERROR bad data chunk"));
    }
}
