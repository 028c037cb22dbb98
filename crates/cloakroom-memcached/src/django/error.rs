use cloakroom::{Error, ErrorKind};

/// The error of a draft with an owner, where there is no place for one.
pub(crate) fn owner_unsupported(doing: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{doing}: it keeps no owners, and the draft has one; its guarantees say so"),
    )
}

/// The error of a lookup that cannot be part of an item's name.
pub(crate) fn invalid_key(doing: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "{doing}: memcached takes no such key; it may have no spaces, no control characters and, with its prefix, \
             250 bytes"
        ),
    )
}
