use std::{convert::Infallible, fmt, str::FromStr};

/// The key that signs cookies and links. It is never printed: `Debug` is redacted and there is no
/// `Display`.
///
/// ```
/// use locallibrary::config::SecretKey;
///
/// let key = SecretKey::from("correct horse battery staple");
/// assert_eq!(format!("{key:?}"), "SecretKey(…)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl SecretKey {
    /// Returns the key itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl FromStr for SecretKey {
    type Err = Infallible;

    // Accepts every text, because clap would print an error from here together with the key. The
    // site checks the key when it starts.
    fn from_str(key: &str) -> Result<Self, Infallible> {
        Ok(Self::from(key))
    }
}

impl From<&str> for SecretKey {
    fn from(key: &str) -> Self {
        Self(key.to_owned())
    }
}
