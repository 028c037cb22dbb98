//! Django's session keys: 32 characters of `a` to `z` and `0` to `9`.

use cloakroom::{Error, ErrorKind, Result, SessionKey};

/// A new key: 32 characters, each drawn evenly by the operating system.
///
/// # Errors
/// [`Random`](ErrorKind::Random) if the operating system gives no random numbers; never a weaker key.
pub fn new_key() -> Result<SessionKey> {
    draw(getrandom::fill)
}

/// Whether Django takes a browser's text for a key: it has at least eight characters, whatever they are.
pub fn is_accepted(text: &str) -> bool {
    text.chars().nth(MIN_CHARS - 1).is_some()
}

/// Whether the file engine takes it, too: it puts nothing into the name of a file but `a` to `z` and `0` to `9`.
pub fn is_file_safe(text: &str) -> bool {
    text.bytes().all(|byte| ALPHABET.contains(&byte))
}

fn draw(random: fn(&mut [u8]) -> Result<(), getrandom::Error>) -> Result<SessionKey> {
    let mut text = String::with_capacity(KEY_CHARS);
    let mut bytes = [0; 64];
    // 252 of 256 bytes are taken, so one filling is all but certain to do.
    for _ in 0..MAX_FILLINGS {
        random(&mut bytes).map_err(|source| {
            Error::new(
                ErrorKind::Random,
                "making a session key: the operating system gives no random numbers",
            )
            .with_source(source)
        })?;
        // The bytes above the last multiple of 36 would make the first characters of the alphabet likelier.
        let even = bytes.iter().filter(|&&byte| byte < EVEN);
        let chars = even.map(|&byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
        text.extend(chars.take(KEY_CHARS - text.len()));
        if text.len() == KEY_CHARS {
            return Ok(SessionKey::new(&text));
        }
    }
    Err(Error::new(
        ErrorKind::Random,
        "making a session key: the operating system's random numbers are not random",
    ))
}

const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const KEY_CHARS: usize = 32;
const MIN_CHARS: usize = 8;
const EVEN: u8 = 252;
const MAX_FILLINGS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_characters_each_of_which_is_drawn_evenly() {
        let mut counts = [0_u32; 36];
        for _ in 0..2_000 {
            let key = new_key().unwrap();
            assert_eq!(key.reveal().len(), KEY_CHARS);
            for byte in key.reveal().bytes() {
                let at = ALPHABET.iter().position(|known| *known == byte).unwrap();
                counts[at] += 1;
            }
        }
        // 64,000 draws are 1,778 of each with a deviation of 42; nine deviations are no chance.
        for count in counts {
            assert!((1_400..2_160).contains(&count), "{counts:?}");
        }
    }

    #[test]
    fn bytes_that_would_favour_some_characters_are_passed_over() {
        let key = draw(|bytes| {
            for (nth, byte) in bytes.iter_mut().enumerate() {
                *byte = if nth % 2 == 0 { 255 } else { 35 };
            }
            Ok(())
        });
        assert_eq!(key.unwrap().reveal(), "9".repeat(32));
    }

    #[test]
    fn a_failing_source_of_random_numbers_is_an_error_and_never_a_weaker_key() {
        for broken in [
            |_: &mut [u8]| Err(getrandom::Error::UNSUPPORTED),
            |bytes: &mut [u8]| {
                bytes.fill(255);
                Ok(())
            },
        ] {
            assert_eq!(draw(broken).unwrap_err().kind(), ErrorKind::Random);
        }
    }
}
