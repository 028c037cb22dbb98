use tokio::task::AbortHandle;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

/// An open connection to the server.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// The task that drives the connection.
    pub(crate) task: AbortHandle,
    pub(crate) scope: Scope,
}

/// How long a server process, with its settings and prepared statements, serves only this client.
pub(crate) enum Scope {
    /// As long as the connection is open. Settings and prepared statements persist across calls.
    Connection,
    /// For one transaction. A pooler may run the next transaction in another server process, and
    /// other clients may use the same process in between. So each transaction begins with the
    /// store's settings, and its statement has no name.
    Transaction {
        /// The SQL that begins a transaction and applies the store's settings.
        begin: Box<str>,
    },
}

impl Session {
    /// Returns the SQL that begins a transaction with the store's settings.
    pub(crate) fn begin(&self) -> &str {
        match &self.scope {
            Scope::Connection => "BEGIN",
            Scope::Transaction { begin } => begin,
        }
    }
}

/// Applies the store's settings to a connection whose server process serves only this client.
pub(crate) async fn set_for_connection(client: &Client) -> Result<(), Error> {
    client.batch_execute(CONNECTION_SETTINGS).await
}

/// Returns whether another client has prepared statements on this connection. Must be called before
/// this client prepares statements.
pub(crate) async fn has_foreign_statements(client: &Client) -> Result<bool, Error> {
    client
        .query_typed_one(HAS_STATEMENTS, &[])
        .await?
        .try_get(0)
}

/// Returns the id of the server process that answers. Through a pooler, the next answer may come
/// from a different process.
pub(crate) async fn process_id(client: &Client) -> Result<i32, Error> {
    client.query_typed_one(PROCESS_ID, &[]).await?.try_get(0)
}

/// Returns the SQL that begins a transaction with the store's settings and with `options`.
///
/// Other clients of a pooler may have changed settings of the server's session. For this
/// transaction only, the SQL restores the defaults that the role, the database or the configuration
/// file defines.
pub(crate) async fn begin_sql(
    client: &Client,
    options: &[(String, String)],
) -> Result<Box<str>, Error> {
    let names: Vec<&str> = options.iter().map(|(name, _)| &**name).collect();
    let values: Vec<&str> = options.iter().map(|(_, value)| &**value).collect();
    client.batch_execute(BEGIN_WITH_DEFAULTS).await?;
    let options = [
        (&names as _, Type::TEXT_ARRAY),
        (&values as _, Type::TEXT_ARRAY),
    ];
    client.query_typed(SET_OPTIONS, &options).await?;
    let begin = client.query_typed_one(BEGIN_SQL, &options).await?;
    client.batch_execute("COMMIT").await?;
    begin.try_get::<_, String>(0).map(Into::into)
}

// * `synchronous_commit`: an acknowledged save must be on the disk, whatever the database's default
//   is. `local`, `remote_write` and `remote_apply` also wait for the disk, so they are left
//   unchanged.
// * The isolation level: a save must see what other transactions have just committed. With the
//   stricter levels, the save would fail instead.
// * `lock_timeout`: a statement that waits for a lock delays all later statements on its
//   connection, so the statement must not wait forever.
const CONNECTION_SETTINGS: &str = "
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') = 'off';
    SET default_transaction_isolation = 'read committed';
    SELECT set_config('lock_timeout', '3s', false) WHERE current_setting('lock_timeout') = '0'";

// Begins a transaction. Until it ends, the settings on which the store relies have their defaults.
// One of these settings is `search_path`, which determines the schema of a table name.
const BEGIN_WITH_DEFAULTS: &str = "
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SELECT set_config(name, reset_val, true) FROM pg_settings WHERE name IN
        ('default_transaction_read_only', 'lock_timeout', 'search_path', 'statement_timeout',
        'synchronous_commit')";

const SET_OPTIONS: &str =
    "SELECT set_config(name, value, true) FROM unnest($1, $2) AS option (name, value)";

// The server generates the SQL that begins a transaction, because the server can quote values. If
// `BEGIN` failed, the next statement would run outside a transaction. So the generated `BEGIN` has
// no option that could make it fail, and `READ ONLY` or `READ WRITE` follows in a separate
// `SET TRANSACTION`. A standby refuses `READ WRITE`, so the SQL for a standby omits it.
//
// `SET LOCAL` is cheaper for the server than `SELECT set_config`, which the server has to plan.
// `SET LOCAL` needs the names in the `search_path` one by one. `pg_temp` comes last, so that no
// temporary table of another client hides the table of the store.
const BEGIN_SQL: &str = r#"
    SELECT concat(
        'BEGIN ISOLATION LEVEL READ COMMITTED',
        CASE
            WHEN current_setting('default_transaction_read_only') = 'on'
                THEN '; SET TRANSACTION READ ONLY'
            WHEN NOT pg_is_in_recovery() THEN '; SET TRANSACTION READ WRITE'
        END,
        format('; SET LOCAL synchronous_commit = %L', CASE current_setting('synchronous_commit')
            WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END),
        format('; SET LOCAL lock_timeout = %L', CASE current_setting('lock_timeout')
            WHEN '0' THEN '3s' ELSE current_setting('lock_timeout') END),
        format('; SET LOCAL statement_timeout = %L', current_setting('statement_timeout')),
        '; SET LOCAL search_path = ', (
            SELECT string_agg(
                quote_literal(coalesce(replace(name[1], '""', '"'), lower(name[2]))), ', '
                ORDER BY number)
            FROM regexp_matches(current_setting('search_path') || ', pg_temp',
                '"((?:[^"]|"")*)"|([^",\s]+)', 'g') WITH ORDINALITY AS path (name, number)),
        '; SELECT ' || (
            SELECT string_agg(format('set_config(%L, %L, true)', name, value), ', ')
            FROM unnest($1, $2) AS option (name, value)
            WHERE lower(name) NOT IN ('lock_timeout', 'search_path', 'statement_timeout',
                'synchronous_commit')))"#;

const HAS_STATEMENTS: &str = "SELECT EXISTS (SELECT FROM pg_prepared_statements)";

const PROCESS_ID: &str = "SELECT pg_backend_pid()";
