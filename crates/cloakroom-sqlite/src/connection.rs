use std::time::{Duration, Instant};

use cloakroom::{Error, ErrorKind, Result};
use rusqlite::{Connection, OpenFlags};

use crate::error::{is_busy, opening};
use crate::options::{Options, Synchronous};

/// Opens the connection that writes to a file of ours: makes the file if it is not there, and the write-ahead log.
pub(crate) fn writer(options: &Options) -> Result<Connection> {
    let db = guest(options)?;
    let mode = enter_wal(&db, options.busy_timeout).map_err(|e| opening(options, e))?;
    if mode != "wal" {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "opening the SQLite database {}: it cannot have a write-ahead log there (its journal is `{mode}`); \
                 name a file on a local disk",
                options.path.display()
            ),
        ));
    }
    Ok(db)
}

/// Opens the connection that writes to a file of somebody else: as [`writer`], but the journal stays what it is.
pub(crate) fn guest(options: &Options) -> Result<Connection> {
    let db = connect(options, OpenFlags::SQLITE_OPEN_CREATE).map_err(|e| opening(options, e))?;
    // Asked to write a file that it may only read, SQLite opens it for reading and says nothing.
    if db.is_readonly("main").map_err(|e| opening(options, e))? {
        return Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "opening the SQLite database {}: it is read-only; make the file and its folder writable",
                options.path.display()
            ),
        ));
    }
    Ok(db)
}

/// Opens a connection that only reads.
///
/// It may write as far as SQLite is concerned: whoever closes a file last tidies up its log.
pub(crate) fn reader(options: &Options) -> Result<Connection> {
    let open = || {
        let db = connect(options, OpenFlags::empty())?;
        db.pragma_update(None, "query_only", true)?;
        Ok(db)
    };
    open().map_err(|e| opening(options, e))
}

fn connect(options: &Options, create: OpenFlags) -> rusqlite::Result<Connection> {
    // Each connection belongs to one thread, so SQLite need not guard it with a mutex.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let db = Connection::open_with_flags(&options.path, flags)?;
    db.busy_timeout(options.busy_timeout.min(LONGEST_TIMEOUT))?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    match options.synchronous {
        Synchronous::Full => {
            db.pragma_update(None, "synchronous", "FULL")?;
            // On macOS a plain flush stops at the disk's own cache; elsewhere this changes nothing.
            db.pragma_update(None, "fullfsync", true)?;
            db.pragma_update(None, "checkpoint_fullfsync", true)?;
        }
        Synchronous::Normal => db.pragma_update(None, "synchronous", "NORMAL")?,
    }
    Ok(db)
}

/// Turns the write-ahead log on; says which journal the file has now.
///
/// Where two processes could wait for each other, SQLite does not wait but answers "busy" at once. That is the case
/// when several open a new file together, so the waiting is done here.
fn enter_wal(db: &Connection, patience: Duration) -> rusqlite::Result<String> {
    let start = Instant::now();
    loop {
        let mode = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0));
        match mode {
            Err(error) if is_busy(&error) && start.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(5));
            }
            answer => return answer,
        }
    }
}

/// SQLite counts the milliseconds in 32 bits.
const LONGEST_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// Room for every statement that a connection prepares.
const STATEMENTS: usize = 16;
