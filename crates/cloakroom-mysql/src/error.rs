use std::io;

use cloakroom::{Error, ErrorKind};
use mysql_async::Error as Cause;
use mysql_async::{DriverError, IoError};

use crate::address::Address;

/// How a statement failed. This decides whether the statement is tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// The statement changed nothing, because a concurrent transaction blocked it. Another try may
    /// succeed.
    RolledBack,
    /// The statement changed nothing, because the server is read-only. A new connection may reach
    /// the server that has become the primary.
    ReadOnly,
    /// The connection must not be used again. The statement may or may not have been executed.
    ConnectionUnusable,
    /// The server refused the statement and would refuse it again.
    Refused,
}

impl Failure {
    pub(crate) fn of(cause: &Cause) -> Self {
        match code(cause) {
            Some(DEADLOCK | LOCK_WAIT_TIMEOUT) => Self::RolledBack,
            Some(code) if READ_ONLY.contains(&code) => Self::ReadOnly,
            Some(code) if CLOSING.contains(&code) => Self::ConnectionUnusable,
            Some(_) => Self::Refused,
            None => Self::ConnectionUnusable,
        }
    }
}

/// Returns the error for a call that MySQL refused or did not answer.
pub(crate) fn refused(doing: &'static str, cause: Cause, no_table: &str) -> Error {
    if code(&cause) == Some(NO_SUCH_TABLE) {
        let why = format!("{doing}: the table is not there; {no_table}");
        return with_cause(Error::new(ErrorKind::Unavailable, why), cause);
    }
    let (kind, why) = explain(&cause);
    with_cause(Error::new(kind, format!("{doing}: {why}")), cause)
}

/// Returns the error for a connection that cannot be opened.
pub(crate) fn connecting(address: &Address, cause: Cause) -> Error {
    let tls = match &cause {
        Cause::Io(IoError::Io(io)) => cloakroom_tls::explain(io),
        _ => None,
    };
    let (kind, why) = match (&cause, tls) {
        (_, Some(why)) => (ErrorKind::Config, why),
        (Cause::Io(IoError::Io(io)), _) if io.kind() == io::ErrorKind::NotFound => (
            ErrorKind::Unavailable,
            "the socket does not exist; correct the URL, or start the server",
        ),
        (Cause::Io(_), _) => (
            ErrorKind::Unavailable,
            "it cannot be reached; check that it runs and that this machine may connect to it",
        ),
        (Cause::Driver(DriverError::NoClientSslFlagFromServer), _) => (
            ErrorKind::Config,
            "the URL asks for TLS, but the server does not support TLS; set TLS up on the server",
        ),
        _ => explain(&cause),
    };
    with_cause(
        Error::new(kind, format!("connecting to MySQL at {address}: {why}")),
        cause,
    )
}

/// Returns the error for a call that reached a time limit.
pub(crate) fn too_slow(doing: &str, why: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{doing}: {why}"))
}

/// Returns the error for a row that cannot be read.
pub(crate) fn corrupt(doing: &'static str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "{doing}: the row has content that this store never writes; another program changed it"
        ),
    )
}

/// Returns the error for a part of a draft that does not fit into its column or into a packet.
pub(crate) fn too_large(what: &str, len: usize, limit: &str) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!("writing a session to MySQL: its {what} takes {len} {limit}"),
    )
}

/// Returns what went wrong and what to do about it.
fn explain(cause: &Cause) -> (ErrorKind, &'static str) {
    if let Cause::Driver(DriverError::PacketTooLarge) = cause {
        return (ErrorKind::TooLarge, PACKET);
    }
    let Some(code) = code(cause) else {
        return (
            ErrorKind::Unavailable,
            "the connection was lost before the answer came",
        );
    };
    match code {
        DEADLOCK | LOCK_WAIT_TIMEOUT => (
            ErrorKind::Unavailable,
            "other transactions kept the row or the table locked; look for a long transaction, in \
             a backup or in the application",
        ),
        1153 => (ErrorKind::TooLarge, PACKET),
        1021 | 1114 => (
            ErrorKind::Full,
            "the disk or the table is full; free some space",
        ),
        1044 | 1045 | 1698 => (
            ErrorKind::Config,
            "the server refuses the user, the password or the database; check the URL and the \
             user's rights",
        ),
        1142 | 1143 => (
            ErrorKind::Config,
            "the user lacks a right; grant SELECT, INSERT, UPDATE and DELETE on the table, and \
             CREATE to migrate",
        ),
        1049 => (
            ErrorKind::Config,
            "there is no such database; create it or correct the URL",
        ),
        1054 | 1136 => (
            ErrorKind::Unavailable,
            "the table does not have the expected columns; compare the table with `schema`",
        ),
        1665 => (
            ErrorKind::Config,
            "the server's binlog_format is STATEMENT; set it to ROW or MIXED",
        ),
        1040 | 1203 | 1226 => (
            ErrorKind::Unavailable,
            "the server has no connection left for this user; raise its max_connections or lower \
             `connections`",
        ),
        code if READ_ONLY.contains(&code) => (
            ErrorKind::Unavailable,
            "the server is read-only, like a replica; name the primary in the URL",
        ),
        code if CLOSING.contains(&code) => (
            ErrorKind::Unavailable,
            "the server closed the connection; it is shutting down, or an administrator killed \
             the connection",
        ),
        _ => (
            ErrorKind::Unavailable,
            "MySQL refused the statement; see the cause",
        ),
    }
}

