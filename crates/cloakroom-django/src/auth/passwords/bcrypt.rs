//! Hashes of the form `bcrypt_sha256$$2b$12$`, followed by 22 characters of salt and 31 of hash:
//! bcrypt of the SHA-256 of the password in hexadecimal digits.
//!
//! The SHA-256 is needed because bcrypt ignores everything after the first 72 bytes of its input.

use bcrypt::{HashParts, Version, hash_with_salt};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::auth::signing::equal;

/// Returns the part of a new hash that follows `bcrypt_sha256$`: bcrypt's own text, which also
/// starts with a `$`.
///
/// bcrypt needs a salt of 16 bytes. This function uses the first 16 bytes of the SHA-256 of `salt`,
/// which is random text.
pub(super) fn encode(password: &str, salt: &str) -> String {
    let salt = Sha256::digest(salt);
    let salt = *salt.first_chunk().expect("a SHA-256 has 32 bytes");
    hash(password, COST, salt).format_for_version(Version::TwoB)
}

fn hash(password: &str, cost: u32, salt: [u8; 16]) -> HashParts {
    let password = HEXLOWER.encode(&Sha256::digest(password));
    hash_with_salt(password, cost, salt)
        .expect("the cost was checked, and 64 digits are within bcrypt's 72 bytes")
}

/// A parsed hash.
pub(super) struct BcryptHash<'a> {
    text: &'a str,
    version: Version,
    cost: u32,
    salt: [u8; 16],
}

impl<'a> BcryptHash<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let version = match text.get(..4)? {
            "$2a$" => Version::TwoA,
            "$2b$" => Version::TwoB,
            "$2y$" => Version::TwoY,
            _ => return None,
        };
        // The parser of the crate `bcrypt` slices the text by bytes, which panics if the cut is
        // inside a character. So the text must be ASCII.
        let parts: HashParts = text.is_ascii().then(|| text.parse().ok()).flatten()?;
        let cost = parts.get_cost();
        (MIN_COST..=MAX_COST).contains(&cost).then(|| Self {
            text,
            version,
            cost,
            salt: parts.get_salt_raw(),
        })
    }

    pub(super) fn matches(&self, password: &str) -> bool {
        let hash = hash(password, self.cost, self.salt);
        equal(&hash.format_for_version(self.version.clone()), self.text)
    }

    pub(super) fn is_outdated(&self) -> bool {
        self.cost != COST
    }

    /// Spends the missing time: the time to compute a new hash minus the time to compute this hash.
    /// So a wrong password takes equally long for old and new hashes, and an attacker cannot tell
    /// from the time which users have an old hash.
    ///
    /// Each cost takes twice as long as the cost below it. So hashing once with each cost, from the
    /// cost of this hash to the last cost below `COST`, takes the missing time.
    pub(super) fn catch_up(&self, password: &str) {
        for cost in self.cost..COST {
            std::hint::black_box(hash(password, cost, self.salt));
        }
    }
}

/// The cost of new hashes.
const COST: u32 = 12;

/// The lowest cost that bcrypt allows.
const MIN_COST: u32 = 4;

/// The highest accepted cost: 256 times the work of a new hash. Verifying a damaged field must not
/// keep a thread busy for days.
const MAX_COST: u32 = 20;
