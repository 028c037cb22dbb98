//! Hashes of the form `scrypt$16384$SALT$8$5$HASH`: the cost N, the salt, the costs r and p, and
//! the hash in base64.

use data_encoding::BASE64;
use scrypt::{Params, scrypt};

use super::fields::number;
use crate::auth::signing::equal;

/// Returns the part of a new hash that follows `scrypt$`.
pub(super) fn encode(password: &str, salt: &str) -> String {
    let Costs { n, r, p } = Costs::NEW;
    let hash = hash(password, salt, Costs::NEW).expect("the costs of new hashes are valid");
    format!("{n}${salt}${r}${p}${hash}")
}

fn hash(password: &str, salt: &str, costs: Costs) -> Option<String> {
    let log_n = u8::try_from(costs.n.ilog2()).ok()?;
    let params = Params::new(log_n, costs.r, costs.p).ok()?;
    let mut hash = [0; HASH_LEN];
    scrypt(password.as_bytes(), salt.as_bytes(), &params, &mut hash).ok()?;
    Some(BASE64.encode(&hash))
}

/// A parsed hash.
pub(super) struct ScryptHash<'a> {
    salt: &'a str,
    costs: Costs,
    hash: &'a str,
}

impl<'a> ScryptHash<'a> {
    pub(super) fn parse(rest: &'a str) -> Option<Self> {
        let mut parts = rest.split('$');
        let n = number(parts.next()?)?;
        let salt = parts.next()?;
        let r = number(parts.next()?)?;
        let p = number(parts.next()?)?;
        let hash = parts.next()?;
        let costs = Costs { n, r, p };
        let is_valid = parts.next().is_none() && !salt.is_empty() && costs.are_valid();
        is_valid.then_some(Self { salt, costs, hash })
    }

    pub(super) fn matches(&self, password: &str) -> bool {
        hash(password, self.salt, self.costs).is_some_and(|hash| equal(&hash, self.hash))
    }

    pub(super) fn is_outdated(&self) -> bool {
        self.costs != Costs::NEW
    }
}

/// The cost parameters, under scrypt's names.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Costs {
    n: u32,
    r: u32,
    p: u32,
}

impl Costs {
    /// The costs of new hashes.
    const NEW: Self = Self {
        n: 1 << 14,
        r: 8,
        p: 5,
    };

    fn are_valid(self) -> bool {
        let product = u64::from(self.n).checked_mul(u64::from(self.r));
        let work = product.and_then(|product| product.checked_mul(u64::from(self.p)));
        self.n > 1
            && self.n.is_power_of_two()
            && work.is_some_and(|work| (1..=MAX_WORK).contains(&work))
    }
}

/// The length of a hash in bytes.
const HASH_LEN: usize = 64;

/// The largest accepted product of N, r and p: six times the product of a new hash. It limits the
/// memory to 512 MiB, because verifying a damaged field must not exhaust the memory.
const MAX_WORK: u64 = 1 << 22;
