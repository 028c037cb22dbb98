use std::fmt;

use cloakroom::{Item, Result, Session};
use subtle::ConstantTimeEq;

use super::Refusal;
use crate::auth::alphabet::ALPHABET;
use crate::auth::session::read;
use crate::random;

/// What ties a browser to the tokens in its pages: 32 characters that the browser's cookie or the session holds.
///
/// A page carries it [masked](Self::mask), differently each time, so that compression of the page does not give it
/// away; every masking of it stays valid for as long as the secret is the same.
///
/// # Examples
/// ```
/// use cloakroom_django::auth::csrf::{Refusal, Secret};
///
/// let secret = Secret::random()?;
/// let token = secret.mask()?;
/// assert_eq!(token.len(), 64);
/// assert_ne!(token, secret.mask()?);
/// assert_eq!(secret.matches(&token), Ok(()));
///
/// let after_the_login = Secret::random()?;
/// assert_eq!(after_the_login.matches(&token), Err(Refusal::WrongToken));
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone)]
pub struct Secret([u8; SECRET_LEN]);

impl Secret {
    /// A new one: for a browser that has none, and at each login.
    ///
    /// # Errors
    /// [`Random`](cloakroom::ErrorKind::Random) if the operating system gives no random numbers.
    pub fn random() -> Result<Self> {
        let text = random::text(ALPHABET, SECRET_LEN, "making a CSRF secret")?;
        Ok(Self::parse(&text).expect("random text is of the alphabet"))
    }

    /// Reads a secret, masked or not: 64 or 32 characters of `a-z A-Z 0-9`.
    ///
    /// # Errors
    /// [`TokenLength`](Refusal::TokenLength) or [`TokenCharacters`](Refusal::TokenCharacters).
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let is_masked = match text.chars().count() {
            SECRET_LEN => false,
            TOKEN_LEN => true,
            _ => return Err(Refusal::TokenLength),
        };
        let digits: Option<Vec<u8>> = text.bytes().map(digit).collect();
        let digits = digits.ok_or(Refusal::TokenCharacters)?;
        let (mask, cipher) = digits.split_at(match is_masked {
            true => SECRET_LEN,
            false => 0,
        });
        Ok(Self(std::array::from_fn(|i| {
            let mask = mask.get(i).copied().unwrap_or_default();
            letter(cipher[i] + BASE - mask)
        })))
    }

    /// The secret itself: what the cookie holds. Never put it in a page or a log.
    pub fn reveal(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }

    /// A token for one page or form.
    ///
    /// # Errors
    /// [`Random`](cloakroom::ErrorKind::Random) if the operating system gives no random numbers.
    pub fn mask(&self) -> Result<String> {
        let mut token = random::text(ALPHABET, SECRET_LEN, "masking a CSRF token")?;
        let cipher: Vec<u8> = token
            .bytes()
            .zip(self.0)
            .map(|(mask, secret)| letter(digit_of_alphabet(mask) + digit_of_alphabet(secret)))
            .collect();
        token.extend(cipher.into_iter().map(char::from));
        Ok(token)
    }

    /// Whether a token that came back with a form is of this secret. The time does not depend on how much of it is.
    ///
    /// # Errors
    /// [`TokenLength`](Refusal::TokenLength), [`TokenCharacters`](Refusal::TokenCharacters) or
    /// [`WrongToken`](Refusal::WrongToken).
    pub fn matches(&self, token: &str) -> Result<(), Refusal> {
        let token = Self::parse(token)?;
        match token.0.ct_eq(&self.0).into() {
            true => Ok(()),
            false => Err(Refusal::WrongToken),
        }
    }

    /// The secret that the session holds, where Django is told `CSRF_USE_SESSIONS`.
    pub fn in_session(session: &Session) -> Option<Self> {
        Self::parse(&read(session, ITEM)?).ok()
    }

    /// Puts the secret into the session, instead of a cookie. [`Auth::log_in`](crate::auth::Auth::log_in) replaces it.
    ///
    /// # Errors
    /// As [`Session::set`].
    pub fn keep_in_session(&self, session: &Session) -> Result<()> {
        session.set(ITEM, self.reveal().to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Replaces the secret in the session, if there is one.
pub(crate) fn rotate_in_session(session: &Session) -> Result<()> {
    match session.contains(ITEM) {
        true => Secret::random()?.keep_in_session(session),
        false => Ok(()),
    }
}

/// The place of a character in the alphabet.
fn digit(character: u8) -> Option<u8> {
    match character {
        b'a'..=b'z' => Some(character - b'a'),
        b'A'..=b'Z' => Some(character - b'A' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        _ => None,
    }
}

fn digit_of_alphabet(character: u8) -> u8 {
    digit(character).expect("secrets and random texts are of the alphabet")
}

/// The character at a place of the alphabet, which begins again at its end.
fn letter(digit: u8) -> u8 {
    ALPHABET[usize::from(digit % BASE)]
}

const ITEM: Item<String> = Item::new("_csrftoken");

const SECRET_LEN: usize = 32;

const TOKEN_LEN: usize = 2 * SECRET_LEN;

/// How many characters the alphabet has.
const BASE: u8 = 62;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_has_its_place() {
        for (place, character) in ALPHABET.iter().enumerate() {
            assert_eq!(digit(*character).map(usize::from), Some(place));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret = Secret::parse(&"Q".repeat(SECRET_LEN)).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
