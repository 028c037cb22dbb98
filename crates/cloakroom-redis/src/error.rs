use cloakroom::{Error, ErrorKind};
use redis::{ErrorKind as Cause, RedisError, ServerErrorKind};

/// The error of a call that the server refused or did not answer.
pub(crate) fn refused(doing: &'static str, cause: RedisError) -> Error {
    let (kind, why) = explain(&cause);
    let error = Error::new(kind, format!("{doing}: {why}"));
    match shows_arguments(&cause) {
        true => error,
        false => error.with_source(cause),
    }
}

/// The error of a key that holds what this store has not written.
pub(crate) fn foreign(doing: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{doing}: {FOREIGN}"))
}

/// The error of a session that an older version of this store wrote.
pub(crate) fn older(doing: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{doing}: {OLDER}"))
}

/// The error of an answer that no server gives to what it was asked.
pub(crate) fn strange(doing: &'static str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("{doing}: the answer makes no sense; is it a Redis or Valkey, 6.2 or newer?"),
    )
}

/// The error of a URL that the driver does not take.
pub(crate) fn unusable(cause: RedisError) -> Error {
    // What the driver says in detail may be a part of the URL, and so of a password.
    let why = match cause.kind() {
        Cause::InvalidClientConfig => cause.category().to_owned(),
        kind => format!("{kind:?}"),
    };
    Error::new(
        ErrorKind::Config,
        format!(
            "reading the URL of a Redis: it is not of the form `redis://user:password@host:port/database` ({why}); \
             write special characters of the password as %XX"
        ),
    )
}

/// What went wrong and what to do about it.
fn explain(cause: &RedisError) -> (ErrorKind, &'static str) {
    // An error in a script comes as a sentence around the error, from servers before 7.0.
    let says = |words: &str| {
        cause.code() == Some(words) || cause.detail().is_some_and(|detail| detail.contains(words))
    };
    match cause.kind() {
        _ if says("OOM") => (
            ErrorKind::Full,
            "the server's memory is full; raise maxmemory",
        ),
        _ if says("WRONGTYPE") || says("FOREIGN") => (ErrorKind::Corrupt, FOREIGN),
        _ if says("OLDER") => (ErrorKind::Corrupt, OLDER),
        _ if says("MISCONF") => (
            ErrorKind::Unavailable,
            "the server cannot write to its disk and takes no writes; its log says why",
        ),
        _ if says("NOREPLICAS") => (
            ErrorKind::Unavailable,
            "too few replicas are connected (min-replicas-to-write)",
        ),
        Cause::AuthenticationFailed => (
            ErrorKind::Config,
            "the server refuses the user or the password; check the URL",
        ),
        _ if says("NOAUTH") || says("WRONGPASS") => (
            ErrorKind::Config,
            "the server wants a user or a password, or another one; check the URL",
        ),
        Cause::Server(ServerErrorKind::NoPerm) => (
            ErrorKind::Config,
            "the server's access list does not allow it; the page of cloakroom-redis says what is needed",
        ),
        Cause::Server(ServerErrorKind::ReadOnly) => (
            ErrorKind::Unavailable,
            "the server is a replica; connect to the primary",
        ),
        Cause::Server(ServerErrorKind::Moved | ServerErrorKind::CrossSlot) => (
            ErrorKind::Unavailable,
            "the server is a node of a Cluster; use `redis+cluster://`",
        ),
        Cause::Server(ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown)
        | Cause::ClusterConnectionNotFound => (
            ErrorKind::Unavailable,
            "the Cluster has no node for it at the moment",
        ),
        Cause::Server(ServerErrorKind::BusyLoading) => (
            ErrorKind::Unavailable,
            "the server has just been started and reads its data",
        ),
        Cause::Io if cause.is_timeout() => (
            ErrorKind::Timeout,
            "the server did not answer in time; it is overloaded or not reachable",
        ),
        Cause::Io if cause.is_connection_refusal() => (
            ErrorKind::Unavailable,
            "nothing listens there; start the server or check the URL",
        ),
        Cause::Io => (
            ErrorKind::Unavailable,
            "the connection broke; the cause says how",
        ),
        Cause::RESP3NotSupported => (
            ErrorKind::Config,
            "the server does not know version 3 of the protocol; add `?protocol=resp2` to the URL",
        ),
        Cause::InvalidClientConfig => (
            ErrorKind::Config,
            "the driver does not take the URL; the cause says why",
        ),
        _ => (
            ErrorKind::Unavailable,
            "the server refused; the cause says why",
        ),
    }
}

/// Whether the server repeats what it was sent: a lookup, and in Django's formats that is the key.
fn shows_arguments(cause: &RedisError) -> bool {
    cause
        .detail()
        .is_some_and(|detail| detail.contains("with args"))
}

const FOREIGN: &str = "the value at its key is not one that this store writes, and is left as it is; choose a prefix \
    that nothing else uses";

const OLDER: &str = "the session is of an older version of Cloakroom, which this one does not \
    read; its visitor starts a new session, and Redis drops the key when it expires";

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use redis::RedisResult;

    use super::*;

    #[test]
    fn every_error_says_what_was_being_done_what_went_wrong_and_what_to_do() {
        let full = error("OOM command not allowed when used memory > 'maxmemory'.");
        assert_eq!(
            full.to_string(),
            "saving a session in Redis: the server's memory is full; raise maxmemory"
        );
        assert!(full.source().is_some());
        assert_eq!(full.kind(), ErrorKind::Full);

        let kinds = [
            (
                "ERR Error running script (call to f_0): @user_script:3: @user_script: 3: -OOM command not allowed",
                ErrorKind::Full,
            ),
            (
                "WRONGTYPE Operation against a key holding the wrong kind of value",
                ErrorKind::Corrupt,
            ),
            ("FOREIGN the value is not a session", ErrorKind::Corrupt),
            (
                "OLDER the session is of an older version",
                ErrorKind::Corrupt,
            ),
            (
                "MISCONF Redis is configured to save RDB snapshots",
                ErrorKind::Unavailable,
            ),
            (
                "LOADING Redis is loading the dataset in memory",
                ErrorKind::Unavailable,
            ),
            ("NOAUTH Authentication required.", ErrorKind::Config),
            (
                "NOPERM this user has no permissions to run the 'get' command",
                ErrorKind::Config,
            ),
            ("ERR anything else", ErrorKind::Unavailable),
        ];
        for (answer, kind) in kinds {
            assert_eq!(error(answer).kind(), kind, "{answer}");
        }
    }

    #[test]
    fn a_server_that_repeats_what_it_was_sent_is_not_quoted() {
        let error =
            error("ERR unknown command `EVALSHA`, with args beginning with: `0`, `1`, `s3cret`");

        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }

    #[test]
    fn a_silent_server_is_a_timeout_and_a_broken_connection_is_not() {
        let io = |kind| refused("testing", std::io::Error::from(kind).into()).kind();

        assert_eq!(io(std::io::ErrorKind::TimedOut), ErrorKind::Timeout);
        assert_eq!(io(std::io::ErrorKind::BrokenPipe), ErrorKind::Unavailable);
        assert_eq!(
            io(std::io::ErrorKind::ConnectionRefused),
            ErrorKind::Unavailable
        );
    }

    fn error(answer: &str) -> Error {
        let parsed: RedisResult<_> = redis::parse_redis_value(format!("-{answer}\r\n").as_bytes());
        let cause = parsed.and_then(redis::Value::extract_error).unwrap_err();
        refused("saving a session in Redis", cause)
    }
}
