use axum::response::{Html, Response};
use sqlx::SqliteConnection;

use super::id::CopyId;
use crate::{
    id_list::{IdList, execute_all},
    visitor,
    web::{
        error::{PageError, redirect},
        form_page::DeletePage,
        layout::Layout,
        visit::Visit,
    },
};

const COPY: &str = "\
    SELECT b.title, c.imprint FROM catalog_bookinstance c \
    LEFT JOIN catalog_book b ON b.id = c.book_id WHERE c.id = ?";

const DELETE: &str = "\
    DELETE FROM catalog_bookinstance WHERE id IN (SELECT value FROM json_each(?1))";

/// The page that asks for confirmation before a copy is deleted.
pub(crate) async fn confirm(visit: Visit, id: CopyId) -> Result<Html<String>, PageError> {
    let copy = sqlx::query_as(COPY).bind(id.as_stored());
    let copy: Option<(Option<String>, String)> = copy.fetch_optional(&visit.app().db).await?;
    let (title, imprint) = copy.ok_or(PageError::NotFound)?;
    let title = title.unwrap_or_else(|| "Unknown book".to_owned());
    let page = DeletePage {
        layout: Layout::of(&visit).await?,
        kind: "copy",
        name: format!("{title} ({imprint}, {})", id.short()),
        back: format!("/catalog/bookinstance/{id}"),
        others: "records",
        blockers: Vec::new(),
    };
    page.html()
}

/// Deletes a copy.
pub(crate) async fn delete(visit: Visit, id: CopyId) -> Result<Response, PageError> {
    let mut db = visit.app().db.acquire().await?;
    let deleted = delete_records(&mut db, &IdList::from_iter([id.as_stored()])).await?;
    drop(db);
    if deleted == 0 {
        return Err(PageError::NotFound);
    }
    let session = visit.session().await?;
    visitor::add_message(&session, format!("The copy {} was deleted.", id.short()))?;
    Ok(redirect("/catalog/bookinstances/"))
}

/// Deletes these copies. Returns the number of deleted copies.
pub(crate) async fn delete_records(
    db: &mut SqliteConnection,
    copies: &IdList,
) -> Result<u64, sqlx::Error> {
    execute_all(db, &[DELETE], copies).await
}
