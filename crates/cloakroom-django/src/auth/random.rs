//! Random text of Django's alphabet.

use cloakroom::{Error, ErrorKind, Result};

/// `LEN` random characters of [`ALPHABET`]; `doing` says in the error what they were for.
pub(crate) fn text<const LEN: usize>(doing: &'static str) -> Result<String> {
    let mut text = String::with_capacity(LEN);
    for _ in 0..LEN {
        let number = getrandom::u64().map_err(|source| {
            let message = format!("{doing}: the operating system gave no random numbers");
            // Its text says which call failed; it holds no random bytes.
            Error::new(ErrorKind::Random, message).with_source(source)
        })?;
        // Of 2^64 numbers 62 leave no remainder that anyone could notice.
        let index = number % ALPHABET.len() as u64;
        text.push(char::from(ALPHABET[index as usize]));
    }
    Ok(text)
}

/// In the order of which the arithmetic of CSRF tokens makes use.
pub(crate) const ALPHABET: &[u8; 62] =
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_texts_are_equal_and_every_character_is_of_the_alphabet() {
        let one = text::<40>("a test").unwrap();
        assert_eq!(one.len(), 40);
        assert!(one.bytes().all(|byte| ALPHABET.contains(&byte)));
        assert_ne!(one, text::<40>("a test").unwrap());
    }
}
