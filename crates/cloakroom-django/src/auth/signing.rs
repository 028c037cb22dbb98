//! Django's `salted_hmac`.

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Django's `SECRET_KEY`, and the `SECRET_KEY_FALLBACKS` after it.
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

    /// The HMAC of `message` with the current secret, in lower-case hexadecimal digits.
    pub(crate) fn sign(&self, salt: &str, message: &str) -> String {
        salted_hmac(salt, &self.current, message)
    }

    /// The HMACs of `message` with the fallbacks.
    pub(crate) fn fallbacks(&self, salt: &str, message: &str) -> impl Iterator<Item = String> {
        let fallbacks = self.fallbacks.iter();
        fallbacks.map(move |secret| salted_hmac(salt, secret, message))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

fn salted_hmac(salt: &str, secret: &[u8], message: &str) -> String {
    let key = Sha256::new()
        .chain_update(salt)
        .chain_update(secret)
        .finalize();
    let mut hmac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    hmac.update(message.as_bytes());
    HEXLOWER.encode(&hmac.finalize().into_bytes())
}

/// Whether two texts are equal; the time does not depend on where they differ.
pub(crate) fn equal(one: &str, other: &str) -> bool {
    use subtle::ConstantTimeEq;
    one.as_bytes().ct_eq(other.as_bytes()).into()
}
