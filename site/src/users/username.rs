//! The syntax of usernames, as in Django.

/// The maximum number of characters in a username.
pub(crate) const MAX_CHARS: usize = 150;

/// Returns whether `name` contains only letters, digits and `@ . + - _`.
pub(crate) fn has_allowed_chars(name: &str) -> bool {
    let is_allowed = |c: char| c.is_alphanumeric() || "@.+-_".contains(c);
    name.chars().all(is_allowed)
}
