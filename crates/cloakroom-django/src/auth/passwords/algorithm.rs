#[cfg(feature = "argon2")]
use super::argon2;
#[cfg(feature = "bcrypt")]
use super::bcrypt;
use super::pbkdf2;
#[cfg(feature = "scrypt")]
use super::scrypt;

/// An algorithm for password hashes. PBKDF2 is always compiled in. Each other algorithm
/// needs a feature of this crate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
    /// `pbkdf2_sha256`: PBKDF2 with HMAC-SHA-256, Django's default.
    Pbkdf2Sha256,
    /// `pbkdf2_sha1`: PBKDF2 with HMAC-SHA-1, used by old Django sites.
    Pbkdf2Sha1,
    /// `argon2`: Argon2id with 100 MiB of memory, 2 passes and 8 lanes. Needs the feature `argon2`.
    #[cfg(feature = "argon2")]
    Argon2,
    /// `bcrypt_sha256`: bcrypt with cost 12, computed over the SHA-256 of the password, because
    /// bcrypt ignores everything after the first 72 bytes of its input. Needs the feature `bcrypt`.
    #[cfg(feature = "bcrypt")]
    BcryptSha256,
    /// `scrypt`: scrypt with N = 2^14, r = 8, p = 5. Needs the feature `scrypt`.
    #[cfg(feature = "scrypt")]
    Scrypt,
}

impl Algorithm {
    /// All algorithms that are compiled in.
    pub const ALL: &[Self] = &[
        Self::Pbkdf2Sha256,
        Self::Pbkdf2Sha1,
        #[cfg(feature = "argon2")]
        Self::Argon2,
        #[cfg(feature = "bcrypt")]
        Self::BcryptSha256,
        #[cfg(feature = "scrypt")]
        Self::Scrypt,
    ];

    /// Returns the name with which hashes by this algorithm start.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_django::auth::passwords::Algorithm;
    ///
    /// assert_eq!(Algorithm::Pbkdf2Sha256.name(), "pbkdf2_sha256");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Pbkdf2Sha256 => "pbkdf2_sha256",
            Self::Pbkdf2Sha1 => "pbkdf2_sha1",
            #[cfg(feature = "argon2")]
            Self::Argon2 => "argon2",
            #[cfg(feature = "bcrypt")]
            Self::BcryptSha256 => "bcrypt_sha256",
            #[cfg(feature = "scrypt")]
            Self::Scrypt => "scrypt",
        }
    }

    /// Returns the text that Django stores in a user's password field for `password`: the name of
    /// the algorithm, its parameters, the salt and the hash. Only PBKDF2 uses `iterations`.
    pub(super) fn encode(self, password: &str, salt: &str, iterations: u32) -> String {
        let rest = match self {
            Self::Pbkdf2Sha256 => {
                pbkdf2::encode(pbkdf2::Digest::Sha256, password, salt, iterations)
            }
            Self::Pbkdf2Sha1 => pbkdf2::encode(pbkdf2::Digest::Sha1, password, salt, iterations),
            #[cfg(feature = "argon2")]
            Self::Argon2 => argon2::encode(password, salt),
            #[cfg(feature = "bcrypt")]
            Self::BcryptSha256 => bcrypt::encode(password, salt),
            #[cfg(feature = "scrypt")]
            Self::Scrypt => scrypt::encode(password, salt),
        };
        format!("{}${rest}", self.name())
    }
}

