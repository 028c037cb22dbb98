use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use sqlx::{SqliteExecutor, SqlitePool};

use crate::{
    date, visitor,
    web::{
        error::{PageError, redirect},
        fields::Fields,
        form::Form,
        form_page::FormPage,
        layout::Layout,
        record_id::RecordId,
        visit::Visit,
    },
};

use super::name::name;

const MAX_NAME: usize = 100;

const DIED_TOO_EARLY: &str = "Date of death cannot be before date of birth.";

const INSERT: &str = "\
    INSERT INTO catalog_author (first_name, last_name, date_of_birth, date_of_death) \
    VALUES (?, ?, ?, ?) RETURNING id";

const AUTHOR: &str = "\
    SELECT first_name, last_name, date_of_birth, date_of_death FROM catalog_author WHERE id = ?";

const UPDATE: &str = "\
    UPDATE catalog_author \
    SET first_name = ?, last_name = ?, date_of_birth = ?, date_of_death = ? WHERE id = ?";

/// The values of an author's form.
pub(crate) struct Author {
    first_name: String,
    last_name: String,
    date_of_birth: Option<Date>,
    date_of_death: Option<Date>,
}

/// The page with the form for a new author.
pub(crate) async fn new(layout: Layout) -> Result<Response, PageError> {
    let form = Form::default();
    let mut fields = Fields::initial(&form);
    read(&mut fields);
    create_page(layout, fields)
}

/// Adds an author.
pub(crate) async fn create(visit: Visit, form: Form) -> Result<Response, PageError> {
    let mut fields = Fields::submitted(&form);
    let Some(author) = read(&mut fields) else {
        return create_page(Layout::of(&visit).await?, fields);
    };
    let id = author.insert(&visit.app().db).await?;
    saved(&visit, &author, id, "added").await
}

/// The page with the form for changing an author.
pub(crate) async fn edit(
    visit: Visit,
    RecordId(id): RecordId,
    layout: Layout,
) -> Result<Response, PageError> {
    let form = stored(&visit.app().db, id).await?;
    let mut fields = Fields::initial(&form);
    read(&mut fields);
    update_page(layout, id, &name_in(&form), fields)
}

/// Changes an author.
pub(crate) async fn update(
    visit: Visit,
    RecordId(id): RecordId,
    form: Form,
) -> Result<Response, PageError> {
    let before = stored(&visit.app().db, id).await?;
    let mut fields = Fields::submitted(&form);
    let Some(author) = read(&mut fields) else {
        return update_page(Layout::of(&visit).await?, id, &name_in(&before), fields);
    };
    author.update(&visit.app().db, id).await?;
    saved(&visit, &author, id, "changed").await
}

/// Adds the fields of the form, and reads and validates their values. Returns `None` if a value is
/// not valid, or if the form is shown for the first time and was not submitted yet.
pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Author> {
    let first_name = fields.line("first_name", "First name", MAX_NAME);
    let last_name = fields.line("last_name", "Last name", MAX_NAME);
    let today = Some(date::today());
    let date_of_birth = fields.date("date_of_birth", "Date of birth", (None, today));
    let date_of_death = fields.date("date_of_death", "Died", (None, today));
    if let (Some(Some(birth)), Some(Some(death))) = (date_of_birth, date_of_death)
        && death < birth
    {
        fields.error("date_of_death", DIED_TOO_EARLY);
    }
    let author = Author {
        first_name: first_name?,
        last_name: last_name?,
        date_of_birth: date_of_birth?,
        date_of_death: date_of_death?,
    };
    fields.are_valid().then_some(author)
}

impl Author {
    /// Adds the author and returns their id.
    pub(crate) async fn insert(&self, db: impl SqliteExecutor<'_>) -> Result<i64, PageError> {
        let insert = sqlx::query_scalar(INSERT)
            .bind(&self.first_name)
            .bind(&self.last_name)
            .bind(self.date_of_birth.map(|date| date.to_string()))
            .bind(self.date_of_death.map(|date| date.to_string()));
        Ok(insert.fetch_one(db).await?)
    }

    /// Changes the author with this id to these values.
    ///
    /// # Errors
    /// [`PageError::NotFound`] if there is no such author.
    pub(crate) async fn update(
        &self,
        db: impl SqliteExecutor<'_>,
        id: i64,
    ) -> Result<(), PageError> {
        let update = sqlx::query(UPDATE)
            .bind(&self.first_name)
            .bind(&self.last_name)
            .bind(self.date_of_birth.map(|date| date.to_string()))
            .bind(self.date_of_death.map(|date| date.to_string()))
            .bind(id);
        match update.execute(db).await?.rows_affected() {
            0 => Err(PageError::NotFound),
            _ => Ok(()),
        }
    }
}

/// Loads an author and returns the values with which the author's form is filled.
async fn stored(db: &SqlitePool, id: i64) -> Result<Form, PageError> {
    type Row = (String, String, Option<String>, Option<String>);
    let row: Option<Row> = sqlx::query_as(AUTHOR).bind(id).fetch_optional(db).await?;
    let (first_name, last_name, birth, death) = row.ok_or(PageError::NotFound)?;
    let values = [
        ("first_name", first_name),
        ("last_name", last_name),
        ("date_of_birth", birth.unwrap_or_default()),
        ("date_of_death", death.unwrap_or_default()),
    ];
    Ok(values.into_iter().collect())
}

fn name_in(stored: &Form) -> String {
    let part = |name| stored.get(name).unwrap_or_default();
    name(part("last_name"), part("first_name"))
}

async fn saved(visit: &Visit, author: &Author, id: i64, done: &str) -> Result<Response, PageError> {
    let name = name(&author.last_name, &author.first_name);
    let session = visit.session().await?;
    visitor::add_message(&session, format!("The author {name} was {done}."))?;
    Ok(redirect(&format!("/catalog/author/{id}")))
}

fn create_page(layout: Layout, fields: Fields<'_>) -> Result<Response, PageError> {
    let page = FormPage::new(layout, "Create author", fields, "Create author");
    Ok(page.back("/catalog/authors/").html()?.into_response())
}

fn update_page(
    layout: Layout,
    id: i64,
    name: &str,
    fields: Fields<'_>,
) -> Result<Response, PageError> {
    let page = FormPage::new(layout, format!("Update author: {name}"), fields, "Save");
    let page = page.back(format!("/catalog/author/{id}"));
    Ok(page.html()?.into_response())
}
