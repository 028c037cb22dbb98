use std::{collections::HashSet, sync::LazyLock};

use crate::users::User;

const COMMON_PASSWORDS: &str = include_str!("../../data/common_passwords.txt");

static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    COMMON_PASSWORDS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect()
});

const MIN_CHARS: usize = 8;

/// A password is refused if its similarity to an attribute of the user is at least this value.
/// Similarities range from 0 to 1. The value is Django's default.
const MAX_SIMILARITY: f64 = 0.7;

/// The attributes of a user that a password must not resemble.
#[derive(Debug, Default)]
pub(crate) struct UserAttributes<'a> {
    pub(crate) username: &'a str,
    pub(crate) first_name: &'a str,
    pub(crate) last_name: &'a str,
    pub(crate) email: &'a str,
}

impl<'a> From<&'a User> for UserAttributes<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            username: &user.username,
            first_name: &user.first_name,
            last_name: &user.last_name,
            email: &user.email,
        }
    }
}

/// Returns an error message for each weakness of `password`. The rules and messages are those of
/// Django's password validators.
pub(crate) fn weaknesses(password: &str, known: &UserAttributes<'_>) -> Vec<String> {
    let mut weaknesses = Vec::new();
    if let Some(attribute) = similar_to(password, known) {
        weaknesses.push(format!("The password is too similar to the {attribute}."));
    }
    if password.chars().count() < MIN_CHARS {
        weaknesses.push(format!(
            "This password is too short. It must contain at least {MIN_CHARS} characters."
        ));
    }
    if COMMON.contains(password.to_lowercase().trim()) {
        weaknesses.push("This password is too common.".to_owned());
    }
    if !password.is_empty() && password.chars().all(char::is_numeric) {
        weaknesses.push("This password is entirely numeric.".to_owned());
    }
    weaknesses
}

/// Returns the name of an attribute that the password is too similar to, or `None` if there is no
/// such attribute. Also compares the words of an attribute, such as the parts of an email address.
fn similar_to(password: &str, known: &UserAttributes<'_>) -> Option<&'static str> {
    let password = password.to_lowercase();
    let attributes = [
        ("username", known.username),
        ("first name", known.first_name),
        ("last name", known.last_name),
        ("email address", known.email),
    ];
    let is_similar = |value: &str| {
        let value = value.to_lowercase();
        let parts = value.split(|c: char| !c.is_alphanumeric() && c != '_');
        parts
            .chain([value.as_str()])
            .any(|part| are_similar(&password, part))
    };
    let (name, _) = attributes
        .into_iter()
        .find(|(_, value)| is_similar(value))?;
    Some(name)
}

/// Returns whether `password` and `part` have many characters in common, in the same order.
///
/// Measures the longest common subsequence. Django's comparison never finds a longer match, so this
/// rule is at least as strict.
fn are_similar(password: &str, part: &str) -> bool {
    let (a, b) = (password.chars().count(), part.chars().count());
    // A password that is at least ten times as long as `part` can't reach the ratio, and comparing
    // them would be expensive.
    if b == 0 || a >= 10 * b {
        return false;
    }
    let matching = longest_common(password, part);
    #[expect(clippy::cast_precision_loss, reason = "the lengths are small")]
    let ratio = 2.0 * matching as f64 / (a + b) as f64;
    ratio >= MAX_SIMILARITY
}

/// Returns the length of the longest common subsequence of `a` and `b`.
fn longest_common(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row = vec![0; b.len() + 1];
    for c in a.chars() {
        let mut diagonal = 0;
        for (at, other) in b.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = match c == *other {
                true => diagonal + 1,
                false => above.max(row[at]),
            };
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINA: UserAttributes<'_> = UserAttributes {
        username: "member",
        first_name: "Mina",
        last_name: "Okafor",
        email: "mina.okafor@example.org",
    };

    #[test]
    fn all_weaknesses_are_reported() {
        assert_eq!(
            weaknesses("12345", &MINA),
            [
                "This password is too short. It must contain at least 8 characters.",
                "This password is too common.",
                "This password is entirely numeric.",
            ]
        );
        assert_eq!(weaknesses("Quay-lantern-7", &MINA), [""; 0]);
    }

    #[test]
    fn a_password_similar_to_an_attribute_of_the_user_is_refused() {
        for (password, attribute) in [
            ("member123", "username"),
            ("MEMBER12", "username"),
            ("mina", "first name"),
            ("okafor77", "last name"),
            ("mina.okafor@example.org", "email address"),
            ("example1", "email address"),
        ] {
            assert!(
                weaknesses(password, &MINA)
                    .contains(&format!("The password is too similar to the {attribute}.")),
                "{password}"
            );
        }
    }

    #[test]
    fn the_list_of_common_passwords_has_thousands_of_entries() {
        assert!(COMMON.len() > 5_000);
        for password in [
            "password",
            "12345678",
            "QWERTY123",
            "letmein",
            "iloveyou",
            "michelle",
            "87654321",
        ] {
            assert!(
                COMMON.contains(password.to_lowercase().as_str()),
                "{password}"
            );
        }
    }
}
