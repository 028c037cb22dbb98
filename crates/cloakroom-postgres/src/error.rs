use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Error, ErrorKind};
use tokio_postgres::error::SqlState;

/// What the driver or the server said, without what the server adds: its details show rows, lookups among them.
#[derive(Debug)]
pub(crate) struct Cause(String);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Cause {}

impl From<&tokio_postgres::Error> for Cause {
    fn from(error: &tokio_postgres::Error) -> Self {
        if let Some(said) = error.as_db_error() {
            return Self(format!(
                "{}: {} (SQLSTATE {})",
                said.severity(),
                said.message(),
                said.code().code()
            ));
        }
        let mut chain = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            chain = format!("{chain}: {error}");
            cause = error.source();
        }
        Self(chain)
    }
}

/// What became of a statement that was not answered as it should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// It was rolled back for the sake of others; the next time it may go through.
    RolledBack,
    /// It was not run, and will not be on this connection; on another one it may.
    NotHere,
    /// The connection was lost before it was sent.
    Unsent,
    /// The connection was lost: it has run, or has not, or is still running.
    Unknown,
    /// It was refused, and would be again.
    Refused,
}

impl Fate {
    pub(crate) fn of(error: &tokio_postgres::Error, sent: bool) -> Self {
        match error.code() {
            Some(code) if ROLLED_BACK.contains(code) => Self::RolledBack,
            Some(code) if NOT_HERE.contains(code) => Self::NotHere,
            Some(code) if !LOST.contains(code) => Self::Refused,
            Some(_) | None if sent => Self::Unknown,
            Some(_) | None => Self::Unsent,
        }
    }
}

const ROLLED_BACK: [SqlState; 2] = [
    SqlState::T_R_SERIALIZATION_FAILURE,
    SqlState::T_R_DEADLOCK_DETECTED,
];

/// A server that has become a standby; a statement that a pooler has not prepared or a migration has made useless.
const NOT_HERE: [SqlState; 3] = [
    SqlState::READ_ONLY_SQL_TRANSACTION,
    SqlState::INVALID_SQL_STATEMENT_NAME,
    SqlState::FEATURE_NOT_SUPPORTED,
];

/// With these the server ends the connection. A commit that waits for a standby has happened all the same.
const LOST: [SqlState; 3] = [
    SqlState::ADMIN_SHUTDOWN,
    SqlState::CRASH_SHUTDOWN,
    SqlState::CANNOT_CONNECT_NOW,
];

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(crate) struct Unreached {
    kind: ErrorKind,
    why: String,
    cause: Option<Arc<Cause>>,
}

impl Unreached {
    /// The server at `place`, or the way to it, refused the connection.
    pub(crate) fn refused(place: &str, error: &tokio_postgres::Error) -> Self {
        let (kind, why) = match error.code() {
            Some(code) if CREDENTIALS.contains(code) => (
                ErrorKind::Config,
                "it refuses the user or the password; correct the URL or pg_hba.conf",
            ),
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => (
                ErrorKind::Config,
                "the database does not exist; create it or correct the URL",
            ),
            Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => (
                ErrorKind::Unavailable,
                "it has no free connection; raise max_connections there or lower `connections` here",
            ),
            Some(code) if *code == SqlState::CANNOT_CONNECT_NOW => {
                (ErrorKind::Unavailable, "it is starting or stopping")
            }
            Some(_) => (
                ErrorKind::Unavailable,
                "it refuses the connection; the cause says why",
            ),
            None => match io_error(error).map(io::Error::kind) {
                Some(io::ErrorKind::PermissionDenied) => (
                    ErrorKind::Unavailable,
                    "no server there that fits `target_session_attrs`",
                ),
                Some(io::ErrorKind::InvalidData) => (
                    ErrorKind::Unavailable,
                    "its certificate is not trusted; the cause says why, and SSL_CERT_FILE can name its authority",
                ),
                Some(_) => (
                    ErrorKind::Unavailable,
                    "it cannot be reached; is it running there?",
                ),
                None => (
                    ErrorKind::Unavailable,
                    "no connection could be made; the cause says why",
                ),
            },
        };
        Self {
            kind,
            why: format!("{place}: {why}"),
            cause: Some(Arc::new(Cause::from(error))),
        }
    }

