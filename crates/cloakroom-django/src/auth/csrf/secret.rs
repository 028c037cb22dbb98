use std::fmt;

use cloakroom::{Item, Result, Session};
use subtle::ConstantTimeEq;

use super::Refusal;
use crate::auth::alphabet::ALPHABET;
use crate::auth::session::read;
use crate::random;

/// A browser's CSRF secret: 32 characters in its cookie or in the session.
///
/// Each page contains a [masked](Self::mask) copy of the secret. The mask is different each time,
/// so that a compression attack such as BREACH cannot recover the secret. All masked copies are
/// valid until the secret changes.
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
/// let after_login = Secret::random()?;
/// assert_eq!(after_login.matches(&token), Err(Refusal::WrongToken));
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone)]
pub struct Secret([u8; SECRET_LEN]);

impl Secret {
    /// Makes a new secret. A browser needs one before its first form and at each login.
    ///
    /// # Errors
    /// [`Random`](cloakroom::ErrorKind::Random) if the operating system returns no random numbers.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::csrf::Secret;
    ///
    /// assert_ne!(Secret::random()?.reveal(), Secret::random()?.reveal());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn random() -> Result<Self> {
        let text = random::text(ALPHABET, SECRET_LEN, "making a CSRF secret")?;
        Ok(Self::parse(&text).expect("random text uses the alphabet"))
    }

    /// Parses a 32-character secret, or unmasks a 64-character token. Both consist of `a-z`, `A-Z`
    /// and `0-9`.
    ///
    /// # Errors
    /// [`TokenLength`](Refusal::TokenLength) if the text has neither 32 nor 64 characters, or
    /// [`TokenCharacters`](Refusal::TokenCharacters) if it contains a character other than `a-z`,
    /// `A-Z` and `0-9`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::csrf::{Refusal, Secret};
    ///
    /// let token = "abcdefghijklmnopqrstuvwxyzABCDEFEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    /// assert_eq!(Secret::parse(token).unwrap().reveal(), "E".repeat(32));
    /// assert_eq!(Secret::parse("short").unwrap_err(), Refusal::TokenLength);
    /// ```
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
        // A bare secret has no mask, which is the same as a mask of zeros.
        Ok(Self(std::array::from_fn(|i| {
            let mask = mask.get(i).copied().unwrap_or_default();
            letter(cipher[i] + BASE - mask)
        })))
    }

    /// Returns the secret itself, which is the value of the cookie. Never put it into a page or a
    /// log.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::csrf::Secret;
    ///
    /// let secret = Secret::random()?;
    /// assert_eq!(secret.reveal().len(), 32);
    /// assert_eq!(format!("{secret:?}"), "Secret(..)");
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn reveal(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }

    /// Makes a token for one page or form: a masked copy of the secret.
    ///
    /// # Errors
    /// [`Random`](cloakroom::ErrorKind::Random) if the operating system returns no random numbers.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::csrf::Secret;
    ///
    /// let secret = Secret::random()?;
    /// let token = secret.mask()?;
    /// assert_eq!(Secret::parse(&token).unwrap().reveal(), secret.reveal());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn mask(&self) -> Result<String> {
        let mut token = random::text(ALPHABET, SECRET_LEN, "masking a CSRF secret")?;
        let cipher: Vec<u8> = token
            .bytes()
            .zip(self.0)
            .map(|(mask, secret)| letter(digit_of_alphabet(mask) + digit_of_alphabet(secret)))
            .collect();
        token.extend(cipher.into_iter().map(char::from));
        Ok(token)
    }

    /// Checks, in constant time, that a submitted token was made from this secret.
    ///
    /// # Errors
    /// [`TokenLength`](Refusal::TokenLength), [`TokenCharacters`](Refusal::TokenCharacters) or
    /// [`WrongToken`](Refusal::WrongToken).
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::csrf::{Refusal, Secret};
    ///
    /// let secret = Secret::parse(&"b".repeat(32)).unwrap();
    /// let token = "a".repeat(32) + &"b".repeat(32);
    /// assert_eq!(secret.matches(&token), Ok(()));
    /// let other = "a".repeat(32) + &"c".repeat(32);
    /// assert_eq!(secret.matches(&other), Err(Refusal::WrongToken));
    /// ```
    pub fn matches(&self, token: &str) -> Result<(), Refusal> {
        let token = Self::parse(token)?;
        match token.0.ct_eq(&self.0).into() {
            true => Ok(()),
            false => Err(Refusal::WrongToken),
        }
    }

    /// Returns the secret in the session, or `None` if it is absent or malformed.
    ///
    /// Use this for a site with `CSRF_USE_SESSIONS`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::csrf::Secret;
    /// # use cloakroom::Sessions;
    /// # use cloakroom::store::MemoryStore;
    ///
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// assert!(Secret::in_session(&session).is_none());
    /// session.set("_csrftoken", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")?;
    /// assert_eq!(Secret::in_session(&session).unwrap().reveal(), "b".repeat(32));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn in_session(session: &Session) -> Option<Self> {
        Self::parse(&read(session, ITEM)?).ok()
    }

    /// Stores the secret in the session instead of in a cookie.
    /// [`Auth::log_in`](crate::auth::Auth::log_in) replaces it with a new secret.
    ///
    /// # Errors
    /// Those of [`Session::set`].
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::csrf::Secret;
    /// # use cloakroom::Sessions;
    /// # use cloakroom::store::MemoryStore;
    ///
    /// # let session = Sessions::new(MemoryStore::new()).new_session();
    /// let secret = Secret::random()?;
    /// secret.keep_in_session(&session)?;
    /// assert_eq!(session.get::<String>("_csrftoken")?.as_deref(), Some(secret.reveal()));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn keep_in_session(&self, session: &Session) -> Result<()> {
        session.set(ITEM, self.reveal().to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Replaces the secret in the session with a new one. Does nothing if the session has no secret.
pub(crate) fn rotate_in_session(session: &Session) -> Result<()> {
    match session.contains(ITEM) {
        true => Secret::random()?.keep_in_session(session),
        false => Ok(()),
    }
}

/// Returns the index of a character in the alphabet, or `None` if it is not in the alphabet.
fn digit(character: u8) -> Option<u8> {
    match character {
        b'a'..=b'z' => Some(character - b'a'),
        b'A'..=b'Z' => Some(character - b'A' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        _ => None,
    }
}

fn digit_of_alphabet(character: u8) -> u8 {
    digit(character).expect("secrets and random texts use the alphabet")
}

/// Returns the character of the alphabet at the index `digit`, modulo the length of the alphabet.
fn letter(digit: u8) -> u8 {
    ALPHABET[usize::from(digit % BASE)]
}

const ITEM: Item<String> = Item::new("_csrftoken");

const SECRET_LEN: usize = 32;

const TOKEN_LEN: usize = 2 * SECRET_LEN;

/// The length of the alphabet.
const BASE: u8 = 62;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digit_returns_the_index_of_each_character() {
        for (index, character) in ALPHABET.iter().enumerate() {
            assert_eq!(digit(*character).map(usize::from), Some(index));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret = Secret::parse(&"Q".repeat(SECRET_LEN)).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
