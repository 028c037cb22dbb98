//! Random text, for session keys, secrets and salts.

use cloakroom::{Error, ErrorKind, Result};

/// Returns `len` characters, drawn uniformly from `alphabet` with random numbers of the operating
/// system. `doing` is the start of an error's text.
///
/// # Errors
/// [`Random`](ErrorKind::Random) if the operating system returns no random numbers. There is no
/// weaker fallback.
pub(crate) fn text(alphabet: &[u8], len: usize, doing: &str) -> Result<String> {
    draw(alphabet, len, doing, getrandom::fill)
}

fn draw(
    alphabet: &[u8],
    len: usize,
    doing: &str,
    random: fn(&mut [u8]) -> Result<(), getrandom::Error>,
) -> Result<String> {
    let mut text = String::with_capacity(len);
    let mut bytes = [0; 64];
    // Use only the bytes below the largest multiple of the alphabet's length that is at most 256.
    // The other bytes would favour the first characters of the alphabet.
    let even = 256 - 256 % alphabet.len();
    // Most of the 64 bytes are used, so filling the buffer once is almost always enough.
    for _ in 0..MAX_FILLINGS {
        random(&mut bytes).map_err(|source| {
            let message = format!("{doing}: the operating system gives no random numbers");
            // The text of `source` names the call that failed, and contains no random bytes.
            Error::new(ErrorKind::Random, message).with_source(source)
        })?;
        let used = bytes
            .iter()
            .map(|&byte| usize::from(byte))
            .filter(|&byte| byte < even);
        let chars = used.map(|byte| char::from(alphabet[byte % alphabet.len()]));
        text.extend(chars.take(len - text.len()));
        if text.len() == len {
            return Ok(text);
        }
    }
    Err(Error::new(
        ErrorKind::Random,
        format!("{doing}: the operating system's random numbers are not random"),
    ))
}

/// The largest number of times that the buffer is filled. Even a text of 64 characters almost never
/// needs more than two fillings.
const MAX_FILLINGS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &[u8] = b"0123456789";
    const LOWERCASE: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

    #[test]
    fn every_character_is_equally_likely() {
        let mut counts = [0_u32; 36];
        for _ in 0..2_000 {
            let text = text(LOWERCASE, 32, "testing").unwrap();
            assert_eq!(text.len(), 32);
            for byte in text.bytes() {
                let at = LOWERCASE.iter().position(|known| *known == byte).unwrap();
                counts[at] += 1;
            }
        }
        // 64,000 draws give 1,778 of each character on average, with a standard deviation of 42.
        // The bounds are nine deviations away.
        for count in counts {
            assert!((1_400..2_160).contains(&count), "{counts:?}");
        }
    }

    #[test]
    fn two_texts_differ() {
        let one = text(DIGITS, 40, "testing").unwrap();
        assert_eq!(one.len(), 40);
        assert!(one.bytes().all(|byte| DIGITS.contains(&byte)));
        assert_ne!(one, text(DIGITS, 40, "testing").unwrap());
    }

    #[test]
    fn bytes_that_would_favour_some_characters_are_skipped() {
        let text = draw(LOWERCASE, 32, "testing", |bytes| {
            for (nth, byte) in bytes.iter_mut().enumerate() {
                *byte = if nth % 2 == 0 { 255 } else { 35 };
            }
            Ok(())
        });
        assert_eq!(text.unwrap(), "9".repeat(32));
    }

    #[test]
    fn a_failing_source_of_random_numbers_is_an_error() {
        for broken in [
            |_: &mut [u8]| Err(getrandom::Error::UNSUPPORTED),
            |bytes: &mut [u8]| {
                bytes.fill(255);
                Ok(())
            },
        ] {
            let error = draw(LOWERCASE, 32, "testing", broken).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Random);
            assert!(error.to_string().starts_with("testing: "), "{error}");
        }
    }
}
