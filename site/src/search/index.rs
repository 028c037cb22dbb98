//! The search index: a table with the folded text of every book. A folded text has no differences
//! of case and accents.
//!
//! If a book changes, triggers in the database mark it as stale, even if a Django site on the same
//! file changed the book. A task folds the texts of stale books every few seconds. A search first
//! folds those that are still stale. If a new version of the program folds texts differently, it
//! marks all books as stale when it starts.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use sqlx::{Connection, Sqlite, SqliteConnection, SqlitePool, Transaction};

use super::fold::fold;

/// The table, index and triggers. Each start of the site creates those that are missing. A book is
/// stale if its folded text is `NULL`.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS locallibrary_search (
  book_id integer NOT NULL PRIMARY KEY, folded text NULL);
CREATE INDEX IF NOT EXISTS locallibrary_search_stale
  ON locallibrary_search (book_id) WHERE folded IS NULL;
CREATE TRIGGER IF NOT EXISTS locallibrary_search_book_added AFTER INSERT ON catalog_book BEGIN
  INSERT OR REPLACE INTO locallibrary_search (book_id, folded) VALUES (NEW.id, NULL);
END;
CREATE TRIGGER IF NOT EXISTS locallibrary_search_book_changed
AFTER UPDATE OF title, isbn, author_id ON catalog_book BEGIN
  INSERT OR REPLACE INTO locallibrary_search (book_id, folded) VALUES (NEW.id, NULL);
END;
CREATE TRIGGER IF NOT EXISTS locallibrary_search_book_deleted AFTER DELETE ON catalog_book BEGIN
  DELETE FROM locallibrary_search WHERE book_id = OLD.id;
END;
CREATE TRIGGER IF NOT EXISTS locallibrary_search_author_changed
AFTER UPDATE OF first_name, last_name ON catalog_author BEGIN
  UPDATE locallibrary_search SET folded = NULL
  WHERE book_id IN (SELECT id FROM catalog_book WHERE author_id = NEW.id);
END;
";

/// Adds to the index the books that were inserted while the triggers did not exist. Removes from
/// the index the books that were deleted in that time.
pub(crate) const CATCH_UP: &str = "
INSERT OR IGNORE INTO locallibrary_search (book_id, folded) SELECT id, NULL FROM catalog_book;
DELETE FROM locallibrary_search WHERE book_id NOT IN (SELECT id FROM catalog_book);
";

/// Marks all books as stale if they were folded by another version of [`fold`].
pub(crate) const REFOLD: &str = "
CREATE TABLE IF NOT EXISTS locallibrary_search_folding (version integer NOT NULL PRIMARY KEY);
UPDATE locallibrary_search SET folded = NULL
  WHERE NOT EXISTS (SELECT 1 FROM locallibrary_search_folding WHERE version = 2);
DELETE FROM locallibrary_search_folding WHERE version <> 2;
INSERT OR IGNORE INTO locallibrary_search_folding (version) VALUES (2);
";

const COUNT_STALE: &str = "SELECT COUNT(*) FROM locallibrary_search WHERE folded IS NULL";

/// Locks the database for other writers, so that a book does not change before its folded text is
/// stored.
const WRITE: &str = "BEGIN IMMEDIATE";

const STALE: &str = "\
    SELECT b.id, b.title, a.first_name, a.last_name, b.isbn FROM locallibrary_search s \
    JOIN catalog_book b ON b.id = s.book_id \
    LEFT JOIN catalog_author a ON a.id = b.author_id WHERE s.folded IS NULL LIMIT ?";

const FOLDED: &str = "\
    UPDATE locallibrary_search SET folded = f.value ->> 1 FROM json_each(?) f \
    WHERE book_id = f.value ->> 0";

type StaleRow = (i64, String, Option<String>, Option<String>, String);

/// The number of books that are folded in one transaction. An import may leave many stale books,
/// and other writers should not wait until all are folded.
const BATCH: u64 = 1000;

/// The pause between two checks for stale books.
const INTERVAL: Duration = Duration::from_secs(5);

/// Begins a transaction in which no book is stale. A search in this transaction finds all books, no
/// matter what other connections write at the same time.
pub(super) async fn begin_search(
    db: &SqlitePool,
) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    let mut reading = db.begin().await?;
    if count_stale(&mut reading).await? == 0 {
        return Ok(reading);
    }
    // There are stale books. The transaction `reading` may be unable to fold them, because it
    // cannot write once another connection has written. So end it. `fold_stale` folds most books in
    // small transactions. The transaction `writing` locks out other writers and folds the few books
    // that became stale in the meantime.
    reading.rollback().await?;
    fold_stale(&mut *db.acquire().await?, &ProgressBar::hidden()).await?;
    let mut writing = db.begin_with(WRITE).await?;
    let batches = count_stale(&mut writing).await?.div_ceil(BATCH);
    for _ in 0..batches {
        fold_batch(&mut writing).await?;
    }
    Ok(writing)
}

/// Folds the texts of all stale books.
///
/// `bar` shows the progress. If this future is dropped, the finished batches stay folded, and the
/// next call continues from there.
pub(crate) async fn fold_stale(
    db: &mut SqliteConnection,
    bar: &ProgressBar,
) -> Result<(), sqlx::Error> {
    let stale = count_stale(db).await?;
    if stale == 0 {
        return Ok(());
    }
    bar.set_length(stale);
    for left in (0..stale.div_ceil(BATCH)).rev() {
        let began = Instant::now();
        let mut transaction = db.begin_with(WRITE).await?;
        fold_batch(&mut transaction).await?;
        transaction.commit().await?;
        bar.inc(BATCH.min(stale));
        if left > 0 {
            // Give other writers a chance. A writer that finds the file locked tries again at
            // intervals. Without this pause, it might find the file locked at every attempt.
            tokio::time::sleep(began.elapsed()).await;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Folds stale books every few seconds, so that searches rarely have to fold any. Never returns.
pub(crate) async fn fold_stale_periodically(db: SqlitePool) {
    loop {
        let folding = async { fold_stale(&mut *db.acquire().await?, &ProgressBar::hidden()).await };
        if let Err(error) = folding.await {
            tracing::warn!("indexing books for searches: {error} (the next search tries again)");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn count_stale(db: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let stale: i64 = sqlx::query_scalar(COUNT_STALE).fetch_one(db).await?;
    Ok(stale.unsigned_abs())
}

async fn fold_batch(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let stale = sqlx::query_as(STALE).bind(BATCH.cast_signed());
    let stale: Vec<StaleRow> = stale.fetch_all(&mut *db).await?;
    let folded: Vec<_> = stale
        .into_iter()
        .map(|(id, title, first, last, isbn)| {
            // Line breaks separate the parts. A word of a search contains no line break, so it
            // cannot match across two parts.
            let parts = [
                &title,
                &first.unwrap_or_default(),
                &last.unwrap_or_default(),
                &isbn,
            ];
            (id, parts.map(|part| fold(part)).join("\n"))
        })
        .collect();
    let folded =
        serde_json::to_string(&folded).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(FOLDED).bind(folded).execute(db).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_folding_needs_a_new_version() {
        let latin: String = ('\0'..='\u{24f}').collect();
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let hash = fold(&latin).bytes().fold(0xcbf2_9ce4_8422_2325, mix);
        assert!(
            REFOLD.contains("version = 2)") && hash == 0xc7d8_819b_9713_bc12,
            "the folding has changed: increase the version in REFOLD, and put {hash:#x} here"
        );
    }
}
