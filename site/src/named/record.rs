use sqlx::SqlitePool;

use crate::{users::Permission, web::error::PageError};

/// The labels and SQL statements of a kind of record that has only a name, such as genres. All such
/// kinds share the same pages.
pub(crate) struct NamedRecord {
    /// The singular, as in the URL of a record: `genre`.
    pub(crate) kind: &'static str,
    /// The plural, as in the URL of the list: `genres`.
    pub(crate) plural: &'static str,
    /// The heading and the button of the form for a new record.
    pub(crate) create: &'static str,
    /// The help text of the form.
    pub(crate) help: &'static str,
    /// The error for a name that another record has.
    pub(crate) exists: &'static str,
    /// The permissions to change and to delete a record.
    pub(crate) permissions: (Permission, Permission),
    /// The statement that counts the records. The fields below are statements as well.
    pub(crate) count: &'static str,
    /// Selects the ids and names of the records on a page, ordered by name.
    pub(crate) list: &'static str,
    /// Selects the name of a record by id.
    pub(crate) name: &'static str,
    /// Selects the names of all records except the one with this id.
    pub(crate) others: &'static str,
    /// Inserts a record and returns its id.
    pub(crate) insert: &'static str,
    /// Changes the name of a record.
    pub(crate) update: &'static str,
    /// Counts the books of a record.
    pub(crate) book_count: &'static str,
    /// Selects the books of a record on a page, ordered by title.
    pub(crate) book_list: &'static str,
    /// Selects the ids and titles of all books of the records whose ids are in the JSON array `?1`.
    pub(crate) blocking_books: &'static str,
    /// Deletes the records whose ids are in the JSON array `?1`.
    pub(crate) delete: &'static str,
}

impl NamedRecord {
    /// Loads the name of a record.
    pub(crate) async fn name(&self, db: &SqlitePool, id: i64) -> Result<String, PageError> {
        let name = sqlx::query_scalar(self.name).bind(id);
        let name = name.fetch_optional(db).await?;
        name.ok_or(PageError::NotFound)
    }

    /// Returns the URL of a record.
    pub(super) fn page(&self, id: i64) -> String {
        format!("/catalog/{}/{id}", self.kind)
    }

    /// Returns the URL of the list.
    pub(super) fn list_page(&self) -> String {
        format!("/catalog/{}/", self.plural)
    }
}
