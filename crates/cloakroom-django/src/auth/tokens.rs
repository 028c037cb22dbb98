//! Links that reset a password: Django's `PasswordResetTokenGenerator`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;

use crate::auth::signing::{Secrets, equal};

/// Makes and checks the tokens in links that reset a password.
///
/// Tokens are not stored. A token is signed and contains the time at which it was made. It becomes
/// invalid when the user's password, mail address or last login changes. A reset changes the
/// password, so a token works only once.
///
/// Times are in UTC, as on a Django site with `TIME_ZONE = "UTC"`. A Django site in another time
/// zone writes its local time into tokens. A token of one side then expires too early or too late
/// on the other side, by the difference between the time zones.
///
/// # Examples
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use cloakroom_django::auth::tokens::{self, ResetTokens, Subject};
///
/// let tokens = ResetTokens::new("the site's SECRET_KEY");
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
    /// Creates the generator of a site with this `SECRET_KEY`. By default, tokens are valid for
    /// three days.
    ///
    /// # Examples
    /// ```
    /// # use std::time::SystemTime;
    /// use cloakroom_django::auth::tokens::{ResetTokens, Subject};
    ///
    /// # let email = "ada@library.example";
    /// # let ada = Subject { id: "7", password: "a hash", last_login: None, email };
    /// # let now = SystemTime::now();
    /// let token = ResetTokens::new("the site's SECRET_KEY").make(&ada, now);
    /// assert!(ResetTokens::new("the site's SECRET_KEY").check(&token, &ada, now));
    /// assert!(!ResetTokens::new("another SECRET_KEY").check(&token, &ada, now));
    /// ```
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self {
            secrets: Secrets::new(secret.as_ref()),
            timeout: TIMEOUT,
        }
    }

    /// Also accepts tokens made with this older key: one of `SECRET_KEY_FALLBACKS`.
    ///
    /// # Examples
    /// ```
    /// # use std::time::SystemTime;
    /// use cloakroom_django::auth::tokens::{ResetTokens, Subject};
    ///
    /// # let email = "ada@library.example";
    /// # let ada = Subject { id: "7", password: "a hash", last_login: None, email };
    /// # let now = SystemTime::now();
    /// let token = ResetTokens::new("the old SECRET_KEY").make(&ada, now);
    /// let tokens = ResetTokens::new("the new SECRET_KEY").fallback("the old SECRET_KEY");
    /// assert!(tokens.check(&token, &ada, now));
    /// ```
    #[must_use]
    pub fn fallback(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.secrets.fallback(secret.as_ref());
        self
    }

    /// Sets how long tokens are valid: Django's `PASSWORD_RESET_TIMEOUT`. Defaults to three days.
    /// Fractions of a second are ignored.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use cloakroom_django::auth::tokens::{ResetTokens, Subject};
    ///
    /// # let email = "ada@library.example";
    /// # let ada = Subject { id: "7", password: "a hash", last_login: None, email };
    /// # let now = SystemTime::now();
    /// let hour = Duration::from_secs(60 * 60);
    /// let tokens = ResetTokens::new("the site's SECRET_KEY").timeout(hour);
    /// let token = tokens.make(&ada, now);
    /// assert!(tokens.check(&token, &ada, now + hour));
    /// assert!(!tokens.check(&token, &ada, now + 2 * hour));
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns a token for the link that is mailed to the user.
    ///
    /// # Examples
    /// ```
    /// # use std::time::{Duration, SystemTime};
    /// use cloakroom_django::auth::tokens::{ResetTokens, Subject};
    ///
    /// # let email = "ada@library.example";
    /// # let ada = Subject { id: "7", password: "a hash", last_login: None, email };
    /// # let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_787_356_800);
    /// let token = ResetTokens::new("the site's SECRET_KEY").make(&ada, now);
    /// assert!(token.starts_with("ddoqo0-"), "the time since 2001 in base 36");
    /// assert_eq!(token.len(), 39);
    /// ```
    pub fn make(&self, user: &Subject<'_>, now: SystemTime) -> String {
        let time = secs_since_2001(now);
        token(time, &self.secrets.sign(SALT, &user.message(time)))
    }

    /// Returns whether a token is valid: it was made for this user, none of the fields of `user`
    /// has changed since, and it has not expired.
    ///
    /// The time taken does not depend on any secret. A token dated in the future is accepted, as in
    /// Django: its valid signature proves that the site made it, so a clock must have been set
    /// back.
    ///
    /// # Examples
    /// ```
    /// # use std::time::SystemTime;
    /// use cloakroom_django::auth::tokens::{ResetTokens, Subject};
    ///
    /// # let email = "ada@library.example";
    /// # let ada = Subject { id: "7", password: "a hash", last_login: None, email };
    /// # let now = SystemTime::now();
    /// let tokens = ResetTokens::new("the site's SECRET_KEY");
    /// let token = tokens.make(&ada, now);
    /// assert!(tokens.check(&token, &ada, now));
    ///
    /// let after_login = Subject { last_login: Some("2026-01-18 09:30:00"), ..ada };
    /// assert!(!tokens.check(&token, &after_login, now));
    /// ```
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
        is_signed && secs_since_2001(now).saturating_sub(time) <= self.timeout.as_secs()
    }
}

