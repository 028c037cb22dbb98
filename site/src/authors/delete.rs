use axum::response::{Html, IntoResponse, Response};

use sqlx::SqliteConnection;

use super::name::name;
use crate::{
    id_list::{IdList, execute_all},
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

const BOOKS: &str = "\
    SELECT id, title FROM catalog_book \
    WHERE author_id IN (SELECT value FROM json_each(?1)) ORDER BY title, id";

const DELETE: &str = "DELETE FROM catalog_author WHERE id IN (SELECT value FROM json_each(?1))";

/// The page that asks for confirmation before an author is deleted. An author with books cannot be
/// deleted.
pub(crate) async fn confirm(
    visit: Visit,
    RecordId(id): RecordId,
) -> Result<Html<String>, PageError> {
    let name = name_of(&visit, id).await?;
    let mut db = visit.app().db.acquire().await?;
    let books = blocking_books(&mut db, &IdList::from_iter([id])).await?;
    drop(db);
    let page = DeletePage {
        layout: Layout::of(&visit).await?,
        kind: "author",
        name,
        back: format!("/catalog/author/{id}"),
        others: "books",
        blockers: books
            .into_iter()
            .map(|(id, title)| (format!("/catalog/book/{id}"), title))
            .collect(),
    };
    page.html()
}

/// Deletes an author, unless they have books.
pub(crate) async fn delete(visit: Visit, record: RecordId) -> Result<Response, PageError> {
    let name = name_of(&visit, record.0).await?;
    let ids = IdList::from_iter([record.0]);
    // This locks the database for other writers, so no book is added before the deletion.
    let mut db = visit.app().db.begin_with("BEGIN IMMEDIATE").await?;
    let is_blocked = !blocking_books(&mut db, &ids).await?.is_empty();
    if is_blocked || delete_records(&mut db, &ids).await? == 0 {
        drop(db);
        return Ok(confirm(visit, record).await?.into_response());
    }
    db.commit().await?;
    let session = visit.session().await?;
    visitor::add_message(&session, format!("The author {name} was deleted."))?;
    Ok(redirect("/catalog/authors/"))
}

/// Loads the ids and titles of the books of these authors, which block the deletion.
pub(crate) async fn blocking_books(
    db: &mut SqliteConnection,
    authors: &IdList,
) -> Result<Vec<(i64, String)>, sqlx::Error> {
    let books = sqlx::query_as(BOOKS).bind(authors.as_json());
    books.fetch_all(db).await
}

/// Deletes these authors. The caller has found no blocking books in the same transaction. Returns
/// the number of deleted authors.
pub(crate) async fn delete_records(
    db: &mut SqliteConnection,
    authors: &IdList,
) -> Result<u64, sqlx::Error> {
    execute_all(db, &[DELETE], authors).await
}

async fn name_of(visit: &Visit, id: i64) -> Result<String, PageError> {
    let author: Option<(String, String)> = sqlx::query_as(AUTHOR)
        .bind(id)
        .fetch_optional(&visit.app().db)
        .await?;
    let (last, first) = author.ok_or(PageError::NotFound)?;
    Ok(name(&last, &first))
}
