use cloakroom::{Error, ErrorKind, Result};
use mysql_async::Value;

use crate::columns::Columns;
use crate::error::corrupt;
use crate::pool::{Ask, Pool};

// What Django's migrations make, so that Django takes it for its own; in one statement, since MySQL undoes none of those
// that make tables. Names of indexes are each table's own, so this one is the same whatever the table is called.
const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS `{table}` (
    `session_key` varchar(40) NOT NULL PRIMARY KEY,
    `session_data` longtext NOT NULL,
    `expire_date` datetime(6) NOT NULL,
    KEY `django_session_expire_date_a5c62663` (`expire_date`)
)";

const COLUMNS: &str = "SELECT COUNT(*) FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?
        AND COLUMN_NAME IN ('session_key', 'session_data', 'expire_date')";

/// The statement that makes the table.
pub(crate) fn create(table: &str) -> String {
    CREATE_TABLE.replace("{table}", table)
}

/// Makes sure that the table is there and has Django's columns.
pub(crate) async fn migrate(pool: &Pool, table: &str) -> Result<()> {
    // The usual case needs no right to create.
    if columns(pool, table).await? == COLUMNS_OF_DJANGO {
        return Ok(());
    }
    let create = create(table);
    let ask = Ask {
        doing: MIGRATING,
        statement: &create,
        repeatable: true,
    };
    pool.ask(ask, Vec::new).await?;
    match columns(pool, table).await? {
        COLUMNS_OF_DJANGO => Ok(()),
        _ => Err(Error::new(
            ErrorKind::Config,
            format!(
                "{MIGRATING}: there is a table `{table}` with other columns; choose another name with `table`"
            ),
        )),
    }
}

async fn columns(pool: &Pool, table: &str) -> Result<u64> {
    let ask = Ask {
        doing: MIGRATING,
        statement: COLUMNS,
        repeatable: true,
    };
    let answer = pool.ask(ask, || vec![Value::from(table)]).await?;
    let row = answer.rows.into_iter().next();
    let row = row.ok_or_else(|| corrupt(MIGRATING))?;
    Columns::of(row, MIGRATING).next()
}

const MIGRATING: &str = "making Django's table of sessions in MySQL";

/// How many columns of a table are Django's; a site's own model may have more.
const COLUMNS_OF_DJANGO: u64 = 3;
