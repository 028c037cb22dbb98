use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use sqlx::{SqliteExecutor, SqlitePool};

use super::{availability::Status, id::CopyId};
use crate::{
    visitor,
    web::{
        error::{PageError, redirect},
        fields::{Choices, Fields, InvalidChoice},
        form::Form,
        form_page::FormPage,
        layout::Layout,
        visit::Visit,
    },
};

const MAX_IMPRINT: usize = 200;

const NEEDS_BORROWER: &str = "A copy on loan needs a borrower.";
const NEEDS_DUE_DATE: &str = "A copy on loan needs a due date.";

const BOOKS: &str = "\
    SELECT b.id, b.title, \
    CASE WHEN COUNT(*) OVER (PARTITION BY b.title) > 1 THEN a.last_name END \
    FROM catalog_book b LEFT JOIN catalog_author a ON a.id = b.author_id \
    ORDER BY b.title, a.last_name, a.first_name, b.id";

const USERS: &str = "SELECT id, username FROM auth_user ORDER BY username";

const COPY: &str = "\
    SELECT imprint, due_back, borrower_id, status FROM catalog_bookinstance WHERE id = ?";

const INSERT: &str = "\
    INSERT INTO catalog_bookinstance (id, imprint, due_back, borrower_id, status, book_id) \
    VALUES (?, ?, ?, ?, ?, ?)";

const UPDATE: &str = "\
    UPDATE catalog_bookinstance \
    SET imprint = ?, due_back = ?, borrower_id = ?, status = ? WHERE id = ?";

const MOVE_TO_BOOK: &str = "UPDATE catalog_bookinstance SET book_id = ? WHERE id = ?";

/// The values of a copy's form.
pub(crate) struct Copy {
    imprint: String,
    due_back: Option<Date>,
    /// The id of a user who existed when the form was read.
    borrower: Option<String>,
    status: Status,
}

/// The page with the form for a new copy.
pub(crate) async fn new(visit: Visit, layout: Layout) -> Result<Response, PageError> {
    let db = &visit.app().db;
    let form = first_values();
    let mut fields = Fields::initial(&form);
    read_book(&mut fields, books(db).await?);
    read(&mut fields, users(db).await?);
    create_page(layout, fields)
}

/// Adds a copy, with a random id.
pub(crate) async fn create(visit: Visit, form: Form) -> Result<Response, PageError> {
    let db = &visit.app().db;
    let mut fields = Fields::submitted(&form);
    let book = read_book(&mut fields, books(db).await?);
    let copy = read(&mut fields, users(db).await?);
    let (Some(book), Some(copy)) = (book, copy) else {
        return create_page(Layout::of(&visit).await?, fields);
    };
    let id = CopyId::random().map_err(|error| PageError::Internal(error.into()))?;
    copy.insert(db, &id, number(Some(&book))).await?;
    saved(&visit, &id, "added").await
}

/// The page with the form for changing a copy.
pub(crate) async fn edit(visit: Visit, id: CopyId, layout: Layout) -> Result<Response, PageError> {
    let db = &visit.app().db;
    let form = stored(db, &id).await?;
    let mut fields = Fields::initial(&form);
    read(&mut fields, users(db).await?);
    update_page(layout, &id, id.short(), fields)
}

/// Changes a copy. The book stays the same.
pub(crate) async fn update(visit: Visit, id: CopyId, form: Form) -> Result<Response, PageError> {
    let db = &visit.app().db;
    stored(db, &id).await?;
    let mut fields = Fields::submitted(&form);
    let Some(copy) = read(&mut fields, users(db).await?) else {
        return update_page(Layout::of(&visit).await?, &id, id.short(), fields);
    };
    copy.update(db, &id).await?;
    saved(&visit, &id, "changed").await
}

/// Returns the values with which the form for a new copy is filled at first.
pub(crate) fn first_values() -> Form {
    let values = [("status", Status::Maintenance.code())];
    values.into_iter().collect()
}

/// Reads the book of the copy.
pub(crate) fn read_book(fields: &mut Fields<'_>, books: Choices) -> Option<String> {
    fields.choice("book", "Book", books, None, InvalidChoice::Unquoted)?
}

/// Adds the fields of the form, and reads and validates their values. Returns `None` if a value is
/// not valid, or if the form is shown for the first time and was not submitted yet.
pub(crate) fn read(fields: &mut Fields<'_>, users: Choices) -> Option<Copy> {
    let imprint = fields.line("imprint", "Imprint", MAX_IMPRINT);
    let due_back = fields.date("due_back", "Due back", (None, None));
    let borrower = fields.choice(
        "borrower",
        "Borrower",
        users,
        Some("No borrower"),
        InvalidChoice::Unquoted,
    );
    let status = fields.choice("status", "Status", statuses(), None, InvalidChoice::Quoted);
    let status = status.flatten().and_then(|code| Status::of_code(&code));
    if status == Some(Status::OnLoan) {
        if borrower == Some(None) {
            fields.error("borrower", NEEDS_BORROWER);
        }
        if due_back == Some(None) {
            fields.error("due_back", NEEDS_DUE_DATE);
        }
    }
    let mut copy = Copy {
        imprint: imprint?,
        due_back: due_back?,
        borrower: borrower?,
        status: status?,
    };
    if copy.status == Status::Available {
        // A copy on the shelf has neither a borrower nor a due date.
        copy.due_back = None;
        copy.borrower = None;
    }
    fields.are_valid().then_some(copy)
}

