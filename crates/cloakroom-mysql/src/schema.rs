use cloakroom::{Error, ErrorKind, Result};
use mysql_async::Value;

use crate::error::corrupt;
use crate::pool::{Pool, Statement};

// The column `lookup` contains the store key. Store keys and owners are VARBINARY, so the server
// compares them byte by byte. As text, `ada` and `ada ` would be equal in every collation that both
// MySQL and MariaDB support. The bytes of an owner are UTF-8.
//
// InnoDB stores the rows in the order of their store keys. The keys are random, so a new row is
// inserted between others and may split a page. Small rows split fewer pages. To keep the rows
// small, ROW_FORMAT=DYNAMIC stores large data on separate pages. The index for sweeps is on the
// hour of the expiry (`sweep_bucket`), because an index on the exact time would change with every
// save.
//
// The comment on the table tells later versions of this crate which schema the table has.
const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS `{table}` (
    lookup VARBINARY(255) NOT NULL PRIMARY KEY,
    version BIGINT UNSIGNED NOT NULL,
    created_at BIGINT NOT NULL,
    touched_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    sweep_bucket BIGINT NOT NULL,
    owner VARBINARY(255),
    label VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    data LONGBLOB NOT NULL,
    KEY sweep (sweep_bucket, lookup),
    KEY owner (owner)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
    COMMENT = 'cloakroom-mysql, schema 1'";

const COMMENT: &str = "SELECT TABLE_COMMENT FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";

/// Returns the statement that creates the table.
pub(crate) fn create(table: &str) -> String {
    CREATE_TABLE.replace("{table}", table)
}

/// Creates the table if it does not exist, and checks that this version of the crate can use it.
pub(crate) async fn migrate(pool: &Pool, table: &str) -> Result<()> {
    // Check first: if the table exists, the user needs no right to create tables.
    if let Some(comment) = comment(pool, table).await? {
        return check(table, &comment);
    }
    let create = create(table);
    let statement = Statement {
        doing: MIGRATING,
        sql: &create,
        repeatable: true,
    };
    pool.run(statement, Vec::new).await?;
    // Between the check above and the creation, another program may have created a different table.
    match comment(pool, table).await? {
        Some(comment) => check(table, &comment),
        None => Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "{MIGRATING}: `{table}` was dropped right after its creation; find out which \
                 program drops it"
            ),
        )),
    }
}

async fn comment(pool: &Pool, table: &str) -> Result<Option<String>> {
    let statement = Statement {
        doing: MIGRATING,
        sql: COMMENT,
        repeatable: true,
    };
    let answer = pool.run(statement, || vec![Value::from(table)]).await?;
    let Some(row) = answer.rows.into_iter().next() else {
        return Ok(None);
    };
    match mysql_async::from_row_opt::<String>(row) {
        Ok(comment) => Ok(Some(comment)),
        Err(_) => Err(corrupt(MIGRATING)),
    }
}

fn check(table: &str, comment: &str) -> Result<()> {
    let why = match comment.strip_prefix(COMMENT_PREFIX) {
        Some(VERSION) => return Ok(()),
        Some(found) => format!(
            "has schema version {found}, but this cloakroom-mysql supports {VERSION}; use a newer \
             cloakroom-mysql"
        ),
        None => "was not created by cloakroom-mysql; choose another name with `table`".to_owned(),
    };
    Err(Error::new(
        ErrorKind::Config,
        format!("{MIGRATING}: `{table}` {why}"),
    ))
}

const MIGRATING: &str = "creating the sessions table in MySQL";

/// The start of the comment on each table that this crate creates.
const COMMENT_PREFIX: &str = "cloakroom-mysql, schema ";

/// The version of the table's schema that this crate supports.
const VERSION: &str = "1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_created_with_the_comment_that_migrate_expects() {
        assert!(create("t").ends_with(&format!("COMMENT = '{COMMENT_PREFIX}{VERSION}'")));
    }
}
