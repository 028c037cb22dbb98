use sqlx::SqlitePool;

use crate::{users::Permission, web::error::PageError};

/// A kind of such records: its words and its statements. The pages are the same for all.
pub(crate) struct NamedRecord {
    /// One of them, as in the address of its page: `genre`.
    pub(crate) kind: &'static str,
    /// All of them, as in the address of their list: `genres`.
    pub(crate) plural: &'static str,
    /// The heading and the button of the form for a new one.
    pub(crate) create: &'static str,
    /// What helps whoever types a name.
    pub(crate) help: &'static str,
    /// The error for a name that another one has.
    pub(crate) exists: &'static str,
    /// What whoever changes one, and whoever deletes one, needs.
    pub(crate) permissions: (Permission, Permission),
    /// How many there are.
    pub(crate) count: &'static str,
    /// A page of their ids and names, by name.
    pub(crate) list: &'static str,
    /// The name of the one with this id.
    pub(crate) name: &'static str,
    /// The names of all but the one with this id.
    pub(crate) others: &'static str,
    /// Adds one with this name, and gives its id.
    pub(crate) insert: &'static str,
    /// Gives this name to the one with this id.
    pub(crate) update: &'static str,
    /// How many books the one with this id has.
    pub(crate) book_count: &'static str,
    /// A page of the books of the one with this id, by title.
    pub(crate) book_list: &'static str,
    /// Selects id and title of all books of the records whose ids are in the JSON of `?1`.
    pub(crate) blocking_books: &'static str,
    /// Deletes the records whose ids are in the JSON of `?1`.
    pub(crate) delete: &'static str,
}

impl NamedRecord {
    /// The name of the one with this id.
    pub(crate) async fn name(&self, db: &SqlitePool, id: i64) -> Result<String, PageError> {
        let name = sqlx::query_scalar(self.name).bind(id);
        let name = name.fetch_optional(db).await?;
        name.ok_or(PageError::NotFound)
    }

    /// The address of the one with this id.
    pub(super) fn page(&self, id: i64) -> String {
        format!("/catalog/{}/{id}", self.kind)
    }

    /// The address of the list.
    pub(super) fn list_page(&self) -> String {
        format!("/catalog/{}/", self.plural)
    }
}
