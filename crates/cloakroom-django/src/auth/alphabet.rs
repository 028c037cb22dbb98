/// The characters of Django's secrets and salts. The arithmetic of CSRF tokens uses their order.
pub(crate) const ALPHABET: &[u8; 62] =
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
