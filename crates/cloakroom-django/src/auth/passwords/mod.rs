//! Password hashes as Django stores them in `auth_user.password`.
//!
//! | hashes that start with | are verified and made |
//! |---|---|
//! | `pbkdf2_sha256$`, `pbkdf2_sha1$` | always |
//! | `argon2$` | with the feature `argon2` |
//! | `bcrypt_sha256$` | with the feature `bcrypt` |
//! | `scrypt$` | with the feature `scrypt` |
//! | `!` | never: no password matches |
//!
//! A hash by any other algorithm matches no password, as on a Django site whose `PASSWORD_HASHERS`
//! does not list that algorithm.
//!
//! Computing a hash takes a good part of a second, on purpose. All functions here are synchronous.
//! In async code, call them in `tokio::task::spawn_blocking`; otherwise all other requests on the
//! same thread wait.
//!
//! # Examples
//! A login form. `user` is the row with the submitted name, or `None` if no row has it:
//! ```
//! use cloakroom::{Result, Session};
//! use cloakroom_django::auth::{Account, Auth, Passwords, Verdict};
//! # use std::borrow::Cow;
//! # use cloakroom::Sessions;
//! # use cloakroom::store::MemoryStore;
//!
//! #[derive(Clone)]
//! struct User {
//!     id: i64,
//!     password: String,
//!     is_active: bool,
//! }
//! # impl Account for User {
//! #     fn id(&self) -> Cow<'_, str> { self.id.to_string().into() }
//! #     fn password(&self) -> &str { &self.password }
//! #     fn is_active(&self) -> bool { self.is_active }
//! # }
//!
//! /// Returns the user if the password is right and the user is active. Blocks the thread.
//! fn verify(passwords: &Passwords, user: Option<User>, submitted: &str) -> Result<Option<User>> {
//!     let Some(mut user) = user else {
//!         passwords.spend_time(submitted);
//!         return Ok(None);
//!     };
//!     match passwords.verify(submitted, &user.password) {
//!         Verdict::Wrong => return Ok(None),
//!         Verdict::Right => {}
//!         // Also write the new hash to the row. The login ties the session to the hash.
//!         Verdict::Outdated => user.password = passwords.encode(submitted)?,
//!     }
//!     Ok(Some(user).filter(User::is_active))
//! }
//!
//! async fn log_in(
//!     auth: &Auth,
//!     passwords: &Passwords,
//!     session: &Session,
//!     user: Option<User>,
//!     submitted: String,
//! ) -> Result<bool> {
//!     let passwords = passwords.clone();
//!     let verified = tokio::task::spawn_blocking(move || verify(&passwords, user, &submitted));
//!     let Some(user) = verified.await.expect("hashing does not panic")? else {
//!         return Ok(false);
//!     };
//!     auth.log_in(session, &user)?;
//!     Ok(true)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! # let auth = Auth::new("the site's SECRET_KEY");
//! # let session = Sessions::new(MemoryStore::new()).new_session();
//! # let passwords = Passwords::new().iterations(1_000);
//! let password = passwords.encode("Quay-lantern-7")?;
//! let ada = Some(User { id: 7, password, is_active: true });
//! assert!(!log_in(&auth, &passwords, &session, ada.clone(), "Heron-ladder-4".into()).await?);
//! assert!(log_in(&auth, &passwords, &session, ada, "Quay-lantern-7".into()).await?);
//! # Ok(())
//! # }
//! ```

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

