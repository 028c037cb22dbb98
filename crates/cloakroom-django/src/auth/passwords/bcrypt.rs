//! `bcrypt_sha256$$2b$12$` and 22 characters of salt, 31 of hash: bcrypt of the hexadecimal SHA-256 of the password.
//!
//! Of bcrypt alone only the first 72 bytes of a password would count.

use bcrypt::{HashParts, Version, hash_with_salt};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::auth::signing::equal;

/// Everything after the name of the algorithm and a `$`; bcrypt's text brings another. bcrypt's salt is 16 bytes: those of a hash of `salt`, which is random.
pub(super) fn encode(password: &str, salt: &str) -> String {
    let salt = Sha256::digest(salt);
    let salt = *salt.first_chunk().expect("a SHA-256 has more bytes");
    hash(password, COST, salt).format_for_version(Version::TwoB)
}

fn hash(password: &str, cost: u32, salt: [u8; 16]) -> HashParts {
    let password = HEXLOWER.encode(&Sha256::digest(password));
    hash_with_salt(password, cost, salt)
        .expect("the cost was checked, and 64 digits are not too many")
}

/// A hash, taken apart.
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
        // The parser of bcrypt looks into the text by bytes.
        let parts: HashParts = text.is_ascii().then(|| text.parse().ok()).flatten()?;
        let cost = parts.get_cost();
        (LEAST_COST..=MOST_COST).contains(&cost).then(|| Self {
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

    /// A cost is an exponent: those from the old one up to, but not with, the new one add up to what is missing.
    pub(super) fn catch_up(&self, password: &str) {
        for cost in self.cost..COST {
            std::hint::black_box(hash(password, cost, self.salt));
        }
    }
}

/// That of new hashes.
const COST: u32 = 12;

/// The least that bcrypt knows.
const LEAST_COST: u32 = 4;

/// 256 times what Django asks for. A damaged field must not keep a thread busy for a week.
const MOST_COST: u32 = 20;
