use axum::response::{Html, IntoResponse, Response};

use crate::{
    copies::CopyId,
    visitor,
    web::{
        error::{PageError, redirect},
        form_page::DeletePage,
        layout::Layout,
        record_id::RecordId,
        visit::Visit,
    },
};

const BOOK: &str = "SELECT title FROM catalog_book WHERE id = ?";

const COPIES: &str = "\
    SELECT id, imprint FROM catalog_bookinstance \
    WHERE book_id = ? ORDER BY due_back IS NOT NULL, due_back, id";

const DELETE_GENRES: &str = "\
    DELETE FROM catalog_book_genre WHERE book_id = ?1 \
    AND NOT EXISTS (SELECT 1 FROM catalog_bookinstance WHERE book_id = ?1)";

// The copies are asked for again: one may have come since the page was shown.
const DELETE: &str = "\
    DELETE FROM catalog_book WHERE id = ?1 \
    AND NOT EXISTS (SELECT 1 FROM catalog_bookinstance WHERE book_id = ?1)";

/// Asks before a book is deleted; one with copies stays.
pub(crate) async fn confirm(
    visit: Visit,
    RecordId(id): RecordId,
) -> Result<Html<String>, PageError> {
    let name = title_of(&visit, id).await?;
    let copies = sqlx::query_as::<_, (String, String)>(COPIES).bind(id);
    let copies = copies.fetch_all(&visit.app().db).await?;
    let to_link = |(id, imprint)| {
        let id = CopyId::stored(id);
        (
            format!("/catalog/bookinstance/{id}"),
            format!("{imprint} ({id})"),
        )
    };
    let page = DeletePage {
        layout: Layout::of(&visit).await?,
        kind: "book",
        name,
        back: format!("/catalog/book/{id}"),
        others: "copies",
        in_the_way: copies.into_iter().map(to_link).collect(),
    };
    page.html()
}

/// Deletes a book that has no copies, and its links to genres with it.
pub(crate) async fn delete(visit: Visit, record: RecordId) -> Result<Response, PageError> {
    let title = title_of(&visit, record.0).await?;
    let mut db = visit.app().db.begin_with("BEGIN IMMEDIATE").await?;
    let genres = sqlx::query(DELETE_GENRES).bind(record.0);
    genres.execute(&mut *db).await?;
    let deleted = sqlx::query(DELETE).bind(record.0).execute(&mut *db).await?;
    db.commit().await?;
    if deleted.rows_affected() == 0 {
        return Ok(confirm(visit, record).await?.into_response());
    }
    let session = visit.session().await?;
    visitor::say(&session, format!("The book {title} was deleted."))?;
    Ok(redirect("/catalog/books/"))
}

async fn title_of(visit: &Visit, id: i64) -> Result<String, PageError> {
    let title = sqlx::query_scalar(BOOK).bind(id);
    let title = title.fetch_optional(&visit.app().db).await?;
    title.ok_or(PageError::NotFound)
}
