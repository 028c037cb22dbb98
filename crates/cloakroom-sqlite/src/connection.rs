use std::time::{Duration, Instant};

use cloakroom::{Error, ErrorKind, Result};
use rusqlite::{Connection, MAIN_DB, OpenFlags};

use crate::error::{is_busy, opening};
use crate::linked_sqlite;
use crate::options::{Options, Synchronous};

/// Opens a connection that writes, and turns the write-ahead log on. Creates a missing file.
pub(crate) fn wal_writer(options: &Options) -> Result<Connection> {
    let db = writer(options)?;
    let mode = enable_wal(&db, options.busy_timeout).map_err(|e| opening(options, e))?;
    if mode != "wal" {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "opening the SQLite database {}: it cannot have a write-ahead log \
                 (its journal mode is `{mode}`); name a file on a local disk",
                options.path.display()
            ),
        ));
    }
    Ok(db)
}

/// Opens a connection that writes, without changing the file's journal mode. Creates a missing
/// file.
pub(crate) fn writer(options: &Options) -> Result<Connection> {
    linked_sqlite::check()?;
    let db = connect(options, OpenFlags::SQLITE_OPEN_CREATE).map_err(|e| opening(options, e))?;
    // SQLite opens a file without write permission as read-only and reports no error.
    if db.is_readonly(MAIN_DB).map_err(|e| opening(options, e))? {
        return Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "opening the SQLite database {}: it is read-only; \
                 make the file and its folder writable",
                options.path.display()
            ),
        ));
    }
    Ok(db)
}

/// Opens a connection that only reads.
///
/// The file is still opened with write access, because this connection may be the last to close,
/// and the last connection must remove the write-ahead log.
pub(crate) fn reader(options: &Options) -> Result<Connection> {
    let open = || {
        let db = connect(options, OpenFlags::empty())?;
        db.pragma_update(None, "query_only", true)?;
        Ok(db)
    };
    open().map_err(|e| opening(options, e))
}

fn connect(options: &Options, create: OpenFlags) -> rusqlite::Result<Connection> {
    // Each connection belongs to one thread, so it does not need SQLite's mutex.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let db = Connection::open_with_flags(&options.path, flags)?;
    db.busy_timeout(options.busy_timeout.min(LONGEST_TIMEOUT))?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    match options.synchronous {
        Synchronous::Full => {
            // Without a write-ahead log, a commit deletes the rollback journal. `EXTRA` also
            // flushes the folder after that; otherwise a power cut could bring the journal back
            // and undo the commit. With a write-ahead log, `EXTRA` is the same as `FULL`.
            db.pragma_update(None, "synchronous", "EXTRA")?;
            // On macOS, a plain flush reaches only the disk's cache. On other systems these two
            // pragmas have no effect.
            db.pragma_update(None, "fullfsync", true)?;
            db.pragma_update(None, "checkpoint_fullfsync", true)?;
        }
        Synchronous::Normal => db.pragma_update(None, "synchronous", "NORMAL")?,
    }
    Ok(db)
}

/// Turns the write-ahead log on and returns the journal mode that the file has afterwards.
///
/// If waiting for a lock could deadlock two processes, SQLite does not wait for its busy timeout
/// but returns "busy" at once. That happens when several processes open a new file at the same
/// time, so this function retries.
fn enable_wal(db: &Connection, timeout: Duration) -> rusqlite::Result<String> {
    let start = Instant::now();
    loop {
        let mode = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0));
        match mode {
            Err(error) if is_busy(&error) && start.elapsed() < timeout => {
                std::thread::sleep(Duration::from_millis(5));
            }
            answer => return answer,
        }
    }
}

/// The longest busy timeout that SQLite accepts: `i32::MAX` milliseconds, almost 25 days.
const LONGEST_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// How many prepared statements a connection caches. A store has at most 14 different statements,
/// so each of them stays prepared.
const STATEMENTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_durable_commit_waits_for_the_folder_of_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(&folder.path().join("db.sqlite3"), "t");
        for (synchronous, level) in [(Synchronous::Full, 3), (Synchronous::Normal, 1)] {
            options.synchronous = synchronous;
            let db = writer(&options).unwrap();
            let found: i64 = db
                .pragma_query_value(None, "synchronous", |row| row.get(0))
                .unwrap();
            assert_eq!(found, level, "{synchronous:?}");
        }
    }
}
