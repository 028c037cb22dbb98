use rusqlite::Connection;

use crate::writer::all_or_nothing;

// The SQL of Django's migrations, with `IF NOT EXISTS` added. The names of the columns and of the
// index are Django's, so that Django accepts the table.
const CREATE_TABLE: &str = concat!(
    r#"CREATE TABLE IF NOT EXISTS "{table}" ("#,
    r#""session_key" varchar(40) NOT NULL PRIMARY KEY, "#,
    r#""session_data" text NOT NULL, "#,
    r#""expire_date" datetime NOT NULL);"#,
    "\n",
);

const CREATE_INDEX: &str = concat!(
    r#"CREATE INDEX IF NOT EXISTS "{table}_expire_date_a5c62663" ON "{table}" ("expire_date");"#,
    "\n",
);

const COLUMNS: &str = "SELECT COUNT(*) FROM pragma_table_info(?1)
    WHERE name IN ('session_key', 'session_data', 'expire_date')";

/// Returns the SQL that creates the table and its index. `table` must have passed
/// `table_name::check`.
pub(crate) fn sql(table: &str) -> String {
    [CREATE_TABLE, CREATE_INDEX]
        .concat()
        .replace("{table}", table)
}

/// Creates the table and the index if they are missing. Returns how many of Django's columns the
/// table has.
pub(crate) fn migrate(db: &Connection, table: &str) -> rusqlite::Result<usize> {
    all_or_nothing(db, || create(db, table))
}

fn create(db: &Connection, table: &str) -> rusqlite::Result<usize> {
    db.execute_batch(&CREATE_TABLE.replace("{table}", table))?;
    let columns = db.query_row(COLUMNS, [table], |row| row.get::<_, u32>(0))?;
    if columns as usize == COLUMNS_OF_DJANGO {
        db.execute_batch(&CREATE_INDEX.replace("{table}", table))?;
    }
    Ok(columns as usize)
}

/// The number of columns in Django's own session model. A site's custom model may have more.
pub(crate) const COLUMNS_OF_DJANGO: usize = 3;
