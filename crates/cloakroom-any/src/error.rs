use cloakroom::{Error, ErrorKind};

/// The error of a URL, or of a place, that cannot be used.
pub(crate) fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{CHOOSING}{why}"))
}

/// What every such error begins with.
pub(crate) const CHOOSING: &str = "choosing where to keep sessions: ";
