use cloakroom::{Error, ErrorKind};

/// Returns the error for a draft with an owner, which this store cannot keep.
pub(crate) fn owner_unsupported(doing: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{doing}: the draft has an owner, but this store keeps none"),
    )
}

/// Returns the error for a store key that cannot be part of a memcached key.
pub(crate) fn invalid_key(doing: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "{doing}: memcached does not allow this key; with its prefix it may have up to 250 \
             bytes, and no spaces or control characters"
        ),
    )
}
