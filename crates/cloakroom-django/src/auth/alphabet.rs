/// The characters of Django's secrets and salts. Their order matters, because masking a CSRF secret
/// adds the positions of characters in this list.
pub(crate) const ALPHABET: &[u8; 62] =
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
