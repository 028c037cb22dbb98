//! Django's session keys: 32 characters of `a` to `z` and `0` to `9`.

use cloakroom::{Result, SessionKey};

use crate::random;

/// Returns a new key: 32 characters, each drawn evenly by the operating system.
///
/// # Errors
/// [`Random`](cloakroom::ErrorKind::Random) if the operating system gives no random numbers; never
/// a weaker key.
pub fn new_key() -> Result<SessionKey> {
    random::text(ALPHABET, KEY_CHARS, "making a session key").map(|text| SessionKey::new(&text))
}

/// Returns whether Django takes a browser's text for a key: it has at least eight characters,
/// whatever they are.
pub fn is_accepted(text: &str) -> bool {
    text.chars().nth(MIN_CHARS - 1).is_some()
}

/// Returns whether the file engine takes it, too. The name of a file has only `a` to `z` and `0` to
/// `9`.
pub fn is_file_safe(text: &str) -> bool {
    text.bytes().all(|byte| ALPHABET.contains(&byte))
}

const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const KEY_CHARS: usize = 32;
const MIN_CHARS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_characters_of_djangos_alphabet() {
        let key = new_key().unwrap();
        assert_eq!(key.reveal().len(), KEY_CHARS);
        assert!(is_file_safe(key.reveal()));
        assert_ne!(key.reveal(), new_key().unwrap().reveal());
    }
}