/// The parsed password field of a user.
pub(super) enum PasswordHash<'a> {
    Pbkdf2(pbkdf2::Pbkdf2Hash<'a>),
    #[cfg(feature = "argon2")]
    Argon2(argon2::Argon2Hash),
    #[cfg(feature = "bcrypt")]
    Bcrypt(bcrypt::BcryptHash<'a>),
    #[cfg(feature = "scrypt")]
    Scrypt(scrypt::ScryptHash<'a>),
}

impl<'a> PasswordHash<'a> {
    /// Parses a password field. Returns `None` if the field is marked as unusable, is damaged, or
    /// has a hash by an algorithm that is not compiled in.
    pub(super) fn parse(encoded: &'a str) -> Option<Self> {
        let (name, rest) = encoded.split_once('$')?;
        let mut all = Algorithm::ALL.iter();
        match all.find(|algorithm| algorithm.name() == name)? {
            Algorithm::Pbkdf2Sha256 => {
                pbkdf2::Pbkdf2Hash::parse(pbkdf2::Digest::Sha256, rest).map(Self::Pbkdf2)
            }
            Algorithm::Pbkdf2Sha1 => {
                pbkdf2::Pbkdf2Hash::parse(pbkdf2::Digest::Sha1, rest).map(Self::Pbkdf2)
            }
            #[cfg(feature = "argon2")]
            Algorithm::Argon2 => argon2::Argon2Hash::parse(rest).map(Self::Argon2),
            #[cfg(feature = "bcrypt")]
            Algorithm::BcryptSha256 => bcrypt::BcryptHash::parse(rest).map(Self::Bcrypt),
            #[cfg(feature = "scrypt")]
            Algorithm::Scrypt => scrypt::ScryptHash::parse(rest).map(Self::Scrypt),
        }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Pbkdf2(stored) => match stored.digest {
                pbkdf2::Digest::Sha256 => Algorithm::Pbkdf2Sha256,
                pbkdf2::Digest::Sha1 => Algorithm::Pbkdf2Sha1,
            },
            #[cfg(feature = "argon2")]
            Self::Argon2(_) => Algorithm::Argon2,
            #[cfg(feature = "bcrypt")]
            Self::Bcrypt(_) => Algorithm::BcryptSha256,
            #[cfg(feature = "scrypt")]
            Self::Scrypt(_) => Algorithm::Scrypt,
        }
    }

    pub(super) fn matches(&self, password: &str) -> bool {
        match self {
            Self::Pbkdf2(stored) => stored.matches(password),
            #[cfg(feature = "argon2")]
            Self::Argon2(stored) => stored.matches(password),
            #[cfg(feature = "bcrypt")]
            Self::Bcrypt(stored) => stored.matches(password),
            #[cfg(feature = "scrypt")]
            Self::Scrypt(stored) => stored.matches(password),
        }
    }

    /// Returns whether the parameters of this hash, for instance its costs, differ from those of a
    /// new hash by the same algorithm. Also returns `true` if the salt of a PBKDF2 or Argon2 hash
    /// is too short.
    pub(super) fn is_outdated(&self, iterations: u32) -> bool {
        match self {
            Self::Pbkdf2(stored) => stored.is_outdated(iterations),
            #[cfg(feature = "argon2")]
            Self::Argon2(stored) => stored.is_outdated(),
            #[cfg(feature = "bcrypt")]
            Self::Bcrypt(stored) => stored.is_outdated(),
            #[cfg(feature = "scrypt")]
            Self::Scrypt(stored) => stored.is_outdated(),
        }
    }

    /// Spends the missing time if this hash has a lower cost than a new hash, by hashing the
    /// password again. Does nothing for Argon2 and scrypt, as in Django.
    ///
    /// [`Passwords::verify`](super::Passwords::verify) calls this function after a wrong password.
    /// So with PBKDF2 and bcrypt, a wrong password takes equally long for old and new hashes, and
    /// an attacker cannot tell from the time which users have an old hash.
    pub(super) fn catch_up(&self, password: &str, iterations: u32) {
        match self {
            Self::Pbkdf2(stored) => stored.catch_up(password, iterations),
            #[cfg(feature = "bcrypt")]
            Self::Bcrypt(stored) => stored.catch_up(password),
            #[cfg(feature = "argon2")]
            Self::Argon2(_) => {}
            #[cfg(feature = "scrypt")]
            Self::Scrypt(_) => {}
        }
    }
}
