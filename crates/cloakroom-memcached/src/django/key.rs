use cloakroom::StoreKey;

use crate::client::Key;

impl Key {
    /// Returns the prefix followed by the unchanged store key, or `None` if memcached does not
    /// allow this key.
    pub(crate) fn verbatim(prefix: &str, key: &StoreKey) -> Option<Self> {
        let key = [prefix, str::from_utf8(key.as_bytes()).ok()?].concat();
        let is_allowed = |byte| byte > b' ' && byte != 0x7f;
        (key.len() <= Self::MAX_LEN && key.bytes().all(is_allowed)).then(|| Self(key.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verbatim_key_contains_nothing_that_ends_a_command() {
        let key = |text: &[u8]| Key::verbatim(":1:é", &StoreKey::new(text));

        assert_eq!(key(b"abc").unwrap().as_str(), ":1:éabc");
        assert_eq!(key("ß".as_bytes()).unwrap().as_str(), ":1:éß");
        assert!(key(&[b'x'; 245]).is_some());
        for refused in [&[b'x'; 246][..], b"a b", b"a\r\nb", b"\0", b"\x7f", b"\xff"] {
            assert!(key(refused).is_none(), "{}", refused.escape_ascii());
        }
    }

    #[test]
    fn a_verbatim_key_is_found_in_a_text_that_repeats_it() {
        for text in ["", "a:aééé", "a:", "é"] {
            let key = Key::verbatim(":1:cache", &StoreKey::new(text.as_bytes())).unwrap();
            assert!(key.is_in(&format!("CLIENT_ERROR no such command: mg {key} v")));
            assert!(!key.is_in("CLIENT_ERROR bad data chunk"));
        }
    }
}
