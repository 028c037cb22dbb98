use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use sqlx::{AssertSqlSafe, Column as _, Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    model::{Model, RecordKey},
    models,
};
use crate::{
    id_list::IdList,
    web::{error::PageError, form::Form},
};

/// The model in the path. Rejects a path with 404 if it names no model of the staff area.
#[derive(Clone, Copy)]
pub(crate) struct ModelInPath(pub(super) &'static Model);

/// The model and the id in the path. Does not check whether the record exists.
pub(crate) struct RecordInPath {
    pub(super) model: &'static Model,
    pub(super) key: RecordKey,
}

impl<S: Send + Sync> FromRequestParts<S> for ModelInPath {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let params = params(parts, state).await?;
        let model = models::find(param(&params, "app"), param(&params, "model"));
        model.map(Self).ok_or(PageError::NotFound)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RecordInPath {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let ModelInPath(model) = ModelInPath::from_request_parts(parts, state).await?;
        let params = params(parts, state).await?;
        let key = RecordKey::parse(model.kind, param(&params, "id")).ok_or(PageError::NotFound)?;
        Ok(Self { model, key })
    }
}

async fn params<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<RawPathParams, PageError> {
    let params = RawPathParams::from_request_parts(parts, state).await;
    // The error means that a parameter is not UTF-8. The names of models and the ids of records are
    // ASCII, so the path names none of them.
    params.map_err(|_| PageError::NotFound)
}

fn param<'a>(params: &'a RawPathParams, wanted: &str) -> &'a str {
    let found = params.iter().find(|(name, _)| *name == wanted);
    found.map_or("", |(_, value)| value)
}

/// The key and the name of a record.
#[derive(Debug, Clone)]
pub(super) struct RecordTitle {
    pub(super) key: RecordKey,
    pub(super) name: String,
}

/// Loads the keys and names of the records in `keys`, in the order of the list page. Leaves out
/// records that do not exist.
pub(super) async fn load_titles(
    db: &mut SqliteConnection,
    model: &Model,
    keys: &[RecordKey],
) -> Result<Vec<RecordTitle>, PageError> {
    let Model {
        from,
        key,
        title,
        order,
        ..
    } = model;
    let sql = format!(
        "SELECT CAST({key} AS TEXT), {title} FROM {from} \
         WHERE {key} IN (SELECT value FROM json_each(?1)) ORDER BY {order}"
    );
    let rows: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(IdList::from_iter(keys).as_json())
        .fetch_all(db)
        .await?;
    let name = |(key, name)| {
        Some(RecordTitle {
            key: RecordKey::from_stored(model.kind, key)?,
            name,
        })
    };
    Ok(rows.into_iter().filter_map(name).collect())
}

/// Loads the key and name of a record.
///
/// # Errors
/// [`PageError::NotFound`] if the record does not exist.
pub(super) async fn load_title(
    db: &mut SqliteConnection,
    model: &Model,
    key: &RecordKey,
) -> Result<RecordTitle, PageError> {
    let found = load_titles(db, model, std::slice::from_ref(key)).await?;
    found.into_iter().next().ok_or(PageError::NotFound)
}

/// A record with the values of its form.
pub(super) struct RecordValues {
    pub(super) key: RecordKey,
    pub(super) name: String,
    pub(super) values: Form,
}

/// Loads all records whose `column` is `value`, in the order of the list page.
pub(super) async fn load_values(
    db: &mut SqliteConnection,
    model: &Model,
    column: &'static str,
    value: &RecordKey,
) -> Result<Vec<RecordValues>, PageError> {
    let Model {
        from,
        key,
        title,
        order,
        values,
        ..
    } = model;
    let sql = format!(
        "SELECT CAST({key} AS TEXT), {title}, {values} FROM {from} \
         WHERE {column} IN (SELECT value FROM json_each(?1)) ORDER BY {order}"
    );
    let ids = IdList::from_iter([value]);
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(ids.as_json());
    let rows = rows.fetch_all(db).await?;
    let mut records = Vec::new();
    for row in rows {
        let key = RecordKey::from_stored(model.kind, row.try_get_unchecked(0)?);
        records.push(RecordValues {
            key: key.ok_or_else(|| PageError::Internal("loading a record: invalid id".into()))?,
            name: row.try_get_unchecked(1)?,
            values: values_of(&row)?,
        });
    }
    Ok(records)
}

/// Returns the values of a form: all columns but the first two, which are the key and the name.
fn values_of(row: &SqliteRow) -> Result<Form, sqlx::Error> {
    let mut values = Vec::new();
    for column in row.columns().iter().skip(2) {
        let text: Option<String> = row.try_get_unchecked(column.ordinal())?;
        let Some(text) = text else { continue };
        match column.name().strip_suffix("[]") {
            Some(name) => {
                values.extend(text.split(',').map(|one| (name.to_owned(), one.to_owned())));
            }
            None => values.push((column.name().to_owned(), text)),
        }
    }
    Ok(values.into_iter().collect())
}
