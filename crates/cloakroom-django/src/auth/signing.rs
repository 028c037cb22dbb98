//! The site's secret keys, and the signatures that Django makes with them.

use std::fmt;

use data_encoding::HEXLOWER;
use subtle::ConstantTimeEq;

use crate::wire::signing::salted_hmac;

/// The `SECRET_KEY` of a site, and its `SECRET_KEY_FALLBACKS`.
#[derive(Clone)]
pub(crate) struct Secrets {
    current: Box<[u8]>,
    fallbacks: Vec<Box<[u8]>>,
}

impl Secrets {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self {
            current: secret.into(),
            fallbacks: Vec::new(),
        }
    }

    pub(crate) fn fallback(&mut self, secret: &[u8]) {
        self.fallbacks.push(secret.into());
    }

    /// Returns the HMAC of `message` with the current key, in lower-case hexadecimal digits.
    pub(crate) fn sign(&self, salt: &str, message: &str) -> String {
        hmac_hex(salt, &self.current, message)
    }

    /// Returns the HMAC of `message` with each fallback key, in the order of the keys.
    pub(crate) fn fallbacks(&self, salt: &str, message: &str) -> impl Iterator<Item = String> {
        let fallbacks = self.fallbacks.iter();
        fallbacks.map(move |secret| hmac_hex(salt, secret, message))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

fn hmac_hex(salt: &str, secret: &[u8], message: &str) -> String {
    HEXLOWER.encode(&salted_hmac(salt, secret, message.as_bytes()))
}

/// Returns whether two texts are equal. The time taken does not depend on where they differ.
pub(crate) fn equal(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}
