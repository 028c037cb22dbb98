//! Password hashes, as Django keeps them in `auth_user.password`.
//!
//! A hash costs a good part of a second of computing, which is its purpose. Everything here is synchronous, so an async
//! handler runs it in `tokio::task::spawn_blocking`, or all other requests of that thread wait.

use cloakroom::Result;

use crate::auth::alphabet::ALPHABET;
use crate::random;

mod algorithm;
pub use algorithm::Algorithm;
use algorithm::PasswordHash;
use fields::SALT_LEN;

#[cfg(feature = "argon2")]
mod argon2;
#[cfg(feature = "bcrypt")]
mod bcrypt;
mod fields;
mod pbkdf2;
#[cfg(feature = "scrypt")]
mod scrypt;

/// Which password hashes a site makes and which it accepts: Django's `PASSWORD_HASHERS`.
///
/// Without further words it is Django 5.2: new hashes are `pbkdf2_sha256` with 1,000,000 iterations, and every
/// algorithm that is built in is accepted. The count of iterations must be the same in all services that share the
/// users: each of them hashes a password again, at the next login, whose count is not its own, and a hash that changes
/// ends all other sessions of the user. Django 4.2 has 600,000, Django 6.0 has 1,200,000.
///
/// # Examples
/// ```
/// use cloakroom_django::auth::{Passwords, Verdict};
///
/// // So few are for tests only.
/// let passwords = Passwords::new().iterations(1_000);
/// let encoded = passwords.encode("correct horse")?;
///
/// assert!(encoded.starts_with("pbkdf2_sha256$1000$"));
/// assert_eq!(passwords.verify("correct horse", &encoded), Verdict::Right);
/// assert_eq!(passwords.verify("battery staple", &encoded), Verdict::Wrong);
///
/// let stronger = Passwords::new().iterations(2_000);
/// assert_eq!(stronger.verify("correct horse", &encoded), Verdict::Outdated);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Passwords {
    preferred: Algorithm,
    iterations: u32,
    accepted: Vec<Algorithm>,
}

impl Passwords {
    /// Django 5.2's: makes `pbkdf2_sha256` with 1,000,000 iterations, accepts all that are built in.
    pub fn new() -> Self {
        Self {
            preferred: Algorithm::Pbkdf2Sha256,
            iterations: ITERATIONS,
            accepted: Algorithm::ALL.to_vec(),
        }
    }

    /// The algorithm of new hashes; hashes by others are [outdated](Verdict::Outdated).
    #[must_use]
    pub fn preferred(mut self, algorithm: Algorithm) -> Self {
        self.preferred = algorithm;
        self
    }

    /// How many iterations new PBKDF2 hashes have; hashes with more or fewer are [outdated](Verdict::Outdated). None
    /// counts as one.
    #[must_use]
    pub fn iterations(mut self, iterations: u32) -> Self {
        self.iterations = iterations.clamp(1, pbkdf2::MOST_ITERATIONS);
        self
    }

    /// Accepts these algorithms and the [preferred](Self::preferred) one, and no others: their hashes never match.
    #[must_use]
    pub fn accepting(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.accepted = algorithms.into_iter().collect();
        self
    }

    /// Whether `encoded`, the password field of a user, is a hash of `password`.
    ///
    /// A field that no password matches (see [`is_usable`]; empty, damaged, by an algorithm that is not accepted) costs
    /// as much time as one that has a hash, and a wrong password on an old PBKDF2 or bcrypt hash as much as on a new
    /// one: so the time tells nobody which users are there and who has logged in lately. For a user who is not there
    /// call [`spend_time`](Self::spend_time).
    pub fn verify(&self, password: &str, encoded: &str) -> Verdict {
        let Some(stored) = self.read(encoded) else {
            self.spend_time(password);
            return Verdict::Wrong;
        };
        match stored.matches(password) {
            true if self.is_outdated(&stored) => Verdict::Outdated,
            true => Verdict::Right,
            false => {
                if stored.algorithm() == self.preferred {
                    stored.catch_up(password, self.iterations);
                }
                Verdict::Wrong
            }
        }
    }

    /// A new hash of `password`, with a salt of its own: what to write to the user's password field.
    ///
    /// # Errors
    /// [`Random`](cloakroom::ErrorKind::Random) if the operating system gives no random numbers.
    pub fn encode(&self, password: &str) -> Result<String> {
        let salt = random::text(ALPHABET, SALT_LEN, "making the salt of a password hash")?;
        Ok(self.preferred.encode(password, &salt, self.iterations))
    }

