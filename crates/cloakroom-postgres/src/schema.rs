use cloakroom::{Error, ErrorKind, Result};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::refused;
use crate::session::Session;
use crate::target::Target;

// An update is heap-only (HOT) if the new row version fits on the page of the old one, hence the
// fill factor, and if no indexed column changes. So the index for sweeps is on the hour of the
// expiry and not on `expires_at`.
//
// `COLLATE "C"`: owners are compared byte by byte, and the index does not depend on the locales of
// the operating system.
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

const CREATE_SWEEP_INDEX: &str = r#"CREATE INDEX IF NOT EXISTS "{table}_sweep"
    ON "{table}" (sweep_bucket);
"#;

// Partial, because most sessions have no owner.
const CREATE_OWNER_INDEX: &str = r#"CREATE INDEX IF NOT EXISTS "{table}_owner"
    ON "{table}" (owner) WHERE owner IS NOT NULL;
"#;

const COLUMNS: &str = "SELECT attname::TEXT, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attname";

const HAS_INDEXES: &str =
    "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest($1::TEXT[]) name";

// `IF NOT EXISTS` checks before it creates. Without the lock, another server could create the
// table in between.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7164775601987153517)";

// If no other schema of the `search_path` exists, the table would be a temporary one.
const NOT_TEMPORARY: &str = "SELECT set_config('search_path',
    regexp_replace(current_setting('search_path'), '(^|, )pg_temp$', ''), true)";

/// The expected definition of a table.
pub(crate) struct Schema {
    /// What `migrate` does, for its errors.
    pub(crate) doing: &'static str,
    /// The statements that create what is missing, with `{table}` for the table's name.
    pub(crate) statements: &'static [&'static str],
    /// The columns and their types, sorted by name.
    pub(crate) columns: &'static [(&'static str, &'static str)],
    /// Whether the table may have additional columns.
    pub(crate) may_have_more: bool,
    /// What the names of the indexes append to the table's name.
    pub(crate) indexes: &'static [&'static str],
}

/// The table of Cloakroom's own format.
pub(crate) const SESSIONS: Schema = Schema {
    doing: "creating the sessions table in PostgreSQL",
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
    /// Returns the SQL that creates the table. `table` is a name that has been checked.
    pub(crate) fn sql(&self, table: &str) -> String {
        self.statements.concat().replace("{table}", table)
    }

    /// Creates the table or its indexes if they are missing, and checks its columns.
    ///
    /// It uses a separate connection: on a shared one, the statements of other calls would end up
    /// in its transaction.
    pub(crate) async fn migrate(&self, target: &Target, table: &str) -> Result<()> {
        let refused = |error| {
            refused(
                self.doing,
                &error,
                "it was dropped right after its creation",
            )
        };
        let connected = target.connect().await;
        let session = connected.map_err(|error| error.error(self.doing))?;
        match self.complete(&session, table).await.map_err(refused)? {
            State::Ready | State::Incomplete => Ok(()),
            State::Foreign => Err(Error::new(
                ErrorKind::Config,
                format!(
                    "{}: there is a table `{table}` with other columns; choose another name with \
                     `table`",
                    self.doing
                ),
            )),
        }
    }

    /// Creates what is missing, in one transaction, and returns what was there before.
    ///
    /// If nothing is missing, this takes no lock and needs no right to create tables.
    async fn complete(
        &self,
        session: &Session,
        table: &str,
    ) -> Result<State, tokio_postgres::Error> {
        let client = &session.client;
        client.batch_execute(session.begin()).await?;
        let state = self.state(client, table).await?;
        if let State::Incomplete = state {
            client.batch_execute(NOT_TEMPORARY).await?;
            client.batch_execute(LOCK).await?;
            client.batch_execute(&self.sql(table)).await?;
        }
        client.batch_execute("COMMIT").await?;
        Ok(state)
    }

    async fn state(&self, client: &Client, table: &str) -> Result<State, tokio_postgres::Error> {
        let named = |suffix: &str| format!(r#""{table}{suffix}""#);
        let columns = client
            .query_typed(COLUMNS, &[(&named(""), Type::TEXT)])
            .await?;
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
        let has_indexes = client
            .query_typed_one(HAS_INDEXES, &[(&indexes, Type::TEXT_ARRAY)])
            .await?;
        Ok(match has_indexes.try_get(0)? {
            true => State::Ready,
            false => State::Incomplete,
        })
    }
}

enum State {
    Ready,
    /// The table or one of its indexes is missing.
    Incomplete,
    /// The table has other columns.
    Foreign,
}
