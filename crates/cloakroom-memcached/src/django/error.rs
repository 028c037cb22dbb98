use cloakroom::{Error, ErrorKind};

/// Returns the error for a draft that has an owner. This store cannot keep owners.
pub(crate) fn owner_unsupported(doing: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{doing}: the draft has an owner, but this store cannot keep owners"),
    )
}

/// Returns the error for a store key that cannot be part of a memcached key.
pub(crate) fn invalid_key(doing: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "{doing}: memcached does not allow this key; together with its prefix, a key may have \
             up to 250 bytes, and must not contain spaces or control characters"
        ),
    )
}
