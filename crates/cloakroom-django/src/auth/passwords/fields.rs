//! Parts of a hash that several algorithms share.

/// Parses a number as Django writes it: digits without a sign or leading zeros.
pub(super) fn number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Returns whether a salt of `salt_len` characters has the 128 random bits that Django requires.
/// Each character is one of 62.
pub(super) fn is_long_enough(salt_len: usize) -> bool {
    salt_len >= SALT_LEN
}

/// The smallest length of a salt with 128 random bits. One character out of 62 has 5.95 bits.
pub(super) const SALT_LEN: usize = 22;
