use cloakroom::{Error, ErrorKind};

/// Creates the error for a URL that cannot be used.
pub(crate) fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{CHOOSING}{why}"))
}

/// The beginning of the message of every error about a URL that cannot be used.
pub(crate) const CHOOSING: &str = "choosing where to keep sessions: ";
