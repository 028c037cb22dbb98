//! Parts of a hash that several algorithms share.

/// Parses a number as Django writes it: digits without a sign or leading zeros.
pub(super) fn number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Returns whether a salt of this many characters has the 128 bits that Django requires, with an
/// alphabet of 62 characters.
pub(super) fn is_long_enough(salt_len: usize) -> bool {
    salt_len >= SALT_LEN
}

/// The smallest number of characters that hold 128 bits, at 5.95 bits each.
pub(super) const SALT_LEN: usize = 22;
