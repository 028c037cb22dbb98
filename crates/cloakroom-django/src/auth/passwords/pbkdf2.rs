//! Hashes of the form `pbkdf2_sha256$1000000$SALT$HASH`, or with the name `pbkdf2_sha1`: the number
//! of iterations, the salt, and the hash in base64.

use data_encoding::BASE64;
use pbkdf2::pbkdf2_hmac_array;
use sha1::Sha1;
use sha2::Sha256;

use super::fields::{is_long_enough, number};
use crate::auth::signing::equal;

/// The hash function that the HMAC uses.
#[derive(Clone, Copy)]
pub(super) enum Digest {
    Sha256,
    Sha1,
}

/// Returns the part of a new hash that follows the name of the algorithm and a `$`.
pub(super) fn encode(digest: Digest, password: &str, salt: &str, iterations: u32) -> String {
    format!(
        "{iterations}${salt}${}",
        hash(digest, password, salt, iterations)
    )
}

fn hash(digest: Digest, password: &str, salt: &str, iterations: u32) -> String {
    #[cfg(test)]
    SPENT.set(SPENT.get() + iterations);
    let (password, salt) = (password.as_bytes(), salt.as_bytes());
    match digest {
        Digest::Sha256 => {
            BASE64.encode(&pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations))
        }
        Digest::Sha1 => BASE64.encode(&pbkdf2_hmac_array::<Sha1, 20>(password, salt, iterations)),
    }
}

/// A parsed hash.
pub(super) struct Pbkdf2Hash<'a> {
    pub(super) digest: Digest,
    iterations: u32,
    salt: &'a str,
    hash: &'a str,
}

impl<'a> Pbkdf2Hash<'a> {
    pub(super) fn parse(digest: Digest, rest: &'a str) -> Option<Self> {
        let (iterations, rest) = rest.split_once('$')?;
        let (salt, hash) = rest.split_once('$')?;
        let iterations = number(iterations)?;
        let is_valid = (1..=MAX_ITERATIONS).contains(&iterations) && !salt.is_empty();
        is_valid.then_some(Self {
            digest,
            iterations,
            salt,
            hash,
        })
    }

    pub(super) fn matches(&self, password: &str) -> bool {
        let hash = hash(self.digest, password, self.salt, self.iterations);
        equal(&hash, self.hash)
    }

    pub(super) fn is_outdated(&self, iterations: u32) -> bool {
        self.iterations != iterations || !is_long_enough(self.salt.chars().count())
    }

    pub(super) fn catch_up(&self, password: &str, iterations: u32) {
        if let Some(missing @ 1..) = iterations.checked_sub(self.iterations) {
            std::hint::black_box(hash(self.digest, password, self.salt, missing));
        }
    }
}

/// The largest accepted number of iterations, a hundred times Django's default. Verifying a damaged
/// field must not keep a thread busy for an hour.
pub(super) const MAX_ITERATIONS: u32 = 100_000_000;

#[cfg(test)]
thread_local! {
    /// The number of iterations that this thread has computed. It lets tests measure the cost of a
    /// hash without a clock.
    pub(super) static SPENT: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}
