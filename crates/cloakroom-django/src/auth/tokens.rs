//! Links that reset a password: Django's `PasswordResetTokenGenerator`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;

use crate::auth::signing::{Secrets, equal};

/// Makes and checks the tokens in the links that reset a password. They need no table: a token is signed, says when it
/// was made, and dies when the password, the address or the last login of the user changes, so that it works once.
///
/// Times are in UTC, as on a Django site with `TIME_ZONE = "UTC"`. A Django site with another one writes its local time
/// into its tokens, which then end that much sooner or later here, and those made here there.
///
/// # Examples
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use cloakroom_django::auth::tokens::{self, ResetTokens, Subject};
///
/// let tokens = ResetTokens::new("the SECRET_KEY of the Django site");
/// let ada = Subject {
///     id: "7",
///     password: "pbkdf2_sha256$1000000$salt$hash",
///     last_login: Some("2026-01-18 09:30:00.123456"),
///     email: "ada@library.example",
/// };
/// let now = SystemTime::now();
///
/// let token = tokens.make(&ada, now);
/// let link = format!("/accounts/reset/{}/{token}/", tokens::uid("7"));
/// assert!(link.starts_with("/accounts/reset/Nw/"));
///
/// assert!(tokens.check(&token, &ada, now));
/// let four_days = Duration::from_secs(4 * 24 * 60 * 60);
/// assert!(!tokens.check(&token, &ada, now + four_days));
/// let changed = Subject { password: "another hash", ..ada };
/// assert!(!tokens.check(&token, &changed, now));
/// ```
#[derive(Clone, Debug)]
pub struct ResetTokens {
    secrets: Secrets,
    timeout: Duration,
}

impl ResetTokens {
    /// With Django's `SECRET_KEY`; tokens are good for three days.
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self {
            secrets: Secrets::new(secret.as_ref()),
            timeout: TIMEOUT,
        }
    }

    /// Also takes tokens made with this secret, one of Django's `SECRET_KEY_FALLBACKS`.
    #[must_use]
    pub fn fallback(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.secrets.fallback(secret.as_ref());
        self
    }

    /// For how long tokens are good, in whole seconds: Django's `PASSWORD_RESET_TIMEOUT`.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// A token for the link that goes to the user's address.
    pub fn make(&self, user: &Subject<'_>, now: SystemTime) -> String {
        let time = seconds(now);
        token(time, &self.secrets.sign(SALT, &user.message(time)))
    }

    /// Whether a token is of this user as the row is now, and not too old. The time that it takes depends on nothing
    /// secret.
    ///
    /// A token from the future passes, as in Django: it is signed, so a clock has been set back.
    pub fn check(&self, candidate: &str, user: &Subject<'_>, now: SystemTime) -> bool {
        let time = candidate
            .split_once('-')
            .and_then(|(time, _)| of_base36(time));
        let Some(time) = time else {
            return false;
        };
        let message = user.message(time);
        let is_signed = equal(candidate, &token(time, &self.secrets.sign(SALT, &message)))
            || self
                .secrets
                .fallbacks(SALT, &message)
                .any(|signature| equal(candidate, &token(time, &signature)));
        is_signed && seconds(now).saturating_sub(time) <= self.timeout.as_secs()
    }
}

/// What a token is tied to: the row of the user.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The primary key as text, see [`Account::id`](crate::auth::Account::id).
    pub id: &'a str,
    /// The password field.
    pub password: &'a str,
    /// The last login in UTC as Django's column says it, `YYYY-MM-DD HH:MM:SS`, or `None` if there never was one. What
    /// comes after the seconds does not count.
    pub last_login: Option<&'a str>,
    /// The address; empty if there is none.
    pub email: &'a str,
}

impl Subject<'_> {
    fn message(&self, time: u64) -> String {
        let Self {
            id,
            password,
            last_login,
            email,
        } = self;
        let last_login = last_login.unwrap_or_default();
        let last_login = last_login.get(..WHOLE_SECONDS_LEN).unwrap_or(last_login);
        format!("{id}{password}{last_login}{time}{email}")
    }
}

/// A user's id as it stands in a link: Django's `uidb64`.
///
/// # Examples
/// ```
/// use cloakroom_django::auth::tokens::{id_of, uid};
///
/// assert_eq!(uid("12"), "MTI");
/// assert_eq!(id_of("MTI").as_deref(), Some("12"));
/// assert_eq!(id_of("not of this alphabet"), None);
/// ```
pub fn uid(id: &str) -> String {
    BASE64URL_NOPAD.encode(id.as_bytes())
}

/// The user's id in a link, as text that anybody may have made up; `None` if it is none.
pub fn id_of(uid: &str) -> Option<String> {
    let id = BASE64URL_NOPAD.decode(uid.as_bytes()).ok()?;
    String::from_utf8(id).ok()
}

/// The time, and every second digit of the signature: links in mails must not be too long.
fn token(time: u64, signature: &str) -> String {
    let half: String = signature.chars().step_by(2).collect();
    format!("{}-{half}", base36(time))
}

/// Seconds since the beginning of 2001.
fn seconds(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH + EPOCH);
    since.unwrap_or_default().as_secs()
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = char::from_digit((number % 36) as u32, 36);
        digits.push(digit.expect("a remainder is a digit"));
        number /= 36;
        // Thirteen times at most.
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

fn of_base36(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 36).ok()
}

/// 2001-01-01 00:00 UTC, since 1970.
const EPOCH: Duration = Duration::from_secs(978_307_200);

/// Three days.
const TIMEOUT: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// The length of `YYYY-MM-DD HH:MM:SS`.
const WHOLE_SECONDS_LEN: usize = 19;

const SALT: &str = "django.contrib.auth.tokens.PasswordResetTokenGenerator";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_36_comes_back() {
        for number in [0, 1, 35, 36, 809_049_600, u64::MAX] {
            assert_eq!(of_base36(&base36(number)), Some(number));
        }
        assert_eq!(base36(809_049_600), "ddoqo0");
    }
}
