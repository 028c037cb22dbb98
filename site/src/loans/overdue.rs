use futures_util::future::BoxFuture;
use sqlx::SqlitePool;

use crate::date;

const OVERDUE: &str = "\
    SELECT id FROM catalog_bookinstance \
    WHERE borrower_id = ? AND status = 'o' AND due_back < ? ORDER BY id";

/// Loads the ids of the copies that a user has on loan past their due date. The layout calls this
/// function through a pointer of type [`OverdueCopies`](crate::state::OverdueCopies).
pub(crate) fn load_overdue(
    db: &SqlitePool,
    user: i64,
) -> BoxFuture<'_, Result<Vec<String>, sqlx::Error>> {
    Box::pin(async move {
        let overdue = sqlx::query_scalar(OVERDUE).bind(user);
        let overdue = overdue.bind(date::today().to_string());
        overdue.fetch_all(db).await
    })
}