impl Copy {
    /// Adds the copy under this id.
    pub(crate) async fn insert(
        &self,
        db: impl SqliteExecutor<'_>,
        id: &CopyId,
        book: Option<i64>,
    ) -> Result<(), PageError> {
        let insert = sqlx::query(INSERT)
            .bind(id.as_stored())
            .bind(&self.imprint)
            .bind(self.due_back.map(|date| date.to_string()))
            .bind(number(self.borrower.as_deref()))
            .bind(self.status.code())
            .bind(book);
        insert.execute(db).await?;
        Ok(())
    }

    /// Changes the copy with this id.
    ///
    /// # Errors
    /// [`PageError::NotFound`] if there is no such copy.
    pub(crate) async fn update(
        &self,
        db: impl SqliteExecutor<'_>,
        id: &CopyId,
    ) -> Result<(), PageError> {
        let update = sqlx::query(UPDATE)
            .bind(&self.imprint)
            .bind(self.due_back.map(|date| date.to_string()))
            .bind(number(self.borrower.as_deref()))
            .bind(self.status.code())
            .bind(id.as_stored());
        match update.execute(db).await?.rows_affected() {
            0 => Err(PageError::NotFound),
            _ => Ok(()),
        }
    }
}

/// Assigns the copy with this id to another book.
pub(crate) async fn move_to_book(
    db: impl SqliteExecutor<'_>,
    id: &CopyId,
    book: Option<i64>,
) -> Result<(), sqlx::Error> {
    let update = sqlx::query(MOVE_TO_BOOK).bind(book).bind(id.as_stored());
    update.execute(db).await.map(drop)
}

fn statuses() -> Choices {
    let choice = |status: Status| (status.code().to_owned(), status.words().to_owned());
    Status::ALL.map(choice).to_vec()
}

/// Loads all books, ordered by title, as choices. If several books have the same title, their
/// labels contain the author.
pub(crate) async fn books(db: &SqlitePool) -> Result<Choices, sqlx::Error> {
    let books: Vec<(i64, String, Option<String>)> = sqlx::query_as(BOOKS).fetch_all(db).await?;
    let choice = |(id, title, author): (i64, String, Option<String>)| {
        let label = match author {
            Some(author) => format!("{title} ({author})"),
            None => title,
        };
        (id.to_string(), label)
    };
    Ok(books.into_iter().map(choice).collect())
}

/// Loads all users, ordered by name, as choices.
pub(crate) async fn users(db: &SqlitePool) -> Result<Choices, sqlx::Error> {
    let users: Vec<(i64, String)> = sqlx::query_as(USERS).fetch_all(db).await?;
    let choice = |(id, name): (i64, String)| (id.to_string(), name);
    Ok(users.into_iter().map(choice).collect())
}

/// Parses the id of a record that the visitor chose from a list. All ids in the list are numbers,
/// so the result is `None` only if the visitor chose no record.
fn number(id: Option<&str>) -> Option<i64> {
    id?.parse().ok()
}

/// Loads a copy and returns the values with which its form is filled.
async fn stored(db: &SqlitePool, id: &CopyId) -> Result<Form, PageError> {
    type Row = (String, Option<String>, Option<i64>, String);
    let row: Option<Row> = sqlx::query_as(COPY)
        .bind(id.as_stored())
        .fetch_optional(db)
        .await?;
    let (imprint, due_back, borrower, status) = row.ok_or(PageError::NotFound)?;
    let values = [
        ("imprint", imprint),
        ("due_back", due_back.unwrap_or_default()),
        (
            "borrower",
            borrower.map(|id| id.to_string()).unwrap_or_default(),
        ),
        ("status", status),
    ];
    Ok(values.into_iter().collect())
}

async fn saved(visit: &Visit, id: &CopyId, done: &str) -> Result<Response, PageError> {
    let session = visit.session().await?;
    visitor::add_message(&session, format!("The copy {} was {done}.", id.short()))?;
    Ok(redirect(&format!("/catalog/bookinstance/{id}")))
}

fn create_page(layout: Layout, fields: Fields<'_>) -> Result<Response, PageError> {
    let page = FormPage::new(layout, "Create copy of book", fields, "Create copy");
    Ok(page.back("/catalog/bookinstances/").html()?.into_response())
}

fn update_page(
    layout: Layout,
    id: &CopyId,
    name: &str,
    fields: Fields<'_>,
) -> Result<Response, PageError> {
    let page = FormPage::new(
        layout,
        format!("Update copy of book: {name}"),
        fields,
        "Save",
    );
    let page = page.back(format!("/catalog/bookinstance/{id}"));
    Ok(page.html()?.into_response())
}
