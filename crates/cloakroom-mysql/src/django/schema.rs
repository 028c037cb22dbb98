use cloakroom::{Error, ErrorKind, Result};
use mysql_async::Value;

use crate::columns::Columns;
use crate::error::corrupt;
use crate::pool::{Pool, Statement};

// Creates the same table as Django's migration, so that Django accepts the table. A single
// statement creates the table and its index, because MySQL could not roll back the first of two
// statements if the second one failed.
// The name of the index does not depend on the name of the table: in MySQL, index names need only
// be unique within their table.
const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS `{table}` (
    `session_key` varchar(40) NOT NULL PRIMARY KEY,
    `session_data` longtext NOT NULL,
    `expire_date` datetime(6) NOT NULL,
    KEY `django_session_expire_date_a5c62663` (`expire_date`)
)";

const COLUMNS: &str = "SELECT COUNT(*) FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?
        AND COLUMN_NAME IN ('session_key', 'session_data', 'expire_date')";

/// Returns the statement that creates the table.
pub(crate) fn create(table: &str) -> String {
    CREATE_TABLE.replace("{table}", table)
}

/// Creates the table if it does not exist, and checks that the table has Django's columns.
pub(crate) async fn migrate(pool: &Pool, table: &str) -> Result<()> {
    // Check first: if the table exists, the user needs no right to create tables.
    if count_columns(pool, table).await? == DJANGOS_COLUMNS {
        return Ok(());
    }
    let create = create(table);
    let statement = Statement {
        doing: MIGRATING,
        sql: &create,
        repeatable: true,
    };
    pool.run(statement, Vec::new).await?;
    match count_columns(pool, table).await? {
        DJANGOS_COLUMNS => Ok(()),
        _ => Err(Error::new(
            ErrorKind::Config,
            format!(
                "{MIGRATING}: there is a table `{table}` with other columns; choose another name \
                 with `table`"
            ),
        )),
    }
}

/// Returns how many of Django's columns the table has, or 0 if the table does not exist.
async fn count_columns(pool: &Pool, table: &str) -> Result<u64> {
    let statement = Statement {
        doing: MIGRATING,
        sql: COLUMNS,
        repeatable: true,
    };
    let answer = pool.run(statement, || vec![Value::from(table)]).await?;
    let row = answer.rows.into_iter().next();
    let row = row.ok_or_else(|| corrupt(MIGRATING))?;
    Columns::of(row, MIGRATING).next()
}

const MIGRATING: &str = "creating Django's sessions table in MySQL";

/// The number of columns in Django's table. A custom session model may have more.
const DJANGOS_COLUMNS: u64 = 3;
