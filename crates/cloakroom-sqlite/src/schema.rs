use cloakroom::{Error, ErrorKind, Result};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use crate::error::opening;
use crate::options::Options;
use crate::table_name::SCHEMA_VERSIONS;

/// The version of the schema that this crate reads and writes.
const VERSION: i64 = 1;

const CREATE_SCHEMA_VERSIONS: &str = "CREATE TABLE IF NOT EXISTS cloakroom_schema (
    name TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
    version INTEGER NOT NULL
)";

// A table with a rowid. In one WITHOUT ROWID the data would lie in the index of the lookups, which are random: every
// new session would split a page full of other sessions' data, and a large one would leave little of the index on a
// page. Here that index holds lookups only, data is appended, and a row of 1 MB is a chain of pages beside it.
//
// Not STRICT: an SQLite older than 3.37 refuses the whole file over it, and the file may be the application's.
const CREATE_TABLE: &str = r#"CREATE TABLE "{table}" (
    lookup BLOB NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    touched_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    sweep_bucket INTEGER NOT NULL,
    owner TEXT,
    label TEXT,
    data BLOB NOT NULL
)"#;

const CREATE_SWEEP_INDEX: &str = r#"CREATE INDEX "{table}_sweep" ON "{table}" (sweep_bucket)"#;

// Most sessions have no owner, and then no place in this index.
const CREATE_OWNER_INDEX: &str =
    r#"CREATE INDEX "{table}_owner" ON "{table}" (owner) WHERE owner IS NOT NULL"#;

const TABLE_EXISTS: &str =
    "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE)";

const RECORDED: &str = "SELECT version FROM cloakroom_schema WHERE name = ?1";

const RECORD: &str = "INSERT INTO cloakroom_schema (name, version) VALUES (?1, ?2)
    ON CONFLICT (name) DO UPDATE SET version = excluded.version";

/// Makes sure that the table is there and that this version can use it.
pub(crate) fn prepare(db: &Connection, options: &Options) -> Result<()> {
    // The usual case takes no write lock, so a process can start while another one has it.
    if state(db, &options.table).map_err(|e| opening(options, e))? == State::Current {
        return Ok(());
    }
    let locked = Transaction::new_unchecked(db, TransactionBehavior::Immediate)
        .map_err(|e| opening(options, e))?;
    match state(&locked, &options.table).map_err(|e| opening(options, e))? {
        // Another process was first.
        State::Current => Ok(()),
        State::Missing => create(locked, &options.table).map_err(|e| opening(options, e)),
        State::Foreign => Err(unusable(
            options,
            "has another origin; choose another name with `table`",
        )),
        State::Other(found) => Err(unusable(
            options,
            &format!(
                "has schema version {found} and this cloakroom-sqlite knows {VERSION}; use the newer one"
            ),
        )),
    }
}

#[derive(Debug, PartialEq)]
enum State {
    Missing,
    Current,
    Other(i64),
    /// A table that we did not make.
    Foreign,
}

fn state(db: &Connection, table: &str) -> rusqlite::Result<State> {
    let exists = |name: &str| db.query_row(TABLE_EXISTS, [name], |row| row.get::<_, bool>(0));
    let recorded = match exists(SCHEMA_VERSIONS)? {
        true => db
            .query_row(RECORDED, [table], |row| row.get(0))
            .optional()?,
        false => None,
    };
    Ok(match (recorded, exists(table)?) {
        (Some(found), _) if found != VERSION => State::Other(found),
        (Some(_), true) => State::Current,
        // Dropping the table is a way to log everybody out.
        (Some(_) | None, false) => State::Missing,
        (None, true) => State::Foreign,
    })
}

fn create(locked: Transaction<'_>, table: &str) -> rusqlite::Result<()> {
    locked.execute_batch(CREATE_SCHEMA_VERSIONS)?;
    for statement in [CREATE_TABLE, CREATE_SWEEP_INDEX, CREATE_OWNER_INDEX] {
        locked.execute_batch(&statement.replace("{table}", table))?;
    }
    locked.execute(RECORD, (table, VERSION))?;
    locked.commit()
}

fn unusable(options: &Options, why: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!(
            "opening the SQLite database {}: the table `{}` {why}",
            options.path.display(),
            options.table
        ),
    )
}
