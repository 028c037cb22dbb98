use std::time::Duration;

use cloakroom::{Error, ErrorKind};

use crate::client::Fault;

/// The error of a call that this fault ended.
pub(crate) fn failed(doing: &str, server: &str, fault: Fault) -> Error {
    let (kind, why, cause) = explain(fault);
    let error = Error::new(kind, format!("{doing} at {server}: {why}"));
    match cause {
        Some(cause) => error.with_source(cause),
        None => error,
    }
}

/// The error of a call that took too long.
pub(crate) fn too_slow(doing: &str, server: &str, timeout: Duration) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "{doing} at {server}: no answer within {} ms; check the server and the network, or raise timeout",
            timeout.as_millis()
        ),
    )
}

/// The error of an entry that would not fit into an item.
pub(crate) fn too_large(doing: &str, size: usize, limit: usize) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!(
            "{doing}: the entry takes {size} bytes of {limit}; keep large things in the site's database, or raise \
             max_size and memcached's `-I`"
        ),
    )
}

type Explained = (
    ErrorKind,
    &'static str,
    Option<Box<dyn std::error::Error + Send + Sync>>,
);

/// What went wrong and what to do about it.
fn explain(fault: Fault) -> Explained {
    let (kind, why) = match fault {
        Fault::Unreachable(cause) => {
            let why = "there is no connection to be had; check that it runs and the address";
            return (ErrorKind::Unavailable, why, Some(cause.into()));
        }
        Fault::Broken(cause) => {
            let why = "the connection broke; the next call opens another";
            return (ErrorKind::Unavailable, why, Some(cause.into()));
        }
        Fault::Refused(text) => return refused(text),
        Fault::Garbled(what) => {
            let why =
                "it does not answer as memcached 1.6.10 and later do; check what listens there";
            return (ErrorKind::Unavailable, why, Some(what.into()));
        }
        Fault::Closed => (
            ErrorKind::Unavailable,
            "it closed the connection without an answer; the next call opens another",
        ),
        Fault::NoCas => (
            ErrorKind::Unavailable,
            "it gives no CAS numbers, so nothing can be compared; start it without `-C`",
        ),
        Fault::Oversized => (
            ErrorKind::Corrupt,
            "its value is larger than max_size lets this store read; raise it to that of the others",
        ),
        Fault::Corrupt => (
            ErrorKind::Corrupt,
            "the item holds what this store never writes; something else uses the prefix, or a newer version",
        ),
        Fault::Older => (
            ErrorKind::Corrupt,
            "the session is of an older version of Cloakroom, which this one does not read; its \
             visitor starts a new session, and memcached drops the item when it expires",
        ),
        Fault::Contended => (
            ErrorKind::Conflict,
            "others changed the item first, many times in a row; try again",
        ),
    };
    (kind, why, None)
}

fn refused(text: String) -> Explained {
    let (kind, why) = match &*text {
        text if text.starts_with("SERVER_ERROR out of memory") => (
            ErrorKind::Full,
            "it has no memory for the item; raise its `-m`, or start it without `-M`",
        ),
        text if text.starts_with("SERVER_ERROR object too large") => (
            ErrorKind::TooLarge,
            "the entry is larger than its items can be, and it has dropped the one it had; raise its `-I` or lower \
             max_size",
        ),
        _ => (
            ErrorKind::Unavailable,
            "it refused the command; the cause says why",
        ),
    };
    (kind, why, Some(text.into()))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn every_error_says_what_was_being_done_what_went_wrong_and_what_to_do() {
        let error = |fault| failed("saving a session in memcached", "cache:11211", fault);
        let refused = |text: &str| error(Fault::Refused(text.into()));

        let full = refused("SERVER_ERROR out of memory storing object");
        assert_eq!(
            full.to_string(),
            "saving a session in memcached at cache:11211: it has no memory for the item; raise its `-m`, or start it \
             without `-M`"
        );
        assert!(full.source().is_some());
        assert_eq!(full.kind(), ErrorKind::Full);
        let large = refused("SERVER_ERROR object too large for cache");
        assert_eq!(large.kind(), ErrorKind::TooLarge);
        assert_eq!(refused("ERROR").kind(), ErrorKind::Unavailable);
        assert_eq!(error(Fault::Closed).kind(), ErrorKind::Unavailable);
        assert_eq!(error(Fault::Corrupt).kind(), ErrorKind::Corrupt);
        let older = error(Fault::Older);
        assert_eq!(older.kind(), ErrorKind::Corrupt);
        assert!(older.to_string().contains("an older version"), "{older}");
    }
}
