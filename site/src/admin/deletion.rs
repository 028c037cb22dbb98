//! Loads what blocks the deletion of records, and deletes records. The code for each kind of record
//! is in its own module, such as `books::delete`.

use sqlx::SqliteConnection;

use super::{
    groups,
    model::{Model, ModelKind, RecordKey},
    models, users,
};
use crate::{
    authors::delete as authors, books::delete as books, copies::delete as copies, genres::GENRES,
    id_list::IdList, languages::LANGUAGES,
};

/// Loads the URL and name of each record that must be deleted before the records `keys`.
pub(super) async fn load_blockers(
    db: &mut SqliteConnection,
    model: &Model,
    keys: &[RecordKey],
) -> Result<Vec<(String, String)>, sqlx::Error> {
    let ids = keys.iter().collect();
    match model.kind {
        ModelKind::Author => Ok(book_links(authors::blocking_books(db, &ids).await?)),
        ModelKind::Book => Ok(copy_links(books::blocking_copies(db, &ids).await?)),
        ModelKind::Genre => Ok(book_links(GENRES.blocking_books(db, &ids).await?)),
        ModelKind::Language => Ok(book_links(LANGUAGES.blocking_books(db, &ids).await?)),
        ModelKind::Copy | ModelKind::Group | ModelKind::User => Ok(Vec::new()),
    }
}

fn book_links(books: Vec<(i64, String)>) -> Vec<(String, String)> {
    let model = models::of_kind(ModelKind::Book);
    let link = |(id, title)| (model.url_of(&RecordKey::Number(id), "change"), title);
    books.into_iter().map(link).collect()
}

fn copy_links(mut copies: Vec<books::BlockingCopy>) -> Vec<(String, String)> {
    let model = models::of_kind(ModelKind::Copy);
    // Several books may be deleted at once. Keep the copies of a book together.
    copies.sort_by(|a, b| order(a).cmp(&order(b)));
    let link = |books::BlockingCopy { id, title, imprint }| {
        let name = format!("{title} ({imprint}, {})", id.short());
        (model.url_of(&RecordKey::Copy(id), "change"), name)
    };
    copies.into_iter().map(link).collect()
}

fn order(copy: &books::BlockingCopy) -> (&str, &str, &str) {
    (&copy.title, &copy.imprint, copy.id.as_stored())
}

/// Loads a line for each thing that is removed together with the records.
pub(super) async fn load_cascades(
    db: &mut SqliteConnection,
    model: &Model,
    keys: &[RecordKey],
) -> Result<Vec<String>, sqlx::Error> {
    let Some(sql) = model.cascades else {
        return Ok(Vec::new());
    };
    let ids: IdList = keys.iter().collect();
    let lines = sqlx::query_scalar(sql).bind(ids.as_json());
    lines.fetch_all(db).await
}

/// Deletes records and what refers to them. The caller has found no blockers in the same
/// transaction.
pub(super) async fn delete(
    db: &mut SqliteConnection,
    model: &Model,
    keys: &[RecordKey],
) -> Result<(), sqlx::Error> {
    let ids = keys.iter().collect();
    let deleted = match model.kind {
        ModelKind::Author => authors::delete_records(db, &ids).await,
        ModelKind::Book => books::delete_records(db, &ids).await,
        ModelKind::Copy => copies::delete_records(db, &ids).await,
        ModelKind::Genre => GENRES.delete_records(db, &ids).await,
        ModelKind::Language => LANGUAGES.delete_records(db, &ids).await,
        ModelKind::Group => groups::delete_records(db, &ids).await,
        ModelKind::User => users::delete_records(db, &ids).await,
    };
    deleted.map(drop)
}
