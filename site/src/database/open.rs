use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    demo::{self, DemoUser},
    site_tables, system,
};
use crate::{StartError, progress, search::index};

/// What a long wait at the first start is about.
const FOLDING: &str = "Reading the books for searches";

/// How long a statement waits for another program that writes, a Django on the same file for example.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two tries of a statement for which SQLite does not wait.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// SQLite reads in parallel, and reading is most of what a library does; more connections than this only wait.
const MAX_CONNECTIONS: u32 = 8;

/// What an SQLite file that is not empty begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The tables as Django leaves them after all its migrations.
const SCHEMA: &str = include_str!("schema.sql");

const WRITE_AHEAD: &str = "PRAGMA journal_mode = WAL";

const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table'";

/// Without these the file is not LocalLibrary's.
const REQUIRED_TABLES: [&str; 7] = [
    "auth_user",
    "catalog_author",
    "catalog_book",
    "catalog_book_genre",
    "catalog_bookinstance",
    "catalog_genre",
    "catalog_language",
];

const HAS_RECORDS: &str = "\
    SELECT EXISTS (SELECT 1 FROM catalog_book) OR EXISTS (SELECT 1 FROM catalog_author) \
    OR EXISTS (SELECT 1 FROM auth_user) OR EXISTS (SELECT 1 FROM auth_group)";

/// What a database that has just been made holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InitialData {
    /// The demo catalogue.
    Demo,
    /// No records.
    Nothing,
}

/// Opens the database file at `path`; a file that is missing or has no tables is made first. Gives the users that were
/// made with it.
///
/// Making it is one transaction: if this future is dropped or the program dies, the next start begins anew.
pub(crate) async fn open(
    path: &Path,
    initial: InitialData,
) -> Result<(SqlitePool, Vec<DemoUser>), StartError> {
    let fail = |(problem, advice): Problem| {
        StartError::new(format!("opening the database {path:?}"), problem, advice)
    };
    inspect_file(path).map_err(fail)?;
    let users = prepare(path, initial).await.map_err(fail)?;
    let db = connect(path).await.map_err(|error| fail(explain(error)))?;
    Ok((db, users))
}

/// What is wrong, and what to do about it.
type Problem = (String, &'static str);

/// Looks at the file before SQLite does, whose messages leave out what to do.
fn inspect_file(path: &Path) -> Result<(), Problem> {
    const READ_ONLY: &str = "the site writes to its database: make it writable for this user";
    const ANOTHER: &str = "name another file with --database-url, or move this one away";

    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err((
            format!("there is no folder {folder:?}"),
            "create it, or name another file with --database-url",
        ));
    }
    let mut file = match fs::OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            return Err((
                "it is a folder".to_owned(),
                "name a file with --database-url",
            ));
        }
        Err(error) => return Err((error.to_string(), READ_ONLY)),
    };
    let mut start = Vec::with_capacity(MAGIC.len());
    let read = Read::by_ref(&mut file)
        .take(MAGIC.len() as u64)
        .read_to_end(&mut start);
    read.map_err(|error| (error.to_string(), ANOTHER))?;
    if !start.is_empty() && start != MAGIC {
        return Err(("it is not an SQLite database".to_owned(), ANOTHER));
    }
    Ok(())
}

/// Makes sure that the file holds a LocalLibrary, without touching a file that holds something else.
async fn prepare(path: &Path, initial: InitialData) -> Result<Vec<DemoUser>, Problem> {
    let mut connection = options(path)
        .create_if_missing(true)
        .connect()
        .await
        .map_err(explain)?;
    // `IMMEDIATE`, so that of two programs that start at once the second waits and then finds the tables.
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(explain)?;
    let tables: Vec<String> = sqlx::query_scalar(TABLES)
        .fetch_all(&mut *transaction)
        .await
        .map_err(explain)?;
    let mut new_users = Vec::new();
    if tables.is_empty() {
        create(&mut transaction).await.map_err(explain)?;
        if initial == InitialData::Demo {
            new_users = demo::insert(&mut transaction).await.map_err(explain)?;
        }
    } else {
        require_tables(&tables)?;
    }
    site_tables::create_missing(&mut transaction)
        .await
        .map_err(explain)?;
    transaction.commit().await.map_err(explain)?;
    if tables.is_empty() {
        tracing::info!("made the database {path:?}");
    }
    write_ahead(&mut connection).await.map_err(explain)?;
    index::fold_stale(&mut connection, &progress::bar(FOLDING, 0))
        .await
        .map_err(explain)?;
    connection.close().await.map_err(explain)?;
    Ok(new_users)
}

