use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Returns a name that no other test uses, for a table, a prefix or a schema.
///
/// The name is at most 30 characters long, starts with a lower-case letter, and consists of
/// lower-case letters, digits and `_`, so it needs no quotes in SQL.
///
/// # Examples
/// ```
/// use cloakroom_testkit::unique_name;
///
/// assert_ne!(unique_name(), unique_name());
/// ```
pub fn unique_name() -> String {
    format!("test_{:016x}", random())
}

/// Returns a random number, derived from the random seed of the standard library's hash maps.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
