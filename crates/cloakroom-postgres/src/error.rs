use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Error, ErrorKind};
use tokio_postgres::error::SqlState;

/// The message of the driver or the server. Does not contain the server's `DETAIL`, which can quote
/// rows with their store keys.
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
        if let Some(error) = error.as_db_error() {
            return Self(format!(
                "{}: {} (SQLSTATE {})",
                error.severity(),
                error.message(),
                error.code().code()
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

/// How a statement failed. This decides whether and where the statement is tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// The server rolled the statement back because of a concurrent transaction. Another try may
    /// succeed.
    RolledBack,
    /// The statement did not run and cannot run on this connection. A try on another connection may
    /// succeed.
    WrongConnection,
    /// The connection was lost before the statement was sent.
    Unsent,
    /// The connection was lost after the statement was sent. The statement may have run, may not
    /// have run, or may still be running.
    OutcomeUnknown,
    /// The server refused the statement and would refuse it again.
    Refused,
}

impl Failure {
    pub(crate) fn of(error: &tokio_postgres::Error, sent: bool) -> Self {
        match error.code() {
            Some(code) if ROLLED_BACK.contains(code) => Self::RolledBack,
            Some(code) if WRONG_CONNECTION.contains(code) => Self::WrongConnection,
            Some(code) if !is_of_lost_connection(code) => Self::Refused,
            Some(_) | None if sent => Self::OutcomeUnknown,
            Some(_) | None => Self::Unsent,
        }
    }

    /// Returns whether new calls must use another connection.
    pub(crate) fn retires_connection(self) -> bool {
        match self {
            Self::WrongConnection | Self::Unsent | Self::OutcomeUnknown => true,
            Self::RolledBack | Self::Refused => false,
        }
    }
}

const ROLLED_BACK: [SqlState; 2] = [
    SqlState::T_R_SERIALIZATION_FAILURE,
    SqlState::T_R_DEADLOCK_DETECTED,
];

/// The codes of three cases: the server has become a standby, a pooler has switched to a server
/// that has not prepared the statement, or a migration has invalidated the prepared statement.
///
/// A standby refuses a write with `READ_ONLY_SQL_TRANSACTION`. Through a pooler, an open connection
/// may lead to a server that became a standby after the store connected. The store's transactions
/// on such a connection set `READ WRITE`, which a standby refuses with `FEATURE_NOT_SUPPORTED`.
const WRONG_CONNECTION: [SqlState; 3] = [
    SqlState::READ_ONLY_SQL_TRANSACTION,
    SqlState::INVALID_SQL_STATEMENT_NAME,
    SqlState::FEATURE_NOT_SUPPORTED,
];

/// Returns whether the server or a pooler closes the connection after an error with this code.
/// Despite the error, the statement may have been committed, for example if the commit was waiting
/// for a standby.
fn is_of_lost_connection(code: &SqlState) -> bool {
    // Class 08: connection exceptions. PgBouncer uses 08P01 for its own errors and for the loss of
    // a server.
    code.code().starts_with("08") || LOST.contains(&code.code())
}

/// The codes for shutdowns and crashes, for a server that is still starting, and for the server's
/// time limits for idle connections and for transactions.
const LOST: [&str; 6] = ["57P01", "57P02", "57P03", "57P05", "25P03", "25P04"];

/// Why no connection is available.
#[derive(Clone, Debug)]
pub(crate) struct ConnectError {
    kind: ErrorKind,
    why: String,
    cause: Option<Arc<Cause>>,
}

impl ConnectError {
    /// Returns the error for a failed attempt to connect to the server at `place`.
    pub(crate) fn refused(place: &str, error: &tokio_postgres::Error) -> Self {
        let (kind, why) = match error.code() {
            Some(code) if CREDENTIALS.contains(code) => (
                ErrorKind::Config,
                "the server rejects the user or the password; correct the URL or pg_hba.conf",
            ),
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => (
                ErrorKind::Config,
                "the database does not exist; create it or correct the URL",
            ),
            Some(code) if SETTINGS.contains(code) => (
                ErrorKind::Config,
                "the server does not accept a setting in `options`; see the cause",
            ),
            Some(_) if is_of_statement_pooling(error) => (
                ErrorKind::Config,
                "the pooler runs no transactions; use a pool in transaction or session mode",
            ),
            Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => (
                ErrorKind::Unavailable,
                "the server has no free connection; raise its max_connections or lower \
                 `connections` here",
            ),
            Some(code) if *code == SqlState::CANNOT_CONNECT_NOW => (
                ErrorKind::Unavailable,
                "the server is starting up or shutting down",
            ),
            Some(_) => (
                ErrorKind::Unavailable,
                "the server refuses the connection; see the cause",
            ),
            None => match (cloakroom_tls::explain(error), io_error(error)) {
                (Some(why), _) => (ErrorKind::Config, why),
                (None, Some(cause)) if cause.kind() == io::ErrorKind::PermissionDenied => (
                    ErrorKind::Unavailable,
                    "no server matches `target_session_attrs`",
                ),
                (None, Some(_)) => (
                    ErrorKind::Unavailable,
                    "the server cannot be reached; is it running?",
                ),
                (None, None) => (
                    ErrorKind::Unavailable,
                    "no connection could be made; see the cause",
                ),
            },
        };
        Self {
            kind,
            why: format!("{place}: {why}"),
            cause: Some(Arc::new(Cause::from(error))),
        }
    }

    /// Returns the error for a connection with `statements=named` that a pooler shares among
    /// clients.
    pub(crate) fn shared(place: &str) -> Self {
        Self {
            kind: ErrorKind::Config,
            why: format!(
                "{place}: a pooler shares the server's side of the connection with other clients, \
                 which could prepare other statements under the same names; remove \
                 `statements=named` from the URL, or use a pool in session mode that resets its \
                 connections"
            ),
            cause: None,
        }
    }

    /// Returns the error for a connection that was not opened in time.
    pub(crate) fn timed_out(place: &str, waited: Duration) -> Self {
        Self {
            kind: ErrorKind::Unavailable,
            why: format!("{place}: no connection was made within {waited:?}"),
            cause: None,
        }
    }

    /// Returns the error for a call that begins while `waiting` calls are in progress on each
    /// connection.
    pub(crate) fn overloaded(place: &str, waiting: usize) -> Self {
        Self {
            kind: ErrorKind::Unavailable,
            why: format!(
                "{place}: {waiting} calls are already waiting on each connection; the server is \
                 too slow or does not respond"
            ),
            cause: None,
        }
    }

    /// Returns whether another attempt would fail in the same way.
    pub(crate) fn is_final(&self) -> bool {
        self.kind == ErrorKind::Config
    }

    /// Returns the error for a call that needed the connection.
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

/// The codes with which the server refuses a setting: its name is unknown, it cannot be changed on
/// a connection, or its value is not valid.
const SETTINGS: [SqlState; 3] = [
    SqlState::UNDEFINED_OBJECT,
    SqlState::CANT_CHANGE_RUNTIME_PARAM,
    SqlState::INVALID_PARAMETER_VALUE,
];

/// Returns whether the error is PgBouncer's refusal of a transaction in statement mode. PgBouncer
/// has one code for all of its errors, so the text is compared.
fn is_of_statement_pooling(error: &tokio_postgres::Error) -> bool {
    let error = error.as_db_error();
    error.is_some_and(|error| error.message().contains("statement pooling"))
}

fn io_error(error: &tokio_postgres::Error) -> Option<&io::Error> {
    error.source().and_then(|cause| cause.downcast_ref())
}

/// Returns the error for a call whose statement failed.
pub(crate) fn refused(doing: &str, error: &tokio_postgres::Error, no_table: &str) -> Error {
    if error.code() == Some(&SqlState::UNDEFINED_TABLE) {
        let why = format!("{doing}: the table is not there; {no_table}");
        return Error::new(ErrorKind::Unavailable, why).with_source(Cause::from(error));
    }
    let (kind, why) = explain(error);
    Error::new(kind, format!("{doing}: {why}")).with_source(Cause::from(error))
}

/// Returns the error for a row that this store cannot have written.
pub(crate) fn corrupt(doing: &str, error: &tokio_postgres::Error) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "{doing}: the row has content that this store never writes; another program changed \
             the row or the table"
        ),
    )
    .with_source(Cause::from(error))
}

