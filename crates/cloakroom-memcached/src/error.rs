use std::time::Duration;

use cloakroom::{Error, ErrorKind};

use crate::client::Fault;

/// Returns the error for a call that failed with `fault`. `doing` describes the call in the
/// message.
pub(crate) fn failed(doing: &str, server: &str, fault: Fault) -> Error {
    let (kind, why, cause) = explain(fault);
    let error = Error::new(kind, format!("{doing} at {server}: {why}"));
    match cause {
        Some(cause) => error.with_source(cause),
        None => error,
    }
}

/// Returns the error for a call that took too long.
pub(crate) fn too_slow(doing: &str, server: &str, timeout: Duration) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "{doing} at {server}: no answer within {} ms; \
             check the server and the network, or raise timeout",
            timeout.as_millis()
        ),
    )
}

/// Returns the error for an entry that does not fit into an item.
pub(crate) fn too_large(doing: &str, size: usize, limit: usize) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!(
            "{doing}: the entry has {size} bytes, more than the limit of {limit}; store large \
             values in the site's database, or raise max_size and memcached's `-I`"
        ),
    )
}

/// Returns whether the server has refused to write the item. Then it has changed nothing.
pub(crate) fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Full | ErrorKind::TooLarge)
}

type Explained = (
    ErrorKind,
    &'static str,
    Option<Box<dyn std::error::Error + Send + Sync>>,
);

/// Returns the kind of the error, what went wrong and what to do about it, and the cause.
fn explain(fault: Fault) -> Explained {
    let (kind, why) = match fault {
        Fault::Unreachable(cause) => {
            let why = "cannot connect; check that the server runs and that the address is right";
            return (ErrorKind::Unavailable, why, Some(cause.into()));
        }
        Fault::Broken(cause) => {
            let why = "the connection broke; the next call opens a new one";
            return (ErrorKind::Unavailable, why, Some(cause.into()));
        }
        Fault::Refused(text) => return refused(text),
        Fault::Garbled(what) => {
            let why = "the server sent an unexpected answer; \
                       check that the server is memcached 1.6.10 or newer";
            return (ErrorKind::Unavailable, why, Some(what.into()));
        }
        Fault::Closed => (
            ErrorKind::Unavailable,
            "the server closed the connection without an answer; the next call opens a new one",
        ),
        Fault::NoCas => (
            ErrorKind::Unavailable,
            "the server returns no CAS numbers, so saves cannot compare versions; start the server \
             without `-C`",
        ),
        Fault::Oversized => (
            ErrorKind::Corrupt,
            "the value is larger than max_size allows; \
             use the same max_size in all processes",
        ),
        Fault::Corrupt => (
            ErrorKind::Corrupt,
            "the value is not in the format of this store; \
             check whether another program or a newer version of Cloakroom uses the same prefix",
        ),
        Fault::Older => (
            ErrorKind::Corrupt,
            "the session was written by an older version of Cloakroom, in a layout that this \
             version does not read; the visitor starts a new session, and memcached removes the \
             item after its expiry",
        ),
        Fault::Contended => (
            ErrorKind::Conflict,
            "other requests changed the item first, many times in a row; try again",
        ),
    };
    (kind, why, None)
}

fn refused(text: String) -> Explained {
    let (kind, why) = match &*text {
        // The second text is for an item that memcached stores in several pieces.
        text if text.starts_with("SERVER_ERROR out of memory")
            || text.starts_with("SERVER_ERROR Out of memory") =>
        {
            (
                ErrorKind::Full,
                "the server has no memory for the item; raise its `-m`, or start it without `-M`",
            )
        }
        text if text.starts_with("SERVER_ERROR object too large") => (
            ErrorKind::TooLarge,
            "the entry exceeds the server's item limit; raise the server's `-I` or lower max_size",
        ),
        _ => (
            ErrorKind::Unavailable,
            "the server refused the command; see the cause",
        ),
    };
    (kind, why, Some(text.into()))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn errors_name_the_operation_the_server_the_reason_and_the_remedy() {
        let error = |fault| failed("saving a session in memcached", "cache:11211", fault);
        let refused = |text: &str| error(Fault::Refused(text.into()));

        let full = refused("SERVER_ERROR out of memory storing object");
        assert_eq!(
            full.to_string(),
            "saving a session in memcached at cache:11211: the server has no memory for the item; \
             raise its `-m`, or start it without `-M`"
        );
        assert!(full.source().is_some());
        assert_eq!(full.kind(), ErrorKind::Full);
        let large = refused("SERVER_ERROR Out of memory during read");
        assert_eq!(large.kind(), ErrorKind::Full);
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