    /// Takes as long as [`verify`](Self::verify) does for a user who is there.
    pub fn spend_time(&self, password: &str) {
        let encoded = self.preferred.encode(password, NO_SALT, self.iterations);
        std::hint::black_box(encoded);
    }

    /// Whether a hash is to be replaced when its password is at hand: by another algorithm than the preferred one, with
    /// more or fewer iterations or other costs, with a salt of less than 128 bits. A field that no password matches is
    /// not.
    ///
    /// [`verify`](Self::verify) says the same of a right password with [`Verdict::Outdated`].
    pub fn must_update(&self, encoded: &str) -> bool {
        self.read(encoded)
            .is_some_and(|stored| self.is_outdated(&stored))
    }

    fn read<'a>(&self, encoded: &'a str) -> Option<PasswordHash<'a>> {
        let stored = PasswordHash::parse(encoded)?;
        let algorithm = stored.algorithm();
        (algorithm == self.preferred || self.accepted.contains(&algorithm)).then_some(stored)
    }

    fn is_outdated(&self, stored: &PasswordHash<'_>) -> bool {
        stored.algorithm() != self.preferred || stored.is_outdated(self.iterations)
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

/// What [`Passwords::verify`] found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Verdict {
    /// The password is right.
    Right,
    /// The password is right, and its hash is to be replaced by a [new one](Passwords::encode) now, while the password
    /// is at hand.
    ///
    /// Do that before the login: the session is tied to the hash.
    Outdated,
    /// The password is wrong, or there is none.
    Wrong,
}

impl Verdict {
    /// Whether the password is right, be its hash old or new.
    pub fn is_right(self) -> bool {
        self != Self::Wrong
    }
}

/// A password field that no password matches, for a user who is not to log in with one. No two are equal, so that
/// setting it ends the user's sessions.
///
/// # Examples
/// ```
/// use cloakroom_django::auth::passwords::{is_usable, unusable};
///
/// let field = unusable()?;
/// assert!(field.starts_with('!') && field.len() == 41);
/// assert!(!is_usable(&field));
/// # Ok::<(), cloakroom::Error>(())
/// ```
///
/// # Errors
/// [`Random`](cloakroom::ErrorKind::Random) if the operating system gives no random numbers.
pub fn unusable() -> Result<String> {
    let tail = random::text(ALPHABET, UNUSABLE_LEN, "making an unusable password")?;
    Ok(format!("{UNUSABLE}{tail}"))
}

/// Whether the user may have a password: the field does not start with `!`. Django mails a password reset to nobody
/// else.
pub fn is_usable(encoded: &str) -> bool {
    !encoded.starts_with(UNUSABLE)
}

/// Django 5.2's count for PBKDF2.
const ITERATIONS: u32 = 1_000_000;

const NO_SALT: &str = "----------------------";

const UNUSABLE: char = '!';

const UNUSABLE_LEN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_costs_the_same_whatever_the_field_holds() {
        let passwords = Passwords::new().iterations(1_000);
        let fewer = Passwords::new().iterations(10).encode("pw").unwrap();
        let equal = passwords.encode("pw").unwrap();
        let sha1_only = passwords.clone().accepting([Algorithm::Pbkdf2Sha1]);
        for field in [
            "",
            "!",
            "pw",
            "md5$salt$hash",
            "pbkdf2_sha256$10",
            &fewer,
            &equal,
        ] {
            for passwords in [&passwords, &sha1_only] {
                let spent = spent(|| assert_eq!(passwords.verify("wrong", field), Verdict::Wrong));
                assert_eq!(spent, 1_000, "{field}");
            }
        }
        assert_eq!(spent(|| passwords.spend_time("wrong")), 1_000);
    }

    #[test]
    fn a_right_password_costs_what_its_hash_does() {
        let passwords = Passwords::new().iterations(1_000);
        for iterations in [10, 2_000] {
            let encoded = Passwords::new()
                .iterations(iterations)
                .encode("pw")
                .unwrap();
            let spent = spent(|| assert_eq!(passwords.verify("pw", &encoded), Verdict::Outdated));
            assert_eq!(spent, iterations);
        }
    }

    /// How many iterations of PBKDF2 something costs.
    fn spent(act: impl FnOnce()) -> u32 {
        let before = pbkdf2::SPENT.get();
        act();
        pbkdf2::SPENT.get() - before
    }
}
