use axum::response::{Html, IntoResponse, Response};

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

const GENRE: &str = "SELECT name FROM catalog_genre WHERE id = ?";

const BOOKS: &str = "\
    SELECT b.id, b.title FROM catalog_book b \
    JOIN catalog_book_genre bg ON bg.book_id = b.id WHERE bg.genre_id = ? ORDER BY b.title, b.id";

// The books are asked for again: one may have come since the page was shown.
const DELETE: &str = "\
    DELETE FROM catalog_genre WHERE id = ?1 \
    AND NOT EXISTS (SELECT 1 FROM catalog_book_genre WHERE genre_id = ?1)";

/// Asks before a genre is deleted; one with books stays.
pub(crate) async fn confirm(
    visit: Visit,
    RecordId(id): RecordId,
) -> Result<Html<String>, PageError> {
    let name = name_of(&visit, id).await?;
    let books = sqlx::query_as::<_, (i64, String)>(BOOKS).bind(id);
    let books = books.fetch_all(&visit.app().db).await?;
    let page = DeletePage {
        layout: Layout::of(&visit).await?,
        kind: "genre",
        name,
        back: format!("/catalog/genre/{id}"),
        others: "books",
        in_the_way: books
            .into_iter()
            .map(|(id, title)| (format!("/catalog/book/{id}"), title))
            .collect(),
    };
    page.html()
}

/// Deletes a genre that has no books.
pub(crate) async fn delete(visit: Visit, record: RecordId) -> Result<Response, PageError> {
    let name = name_of(&visit, record.0).await?;
    let deleted = sqlx::query(DELETE).bind(record.0);
    let deleted = deleted.execute(&visit.app().db).await?;
    if deleted.rows_affected() == 0 {
        return Ok(confirm(visit, record).await?.into_response());
    }
    let session = visit.session().await?;
    visitor::say(&session, format!("The genre {name} was deleted."))?;
    Ok(redirect("/catalog/genres/"))
}

async fn name_of(visit: &Visit, id: i64) -> Result<String, PageError> {
    let name = sqlx::query_scalar(GENRE).bind(id);
    let name = name.fetch_optional(&visit.app().db).await?;
    name.ok_or(PageError::NotFound)
}
