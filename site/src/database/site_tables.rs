//! The tables that this site adds to those of Django. Django ignores the added tables.

use sqlx::SqliteConnection;

use crate::search::index;

/// The table that counts failed logins and requests for password-reset mails. See
/// `accounts/throttle.rs`.
const FAILED_LOGINS: &str = "
CREATE TABLE IF NOT EXISTS locallibrary_failed_login (
  subject text NOT NULL PRIMARY KEY, free integer NOT NULL, failures integer NOT NULL,
  last_at integer NOT NULL, next_at integer NOT NULL);
";

/// Creates missing tables. If the text of a book in the search index is missing or outdated, marks
/// the book as stale, so that it is indexed again.
pub(super) async fn create_missing(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for statements in [FAILED_LOGINS, index::SCHEMA, index::CATCH_UP, index::REFOLD] {
        sqlx::raw_sql(statements).execute(&mut *db).await?;
    }
    Ok(())
}
