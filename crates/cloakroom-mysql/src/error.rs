use std::io;

use cloakroom::{Error, ErrorKind};
use mysql_async::Error as Cause;
use mysql_async::{DriverError, IoError};

use crate::address::Address;

/// What is to be done about a call that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Remedy {
    /// Another transaction was in the way and nothing has happened: ask again.
    Again,
    /// The server is read-only and nothing has happened: ask on a new connection, which may lead
    /// to the new primary.
    Elsewhere,
    /// The connection is not to be used any more, and nobody knows what has happened.
    Reconnect,
    /// The server has said no, and will say it again.
    GiveUp,
}

impl Remedy {
    pub(crate) fn of(cause: &Cause) -> Self {
        match code(cause) {
            Some(DEADLOCK | LOCK_WAIT_TIMEOUT) => Self::Again,
            Some(code) if READ_ONLY.contains(&code) => Self::Elsewhere,
            Some(code) if CLOSING.contains(&code) => Self::Reconnect,
            Some(_) => Self::GiveUp,
            None => Self::Reconnect,
        }
    }
}

/// The error of a call that MySQL refused or did not answer.
pub(crate) fn refused(doing: &'static str, cause: Cause, no_table: &str) -> Error {
    if code(&cause) == Some(NO_SUCH_TABLE) {
        let why = format!("{doing}: the table is not there; {no_table}");
        return with_cause(Error::new(ErrorKind::Unavailable, why), cause);
    }
    let (kind, why) = explain(&cause);
    with_cause(Error::new(kind, format!("{doing}: {why}")), cause)
}

/// The error of a connection that cannot be made.
pub(crate) fn connecting(address: &Address, cause: Cause) -> Error {
    let (kind, why) = match &cause {
        // What rustls says of a certificate comes as this.
        Cause::Io(IoError::Io(io)) if io.kind() == io::ErrorKind::InvalidData => (
            ErrorKind::Config,
            "its certificate or its answer is not to be trusted; check the host's name, and name with `ssl-ca` who \
             vouches for the server",
        ),
        Cause::Io(IoError::Io(io)) if io.kind() == io::ErrorKind::NotFound => (
            ErrorKind::Unavailable,
            "there is no such socket, or no such file of `ssl-ca`; correct the URL, or wait until the server runs",
        ),
        Cause::Io(_) => (
            ErrorKind::Unavailable,
            "it cannot be reached; check that it runs and that this machine may connect to it",
        ),
        Cause::Driver(DriverError::NoClientSslFlagFromServer) => (
            ErrorKind::Config,
            "the URL asks for TLS, and the server has none; set it up there",
        ),
        _ => explain(&cause),
    };
    with_cause(
        Error::new(kind, format!("connecting to MySQL at {address}: {why}")),
        cause,
    )
}

/// The error of a call that has waited as long as it may.
pub(crate) fn too_slow(doing: &str, why: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{doing}: {why}"))
}

/// The error of a row that cannot be read.
pub(crate) fn corrupt(doing: &'static str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "{doing}: the row holds what this store never writes; something else has changed it"
        ),
    )
}

/// The error of what does not fit into its column or into a packet.
pub(crate) fn too_large(what: &str, len: usize, limit: &str) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!("writing a session to MySQL: its {what} takes {len} {limit}"),
    )
}

/// What went wrong and what to do about it.
fn explain(cause: &Cause) -> (ErrorKind, &'static str) {
    if let Cause::Driver(DriverError::PacketTooLarge) = cause {
        return (ErrorKind::TooLarge, PACKET);
    }
    let Some(code) = code(cause) else {
        return (
            ErrorKind::Unavailable,
            "the connection broke; whether it was done can be told by loading the session",
        );
    };
    match code {
        DEADLOCK | LOCK_WAIT_TIMEOUT => (
            ErrorKind::Unavailable,
            "other transactions kept the row or the table locked; find the long one, in a backup or in the application",
        ),
        1153 => (ErrorKind::TooLarge, PACKET),
        1021 | 1114 => (
            ErrorKind::Full,
            "the disk or the table is full; free some space",
        ),
        1044 | 1045 | 1698 => (
            ErrorKind::Config,
            "the server refuses the user, the password or the database; check the URL and the user's rights",
        ),
        1142 | 1143 => (
            ErrorKind::Config,
            "the user lacks a right; grant SELECT, INSERT, UPDATE and DELETE on the table, and CREATE to migrate",
        ),
        1049 => (
            ErrorKind::Config,
            "there is no such database; create it, or correct the URL",
        ),
        1054 | 1136 => (
            ErrorKind::Unavailable,
            "the table is not one that this version has made; compare `schema`",
        ),
        1665 => (
            ErrorKind::Config,
            "the server's binlog_format is STATEMENT; set it to ROW or MIXED",
        ),
        1040 | 1203 | 1226 => (
            ErrorKind::Unavailable,
            "the server has no connection left for this user; raise its max_connections, or lower `connections`",
        ),
        code if READ_ONLY.contains(&code) => (
            ErrorKind::Unavailable,
            "the server is read-only, as a replica is; name the primary in the URL",
        ),
        code if CLOSING.contains(&code) => (
            ErrorKind::Unavailable,
            "the server closed the connection; it is being stopped, or somebody killed it",
        ),
        _ => (ErrorKind::Unavailable, "MySQL refused; the cause says why"),
    }
}

/// Puts the cause behind the error as the text that it is shown as: the driver's own types hold packets and rows.
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

/// What the server says of an INSERT, or of an UPDATE of a key, whose key is taken.
pub(crate) fn is_duplicate(cause: &Cause) -> bool {
    code(cause) == Some(1062)
}

const NO_SUCH_TABLE: u16 = 1146;
const DEADLOCK: u16 = 1213;
const LOCK_WAIT_TIMEOUT: u16 = 1205;

/// Shutdown, kill, lost synchrony, idleness and a packet that was too large: the server closes after these.
const CLOSING: [u16; 10] = [1047, 1053, 1152, 1153, 1158, 1159, 1160, 1161, 1927, 4031];

/// A read-only server refuses a statement before it begins, or rolls it back instead of committing.
/// After a failover the name may lead to the new primary.
const READ_ONLY: [u16; 3] = [1290, 1792, 1836];

/// The messages of these quote keys or data.
const QUOTING: [u16; 9] = [1062, 1064, 1264, 1265, 1292, 1300, 1366, 1406, 1411];

const PACKET: &str = "the entry is larger than the server's max_allowed_packet; raise it there, or keep large things in \
                      the site's own tables and their ids in the session";

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use mysql_async::ServerError;

    use super::*;

    #[test]
    fn every_error_says_what_was_being_done_what_went_wrong_and_what_to_do() {
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
            "saving a session in MySQL: other transactions kept the row or the table locked; find the long one, in a \
             backup or in the application"
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
    fn no_error_quotes_what_the_server_quotes_of_keys_and_data() {
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
    fn only_what_has_surely_not_happened_is_asked_again() {
        assert_eq!(Remedy::of(&server(1213, "")), Remedy::Again);
        assert_eq!(Remedy::of(&server(1205, "")), Remedy::Again);
        assert_eq!(Remedy::of(&server(1927, "")), Remedy::Reconnect);
        assert_eq!(Remedy::of(&server(1290, "")), Remedy::Elsewhere);
        assert_eq!(Remedy::of(&server(1146, "")), Remedy::GiveUp);
        assert_eq!(
            Remedy::of(&DriverError::ConnectionClosed.into()),
            Remedy::Reconnect
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