/// The password hashes that a site makes and accepts: Django's `PASSWORD_HASHERS`.
///
/// The defaults are those of Django 5.2: new hashes are `pbkdf2_sha256` with 1,000,000 iterations,
/// and all algorithms that are compiled in are accepted.
///
/// Set the same number of iterations in all services that share the users. Otherwise, a login at
/// one service replaces the hash that another service made, and the new hash ends all other
/// sessions of the user. Django 4.2 uses 600,000 and Django 6.0 uses 1,200,000.
///
/// # Examples
/// ```
/// use cloakroom_django::auth::{Passwords, Verdict};
///
/// // Use so few iterations only in tests.
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
    /// Creates the settings of Django 5.2: new hashes are `pbkdf2_sha256` with 1,000,000
    /// iterations, and all algorithms that are compiled in are accepted.
    ///
    /// # Examples
    /// A hash that Django made:
    /// ```
    /// use cloakroom_django::auth::{Passwords, Verdict};
    ///
    /// let encoded = "pbkdf2_sha256$1000000$abcdefghijklmnopqrstuv\
    ///                $RQsDuUkUYsVKKMGEVf7KhP1xnDLlZ9RiOO63KN0aAbE=";
    /// assert_eq!(Passwords::new().verify("correct horse", encoded), Verdict::Right);
    /// ```
    pub fn new() -> Self {
        Self {
            preferred: Algorithm::Pbkdf2Sha256,
            iterations: ITERATIONS,
            accepted: Algorithm::ALL.to_vec(),
        }
    }

    /// Sets the algorithm of new hashes. Hashes by other algorithms are
    /// [outdated](Verdict::Outdated).
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::Passwords;
    /// use cloakroom_django::auth::passwords::Algorithm;
    ///
    /// let passwords = Passwords::new().preferred(Algorithm::Pbkdf2Sha1).iterations(1_000);
    /// assert!(passwords.encode("correct horse")?.starts_with("pbkdf2_sha1$1000$"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[must_use]
    pub fn preferred(mut self, algorithm: Algorithm) -> Self {
        self.preferred = algorithm;
        self
    }

    /// Sets the number of iterations of new PBKDF2 hashes. Defaults to 1,000,000, and is clamped to
    /// between 1 and 100,000,000.
    ///
    /// PBKDF2 hashes with another number of iterations are [outdated](Verdict::Outdated).
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::Passwords;
    ///
    /// let passwords = Passwords::new().iterations(1_000);
    /// assert!(passwords.encode("correct horse")?.starts_with("pbkdf2_sha256$1000$"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[must_use]
    pub fn iterations(mut self, iterations: u32) -> Self {
        self.iterations = iterations.clamp(1, pbkdf2::MAX_ITERATIONS);
        self
    }

    /// Accepts only these algorithms and the [preferred](Self::preferred) one. Hashes by other
    /// algorithms match no password.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::{Passwords, Verdict};
    ///
    /// let sha1 = "pbkdf2_sha1$1000$abcdefghijklmnopqrstuv$Sk9TwyTsdnHyr4oSsU4Vdbw7soU=";
    /// let passwords = Passwords::new().iterations(1_000);
    /// assert_eq!(passwords.verify("pw", sha1), Verdict::Outdated);
    /// assert_eq!(passwords.accepting([]).verify("pw", sha1), Verdict::Wrong);
    /// ```
    #[must_use]
    pub fn accepting(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.accepted = algorithms.into_iter().collect();
        self
    }

    /// Verifies a password against `encoded`, the password field of a user.
    ///
    /// In these two cases, verifying a wrong password takes as long as computing a new hash, so the
    /// time taken does not reveal which users have such a field:
    ///
    /// * No password matches the field, because the field is unusable, empty, damaged, or a hash by
    ///   an algorithm that is not accepted.
    /// * The field is a PBKDF2 or bcrypt hash by the preferred algorithm, with a lower cost than
    ///   new hashes have.
    ///
    /// For a user who does not exist, call [`spend_time`](Self::spend_time), so that the time taken
    /// does not reveal which users exist.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::{Passwords, Verdict};
    ///
    /// let encoded = "pbkdf2_sha256$1000$abcdefghijklmnopqrstuv\
    ///                $3sV/SVfT6ME4dIgYVdSlH0jEvyK0z+y3AJvov9Y+8MA=";
    /// let passwords = Passwords::new().iterations(1_000);
    /// assert_eq!(passwords.verify("correct horse", encoded), Verdict::Right);
    /// assert_eq!(passwords.verify("battery staple", encoded), Verdict::Wrong);
    /// assert_eq!(passwords.verify("correct horse", "!unusable"), Verdict::Wrong);
    /// ```
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

    /// Returns a new hash of `password` with a random salt, for the password field of the user.
    ///
    /// # Errors
    /// [`Random`](cloakroom::ErrorKind::Random) if the operating system returns no random numbers.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::{Passwords, Verdict};
    ///
    /// let passwords = Passwords::new().iterations(1_000);
    /// let encoded = passwords.encode("correct horse")?;
    /// assert_ne!(encoded, passwords.encode("correct horse")?);
    /// assert_eq!(passwords.verify("correct horse", &encoded), Verdict::Right);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn encode(&self, password: &str) -> Result<String> {
        let salt = random::text(ALPHABET, SALT_LEN, "making the salt of a password hash")?;
        Ok(self.preferred.encode(password, &salt, self.iterations))
    }

    /// Computes a new hash of `password` and discards it. This takes as long as
    /// [`verify`](Self::verify) for an existing user.
    ///
    /// Call it when a login names an unknown user. Otherwise the response time reveals which users
    /// exist.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::{Passwords, Verdict};
    ///
    /// fn verify(passwords: &Passwords, password: &str, stored: Option<&str>) -> Verdict {
    ///     let Some(stored) = stored else {
    ///         passwords.spend_time(password);
    ///         return Verdict::Wrong;
    ///     };
    ///     passwords.verify(password, stored)
    /// }
    ///
    /// let passwords = Passwords::new().iterations(1_000);
    /// assert_eq!(verify(&passwords, "correct horse", None), Verdict::Wrong);
    /// ```
    pub fn spend_time(&self, password: &str) {
        let encoded = self.preferred.encode(password, NO_SALT, self.iterations);
        std::hint::black_box(encoded);
    }

    /// Returns whether a hash is outdated. Replace an outdated hash at the next login, when the
    /// user has submitted the password.
    ///
    /// A hash is outdated if the preferred algorithm did not make it, if its iterations, costs or
    /// other parameters differ from those of new hashes, or if the salt of a PBKDF2 or Argon2 hash
    /// has fewer than 128 bits.
    ///
    /// Returns `false` for a field that no password matches. If the password is right,
    /// [`verify`](Self::verify) reports an outdated hash with [`Verdict::Outdated`].
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::Passwords;
    ///
    /// let encoded = Passwords::new().iterations(1_000).encode("correct horse")?;
    /// assert!(!Passwords::new().iterations(1_000).must_update(&encoded));
    /// assert!(Passwords::new().iterations(2_000).must_update(&encoded));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn must_update(&self, encoded: &str) -> bool {
        self.read(encoded)
            .is_some_and(|stored| self.is_outdated(&stored))
    }

    /// Parses a hash by an accepted algorithm.
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