/// Returns what went wrong and what to do about it.
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
            "the statement conflicted with other transactions on every try; look for long \
             transactions",
        ),
        "42703" | "42804" | "42P10" => (
            ErrorKind::Unavailable,
            "the table does not have the expected columns; choose another name with `table`, or \
             compare the table with `schema`",
        ),
        "42501" => (
            ErrorKind::Unavailable,
            "permission denied; grant the user SELECT, INSERT, UPDATE and DELETE on the table",
        ),
        "25006" => (
            ErrorKind::Unavailable,
            "the server is a standby and accepts no writes; list all servers in the URL, with \
             target_session_attrs=read-write",
        ),
        "53100" => (
            ErrorKind::Full,
            "the server's disk is full; free some space",
        ),
        "54000" => (
            ErrorKind::TooLarge,
            "the owner is too long for an index, or the entry is too large for a row",
        ),
        "22P05" => (
            ErrorKind::Unsupported,
            "the database's encoding lacks a character; create the database with ENCODING 'UTF8'",
        ),
        "55P03" => (
            ErrorKind::Unavailable,
            "another transaction held a lock on the table or the row for too long; look for long \
             transactions",
        ),
        "57014" => (
            ErrorKind::Unavailable,
            "an administrator or a statement_timeout cancelled the statement",
        ),
        "42P05" | "26000" => (
            ErrorKind::Unavailable,
            "another client of a pooler uses the same server connection; remove `statements=named` \
             from the URL",
        ),
        code if is_of_lost_connection(&SqlState::from_code(code)) => (
            ErrorKind::Unavailable,
            "the server ended the connection before the answer came",
        ),
        _ => (
            ErrorKind::Unavailable,
            "PostgreSQL refused the statement; see the cause",
        ),
    }
}
