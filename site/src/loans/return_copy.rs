use axum::response::Response;

use super::not_on_loan::NOT_ON_LOAN;
use crate::{
    copies::CopyId,
    visitor,
    web::{
        error::{PageError, redirect},
        visit::Visit,
    },
};

const COPY: &str = "\
    SELECT c.status, b.title FROM catalog_bookinstance c \
    LEFT JOIN catalog_book b ON b.id = c.book_id WHERE c.id = ?";

const RETURN: &str = "\
    UPDATE catalog_bookinstance SET status = 'a', due_back = NULL, borrower_id = NULL \
    WHERE id = ? AND status IN ('a', 'o')";

/// Ends the loan of a copy: marks the copy as available. A repeated request succeeds and changes
/// nothing. Fails if the copy is neither on loan nor available.
pub(crate) async fn return_copy(visit: Visit, id: CopyId) -> Result<Response, PageError> {
    let db = &visit.app().db;
    let copy = sqlx::query_as(COPY).bind(id.as_stored());
    let copy: Option<(String, Option<String>)> = copy.fetch_optional(db).await?;
    let (_, title) = copy.ok_or(PageError::NotFound)?;
    let returned = sqlx::query(RETURN).bind(id.as_stored()).execute(db).await?;
    if returned.rows_affected() == 0 {
        return Err(NOT_ON_LOAN);
    }
    let title = title.unwrap_or_else(|| "Unknown book".to_owned());
    let session = visit.session().await?;
    visitor::add_message(&session, format!("{title} was returned."))?;
    Ok(redirect("/catalog/borrowed/"))
}
