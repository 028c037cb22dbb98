use cloakroom::{Error, ErrorKind};
use redis::{ErrorKind as Cause, RedisError, ServerErrorKind};

/// Returns the error for a call that the server refused or did not answer. `doing` describes the
/// call in the message.
pub(crate) fn refused(doing: &'static str, cause: RedisError) -> Error {
    let (kind, why) = explain(&cause);
    let error = Error::new(kind, format!("{doing}: {why}"));
    match shows_arguments(&cause) {
        true => error,
        false => error.with_source(cause),
    }
}

/// Returns whether the server refused the command because the server is not the primary, or has not
/// loaded its data yet. A server that returns such an error has changed nothing: it refuses a
/// script before the script begins or at the first write, and the role of a server does not change
/// while a script runs.
pub(crate) fn is_not_primary(error: &RedisError) -> bool {
    match error.kind() {
        Cause::Server(
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading,
        ) => true,
        Cause::Server(ServerErrorKind::ResponseError) => is_read_only_script(error),
        _ => error.code() == Some(NOT_PRIMARY),
    }
}

/// Returns whether a replica older than Redis 7.0 refused a write in a script. Such an answer has
/// the code `ERR`, and its text contains the code of the refusal, `READONLY`.
fn is_read_only_script(error: &RedisError) -> bool {
    let detail = error.detail();
    detail.is_some_and(|detail| {
        detail.starts_with("Error running script") && detail.contains(": -READONLY ")
    })
}

/// Returns the error for a server that a Sentinel named as the primary, but that is not the
/// primary.
pub(crate) fn not_primary() -> RedisError {
    redis::make_extension_error(NOT_PRIMARY.to_owned(), None)
}

/// Returns the error for a value that this store did not write.
pub(crate) fn foreign(doing: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{doing}: {FOREIGN}"))
}

/// Returns the error for a session that an older version of this store wrote.
pub(crate) fn older(doing: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{doing}: {OLDER}"))
}

/// Returns the error for an answer of a type that Redis does not return for the command.
pub(crate) fn unexpected_answer(doing: &'static str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "{doing}: unexpected answer; check that the server is Redis 6.2 or newer, or Valkey"
        ),
    )
}

/// Like [`unexpected_answer`], as an error of the driver.
pub(crate) fn malformed() -> RedisError {
    let why = "the answer has another form than that of Redis or Valkey";
    (Cause::UnexpectedReturnType, why).into()
}

/// Returns the error for a URL that cannot be used. `why` must not quote the URL.
pub(crate) fn bad_url(why: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("reading the URL of a Redis: {why}"),
    )
}

/// Returns the error for a URL that the driver does not accept.
pub(crate) fn invalid_url(cause: RedisError) -> Error {
    // Omit the detail: it may quote the URL, including the password.
    let why = match cause.kind() {
        Cause::InvalidClientConfig => cause.category().to_owned(),
        kind => format!("{kind:?}"),
    };
    Error::new(
        ErrorKind::Config,
        format!(
            "reading the URL of a Redis: it is not of the form \
             `redis://user:password@host:port/database` ({why}); \
             write special characters of the password as %XX"
        ),
    )
}

/// Returns the kind of the error, what went wrong and what to do about it.
fn explain(cause: &RedisError) -> (ErrorKind, &'static str) {
    // Before Redis 7.0, an error in a script has the code `ERR`, and its actual code is in the
    // middle of its text.
    let has_code = |code: &str| {
        cause.code() == Some(code) || cause.detail().is_some_and(|detail| detail.contains(code))
    };
    if let Some(why) = cloakroom_tls::explain(cause) {
        return (ErrorKind::Config, why);
    }
    match cause.kind() {
        _ if has_code("OOM") => (
            ErrorKind::Full,
            "the server's memory is full; raise maxmemory",
        ),
        _ if has_code("WRONGTYPE") || has_code("FOREIGN") => (ErrorKind::Corrupt, FOREIGN),
        _ if has_code("OLDER") => (ErrorKind::Corrupt, OLDER),
        _ if has_code("MISCONF") => (
            ErrorKind::Unavailable,
            "the server cannot write to its disk and refuses writes; see its log",
        ),
        _ if has_code("NOREPLICAS") => (
            ErrorKind::Unavailable,
            "too few replicas are connected (min-replicas-to-write)",
        ),
        Cause::AuthenticationFailed => (
            ErrorKind::Config,
            "the server refuses the user or the password; check the URL",
        ),
        _ if has_code("NOAUTH") || has_code("WRONGPASS") => (
            ErrorKind::Config,
            "the server requires a valid user or password; check the URL",
        ),
        Cause::Server(ServerErrorKind::NoPerm) => (ErrorKind::Config, NO_PERMISSION),
        _ if has_code("NOPERM") || has_code(NO_PERMISSION_IN_SCRIPT) => {
            (ErrorKind::Config, NO_PERMISSION)
        }
        Cause::MasterNameNotFoundBySentinel => (
            ErrorKind::Config,
            "the Sentinels watch no primary with the name at the end of the URL; correct the name",
        ),
        _ if is_read_only_script(cause) => (ErrorKind::Unavailable, REPLICA),
        Cause::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => {
            (ErrorKind::Unavailable, REPLICA)
        }
        _ if has_code(NOT_PRIMARY) => (
            ErrorKind::Unavailable,
            "the server that the Sentinels name is not the primary; a failover is in progress",
        ),
        Cause::Server(ServerErrorKind::Moved | ServerErrorKind::CrossSlot) => (
            ErrorKind::Unavailable,
            "the server is a node of a Cluster; use `redis+cluster://`",
        ),
        Cause::Server(ServerErrorKind::ClusterDown) | Cause::ClusterConnectionNotFound => (
            ErrorKind::Unavailable,
            "no node of the Cluster serves the key at the moment",
        ),
        Cause::Server(ServerErrorKind::BusyLoading) => (
            ErrorKind::Unavailable,
            "the server has just started and is loading its data",
        ),
        Cause::Io if cause.is_timeout() => (
            ErrorKind::Timeout,
            "the server did not answer in time; it is overloaded or unreachable",
        ),
        Cause::Io if cause.is_connection_refusal() => (
            ErrorKind::Unavailable,
            "no server listens at the address; start the server or check the URL",
        ),
        Cause::Io => (
            ErrorKind::Unavailable,
            "the connection broke; see the cause",
        ),
        Cause::RESP3NotSupported => (
            ErrorKind::Config,
            "the server does not support version 3 of the protocol; \
             add `?protocol=resp2` to the URL",
        ),
        Cause::InvalidClientConfig => (
            ErrorKind::Config,
            "the driver does not accept the URL; see the cause",
        ),
        _ => (
            ErrorKind::Unavailable,
            "the server refused the command; see the cause",
        ),
    }
}