/// The result of [`Passwords::verify`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Verdict {
    /// The password is right.
    Right,
    /// The password is right, but its hash is outdated: replace it with a
    /// [new one](Passwords::encode).
    ///
    /// Replace the hash before the login, because the login ties the session to the stored hash.
    Outdated,
    /// The password is wrong, or the field matches no password.
    Wrong,
}

impl Verdict {
    /// Returns whether the password is right: `true` for `Right` and `Outdated`.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::Verdict;
    ///
    /// assert!(Verdict::Outdated.is_right());
    /// assert!(!Verdict::Wrong.is_right());
    /// ```
    pub fn is_right(self) -> bool {
        self != Self::Wrong
    }
}

/// Returns a password field that no password matches, for a user who must not log in with a
/// password.
///
/// Each call returns a different field. Storing the field ends all sessions of the user, because
/// they are tied to the old field.
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
/// [`Random`](cloakroom::ErrorKind::Random) if the operating system returns no random numbers.
pub fn unusable() -> Result<String> {
    let tail = random::text(ALPHABET, UNUSABLE_LEN, "making an unusable password")?;
    Ok(format!("{UNUSABLE}{tail}"))
}

/// Returns `false` if the field starts with `!`, so that no password matches it, and `true` for any
/// other field.
///
/// Django mails password-reset links only to users with a usable field.
///
/// # Examples
/// ```
/// use cloakroom_django::auth::passwords::is_usable;
///
/// assert!(is_usable("pbkdf2_sha256$1000000$salt$hash"));
/// assert!(!is_usable("!aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
/// ```
pub fn is_usable(encoded: &str) -> bool {
    !encoded.starts_with(UNUSABLE)
}

/// The default number of PBKDF2 iterations in Django 5.2.
const ITERATIONS: u32 = 1_000_000;

/// The salt of a hash that is computed only to spend time. It is as long as a random salt.
const NO_SALT: &str = "----------------------";

/// The first character of an unusable field.
const UNUSABLE: char = '!';

/// The number of random characters after the `!`, as in Django.
const UNUSABLE_LEN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_password_takes_the_same_time_for_every_field() {
        let passwords = Passwords::new().iterations(1_000);
        let weaker_hash = Passwords::new().iterations(10).encode("pw").unwrap();
        let current_hash = passwords.encode("pw").unwrap();
        let sha1_only = passwords.clone().accepting([Algorithm::Pbkdf2Sha1]);
        for field in [
            "",
            "!",
            "pw",
            "md5$salt$hash",
            "pbkdf2_sha256$10",
            &weaker_hash,
            &current_hash,
        ] {
            for passwords in [&passwords, &sha1_only] {
                let spent = spent(|| assert_eq!(passwords.verify("wrong", field), Verdict::Wrong));
                assert_eq!(spent, 1_000, "{field}");
            }
        }
        assert_eq!(spent(|| passwords.spend_time("wrong")), 1_000);
    }

    #[test]
    fn a_right_password_takes_the_time_of_its_own_hash() {
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

    /// Returns how many iterations of PBKDF2 `act` computes.
    fn spent(act: impl FnOnce()) -> u32 {
        let before = pbkdf2::SPENT.get();
        act();
        pbkdf2::SPENT.get() - before
    }
}
