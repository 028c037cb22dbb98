use axum::response::{IntoResponse, Response};
use sqlx::{SqliteConnection, SqliteExecutor, SqlitePool};

use crate::{
    visitor,
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

const MAX_NAME: usize = 200;

pub(crate) const EXISTS: &str = "Genre already exists (case insensitive match)";

const GENRE: &str = "SELECT name FROM catalog_genre WHERE id = ?";

const OTHERS: &str = "SELECT name FROM catalog_genre WHERE id IS NOT ?";

const INSERT: &str = "INSERT INTO catalog_genre (name) VALUES (?) RETURNING id";

const UPDATE: &str = "UPDATE catalog_genre SET name = ? WHERE id = ?";

/// The form for a new genre.
pub(crate) async fn new(layout: Layout) -> Result<Response, PageError> {
    let form = Form::default();
    let mut fields = Fields::fresh(&form);
    read(&mut fields);
    create_page(layout, fields)
}

/// Adds a genre.
pub(crate) async fn create(visit: Visit, form: Form) -> Result<Response, PageError> {
    let mut fields = Fields::sent(&form);
    let Some(name) = read(&mut fields) else {
        return create_page(Layout::of(&visit).await?, fields);
    };
    // From here on nobody else writes, so no other name comes between the look and the insert.
    let mut db = visit.app().db.begin_with("BEGIN IMMEDIATE").await?;
    if is_taken(&mut db, &name, None).await? {
        drop(db);
        fields.error("name", EXISTS);
        return create_page(Layout::of(&visit).await?, fields);
    }
    let id = insert(&mut *db, &name).await?;
    db.commit().await?;
    saved(&visit, &name, id, "added").await
}

/// The form with the name of a genre.
pub(crate) async fn edit(
    visit: Visit,
    RecordId(id): RecordId,
    layout: Layout,
) -> Result<Response, PageError> {
    let name = stored(&visit.app().db, id).await?;
    let form = [("name", name.as_str())].into_iter().collect();
    let mut fields = Fields::fresh(&form);
    read(&mut fields);
    update_page(layout, id, &name, fields)
}

/// Changes a genre.
pub(crate) async fn update(
    visit: Visit,
    RecordId(id): RecordId,
    form: Form,
) -> Result<Response, PageError> {
    let before = stored(&visit.app().db, id).await?;
    let mut fields = Fields::sent(&form);
    let Some(name) = read(&mut fields) else {
        return update_page(Layout::of(&visit).await?, id, &before, fields);
    };
    let mut db = visit.app().db.begin_with("BEGIN IMMEDIATE").await?;
    if is_taken(&mut db, &name, Some(id)).await? {
        drop(db);
        fields.error("name", EXISTS);
        return update_page(Layout::of(&visit).await?, id, &before, fields);
    }
    change(&mut *db, id, &name).await?;
    db.commit().await?;
    saved(&visit, &name, id, "changed").await
}

/// Reads the name, if it makes sense.
pub(crate) fn read(fields: &mut Fields<'_>) -> Option<String> {
    let name = fields.line("name", "Name", MAX_NAME);
    fields.help("For example Science fiction or Poetry.");
    name
}

/// Whether another genre has this name in any case. SQLite's own comparison knows only ASCII.
pub(crate) async fn is_taken(
    db: &mut SqliteConnection,
    name: &str,
    own: Option<i64>,
) -> Result<bool, sqlx::Error> {
    let others = sqlx::query_scalar::<_, String>(OTHERS).bind(own);
    let others = others.fetch_all(db).await?;
    let name = name.to_lowercase();
    Ok(others.iter().any(|other| other.to_lowercase() == name))
}

/// Adds a genre, and gives its id.
pub(crate) async fn insert(db: impl SqliteExecutor<'_>, name: &str) -> Result<i64, PageError> {
    Ok(sqlx::query_scalar(INSERT).bind(name).fetch_one(db).await?)
}

/// Changes the name of the genre with this id, if there still is one.
pub(crate) async fn change(
    db: impl SqliteExecutor<'_>,
    id: i64,
    name: &str,
) -> Result<(), PageError> {
    let update = sqlx::query(UPDATE).bind(name).bind(id);
    match update.execute(db).await?.rows_affected() {
        0 => Err(PageError::NotFound),
        _ => Ok(()),
    }
}

/// The name of a genre.
async fn stored(db: &SqlitePool, id: i64) -> Result<String, PageError> {
    let name = sqlx::query_scalar(GENRE).bind(id);
    let name = name.fetch_optional(db).await?;
    name.ok_or(PageError::NotFound)
}

async fn saved(visit: &Visit, name: &str, id: i64, done: &str) -> Result<Response, PageError> {
    let session = visit.session().await?;
    visitor::say(&session, format!("The genre {name} was {done}."))?;
    Ok(redirect(&format!("/catalog/genre/{id}")))
}

fn create_page(layout: Layout, fields: Fields<'_>) -> Result<Response, PageError> {
    let page = FormPage::new(layout, "Create genre", fields, "Create genre");
    Ok(page.back("/catalog/genres/").html()?.into_response())
}

fn update_page(
    layout: Layout,
    id: i64,
    name: &str,
    fields: Fields<'_>,
) -> Result<Response, PageError> {
    let page = FormPage::new(layout, format!("Update genre: {name}"), fields, "Save");
    let page = page.back(format!("/catalog/genre/{id}"));
    Ok(page.html()?.into_response())
}
