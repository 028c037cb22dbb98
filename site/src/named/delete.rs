use axum::{
    response::{Html, IntoResponse, Response},
    routing::MethodRouter,
};
use sqlx::SqliteConnection;

use super::record::NamedRecord;
use crate::{
    id_list::{IdList, execute_all},
    state::AppState,
    visitor,
    web::{
        error::{PageError, redirect},
        form_page::DeletePage,
        layout::Layout,
        methods::form,
        record_id::RecordId,
        visit::Visit,
    },
};

impl NamedRecord {
    /// Routes the page that deletes a record.
    pub(crate) fn delete_route(&'static self) -> MethodRouter<AppState> {
        form(
            |visit: Visit, record: RecordId| self.confirm(visit, record),
            |visit: Visit, record: RecordId| self.delete(visit, record),
        )
    }

    /// The page that asks for confirmation before a record is deleted. A record with books cannot
    /// be deleted.
    async fn confirm(
        &self,
        visit: Visit,
        RecordId(id): RecordId,
    ) -> Result<Html<String>, PageError> {
        let name = self.name(&visit.app().db, id).await?;
        let mut db = visit.app().db.acquire().await?;
        let books = self
            .blocking_books(&mut db, &IdList::from_iter([id]))
            .await?;
        drop(db);
        let page = DeletePage {
            layout: Layout::of(&visit).await?,
            kind: self.kind,
            name,
            back: self.page(id),
            others: "books",
            blockers: books
                .into_iter()
                .map(|(id, title)| (format!("/catalog/book/{id}"), title))
                .collect(),
        };
        page.html()
    }

    /// Deletes a record, unless it has books.
    async fn delete(&self, visit: Visit, record: RecordId) -> Result<Response, PageError> {
        let name = self.name(&visit.app().db, record.0).await?;
        let ids = IdList::from_iter([record.0]);
        // This locks the database for other writers, so no book is added before the deletion.
        let mut db = visit.app().db.begin_with("BEGIN IMMEDIATE").await?;
        let is_blocked = !self.blocking_books(&mut db, &ids).await?.is_empty();
        if is_blocked || self.delete_records(&mut db, &ids).await? == 0 {
            drop(db);
            return Ok(self.confirm(visit, record).await?.into_response());
        }
        db.commit().await?;
        let session = visit.session().await?;
        visitor::add_message(&session, format!("The {} {name} was deleted.", self.kind))?;
        Ok(redirect(&self.list_page()))
    }

    /// Loads the ids and titles of the books of these records, which block the deletion.
    pub(crate) async fn blocking_books(
        &self,
        db: &mut SqliteConnection,
        records: &IdList,
    ) -> Result<Vec<(i64, String)>, sqlx::Error> {
        let books = sqlx::query_as(self.blocking_books).bind(records.as_json());
        books.fetch_all(db).await
    }

    /// Deletes these records. The caller has found no blocking books in the same transaction.
    /// Returns the number of deleted records.
    pub(crate) async fn delete_records(
        &self,
        db: &mut SqliteConnection,
        records: &IdList,
    ) -> Result<u64, sqlx::Error> {
        execute_all(db, &[self.delete], records).await
    }
}
