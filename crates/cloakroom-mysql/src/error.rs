use std::io;

use cloakroom::{Error, ErrorKind};
use mysql_async::Error as Cause;
use mysql_async::{DriverError, IoError, ServerError};

use crate::address::Address;

/// How a statement failed. This decides whether the statement is tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// The statement changed nothing, because a concurrent transaction blocked it. Another try may
    /// succeed.
    RolledBack,
    /// The statement changed nothing, because the server is read-only or is not a working part of
    /// its cluster. A new connection may reach the server that has become the primary.
    NotPrimary,
    /// The statement changed nothing, because a packet would be larger than `max_allowed_packet`.
    /// This connection must not be used again. Another try would fail in the same way.
    TooLarge,
    /// The connection must not be used again. The statement may or may not have been executed.
    ConnectionUnusable,
    /// The server refused the statement and would refuse it again.
    Refused,
}

impl Failure {
    pub(crate) fn of(cause: &Cause) -> Self {
        let Cause::Server(server) = cause else {
            return match is_packet_too_large(cause) {
                true => Self::TooLarge,
                false => Self::ConnectionUnusable,
            };
        };
        match server.code {
            DEADLOCK | LOCK_WAIT_TIMEOUT => Self::RolledBack,
            PACKET_TOO_LARGE => Self::TooLarge,
            NOT_IN_CLUSTER => Self::NotPrimary,
            _ if is_read_only(server) => Self::NotPrimary,
            code if CLOSING.contains(&code) => Self::ConnectionUnusable,
            _ => Self::Refused,
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
        (Cause::Driver(DriverError::UnknownAuthPlugin { .. }), _) => (
            ErrorKind::Config,
            "the driver does not have the plugin with which the user logs in; use a password",
        ),
        (Cause::Driver(DriverError::UnexpectedPacket { .. }), _) => (
            ErrorKind::Config,
            "the answer to the login is not one of MySQL's; check the host and the port in the URL",
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
    let server = match cause {
        Cause::Server(server) => server,
        _ if is_packet_too_large(cause) => return (ErrorKind::TooLarge, PACKET),
        Cause::Io(IoError::Io(io)) if io.kind() == io::ErrorKind::TimedOut => {
            return (
                ErrorKind::Unavailable,
                "no answer came in time; check the load of the server and the network",
            );
        }
        _ => {
            return (
                ErrorKind::Unavailable,
                "the connection was lost before the answer came",
            );
        }
    };
    match server.code {
        DEADLOCK | LOCK_WAIT_TIMEOUT => (
            ErrorKind::Unavailable,
            "other transactions kept the row or the table locked; look for a long transaction, in \
             a backup or in the application",
        ),
        PACKET_TOO_LARGE => (ErrorKind::TooLarge, PACKET),
        1021 | 1114 => (
            ErrorKind::Full,
            "the disk or the table is full; free some space",
        ),
        1044 | 1045 | 1275 | 1698 | 3118 | 4151 => (
            ErrorKind::Config,
            "the server refuses the user, the password or the database; check the URL and the \
             user's rights",
        ),
        1820 | 1862 => (
            ErrorKind::Config,
            "the user's password has expired; set a new one, and change the URL",
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
        1054 | 1364 => (
            ErrorKind::Unavailable,
            "the table does not have the expected columns; compare the table with `schema`",
        ),
        1665 => (
            ErrorKind::Config,
            "the server's binlog_format is STATEMENT; set it to ROW or MIXED",
        ),
        1040 | 1203 => (
            ErrorKind::Unavailable,
            "the server has no connection left for this user; raise its max_connections or \
             max_user_connections, or lower `connections`",
        ),
        1226 => (
            ErrorKind::Unavailable,
            "the user has reached one of the limits in its account; the cause names the limit, \
             which ALTER USER can raise",
        ),
        NOT_IN_CLUSTER => (
            ErrorKind::Unavailable,
            "the server refuses statements until it is a working part of its cluster; name a \
             server in the URL that is",
        ),
        TABLE_READ_ONLY => (
            ErrorKind::Unavailable,
            "the table is read-only; turn innodb_read_only off, or name the primary in the URL",
        ),
        _ if is_read_only(server) => (
            ErrorKind::Unavailable,
            "the server is read-only, like a replica; name the primary in the URL",
        ),
        OPTION => (
            ErrorKind::Unavailable,
            "an option of the server forbids the statement; the cause names the option",
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

/// Returns whether the driver refused to send or to read a packet because of its size.
///
/// Neither the driver nor one of its public types exports the type of this error, so the error is
/// recognized by its text.
fn is_packet_too_large(cause: &Cause) -> bool {
    let Cause::Io(IoError::Io(io)) = cause else {
        return false;
    };
    io.get_ref()
        .is_some_and(|error| error.to_string() == "Packet is larger than max_allowed_packet")
}

/// Returns whether a server refused the statement because it accepts no writes.
fn is_read_only(server: &ServerError) -> bool {
    match server.code {
        // Many options cause this error. Its message may be in any language, but names the option.
        OPTION => server.message.contains("read-only"),
        code => READ_ONLY.contains(&code),
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

/// A Galera node that has lost its cluster refuses all statements, but keeps the connection open.
const NOT_IN_CLUSTER: u16 = 1047;

/// The server closes the connection after this error.
const PACKET_TOO_LARGE: u16 = 1153;

/// An option of the server forbids the statement.
const OPTION: u16 = 1290;

/// InnoDB is read-only on this server, or only this table is.
const TABLE_READ_ONLY: u16 = 1036;

/// The codes after which the server closes the connection: shutdown, kill, network errors and
/// inactivity.
const CLOSING: [u16; 8] = [1053, 1152, 1158, 1159, 1160, 1161, 1927, 4031];

/// The codes, besides [`OPTION`], with which a read-only server refuses a statement or rolls it
/// back. In both cases the statement has changed nothing.
const READ_ONLY: [u16; 3] = [TABLE_READ_ONLY, 1792, 1836];

/// The codes of errors whose messages quote keys or data.
const QUOTING: [u16; 7] = [1062, 1064, 1292, 1300, 1366, 1411, 1690];

const PACKET: &str = "the entry is larger than the server's max_allowed_packet; raise this \
                      setting, or store large data in the site's tables and only its ids in the \
                      session";

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use cloakroom_harness::servers::{Kind, Server, mariadb};
    use mysql_async::prelude::Queryable;
    use mysql_async::{Conn, Opts, OptsBuilder};

    use super::*;

    #[tokio::test]
    async fn errors_do_not_show_the_keys_and_data_that_the_server_quotes() {
        let Some(server) = mariadb() else { return };
        let mut db = Conn::from_url(server.url()).await.unwrap();
        let table = "CREATE TEMPORARY TABLE t
            (a VARCHAR(9) CHARACTER SET utf8mb4 PRIMARY KEY, b DATETIME, c INT)";
        let strict = "SET SESSION sql_mode = 'STRICT_ALL_TABLES'";
        let one = "INSERT INTO t (a) VALUES ('s3cret')";
        for statement in [table, strict, one] {
            db.query_drop(statement).await.unwrap();
        }

        for (expected, statement) in [
            (1062, one),
            (1064, "SELECT 1 's3cret' FROM WHERE 's3cret'"),
            (1292, "INSERT INTO t (a, b) VALUES ('x', 's3cret')"),
            (
                1300,
                "INSERT INTO t (a) VALUES (_utf8mb4 x'73336372657465ff')",
            ),
            (1366, "INSERT INTO t (a, c) VALUES ('x', 's3cret')"),
            (
                1411,
                "INSERT INTO t (a, b) VALUES ('x', STR_TO_DATE('s3cret', '%Y'))",
            ),
            (1690, "SELECT LENGTH('s3cret') - CAST(7 AS UNSIGNED)"),
        ] {
            let cause = db.query_drop(statement).await.unwrap_err();
            assert_eq!(code(&cause), Some(expected), "{cause}");

            let error = refused("saving a session in MySQL", cause, "");

            let shown = format!("{error:?} {:?}", error.source());
            assert!(
                !shown.contains("s3cret") && !shown.contains("CAST"),
                "{shown}"
            );
            assert!(shown.contains(&format!("ERROR {expected}")), "{shown}");
        }
    }

    /// The store never gets this error from the server to which it connects: the driver has the
    /// same limit and refuses first. A proxy may have a smaller limit.
    #[tokio::test]
    async fn a_packet_that_the_server_refuses_is_too_large() {
        let Some(mut db) = with_limit(32 * 1_024).await else {
            return;
        };

        let data = "x".repeat(40 * 1_024);
        let cause = db.1.query_drop(format!("DO '{data}'")).await.unwrap_err();

        assert_eq!(code(&cause), Some(1153), "{cause}");
        assert_eq!(Failure::of(&cause), Failure::TooLarge);
        let error = refused("saving a session in MySQL", cause, "");
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }

    /// Starts a server with this `max_allowed_packet`. Returns it with a connection whose driver
    /// has a larger limit.
    async fn with_limit(limit: usize) -> Option<(Server, Conn)> {
        mariadb()?;
        let server = Kind::Mariadb.start()?;
        let mut admin = Conn::from_url(server.url()).await.unwrap();
        let set = format!("SET GLOBAL max_allowed_packet = {limit}");
        admin.query_drop(set).await.unwrap();
        let opts = OptsBuilder::from_opts(Opts::from_url(server.url()).unwrap());
        let opts = opts.max_allowed_packet(Some(1 << 20)).prefer_socket(false);
        let db = Conn::new(opts).await.unwrap();
        Some((server, db))
    }
}
