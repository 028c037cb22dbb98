//! Django's session keys: 32 characters of `a` to `z` and `0` to `9`.

use cloakroom::{Result, SessionKey};

use crate::random;

/// Returns a new key: 32 characters, drawn with random numbers of the operating system.
///
/// # Errors
/// [`Random`](cloakroom::ErrorKind::Random) if the operating system returns no random numbers.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::key::{is_accepted, new_key};
///
/// let key = new_key()?;
/// assert_eq!(key.reveal().len(), 32);
/// assert!(is_accepted(key.reveal()));
/// # Ok::<(), cloakroom::Error>(())
/// ```
pub fn new_key() -> Result<SessionKey> {
    random::text(ALPHABET, KEY_CHARS, "making a session key").map(|text| SessionKey::new(&text))
}

/// Returns whether Django accepts a key that a browser sent: it has at least eight characters of
/// any kind.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::key::is_accepted;
///
/// assert!(is_accepted("12345678"));
/// assert!(!is_accepted("1234567"));
/// ```
pub fn is_accepted(text: &str) -> bool {
    text.chars().nth(MIN_CHARS - 1).is_some()
}

/// Returns whether the engine `file` also accepts a key: it contains only the characters `a` to `z`
/// and `0` to `9`.
///
/// # Examples
/// ```
/// use cloakroom_django::wire::key::is_file_safe;
///
/// assert!(is_file_safe("abcdefghijklmnopqrstuvwxyz012345"));
/// assert!(!is_file_safe("../../etc/passwd"));
/// ```
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
    fn a_new_key_has_32_characters_of_djangos_alphabet() {
        let key = new_key().unwrap();
        assert_eq!(key.reveal().len(), KEY_CHARS);
        assert!(is_file_safe(key.reveal()));
        assert_ne!(key.reveal(), new_key().unwrap().reveal());
    }
}
