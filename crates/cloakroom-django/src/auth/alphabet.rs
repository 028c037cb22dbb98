/// The characters of Django's secrets and salts. CSRF tokens are masked by arithmetic on the index
/// of each character, so the order matters.
pub(crate) const ALPHABET: &[u8; 62] =
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