    /// No connection was made in time.
    pub(crate) fn late(place: &str, waited: Duration) -> Self {
        Self {
            kind: ErrorKind::Unavailable,
            why: format!("{place}: no connection was made within {waited:?}"),
            cause: None,
        }
    }

    /// All connections have more to do than they will ever get done.
    pub(crate) fn overrun(place: &str, waiting: usize) -> Self {
        Self {
            kind: ErrorKind::Unavailable,
            why: format!(
                "{place}: {waiting} calls are waiting on each connection already; the server is too slow or stands still"
            ),
            cause: None,
        }
    }

    /// Whether waiting is of no use.
    pub(crate) fn is_final(&self) -> bool {
        self.kind == ErrorKind::Config
    }

    /// The error of a call that needed the connection.
    pub(crate) fn error(&self, doing: &str) -> Error {
        let error = Error::new(self.kind, format!("{doing}: {}", self.why));
        match &self.cause {
            Some(cause) => error.with_source(Arc::clone(cause)),
            None => error,
        }
    }
}

const CREDENTIALS: [SqlState; 2] = [
    SqlState::INVALID_PASSWORD,
    SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
];

fn io_error(error: &tokio_postgres::Error) -> Option<&io::Error> {
    error.source().and_then(|cause| cause.downcast_ref())
}

/// The error of a statement that was not answered as it should be.
pub(crate) fn refused(doing: &str, error: &tokio_postgres::Error, no_table: &str) -> Error {
    if error.code() == Some(&SqlState::UNDEFINED_TABLE) {
        let why = format!("{doing}: the table is not there; {no_table}");
        return Error::new(ErrorKind::Unavailable, why).with_source(Cause::from(error));
    }
    let (kind, why) = explain(error);
    Error::new(kind, format!("{doing}: {why}")).with_source(Cause::from(error))
}

/// The error of a row that this store has not written.
pub(crate) fn corrupt(doing: &str, error: &tokio_postgres::Error) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "{doing}: the row holds what this store never writes; something else has changed it or the table"
        ),
    )
    .with_source(Cause::from(error))
}

/// What went wrong and what to do about it.
fn explain(error: &tokio_postgres::Error) -> (ErrorKind, &'static str) {
    let Some(code) = error.code() else {
        return (
            ErrorKind::Unavailable,
            "the connection was lost before the answer came",
        );
    };
    match code.code() {
        "40001" | "40P01" => (
            ErrorKind::Unavailable,
            "others held what it needed, time after time; look for the long transactions",
        ),
        "42703" | "42804" | "42P10" => (
            ErrorKind::Unavailable,
            "the table has other columns than it should; choose another name with `table`, or see `schema`",
        ),
        "42501" => (
            ErrorKind::Unavailable,
            "the user may not do that; grant it SELECT, INSERT, UPDATE and DELETE on the table",
        ),
        "25006" => (
            ErrorKind::Unavailable,
            "the server takes no writes, it is a standby; name the others in the URL, with \
             target_session_attrs=read-write",
        ),
        "53100" => (
            ErrorKind::Full,
            "the server's disk is full; free some space",
        ),
        "54000" => (
            ErrorKind::TooLarge,
            "the owner is longer than an index can hold, or the entry is larger than a row can be",
        ),
        "22P05" => (
            ErrorKind::Unsupported,
            "the database's encoding has no such characters; create it with ENCODING 'UTF8'",
        ),
        "55P03" => (
            ErrorKind::Unavailable,
            "something held a lock on the table or the row for too long; look for the long transaction",
        ),
        "57014" => (
            ErrorKind::Unavailable,
            "it was cancelled, by an administrator or a statement_timeout",
        ),
        "57P01" | "57P02" | "57P03" => (
            ErrorKind::Unavailable,
            "the server ended the connection before the answer came",
        ),
        _ => (
            ErrorKind::Unavailable,
            "PostgreSQL refused; the cause says why",
        ),
    }
}
