use axum::response::{Html, IntoResponse, Response};

use super::name::name;
use crate::{
    visitor,
    web::{
        error::{PageError, redirect},
        form_page::DeletePage,
        layout::Layout,
        record_id::RecordId,
        visit::Visit,
    },
};

const AUTHOR: &str = "SELECT last_name, first_name FROM catalog_author WHERE id = ?";

const BOOKS: &str = "SELECT id, title FROM catalog_book WHERE author_id = ? ORDER BY title, id";

// The books are asked for again: one may have come since the page was shown.
const DELETE: &str = "\
    DELETE FROM catalog_author WHERE id = ?1 \
    AND NOT EXISTS (SELECT 1 FROM catalog_book WHERE author_id = ?1)";

/// Asks before an author is deleted; one with books stays.
pub(crate) async fn confirm(
    visit: Visit,
    RecordId(id): RecordId,
) -> Result<Html<String>, PageError> {
    let name = name_of(&visit, id).await?;
    let books = sqlx::query_as::<_, (i64, String)>(BOOKS).bind(id);
    let books = books.fetch_all(&visit.app().db).await?;
    let page = DeletePage {
        layout: Layout::of(&visit).await?,
        kind: "author",
        name,
        back: format!("/catalog/author/{id}"),
        others: "books",
        in_the_way: books
            .into_iter()
            .map(|(id, title)| (format!("/catalog/book/{id}"), title))
            .collect(),
    };
    page.html()
}

/// Deletes an author who has no books.
pub(crate) async fn delete(visit: Visit, record: RecordId) -> Result<Response, PageError> {
    let name = name_of(&visit, record.0).await?;
    let deleted = sqlx::query(DELETE).bind(record.0);
    let deleted = deleted.execute(&visit.app().db).await?;
    if deleted.rows_affected() == 0 {
        return Ok(confirm(visit, record).await?.into_response());
    }
    let session = visit.session().await?;
    visitor::say(&session, format!("The author {name} was deleted."))?;
    Ok(redirect("/catalog/authors/"))
}

async fn name_of(visit: &Visit, id: i64) -> Result<String, PageError> {
    let author: Option<(String, String)> = sqlx::query_as(AUTHOR)
        .bind(id)
        .fetch_optional(&visit.app().db)
        .await?;
    let (last, first) = author.ok_or(PageError::NotFound)?;
    Ok(name(&last, &first))
}