/// Sets the source of `error` to the text of `cause`. The source is not `cause` itself, because the
/// `Debug` output of the driver's errors shows packets and rows.
fn with_cause(error: Error, cause: Cause) -> Error {
    match cause {
        Cause::Server(server) if QUOTING.contains(&server.code) => {
            error.with_source(format!("ERROR {} ({})", server.code, server.state))
        }
        Cause::Server(server) => error.with_source(server.to_string()),
        Cause::Io(IoError::Io(io)) => error.with_source(io),
        other => error.with_source(other.to_string()),
    }
}

fn code(cause: &Cause) -> Option<u16> {
    match cause {
        Cause::Server(server) => Some(server.code),
        _ => None,
    }
}

/// Returns whether an INSERT or an UPDATE failed because the key exists.
pub(crate) fn is_duplicate(cause: &Cause) -> bool {
    code(cause) == Some(1062)
}

const NO_SUCH_TABLE: u16 = 1146;
const DEADLOCK: u16 = 1213;
const LOCK_WAIT_TIMEOUT: u16 = 1205;

/// The codes after which the server closes the connection: shutdown, kill, protocol errors,
/// inactivity, and a packet that is too large.
const CLOSING: [u16; 10] = [1047, 1053, 1152, 1153, 1158, 1159, 1160, 1161, 1927, 4031];

/// The codes with which a read-only server refuses a statement or rolls it back. In both cases the
/// statement has changed nothing.
const READ_ONLY: [u16; 3] = [1290, 1792, 1836];

/// The codes of errors whose messages quote keys or data.
const QUOTING: [u16; 9] = [1062, 1064, 1264, 1265, 1292, 1300, 1366, 1406, 1411];

const PACKET: &str = "the entry is larger than the server's max_allowed_packet; raise this \
                      setting, or store large data in the site's tables and only its ids in the \
                      session";

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use mysql_async::ServerError;

    use super::*;

    #[test]
    fn errors_name_the_operation_the_reason_and_the_remedy() {
        let error = |code| {
            refused(
                "saving a session in MySQL",
                server(code, "words of the server"),
                "",
            )
        };

        let locked = error(1205);
        assert_eq!(
            locked.to_string(),
            "saving a session in MySQL: other transactions kept the row or the table locked; look \
             for a long transaction, in a backup or in the application"
        );
        let cause = locked.source().unwrap().to_string();
        assert_eq!(cause, "ERROR 1205 (HY000): words of the server");
        assert_eq!(locked.kind(), ErrorKind::Unavailable);
        assert_eq!(error(1114).kind(), ErrorKind::Full);
        assert_eq!(error(1153).kind(), ErrorKind::TooLarge);
        assert_eq!(error(1142).kind(), ErrorKind::Config);
        assert_eq!(error(9_999).kind(), ErrorKind::Unavailable);
        let packet = refused(
            "saving a session in MySQL",
            DriverError::PacketTooLarge.into(),
            "",
        );
        assert_eq!(packet.kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn errors_do_not_show_the_keys_and_data_that_the_server_quotes() {
        let row = mysql_async::Value::Bytes(b"s3cret".to_vec());
        let causes = [
            server(1062, "Duplicate entry 's3cret' for key 'PRIMARY'"),
            server(1366, "Incorrect string value: 's3cret' for column 'label'"),
            DriverError::FromValue { value: row }.into(),
            DriverError::UnexpectedPacket {
                payload: b"s3cret".to_vec(),
            }
            .into(),
        ];
        for cause in causes {
            let error = refused("saving a session in MySQL", cause, "");

            assert!(!format!("{error:?} {:?}", error.source()).contains("s3cret"));
        }
    }

    #[test]
    fn the_error_of_a_statement_decides_whether_the_statement_is_tried_again() {
        assert_eq!(Failure::of(&server(1213, "")), Failure::RolledBack);
        assert_eq!(Failure::of(&server(1205, "")), Failure::RolledBack);
        assert_eq!(Failure::of(&server(1927, "")), Failure::ConnectionUnusable);
        assert_eq!(Failure::of(&server(1290, "")), Failure::ReadOnly);
        assert_eq!(Failure::of(&server(1146, "")), Failure::Refused);
        assert_eq!(
            Failure::of(&DriverError::ConnectionClosed.into()),
            Failure::ConnectionUnusable
        );
    }

    fn server(code: u16, message: &str) -> Cause {
        Cause::Server(ServerError {
            code,
            message: message.into(),
            state: "HY000".into(),
        })
    }
}
