use axum::{
    response::{Html, IntoResponse, Response},
    routing::MethodRouter,
};

use super::record::Named;
use crate::{
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

impl Named {
    /// The page that deletes one.
    pub(crate) fn deleting(&'static self) -> MethodRouter<AppState> {
        form(
            |visit: Visit, record: RecordId| self.confirm(visit, record),
            |visit: Visit, record: RecordId| self.delete(visit, record),
        )
    }

    /// Asks before one is deleted; one with books stays.
    async fn confirm(
        &self,
        visit: Visit,
        RecordId(id): RecordId,
    ) -> Result<Html<String>, PageError> {
        let name = self.name(&visit.app().db, id).await?;
        let books = sqlx::query_as::<_, (i64, String)>(self.books).bind(id);
        let books = books.fetch_all(&visit.app().db).await?;
        let page = DeletePage {
            layout: Layout::of(&visit).await?,
            kind: self.kind,
            name,
            back: self.page(id),
            others: "books",
            in_the_way: books
                .into_iter()
                .map(|(id, title)| (format!("/catalog/book/{id}"), title))
                .collect(),
        };
        page.html()
    }

    /// Deletes one that has no books.
    async fn delete(&self, visit: Visit, record: RecordId) -> Result<Response, PageError> {
        let name = self.name(&visit.app().db, record.0).await?;
        let deleted = sqlx::query(self.delete).bind(record.0);
        let deleted = deleted.execute(&visit.app().db).await?;
        if deleted.rows_affected() == 0 {
            return Ok(self.confirm(visit, record).await?.into_response());
        }
        let session = visit.session().await?;
        visitor::say(&session, format!("The {} {name} was deleted.", self.kind))?;
        Ok(redirect(&self.list_page()))
    }
}
