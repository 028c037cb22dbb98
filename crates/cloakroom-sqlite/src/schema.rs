use cloakroom::{Error, ErrorKind, Result};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use crate::error::opening;
use crate::options::Options;
use crate::table_name::SCHEMA_VERSIONS;

/// The version of the table's schema that this crate supports.
const VERSION: i64 = 1;

const CREATE_SCHEMA_VERSIONS: &str = "CREATE TABLE IF NOT EXISTS cloakroom_schema (
    name TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
    version INTEGER NOT NULL
)";

// The column `lookup` contains the store key, and `version` the version of the entry.
//
// The table has rowids. A table WITHOUT ROWID would keep the data in the index of the store keys.
// Store keys are random, so new sessions would split pages full of other sessions' data, and large
// sessions would leave few index entries on a page. With rowids, the index contains only store
// keys, new data is appended, and the data of a large row is stored on pages outside the index.
//
// The table is not STRICT: SQLite before 3.37 cannot open a file that has a STRICT table, and the
// application may use an older SQLite for the same file.
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

// This index is partial, because most sessions have no owner.
const CREATE_OWNER_INDEX: &str =
    r#"CREATE INDEX "{table}_owner" ON "{table}" (owner) WHERE owner IS NOT NULL"#;

const TABLE_EXISTS: &str =
    "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE)";

const SELECT_VERSION: &str = "SELECT version FROM cloakroom_schema WHERE name = ?1";

const SET_VERSION: &str = "INSERT INTO cloakroom_schema (name, version) VALUES (?1, ?2)
    ON CONFLICT (name) DO UPDATE SET version = excluded.version";

/// Creates the table if it is missing, and checks that this version of the crate can use it.
pub(crate) fn prepare(db: &Connection, options: &Options) -> Result<()> {
    // Take the write lock only if the table must be created. If every process took the lock here,
    // no process could start while another one has locked the database.
    if state(db, &options.table).map_err(|e| opening(options, e))? == State::Current {
        return Ok(());
    }
    let locked = Transaction::new_unchecked(db, TransactionBehavior::Immediate)
        .map_err(|e| opening(options, e))?;
    match state(&locked, &options.table).map_err(|e| opening(options, e))? {
        // Another process created the table in the meantime.
        State::Current => Ok(()),
        State::Missing => create(locked, &options.table).map_err(|e| opening(options, e)),
        State::Foreign => Err(unusable(
            options,
            "was not created by cloakroom-sqlite; choose another name with `table`",
        )),
        State::Other(found) => Err(unusable(
            options,
            &format!(
                "has schema version {found}, but this cloakroom-sqlite supports version {VERSION}; \
                 use a newer cloakroom-sqlite"
            ),
        )),
    }
}

#[derive(Debug, PartialEq)]
enum State {
    Missing,
    Current,
    /// The table has this schema version, which differs from [`VERSION`].
    Other(i64),
    /// The table was not created by this crate.
    Foreign,
}

fn state(db: &Connection, table: &str) -> rusqlite::Result<State> {
    let exists = |name: &str| db.query_row(TABLE_EXISTS, [name], |row| row.get::<_, bool>(0));
    let recorded = match exists(SCHEMA_VERSIONS)? {
        true => db
            .query_row(SELECT_VERSION, [table], |row| row.get(0))
            .optional()?,
        false => None,
    };
    Ok(match (recorded, exists(table)?) {
        (Some(found), _) if found != VERSION => State::Other(found),
        (Some(_), true) => State::Current,
        // A recorded table may be missing: an administrator may drop it to log out all users.
        (Some(_) | None, false) => State::Missing,
        (None, true) => State::Foreign,
    })
}

fn create(locked: Transaction<'_>, table: &str) -> rusqlite::Result<()> {
    locked.execute_batch(CREATE_SCHEMA_VERSIONS)?;
    for statement in [CREATE_TABLE, CREATE_SWEEP_INDEX, CREATE_OWNER_INDEX] {
        locked.execute_batch(&statement.replace("{table}", table))?;
    }
    locked.execute(SET_VERSION, (table, VERSION))?;
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
