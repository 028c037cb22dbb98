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

/// The label of the progress bar while the search index is built.
const FOLDING: &str = "Indexing the books for searches";

/// The time that a statement waits while another program, such as a Django site, writes to the
/// file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause between two attempts to run a statement for which SQLite ignores the busy timeout.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// The size of the connection pool. SQLite serves several readers at a time but only one writer, so
/// more connections would mostly wait for each other.
const MAX_CONNECTIONS: u32 = 8;

/// The first bytes of an SQLite file that is not empty.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The statements that create the same tables as the migrations of LocalLibrary, the Django site of
/// MDN's tutorial.
///
/// SQLite stores the text of the statements, and a test compares this text with the one in a
/// database of Django. The lines of the file must therefore not be wrapped.
const SCHEMA: &str = include_str!("schema.sql");

const WRITE_AHEAD: &str = "PRAGMA journal_mode = WAL";

const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table'";

/// The tables that every LocalLibrary database has.
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

/// The records of a new database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InitialData {
    /// The demo catalogue.
    Demo,
    /// No records.
    Nothing,
}

/// Opens the database file at `path`. If the file is missing or has no tables, first creates it
/// with the records of `initial`. Returns the connection pool and the users that were created.
///
/// The tables are created in one transaction. If this future is dropped or the program dies, the
/// next start finds no tables and creates them from scratch.
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

/// The text of an error, and what to do about it.
type Problem = (String, &'static str);

/// Checks the file before SQLite opens it, to report common errors with better advice.
fn inspect_file(path: &Path) -> Result<(), Problem> {
    const READ_ONLY: &str = "the site writes to this file: make it writable for this user";
    const ANOTHER: &str = "name another file with --database-url, or move this one away";

    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err((
            format!("there is no folder {folder:?}"),
            "create this folder, or name another file with --database-url",
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

/// Creates the database, or the tables that it lacks, and builds the search index. Fails and leaves
/// the file unchanged if it is the database of another program.
async fn prepare(path: &Path, initial: InitialData) -> Result<Vec<DemoUser>, Problem> {
    let mut connection = options(path)
        .create_if_missing(true)
        .connect()
        .await
        .map_err(explain)?;
    // `IMMEDIATE` locks out other writers: if two programs start at once, the second waits here
    // and then finds the tables.
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
        tracing::info!("created the database {path:?}");
    }
    write_ahead(&mut connection).await.map_err(explain)?;
    index::fold_stale(&mut connection, &progress::bar(FOLDING, 0))
        .await
        .map_err(explain)?;
    connection.close().await.map_err(explain)?;
    Ok(new_users)
}

/// Creates Django's tables and the rows that Django itself needs.
async fn create(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(SCHEMA).execute(&mut *connection).await?;
    system::insert_rows(connection).await
}

/// Loads the demo catalogue into a database that has no records. Returns the users that were
/// created.
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
            "use --database-url to name a file that does not exist yet, which is then created",
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
        "name another file with --database-url; if it does not exist, it is created",
    ))
}

/// Switches the file to a write-ahead log, so that readers and a writer do not block each other.
/// The setting is stored in the file.
async fn write_ahead(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match sqlx::query(WRITE_AHEAD).execute(&mut *connection).await {
            // SQLite ignores its busy timeout for this statement.
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            result => return result.map(drop),
        }
    }
}

async fn connect(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    // With `Normal`, commits do not wait for the disk. A power failure can undo the last commits,
    // but never corrupts the file.
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

/// Primary result codes of SQLite. An extended result code contains its primary code in the low
/// byte.
const BUSY: i32 = 5;
const READONLY: i32 = 8;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;

/// Returns the primary result code.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?.parse::<i32>().ok()?;
    Some(code & 0xff)
}

fn is_busy(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(BUSY)
}

/// Adds advice to an error of SQLite.
fn explain(error: sqlx::Error) -> Problem {
    let advice = match primary_code(&error) {
        Some(READONLY | CANTOPEN) => {
            "make the file and its folder writable for this user: SQLite writes a journal beside \
             the file"
        }
        Some(FULL) => "free some space on the disk",
        Some(BUSY) => {
            "another program keeps the file locked: stop that program, or wait until it is done"
        }
        _ => "the file may be damaged: restore a backup, or name another file with --database-url",
    };
    let problem = match error.as_database_error() {
        Some(error) => error.message().to_owned(),
        None => error.to_string(),
    };
    (problem, advice)
}
