use cloakroom::{Error, ErrorKind, Result};
use mysql_async::Value;

use crate::error::corrupt;
use crate::pool::{Ask, Pool};

// Bytes are compared as bytes: lookups and owners are VARBINARY, because every collation that both servers have takes
// `ada` and `ada ` for one. An owner is UTF-8 all the same.
//
// The rows lie in the order of their lookups, which are random; so they are small, and a large session's data lies on
// pages of its own (DYNAMIC). The sweep's index is on the hour of expiry and not on the instant, which changes with
// every save.
//
// The comment is how a later version knows what it has before it.
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

/// The statement that makes the table.
pub(crate) fn create(table: &str) -> String {
    CREATE_TABLE.replace("{table}", table)
}

/// Makes sure that the table is there and is one that this version can use.
pub(crate) async fn migrate(pool: &Pool, table: &str) -> Result<()> {
    // The usual case needs no right to create.
    if let Some(comment) = comment(pool, table).await? {
        return check(table, &comment);
    }
    let create = create(table);
    let ask = Ask {
        doing: MIGRATING,
        statement: &create,
        repeatable: true,
    };
    pool.ask(ask, Vec::new).await?;
    // Somebody else may have been first, and with another table.
    match comment(pool, table).await? {
        Some(comment) => check(table, &comment),
        None => Err(Error::new(
            ErrorKind::Unavailable,
            format!("{MIGRATING}: `{table}` was dropped as soon as it was made; find out by whom"),
        )),
    }
}

async fn comment(pool: &Pool, table: &str) -> Result<Option<String>> {
    let ask = Ask {
        doing: MIGRATING,
        statement: COMMENT,
        repeatable: true,
    };
    let answer = pool.ask(ask, || vec![Value::from(table)]).await?;
    let Some(row) = answer.rows.into_iter().next() else {
        return Ok(None);
    };
    match mysql_async::from_row_opt::<String>(row) {
        Ok(comment) => Ok(Some(comment)),
        Err(_) => Err(corrupt(MIGRATING)),
    }
}

fn check(table: &str, comment: &str) -> Result<()> {
    let why = match comment.strip_prefix(OURS) {
        Some(VERSION) => return Ok(()),
        Some(found) => format!(
            "has schema version {found} and this cloakroom-mysql knows {VERSION}; use the newer one"
        ),
        None => "has another origin; choose another name with `table`".to_owned(),
    };
    Err(Error::new(
        ErrorKind::Config,
        format!("{MIGRATING}: `{table}` {why}"),
    ))
}

const MIGRATING: &str = "making the table of sessions in MySQL";

/// What the comment of every table of ours begins with.
const OURS: &str = "cloakroom-mysql, schema ";

/// The version of the schema that this crate reads and writes.
const VERSION: &str = "1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_says_the_version_that_is_looked_for() {
        assert!(create("t").ends_with(&format!("COMMENT = '{OURS}{VERSION}'")));
    }
}
