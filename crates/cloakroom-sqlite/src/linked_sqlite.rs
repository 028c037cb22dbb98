//! Checks the version of the SQLite that the program is linked with.
//!
//! This crate does not choose the version: cargo links one SQLite for all crates of a program.
//! Without the feature `bundled`, that may be the system's SQLite.

use std::sync::atomic::{AtomicBool, Ordering};

use cloakroom::{Error, ErrorKind, Result};

/// Warns once per process if the linked SQLite has the WAL-reset bug, which in rare cases damages a
/// database.
///
/// # Errors
/// [`Config`](ErrorKind::Config) if the linked SQLite is too old for this crate's statements.
pub(crate) fn check() -> Result<()> {
    static WARNED: AtomicBool = AtomicBool::new(false);
    check_version(rusqlite::version_number(), &WARNED)
}

fn check_version(linked: i32, warned: &AtomicBool) -> Result<()> {
    if linked < OLDEST {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "opening an SQLite database: this program is linked with SQLite {}, and \
                 cloakroom-sqlite needs {} or newer; turn on its feature `bundled`, or update the \
                 system's SQLite",
                dotted(linked),
                dotted(OLDEST)
            ),
        ));
    }
    if linked < FIXED && !warned.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            linked = dotted(linked),
            "this SQLite has the WAL-reset bug, which in rare cases damages a database that \
             several connections use; link SQLite {} or newer: update the crate that \
             `cargo tree -i libsqlite3-sys` shows, or the system's SQLite",
            dotted(FIXED)
        );
    }
    Ok(())
}

fn dotted(version: i32) -> String {
    let (major, minor, patch) = (
        version / 1_000_000,
        version / 1_000 % 1_000,
        version % 1_000,
    );
    format!("{major}.{minor}.{patch}")
}

/// The oldest supported SQLite. The sweep uses `json_each`, which is optional in older versions.
const OLDEST: i32 = 3_038_000;

/// The first SQLite without the WAL-reset bug. Some distributions have added the fix to older
/// versions of SQLite, but the version number does not show that.
const FIXED: i32 = 3_051_003;

#[cfg(test)]
mod tests {
    use cloakroom_testkit::Log;

    use super::*;

    #[test]
    fn an_sqlite_with_the_wal_reset_bug_is_reported_once() {
        let (warned, log) = (AtomicBool::new(false), Log::default());

        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            check_version(3_051_003, &warned).unwrap();
            assert_eq!(log.text(), "");
            check_version(3_051_002, &warned).unwrap();
            check_version(3_046_000, &warned).unwrap();
        });

        let text = log.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("3.51.2"), "{text}");
        assert!(text.contains("link SQLite 3.51.3 or newer"), "{text}");
    }

    #[test]
    fn an_sqlite_that_is_too_old_is_refused() {
        let error = check_version(3_037_002, &AtomicBool::new(false)).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.to_string(),
            "opening an SQLite database: this program is linked with SQLite 3.37.2, and \
             cloakroom-sqlite needs 3.38.0 or newer; turn on its feature `bundled`, or update the \
             system's SQLite"
        );
    }
}
