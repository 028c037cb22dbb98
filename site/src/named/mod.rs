//! Records that are a name and nothing else: what genres and languages share.

mod delete;
mod detail;
mod form;
mod list;

use axum::{extract::State, routing::MethodRouter};
use sqlx::SqlitePool;

use crate::{
    state::AppState,
    users::Permission,
    web::{
        error::PageError,
        form::Form,
        layout::Layout,
        methods::{form, read},
        paging::Asked,
        record_id::RecordId,
        visit::Visit,
    },
};

/// A kind of such records: its words and its statements. The pages are the same for all.
pub(crate) struct Named {
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
    /// The ids and titles of all books of the one with this id.
    pub(crate) books: &'static str,
    /// Deletes the one with this id, if it has no books: one may have come since the page was shown.
    pub(crate) delete: &'static str,
}

impl Named {
    /// The page with all of them.
    pub(crate) fn listing(&'static self) -> MethodRouter<AppState> {
        read(|app: State<AppState>, layout: Layout, asked: Asked| self.all(app, layout, asked))
    }

    /// The page of one.
    pub(crate) fn reading(&'static self) -> MethodRouter<AppState> {
        read(
            |app: State<AppState>, record: RecordId, layout: Layout, asked: Asked| {
                self.one(app, record, layout, asked)
            },
        )
    }

    /// The page that adds one.
    pub(crate) fn creating(&'static self) -> MethodRouter<AppState> {
        form(
            |layout: Layout| self.blank(layout),
            |visit: Visit, sent: Form| self.create(visit, sent),
        )
    }

    /// The page that changes one.
    pub(crate) fn updating(&'static self) -> MethodRouter<AppState> {
        form(
            |visit: Visit, record: RecordId, layout: Layout| self.edit(visit, record, layout),
            |visit: Visit, record: RecordId, sent: Form| self.update(visit, record, sent),
        )
    }

    /// The page that deletes one.
    pub(crate) fn deleting(&'static self) -> MethodRouter<AppState> {
        form(
            |visit: Visit, record: RecordId| self.confirm(visit, record),
            |visit: Visit, record: RecordId| self.delete(visit, record),
        )
    }

    /// The name of the one with this id.
    pub(crate) async fn name(&self, db: &SqlitePool, id: i64) -> Result<String, PageError> {
        let name = sqlx::query_scalar(self.name).bind(id);
        let name = name.fetch_optional(db).await?;
        name.ok_or(PageError::NotFound)
    }

    /// The address of the one with this id.
    fn page(&self, id: i64) -> String {
        format!("/catalog/{}/{id}", self.kind)
    }

    /// The address of the list.
    fn list(&self) -> String {
        format!("/catalog/{}/", self.plural)
    }
}
