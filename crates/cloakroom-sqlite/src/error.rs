use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Error, ErrorKind};
use rusqlite::ErrorCode;

use crate::database_file::DatabaseFile;
use crate::options::Options;

/// Why a call failed. Calls that the writer commits in one transaction share the cause if the
/// transaction fails.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// SQLite returned an error.
    Sqlite(Arc<rusqlite::Error>),
    /// The file at this path is not the file that was opened.
    FileLost(Arc<Path>),
}

impl Cause {
    pub(crate) fn of(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }

    pub(crate) fn file_lost(file: &DatabaseFile) -> Self {
        Self::FileLost(file.path().into())
    }
}

/// The parts of an error message that depend on the store or its options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advice {
    pub(crate) busy_timeout: Duration,
    /// What to do if the table is missing.
    pub(crate) no_table: &'static str,
}

/// Returns the error for a call that failed in SQLite.
pub(crate) fn failed(doing: &'static str, advice: Advice, cause: Cause) -> Error {
    let cause = match cause {
        Cause::Sqlite(cause) => cause,
        Cause::FileLost(path) => {
            let path = path.display();
            let why = format!(
                "{path} or its write-ahead log was deleted, moved or replaced while it was open; \
                 put the files back, or restart the program to use the new ones"
            );
            return Error::new(ErrorKind::Unavailable, format!("{doing}: {why}"));
        }
    };
    let (kind, why) = match is_missing_table(&cause) {
        true => (
            ErrorKind::Unavailable,
            format!("the table is not there; {}", advice.no_table),
        ),
        false => explain(&cause, advice.busy_timeout),
    };
    Error::new(kind, format!("{doing}: {why}")).with_source(cause)
}

/// Returns the error for a call that got no result, because its job panicked or its thread has
/// ended.
pub(crate) fn no_result(doing: &'static str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("{doing}: the thread panicked; see its message on standard error"),
    )
}

/// Returns the error for a call that finds the queue full.
pub(crate) fn queue_full(doing: &'static str, waiting: usize) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "{doing}: {waiting} calls are waiting already; \
             the disk is too slow or the database is locked"
        ),
    )
}

/// Returns the error for a file that cannot be opened.
pub(crate) fn opening(options: &Options, cause: rusqlite::Error) -> Error {
    let folder = options
        .path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let (kind, why) = match cause.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) if folder.is_some_and(|folder| !folder.exists()) => (
            ErrorKind::Unavailable,
            "its folder does not exist; create it".into(),
        ),
        Some(ErrorCode::CannotOpen) => (
            ErrorKind::Unavailable,
            "it cannot be opened or created; \
             this process needs to read and write the file and its folder"
                .into(),
        ),
        Some(ErrorCode::NotADatabase) => (
            ErrorKind::Config,
            "it is not an SQLite database, or it is encrypted; name another file".into(),
        ),
        _ => explain(&cause, options.busy_timeout),
    };
    let path = options.path.display();
    Error::new(kind, format!("opening the SQLite database {path}: {why}")).with_source(cause)
}

/// Returns whether the call failed because another connection holds a lock.
pub(crate) fn is_busy(cause: &rusqlite::Error) -> bool {
    matches!(
        cause.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Returns whether the table is missing.
///
/// SQLite reports a missing table with a generic code, so this function compares the message. It
/// calls `to_string`, because the variant of `rusqlite::Error` that contains the message depends on
/// the features of rusqlite.
fn is_missing_table(cause: &rusqlite::Error) -> bool {
    cause.to_string().starts_with("no such table")
}

/// Returns the kind of the error, and a text that names the problem and the remedy.
fn explain(cause: &rusqlite::Error, waited: Duration) -> (ErrorKind, String) {
    if is_busy(cause) {
        let why = format!(
            "another connection kept the database locked for {}; \
             raise busy_timeout or find the long transaction",
            format_duration(waited)
        );
        return (ErrorKind::Unavailable, why);
    }
    let (kind, why) = match cause {
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::Utf8Error(..) => (
            ErrorKind::Corrupt,
            "the row has a value that this store never writes; another program changed it",
        ),
        _ => match cause.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => (ErrorKind::Full, "the disk is full; free some space"),
            Some(ErrorCode::TooBig) => (
                ErrorKind::TooLarge,
                "the entry is larger than SQLite's rows can be",
            ),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => (
                ErrorKind::Unavailable,
                "the database is read-only; make the file and its folder writable",
            ),
            Some(ErrorCode::SystemIoFailure) => (
                ErrorKind::Unavailable,
                "the file could not be read or written; check the disk",
            ),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => (
                ErrorKind::Unavailable,
                "the database file is damaged; restore it from a backup",
            ),
            _ => (
                ErrorKind::Unavailable,
                "SQLite returned an error; see its cause",
            ),
        },
    };
    (kind, why.into())
}

fn format_duration(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{} s", duration.as_secs()),
        _ => format!("{} ms", duration.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use rusqlite::ffi;

    use super::*;

    #[test]
    fn an_error_names_the_call_the_failure_and_the_remedy() {
        let error = |code| {
            let cause = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let advice = Advice {
                busy_timeout: Duration::from_millis(5_000),
                no_table: "",
            };
            failed("saving a session in SQLite", advice, Cause::of(cause))
        };

        let busy = error(ffi::SQLITE_BUSY);
        assert_eq!(
            busy.to_string(),
            "saving a session in SQLite: another connection kept the database locked for 5 s; \
             raise busy_timeout or find the long transaction"
        );
        assert!(busy.source().is_some());
        assert_eq!(busy.kind(), ErrorKind::Unavailable);
        assert_eq!(error(ffi::SQLITE_FULL).kind(), ErrorKind::Full);
        assert_eq!(error(ffi::SQLITE_TOOBIG).kind(), ErrorKind::TooLarge);
        assert_eq!(
            error(ffi::SQLITE_IOERR_WRITE).kind(),
            ErrorKind::Unavailable
        );
        assert_eq!(error(ffi::SQLITE_CORRUPT).kind(), ErrorKind::Unavailable);
    }
}
