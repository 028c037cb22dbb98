use rusqlite::Connection;

// To the letter what Django's migrations make, names and all, so that Django takes it for its own.
const CREATE_TABLE: &str = r#"CREATE TABLE IF NOT EXISTS "{table}" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" datetime NOT NULL);
"#;

const CREATE_INDEX: &str = r#"CREATE INDEX IF NOT EXISTS "{table}_expire_date_a5c62663" ON "{table}" ("expire_date");
"#;

const COLUMNS: &str = "SELECT COUNT(*) FROM pragma_table_info(?1)
    WHERE name IN ('session_key', 'session_data', 'expire_date')";

/// The SQL that makes the table, for a name that has been checked.
pub(crate) fn sql(table: &str) -> String {
    [CREATE_TABLE, CREATE_INDEX]
        .concat()
        .replace("{table}", table)
}

/// Makes what is missing; says how many of the columns the table has that it should have.
pub(crate) fn migrate(db: &Connection, table: &str) -> rusqlite::Result<usize> {
    db.execute_batch("SAVEPOINT migrate")?;
    let made = make(db, table);
    // What has failed must have changed nothing, and others share the transaction.
    if made.is_err() {
        db.execute_batch("ROLLBACK TO migrate")?;
    }
    db.execute_batch("RELEASE migrate")?;
    made
}

fn make(db: &Connection, table: &str) -> rusqlite::Result<usize> {
    db.execute_batch(&CREATE_TABLE.replace("{table}", table))?;
    let columns = db.query_row(COLUMNS, [table], |row| row.get::<_, u32>(0))?;
    if columns as usize == COLUMNS_OF_DJANGO {
        db.execute_batch(&CREATE_INDEX.replace("{table}", table))?;
    }
    Ok(columns as usize)
}

/// How many columns of a table are Django's; a site's own model may have more.
pub(crate) const COLUMNS_OF_DJANGO: usize = 3;
