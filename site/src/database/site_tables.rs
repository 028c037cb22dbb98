//! The tables that only this site has. Django does not mind them.

use sqlx::SqliteConnection;

use crate::search::index;

/// The mails that were asked for are counted in it, too.
const FAILED_LOGINS: &str = "
CREATE TABLE IF NOT EXISTS locallibrary_failed_login (
  subject text NOT NULL PRIMARY KEY, free integer NOT NULL, failures integer NOT NULL,
  last_at integer NOT NULL, next_at integer NOT NULL);
";

/// Makes the tables that are missing, and marks the books whose text for searches is.
pub(super) async fn create_missing(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for statements in [FAILED_LOGINS, index::SCHEMA, index::CATCH_UP, index::REFOLD] {
        sqlx::raw_sql(statements).execute(&mut *db).await?;
    }
    Ok(())
}