/// The fields of the user that a token depends on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The primary key as text, see [`Account::id`](crate::auth::Account::id).
    pub id: &'a str,
    /// The password field.
    pub password: &'a str,
    /// The last login in UTC as in Django's column, `YYYY-MM-DD HH:MM:SS`, or `None` if the user
    /// has never logged in. Anything after the seconds is ignored.
    pub last_login: Option<&'a str>,
    /// The mail address, or an empty text if the user has none.
    pub email: &'a str,
}

impl Subject<'_> {
    /// Returns the text that is signed.
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

/// Returns a user's id as it appears in a link: Django's `uidb64`.
///
/// # Examples
/// ```
/// use cloakroom_django::auth::tokens::{id_of, uid};
///
/// assert_eq!(uid("12"), "MTI");
/// assert_eq!(id_of("MTI").as_deref(), Some("12"));
/// ```
pub fn uid(id: &str) -> String {
    BASE64URL_NOPAD.encode(id.as_bytes())
}

/// Returns the user's id from a link, or `None` if `uid` is not UTF-8 text in base64url.
///
/// The id may be forged. Parse it, and if that fails, treat the user as unknown.
///
/// # Examples
/// ```
/// use cloakroom_django::auth::tokens::id_of;
///
/// assert_eq!(id_of("Nw").as_deref(), Some("7"));
/// assert_eq!(id_of("not base64url"), None);
/// ```
pub fn id_of(uid: &str) -> Option<String> {
    let id = BASE64URL_NOPAD.decode(uid.as_bytes()).ok()?;
    String::from_utf8(id).ok()
}

/// Formats a token: the time, and every second digit of the signature, to keep links short.
fn token(time: u64, signature: &str) -> String {
    let half: String = signature.chars().step_by(2).collect();
    format!("{}-{half}", base36(time))
}

/// Returns the seconds since the start of 2001, from which Django counts.
fn secs_since_2001(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH + EPOCH);
    since.unwrap_or_default().as_secs()
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = char::from_digit((number % 36) as u32, 36);
        digits.push(digit.expect("a remainder is a digit"));
        number /= 36;
        // The loop ends after at most thirteen digits, those of the largest `u64`.
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

fn of_base36(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 36).ok()
}

/// The time from 1970 to the start of 2001 in UTC.
const EPOCH: Duration = Duration::from_secs(978_307_200);

/// Django's default for `PASSWORD_RESET_TIMEOUT`: three days.
const TIMEOUT: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// The length of `YYYY-MM-DD HH:MM:SS`.
const WHOLE_SECONDS_LEN: usize = 19;

const SALT: &str = "django.contrib.auth.tokens.PasswordResetTokenGenerator";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_36_number_is_read_as_it_was_written() {
        for number in [0, 1, 35, 36, 809_049_600, u64::MAX] {
            assert_eq!(of_base36(&base36(number)), Some(number));
        }
        assert_eq!(base36(809_049_600), "ddoqo0");
    }
}
