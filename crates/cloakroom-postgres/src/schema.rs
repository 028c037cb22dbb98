use std::borrow::Cow;

use cloakroom::{Error, ErrorKind, Result, limits};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::refused;
use crate::session::Session;
use crate::target::Target;

// The column `lookup` contains the store key.
//
// A heap-only update (HOT) writes to no index. An update is heap-only if no indexed column changes
// and the new row version fits on the page of the old one. Therefore the index for sweeps is on the
// hour of the expiry instead of on `expires_at`, and the fill factor keeps room on each page.
//
// With `COLLATE "C"`, owners are compared byte by byte, and the index does not depend on the
// locales of the operating system.
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

const CREATE_SWEEP_INDEX: &str = r#"CREATE INDEX IF NOT EXISTS "{index}_sweep"
    ON "{table}" (sweep_bucket);
"#;

// This index is partial, because most sessions have no owner.
const CREATE_OWNER_INDEX: &str = r#"CREATE INDEX IF NOT EXISTS "{index}_owner"
    ON "{table}" (owner) WHERE owner IS NOT NULL;
"#;

const COLUMNS: &str = "SELECT attname::TEXT, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attname";

const HAS_INDEXES: &str =
    "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest($1::TEXT[]) name";

// `CREATE TABLE IF NOT EXISTS` first checks whether the table exists and then creates it. Without
// the lock, another process could create the table in between, and the statement would fail.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7164775601987153517)";

// Removes `pg_temp`, which the store's settings put at the end of the `search_path`. Otherwise, the
// server would create a temporary table in `pg_temp` if no other schema on the path exists.
const NOT_TEMPORARY: &str = "SELECT set_config('search_path',
    regexp_replace(current_setting('search_path'), '(^|, )pg_temp$', ''), true)";

/// The expected definition of a table.
pub(crate) struct Schema {
    /// What `migrate` is doing, for its error messages.
    pub(crate) doing: &'static str,
    /// The statements that create the table and its indexes if they are missing. `{table}` is
    /// replaced with the name of the table, and `{index}` with its [`index_stem`].
    pub(crate) statements: &'static [&'static str],
    /// The columns and their types, sorted by name.
    pub(crate) columns: &'static [(&'static str, &'static str)],
    /// Whether the table may have additional columns.
    pub(crate) may_have_more: bool,
    /// The suffixes that follow the [`index_stem`] in the names of the indexes.
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
    /// Returns the SQL that creates the table. The caller has checked the name `table`.
    pub(crate) fn sql(&self, table: &str) -> String {
        let statements = self.statements.concat().replace("{table}", table);
        statements.replace("{index}", &index_stem(table))
    }

    /// Creates the table or its indexes if they are missing, and checks its columns.
    ///
    /// Uses a separate connection: on a shared one, the statements of other calls would become part
    /// of the transaction.
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

    /// Creates the table and its indexes if they are missing, in one transaction. Returns the state
    /// of the table before the call.
    ///
    /// If nothing is missing, takes no lock and needs no right to create tables.
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
        let columns = client
            .query_typed(COLUMNS, &[(&format!(r#""{table}""#), Type::TEXT)])
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
        let stem = index_stem(table);
        let named = |suffix: &&str| format!(r#""{stem}{suffix}""#);
        let indexes: Vec<_> = self.indexes.iter().map(named).collect();
        let has_indexes = client
            .query_typed_one(HAS_INDEXES, &[(&indexes, Type::TEXT_ARRAY)])
            .await?;
        Ok(match has_indexes.try_get(0)? {
            true => State::Ready,
            false => State::Incomplete,
        })
    }
}

/// Returns the stem of `table`, with which the names of its indexes begin. The stem is the name of
/// the table. If that name is too long, the stem is the start of the name, followed by a hash of
/// the whole name.
///
/// PostgreSQL truncates names to 63 bytes. If the suffix of an index were cut off, the index would
/// have the name of the table. The stem leaves room for the first six bytes of each suffix, which
/// are different for each index of a table.
fn index_stem(table: &str) -> Cow<'_, str> {
    if table.len() <= MAX_STEM_LEN {
        return table.into();
    }
    // FNV-1a, because the hash must be the same in every version of this crate.
    let hash = table.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let kept = &table[..MAX_STEM_LEN - "_00000000".len()];
    format!("{kept}_{hash:08x}").into()
}

const MAX_STEM_LEN: usize = limits::TABLE_NAME_BYTES - "_sweep".len();

enum State {
    Ready,
    /// The table or one of its indexes is missing.
    Incomplete,
    /// The table has different columns.
    Foreign,
}
