//! Hashes of the form `argon2$argon2id$v=19$m=102400,t=2,p=8$SALT$HASH`: the name `argon2`,
//! followed by a PHC string, the standard text form of Argon2 hashes. Salt and hash are in base64.

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::BASE64_NOPAD;
use subtle::ConstantTimeEq;

use super::fields::{is_long_enough, number};

/// Returns the part of a new hash that follows `argon2$`.
pub(super) fn encode(password: &str, salt: &str) -> String {
    let Costs {
        memory,
        passes,
        lanes,
    } = Costs::NEW;
    let hash = hash(
        Algorithm::Argon2id,
        Version::V0x13,
        Costs::NEW,
        password,
        salt.as_bytes(),
        HASH_LEN,
    )
    .expect("the costs of new hashes are valid, and so is a salt of 22 characters");
    let salt = BASE64_NOPAD.encode(salt.as_bytes());
    let hash = BASE64_NOPAD.encode(&hash);
    format!("argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}")
}

fn hash(
    algorithm: Algorithm,
    version: Version,
    costs: Costs,
    password: &str,
    salt: &[u8],
    len: usize,
) -> Option<Vec<u8>> {
    let params = Params::new(costs.memory, costs.passes, costs.lanes, Some(len)).ok()?;
    let mut hash = vec![0; len];
    Argon2::new(algorithm, version, params)
        .hash_password_into(password.as_bytes(), salt, &mut hash)
        .ok()?;
    Some(hash)
}

/// A parsed hash.
pub(super) struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    costs: Costs,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Argon2Hash {
    pub(super) fn parse(rest: &str) -> Option<Self> {
        let mut parts = rest.split('$');
        let algorithm = match parts.next()? {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            "argon2d" => Algorithm::Argon2d,
            _ => return None,
        };
        let (version, costs) = match parts.next()? {
            "v=19" => (Version::V0x13, parts.next()?),
            "v=16" => (Version::V0x10, parts.next()?),
            // The oldest hashes do not name the version.
            costs => (Version::V0x10, costs),
        };
        let costs = Costs::parse(costs)?;
        let salt = BASE64_NOPAD.decode(parts.next()?.as_bytes()).ok()?;
        let hash = BASE64_NOPAD.decode(parts.next()?.as_bytes()).ok()?;
        let is_valid = parts.next().is_none() && hash.len() <= MAX_HASH_LEN;
        is_valid.then_some(Self {
            algorithm,
            version,
            costs,
            salt,
            hash,
        })
    }

    pub(super) fn matches(&self, password: &str) -> bool {
        let len = self.hash.len();
        hash(
            self.algorithm,
            self.version,
            self.costs,
            password,
            &self.salt,
            len,
        )
        .is_some_and(|hash| hash.ct_eq(&self.hash).into())
    }

    pub(super) fn is_outdated(&self) -> bool {
        self.algorithm != Algorithm::Argon2id
            || self.version != Version::V0x13
            || self.costs != Costs::NEW
            || self.hash.len() != HASH_LEN
            || !is_long_enough(self.salt.len())
    }
}

/// The cost parameters: KiB of memory, passes over the memory, and lanes.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Costs {
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl Costs {
    /// The costs of new hashes.
    const NEW: Self = Self {
        memory: 102_400,
        passes: 2,
        lanes: 8,
    };

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let mut cost = |name: &str| number(parts.next()?.strip_prefix(name)?);
        let costs = Self {
            memory: cost("m=")?,
            passes: cost("t=")?,
            lanes: cost("p=")?,
        };
        let work = u64::from(costs.memory) * u64::from(costs.passes);
        let is_valid = parts.next().is_none() && costs.lanes <= MAX_LANES && work <= MAX_WORK;
        is_valid.then_some(costs)
    }
}

/// The length of a new hash in bytes.
const HASH_LEN: usize = 32;

/// The length of the longest accepted hash in bytes. The column `password` has 128 characters, too
/// few for a longer hash.
const MAX_HASH_LEN: usize = 64;

/// The largest accepted number of lanes. New hashes have 8, as in Django.
const MAX_LANES: u32 = 255;

/// The largest accepted product of KiB of memory and number of passes: twenty times the product of
/// a new hash. Verifying a damaged field must not exhaust the memory.
const MAX_WORK: u64 = 1 << 22;
