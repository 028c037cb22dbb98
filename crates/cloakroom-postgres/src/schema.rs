use cloakroom::{Error, ErrorKind, Result};
use tokio_postgres::Client;

use crate::error::refused;
use crate::target::Target;

// Half of what makes an update HOT is the room for it: the new row must fit on the page of the old one. The other half
// is that no indexed column changes, which is why `expires_at` has no index and its hour has one.
//
// `COLLATE "C"`: owners are compared byte by byte, and the index does not depend on the operating system's languages.
const CREATE_TABLE: &str = r#"CREATE TABLE IF NOT EXISTS "{table}" (
    lookup BYTEA NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    touched_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    sweep_bucket BIGINT NOT NULL,
    owner TEXT COLLATE "C",
    label TEXT,
    data BYTEA NOT NULL
) WITH (fillfactor = 70);
"#;

const CREATE_SWEEP_INDEX: &str = r#"CREATE INDEX IF NOT EXISTS "{table}_sweep" ON "{table}" (sweep_bucket);
"#;

// Most sessions have no owner, and then no place in this index.
const CREATE_OWNER_INDEX: &str = r#"CREATE INDEX IF NOT EXISTS "{table}_owner" ON "{table}" (owner) WHERE owner IS NOT NULL;
"#;

const COLUMNS: &str = "SELECT attname::TEXT, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attname";

const HAS_INDEXES: &str = "SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL";

// `IF NOT EXISTS` looks first and makes afterwards, and between the two another server may be first.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7164775601987153517)";

/// The SQL that makes the table, for a name that has been checked.
pub(crate) fn sql(table: &str) -> String {
    [CREATE_TABLE, CREATE_SWEEP_INDEX, CREATE_OWNER_INDEX]
        .concat()
        .replace("{table}", table)
}

/// Makes sure that the table is there and that this version can use it, on a connection of its own: a transaction on
/// one that others use would be theirs, too.
pub(crate) async fn migrate(target: &Target, table: &str) -> Result<()> {
    let connected = target.connect().await;
    let (mut client, _) = connected.map_err(|unreached| unreached.error(DOING))?;
    // The usual case takes no lock and asks for no right but to look.
    let state = state(&client, table).await;
    match state.map_err(|error| refused(DOING, &error))? {
        State::Ready => Ok(()),
        State::Incomplete => {
            let created = create(&mut client, table).await;
            created.map_err(|error| refused(DOING, &error))
        }
        State::Foreign => Err(Error::new(
            ErrorKind::Config,
            format!(
                "{DOING}: there is a table `{table}` with other columns; choose another name with `table`"
            ),
        )),
    }
}

enum State {
    Ready,
    /// The table or one of its indexes is missing.
    Incomplete,
    /// A table that is none of ours.
    Foreign,
}

async fn state(client: &Client, table: &str) -> Result<State, tokio_postgres::Error> {
    let named = |suffix: &str| format!(r#""{table}{suffix}""#);
    let columns = client.query(COLUMNS, &[&named("")]).await?;
    let mut found = Vec::new();
    for column in &columns {
        found.push((column.try_get(0)?, column.try_get(1)?));
    }
    if found.is_empty() {
        return Ok(State::Incomplete);
    }
    if found != OURS {
        return Ok(State::Foreign);
    }
    let indexes = [named("_sweep"), named("_owner")];
    let has_indexes = client
        .query_one(HAS_INDEXES, &[&indexes[0], &indexes[1]])
        .await?;
    Ok(match has_indexes.try_get(0)? {
        true => State::Ready,
        false => State::Incomplete,
    })
}

async fn create(client: &mut Client, table: &str) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(LOCK).await?;
    transaction.batch_execute(&sql(table)).await?;
    transaction.commit().await
}

/// The columns and their types, by name.
const OURS: [(&str, &str); 9] = [
    ("created_at", "bigint"),
    ("data", "bytea"),
    ("expires_at", "bigint"),
    ("label", "text"),
    ("lookup", "bytea"),
    ("owner", "text"),
    ("sweep_bucket", "bigint"),
    ("touched_at", "bigint"),
    ("version", "bigint"),
];

const DOING: &str = "making the table of sessions in PostgreSQL";
