//! How a username is written, as in Django.

/// The most characters that a username may have.
pub(crate) const MAX_CHARS: usize = 150;

/// Whether `name` has only letters, digits and the signs that a username may have.
pub(crate) fn has_allowed_chars(name: &str) -> bool {
    let is_allowed = |c: char| c.is_alphanumeric() || "@.+-_".contains(c);
    name.chars().all(is_allowed)
}
