/// The characters of Django's secrets and salts, in the order that the arithmetic of CSRF tokens
/// counts them.
pub(crate) const ALPHABET: &[u8; 62] =
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
