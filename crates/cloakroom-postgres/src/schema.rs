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

const HAS_INDEXES: &str =
    "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest($1::TEXT[]) name";

// `IF NOT EXISTS` looks first and makes afterwards, and between the two another server may be first.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7164775601987153517)";

/// A table as it should be.
pub(crate) struct Schema {
    /// What is being done when it is made.
    pub(crate) doing: &'static str,
    /// Its statements, in which `{table}` stands for its name; what is there already is left alone.
    pub(crate) statements: &'static [&'static str],
    /// Its columns and their types, by name.
    pub(crate) columns: &'static [(&'static str, &'static str)],
    /// Whether it may have other columns beside them.
    pub(crate) may_have_more: bool,
    /// What the names of its indexes have after the table's.
    pub(crate) indexes: &'static [&'static str],
}

/// The table of our own sessions.
pub(crate) const SESSIONS: Schema = Schema {
    doing: "making the table of sessions in PostgreSQL",
    statements: &[CREATE_TABLE, CREATE_SWEEP_INDEX, CREATE_OWNER_INDEX],
    columns: &[
        ("created_at", "bigint"),
        ("data", "bytea"),
        ("expires_at", "bigint"),
        ("label", "text"),
        ("lookup", "bytea"),
        ("owner", "text"),
        ("sweep_bucket", "bigint"),
        ("touched_at", "bigint"),
        ("version", "bigint"),
    ],
    may_have_more: false,
    indexes: &["_sweep", "_owner"],
};

impl Schema {
    /// The SQL that makes the table, for a name that has been checked.
    pub(crate) fn sql(&self, table: &str) -> String {
        self.statements.concat().replace("{table}", table)
    }

    /// Makes sure that the table is there and that this version can use it, on a connection of its own: a transaction
    /// on one that others use would be theirs, too.
    pub(crate) async fn migrate(&self, target: &Target, table: &str) -> Result<()> {
        let refused = |error| refused(self.doing, &error, "it was dropped as soon as it was made");
        let connected = target.connect().await;
        let (mut client, _) = connected.map_err(|unreached| unreached.error(self.doing))?;
        // The usual case takes no lock and asks for no right but to look.
        match self.state(&client, table).await.map_err(refused)? {
            State::Ready => Ok(()),
            State::Incomplete => self.create(&mut client, table).await.map_err(refused),
            State::Foreign => Err(Error::new(
                ErrorKind::Config,
                format!(
                    "{}: there is a table `{table}` with other columns; choose another name with `table`",
                    self.doing
                ),
            )),
        }
    }

    async fn state(&self, client: &Client, table: &str) -> Result<State, tokio_postgres::Error> {
        let named = |suffix: &str| format!(r#""{table}{suffix}""#);
        let columns = client.query(COLUMNS, &[&named("")]).await?;
        let mut found = Vec::new();
        for column in &columns {
            found.push((column.try_get(0)?, column.try_get(1)?));
        }
        if found.is_empty() {
            return Ok(State::Incomplete);
        }
        if self.may_have_more {
            found.retain(|column| self.columns.contains(column));
        }
        if found != self.columns {
            return Ok(State::Foreign);
        }
        let indexes: Vec<_> = self.indexes.iter().map(|suffix| named(suffix)).collect();
        let has_indexes = client.query_one(HAS_INDEXES, &[&indexes]).await?;
        Ok(match has_indexes.try_get(0)? {
            true => State::Ready,
            false => State::Incomplete,
        })
    }

    async fn create(&self, client: &mut Client, table: &str) -> Result<(), tokio_postgres::Error> {
        let transaction = client.transaction().await?;
        transaction.batch_execute(LOCK).await?;
        transaction.batch_execute(&self.sql(table)).await?;
        transaction.commit().await
    }
}

enum State {
    Ready,
    /// The table or one of its indexes is missing.
    Incomplete,
    /// A table that is none of ours.
    Foreign,
}