/// Django's tables, and the rows that Django keeps for itself.
async fn create(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(SCHEMA).execute(&mut *connection).await?;
    system::insert_rows(connection).await
}

/// Loads the demo catalogue into a database that has no records yet.
pub(crate) async fn load_demo(db: &SqlitePool) -> Result<Vec<DemoUser>, StartError> {
    const DOING: &str = "loading the demo catalogue";
    let fail = |error| {
        let (problem, advice) = explain(error);
        StartError::new(DOING, problem, advice)
    };
    let mut transaction = db.begin_with("BEGIN IMMEDIATE").await.map_err(fail)?;
    let has_records = sqlx::query_scalar(HAS_RECORDS);
    if has_records
        .fetch_one(&mut *transaction)
        .await
        .map_err(fail)?
    {
        return Err(StartError::new(
            DOING,
            "the database has books or users already",
            "name another file with --database-url; one that does not exist yet is made",
        ));
    }
    let users = demo::insert(&mut transaction).await.map_err(fail)?;
    site_tables::create_missing(&mut transaction)
        .await
        .map_err(fail)?;
    transaction.commit().await.map_err(fail)?;
    let mut connection = db.acquire().await.map_err(fail)?;
    index::fold_stale(&mut connection, &progress::bar(FOLDING, 0))
        .await
        .map_err(fail)?;
    Ok(users)
}

fn require_tables(tables: &[String]) -> Result<(), Problem> {
    let missing: Vec<_> = REQUIRED_TABLES
        .into_iter()
        .filter(|needed| tables.iter().all(|table| table != needed))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err((
        format!(
            "it is not a LocalLibrary database: no table {}",
            missing.join(", ")
        ),
        "name another file with --database-url; a file that does not exist yet is made",
    ))
}

/// Switches the file to a write-ahead log, so that readers and a writer do not wait for each other. It stays so.
async fn write_ahead(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match sqlx::query(WRITE_AHEAD).execute(&mut *connection).await {
            // For this one statement SQLite does not wait by itself.
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            result => return result.map(drop),
        }
    }
}

async fn connect(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    // With a write-ahead log a power cut can undo the last commits of the catalogue, but never corrupt it.
    let options = options(path).synchronous(SqliteSynchronous::Normal);
    SqlitePoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .connect_with(options)
        .await
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(PathBuf::from(path))
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
}

/// Result codes of SQLite. The low byte is the kind of error, the rest says more.
const BUSY: i32 = 5;
const READONLY: i32 = 8;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;

fn kind(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?.parse::<i32>().ok()?;
    Some(code & 0xff)
}

fn is_busy(error: &sqlx::Error) -> bool {
    kind(error) == Some(BUSY)
}

/// The problem in SQLite's words, and the advice that SQLite does not give.
fn explain(error: sqlx::Error) -> Problem {
    let advice = match kind(&error) {
        Some(READONLY | CANTOPEN) => {
            "the file and its folder must be writable for this user: SQLite keeps its journal beside the file"
        }
        Some(FULL) => "make room on the disk",
        Some(BUSY) => "another program keeps the file locked: stop it, or wait for it",
        _ => "the file may be damaged: name another one with --database-url, or put back a copy",
    };
    let problem = match error.as_database_error() {
        Some(error) => error.message().to_owned(),
        None => error.to_string(),
    };
    (problem, advice)
}