/// Returns whether the error quotes the arguments of the command. The arguments include the store
/// key, which in Django's formats is the session key.
fn shows_arguments(cause: &RedisError) -> bool {
    cause
        .detail()
        .is_some_and(|detail| detail.contains("with args"))
}

/// The code of the error [`not_primary`]. No server uses this code.
const NOT_PRIMARY: &str = "NOTPRIMARY";

const NO_PERMISSION: &str = "the server's access list does not allow this; \
    the documentation of cloakroom-redis lists the rights that the user needs";

/// The start of the text with which Redis 7.0 refuses a command in a script. The code of that
/// answer is `ERR`, not `NOPERM`.
const NO_PERMISSION_IN_SCRIPT: &str = "The user executing the script can't";

const REPLICA: &str = "the server is a replica, and the URL still leads to it; \
    connect to the primary, or use `redis+sentinel://`";

const FOREIGN: &str = "the value was not written by this store and is left unchanged; \
    choose a prefix that no other program uses";

const OLDER: &str = "the session was written by an older version of Cloakroom, in a layout that \
    this version does not read; the visitor starts a new session, and Redis deletes the key when \
    the key expires";

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use redis::RedisResult;

    use super::*;

    #[test]
    fn errors_name_the_operation_the_reason_and_the_remedy() {
        let full = error("OOM command not allowed when used memory > 'maxmemory'.");
        assert_eq!(
            full.to_string(),
            "saving a session in Redis: the server's memory is full; raise maxmemory"
        );
        assert!(full.source().is_some());
        assert_eq!(full.kind(), ErrorKind::Full);

        let kinds = [
            (
                "ERR Error running script (call to f_0): @user_script:3: @user_script: 3: -OOM \
                 command not allowed",
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
            (
                "ERR The user executing the script can't run this command or subcommand script: \
                 dd8a, on @user_script:21.",
                ErrorKind::Config,
            ),
            ("ERR anything else", ErrorKind::Unavailable),
        ];
        for (answer, kind) in kinds {
            assert_eq!(error(answer).kind(), kind, "{answer}");
        }
    }

    #[test]
    fn an_error_that_quotes_arguments_is_not_kept_as_source() {
        let error =
            error("ERR unknown command `EVALSHA`, with args beginning with: `0`, `1`, `s3cret`");

        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }

    #[test]
    fn a_silent_server_is_a_timeout_and_a_broken_connection_is_unavailable() {
        let io = |kind| refused("testing", std::io::Error::from(kind).into()).kind();

        assert_eq!(io(std::io::ErrorKind::TimedOut), ErrorKind::Timeout);
        assert_eq!(io(std::io::ErrorKind::BrokenPipe), ErrorKind::Unavailable);
        assert_eq!(
            io(std::io::ErrorKind::ConnectionRefused),
            ErrorKind::Unavailable
        );
    }

    #[test]
    fn errors_of_a_server_that_is_not_the_primary_are_recognised() {
        let (plain, in_a_script, before_7_0) = (
            "READONLY You can't write against a read only replica.",
            "READONLY You can't write against a read only replica. script: 7a2f, on \
             @user_script:17.",
            "ERR Error running script (call to f_7a2f): @user_script:17: @user_script: 17: \
             -READONLY You can't write against a read only replica.",
        );
        for answer in [plain, in_a_script, before_7_0] {
            assert!(is_not_primary(&cause(answer)), "{answer}");
            let error = error(answer);
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{answer}");
            assert!(error.to_string().contains("is a replica"), "{error}");
        }
        for answer in [
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "LOADING Redis is loading the dataset in memory",
        ] {
            assert!(is_not_primary(&cause(answer)), "{answer}");
        }
        for answer in [
            "OOM command not allowed when used memory > 'maxmemory'.",
            "ERR value is not an integer: -READONLY is no number",
            "NOSCRIPT No matching script. Please use EVAL.",
            "NOREPLICAS Not enough good replicas to write.",
        ] {
            assert!(!is_not_primary(&cause(answer)), "{answer}");
        }
        assert!(is_not_primary(&not_primary()));
    }

    fn error(answer: &str) -> Error {
        refused("saving a session in Redis", cause(answer))
    }

    fn cause(answer: &str) -> RedisError {
        let parsed: RedisResult<_> = redis::parse_redis_value(format!("-{answer}\r\n").as_bytes());
        parsed.and_then(redis::Value::extract_error).unwrap_err()
    }
}
