use axum::response::{Html, IntoResponse, Response};
use sqlx::SqliteConnection;

use crate::{
    copies::CopyId,
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

const BOOK: &str = "SELECT title FROM catalog_book WHERE id = ?";

const COPIES: &str = "\
    SELECT c.id, b.title, c.imprint FROM catalog_bookinstance c \
    JOIN catalog_book b ON b.id = c.book_id \
    WHERE c.book_id IN (SELECT value FROM json_each(?1)) \
    ORDER BY c.due_back IS NOT NULL, c.due_back, c.id";

const DELETE: [&str; 2] = [
    "DELETE FROM catalog_book_genre WHERE book_id IN (SELECT value FROM json_each(?1))",
    "DELETE FROM catalog_book WHERE id IN (SELECT value FROM json_each(?1))",
];

/// A copy that blocks the deletion of its book.
pub(crate) struct BlockingCopy {
    pub(crate) id: CopyId,
    /// The title of the book.
    pub(crate) title: String,
    pub(crate) imprint: String,
}

/// The page that asks for confirmation before a book is deleted. A book with copies cannot be
/// deleted.
pub(crate) async fn confirm(
    visit: Visit,
    RecordId(id): RecordId,
) -> Result<Html<String>, PageError> {
    let name = title_of(&visit, id).await?;
    let mut db = visit.app().db.acquire().await?;
    let copies = blocking_copies(&mut db, &IdList::from_iter([id])).await?;
    drop(db);
    let to_link = |BlockingCopy { id, imprint, .. }| {
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
        blockers: copies.into_iter().map(to_link).collect(),
    };
    page.html()
}

/// Deletes a book and its links to genres, unless the book has copies.
pub(crate) async fn delete(visit: Visit, record: RecordId) -> Result<Response, PageError> {
    let title = title_of(&visit, record.0).await?;
    let ids = IdList::from_iter([record.0]);
    // This locks the database for other writers, so no copy is added before the deletion.
    let mut db = visit.app().db.begin_with("BEGIN IMMEDIATE").await?;
    let is_blocked = !blocking_copies(&mut db, &ids).await?.is_empty();
    if is_blocked || delete_records(&mut db, &ids).await? == 0 {
        drop(db);
        return Ok(confirm(visit, record).await?.into_response());
    }
    db.commit().await?;
    let session = visit.session().await?;
    visitor::add_message(&session, format!("The book {title} was deleted."))?;
    Ok(redirect("/catalog/books/"))
}

/// Loads the copies of these books, which block the deletion.
pub(crate) async fn blocking_copies(
    db: &mut SqliteConnection,
    books: &IdList,
) -> Result<Vec<BlockingCopy>, sqlx::Error> {
    let copies = sqlx::query_as(COPIES).bind(books.as_json());
    let copies: Vec<(String, String, String)> = copies.fetch_all(db).await?;
    let to_copy = |(id, title, imprint)| BlockingCopy {
        id: CopyId::stored(id),
        title,
        imprint,
    };
    Ok(copies.into_iter().map(to_copy).collect())
}

/// Deletes these books and their links to genres. The caller has found no blocking copies in the
/// same transaction. Returns the number of deleted books.
pub(crate) async fn delete_records(
    db: &mut SqliteConnection,
    books: &IdList,
) -> Result<u64, sqlx::Error> {
    execute_all(db, &DELETE, books).await
}

async fn title_of(visit: &Visit, id: i64) -> Result<String, PageError> {
    let title = sqlx::query_scalar(BOOK).bind(id);
    let title = title.fetch_optional(&visit.app().db).await?;
    title.ok_or(PageError::NotFound)
}
