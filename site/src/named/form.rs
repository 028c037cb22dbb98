use axum::{
    response::{IntoResponse, Response},
    routing::MethodRouter,
};
use sqlx::{SqliteConnection, SqliteExecutor};

use super::record::NamedRecord;
use crate::{
    state::AppState,
    visitor,
    web::{
        error::{PageError, redirect},
        fields::Fields,
        form::Form,
        form_page::FormPage,
        layout::Layout,
        methods::form,
        record_id::RecordId,
        visit::Visit,
    },
};

const MAX_NAME: usize = 200;

impl NamedRecord {
    /// Routes the page that adds a record.
    pub(crate) fn create_route(&'static self) -> MethodRouter<AppState> {
        form(
            |layout: Layout| self.new_form(layout),
            |visit: Visit, submitted: Form| self.create(visit, submitted),
        )
    }

    /// Routes the page that changes a record.
    pub(crate) fn update_route(&'static self) -> MethodRouter<AppState> {
        form(
            |visit: Visit, record: RecordId, layout: Layout| self.edit_form(visit, record, layout),
            |visit: Visit, record: RecordId, submitted: Form| self.update(visit, record, submitted),
        )
    }

    /// The page with the form for a new record.
    async fn new_form(&self, layout: Layout) -> Result<Response, PageError> {
        let form = Form::default();
        let mut fields = Fields::initial(&form);
        self.read(&mut fields);
        self.create_page(layout, fields)
    }

    /// Adds a record.
    async fn create(&self, visit: Visit, form: Form) -> Result<Response, PageError> {
        let mut fields = Fields::submitted(&form);
        let Some(name) = self.read(&mut fields) else {
            return self.create_page(Layout::of(&visit).await?, fields);
        };
        // This locks the database for other writers, so a name that is unique stays unique until it
        // is stored.
        let mut db = visit.app().db.begin_with("BEGIN IMMEDIATE").await?;
        if self.is_taken(&mut db, &name, None).await? {
            drop(db);
            fields.error("name", self.exists);
            return self.create_page(Layout::of(&visit).await?, fields);
        }
        let id = self.insert(&mut *db, &name).await?;
        db.commit().await?;
        self.saved(&visit, &name, id, "added").await
    }

    /// The page with the form for changing a record.
    async fn edit_form(
        &self,
        visit: Visit,
        RecordId(id): RecordId,
        layout: Layout,
    ) -> Result<Response, PageError> {
        let name = self.name(&visit.app().db, id).await?;
        let form = [("name", name.as_str())].into_iter().collect();
        let mut fields = Fields::initial(&form);
        self.read(&mut fields);
        self.update_page(layout, id, &name, fields)
    }

    /// Changes a record.
    async fn update(
        &self,
        visit: Visit,
        RecordId(id): RecordId,
        form: Form,
    ) -> Result<Response, PageError> {
        let before = self.name(&visit.app().db, id).await?;
        let mut fields = Fields::submitted(&form);
        let Some(name) = self.read(&mut fields) else {
            return self.update_page(Layout::of(&visit).await?, id, &before, fields);
        };
        let mut db = visit.app().db.begin_with("BEGIN IMMEDIATE").await?;
        if self.is_taken(&mut db, &name, Some(id)).await? {
            drop(db);
            fields.error("name", self.exists);
            return self.update_page(Layout::of(&visit).await?, id, &before, fields);
        }
        self.change(&mut *db, id, &name).await?;
        db.commit().await?;
        self.saved(&visit, &name, id, "changed").await
    }

    /// Reads and validates the name.
    pub(crate) fn read(&self, fields: &mut Fields<'_>) -> Option<String> {
        let name = fields.line("name", "Name", MAX_NAME);
        fields.help(self.help);
        name
    }

    /// Returns whether a record other than the one with the id `own` has this name, ignoring case.
    /// Compares in Rust, since SQLite ignores the case of ASCII letters only.
    pub(crate) async fn is_taken(
        &self,
        db: &mut SqliteConnection,
        name: &str,
        own: Option<i64>,
    ) -> Result<bool, sqlx::Error> {
        let others = sqlx::query_scalar::<_, String>(self.others).bind(own);
        let others = others.fetch_all(db).await?;
        let name = name.to_lowercase();
        Ok(others.iter().any(|other| other.to_lowercase() == name))
    }

    /// Adds a record with this name and returns its id.
    pub(crate) async fn insert(
        &self,
        db: impl SqliteExecutor<'_>,
        name: &str,
    ) -> Result<i64, PageError> {
        let insert = sqlx::query_scalar(self.insert).bind(name);
        Ok(insert.fetch_one(db).await?)
    }

    /// Changes the name of the record with this id.
    ///
    /// # Errors
    /// [`PageError::NotFound`] if there is no such record.
    pub(crate) async fn change(
        &self,
        db: impl SqliteExecutor<'_>,
        id: i64,
        name: &str,
    ) -> Result<(), PageError> {
        let update = sqlx::query(self.update).bind(name).bind(id);
        match update.execute(db).await?.rows_affected() {
            0 => Err(PageError::NotFound),
            _ => Ok(()),
        }
    }

    async fn saved(
        &self,
        visit: &Visit,
        name: &str,
        id: i64,
        done: &str,
    ) -> Result<Response, PageError> {
        let session = visit.session().await?;
        visitor::add_message(&session, format!("The {} {name} was {done}.", self.kind))?;
        Ok(redirect(&self.page(id)))
    }

    fn create_page(&self, layout: Layout, fields: Fields<'_>) -> Result<Response, PageError> {
        let page = FormPage::new(layout, self.create, fields, self.create);
        Ok(page.back(self.list_page()).html()?.into_response())
    }

    fn update_page(
        &self,
        layout: Layout,
        id: i64,
        name: &str,
        fields: Fields<'_>,
    ) -> Result<Response, PageError> {
        let title = format!("Update {}: {name}", self.kind);
        let page = FormPage::new(layout, title, fields, "Save");
        Ok(page.back(self.page(id)).html()?.into_response())
    }
}
