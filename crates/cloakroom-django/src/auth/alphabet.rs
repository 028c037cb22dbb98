/// The characters of Django's secrets and salts. The order matters to the arithmetic of CSRF tokens.
pub(crate) const ALPHABET: &[u8; 62] =
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
