use axum::response::{IntoResponse, Response};
use sqlx::{SqliteConnection, SqlitePool};

use super::{
    choices::{load_genres, load_languages},
    isbn::{self, IsbnError},
};
use crate::{
    authors, visitor,
    web::{
        error::{PageError, redirect},
        fields::{Choices, Fields, InvalidChoice, REQUIRED},
        form::Form,
        form_page::FormPage,
        layout::Layout,
        record_id::RecordId,
        visit::Visit,
    },
};

const MAX_TITLE: usize = 200;
const MAX_SUMMARY: usize = 1000;

pub(crate) const ISBN_EXISTS: &str = "Book with this ISBN already exists.";
const ISBN_INVALID: &str = "Enter a valid 13-digit ISBN.";

const AUTHORS: &str =
    "SELECT id, last_name, first_name FROM catalog_author ORDER BY last_name, first_name, id";

const BOOK: &str = "\
    SELECT title, author_id, summary, isbn, language_id FROM catalog_book WHERE id = ?";

const GENRES_OF_BOOK: &str =
    "SELECT genre_id FROM catalog_book_genre WHERE book_id = ? ORDER BY genre_id";

const IS_TAKEN: &str = "SELECT EXISTS (SELECT 1 FROM catalog_book WHERE isbn = ? AND id IS NOT ?)";

const INSERT: &str = "\
    INSERT INTO catalog_book (title, summary, isbn, author_id, language_id) \
    VALUES (?, ?, ?, ?, ?) RETURNING id";

const UPDATE: &str = "\
    UPDATE catalog_book \
    SET title = ?, summary = ?, isbn = ?, author_id = ?, language_id = ? WHERE id = ?";

const DROP_GENRES: &str = "\
    DELETE FROM catalog_book_genre WHERE book_id = ? \
    AND genre_id NOT IN (SELECT value FROM json_each(?))";

const ADD_GENRES: &str = "\
    INSERT OR IGNORE INTO catalog_book_genre (book_id, genre_id) SELECT ?, value FROM json_each(?)";

/// The values of a book's form. `author`, `language` and `genres` are the ids of records that
/// existed when the form was read.
pub(crate) struct Book {
    pub(crate) title: String,
    summary: String,
    pub(crate) isbn: String,
    pub(crate) author: Option<i64>,
    language: String,
    genres: Vec<String>,
}

/// The choices that the select fields of the form offer.
#[derive(Clone)]
pub(crate) struct BookChoices {
    /// `None` if the form is a row in the table of books on the page of an author. Such a row has
    /// no field for the author.
    pub(crate) authors: Option<Choices>,
    genres: Choices,
    languages: Choices,
}

/// The page with the form for a new book.
pub(crate) async fn new(visit: Visit, layout: Layout) -> Result<Response, PageError> {
    let form = Form::default();
    let mut fields = Fields::initial(&form);
    read(&mut fields, BookChoices::load(&visit.app().db).await?);
    create_page(layout, fields)
}

/// Adds a book.
pub(crate) async fn create(visit: Visit, form: Form) -> Result<Response, PageError> {
    let db = &visit.app().db;
    let mut fields = Fields::submitted(&form);
    let Some(book) = read(&mut fields, BookChoices::load(db).await?) else {
        return create_page(Layout::of(&visit).await?, fields);
    };
    let mut db = db.begin_with("BEGIN IMMEDIATE").await?;
    if is_taken(&mut db, &book.isbn, None).await? {
        drop(db);
        fields.error("isbn", ISBN_EXISTS);
        return create_page(Layout::of(&visit).await?, fields);
    }
    let id = book.insert(&mut db).await?;
    db.commit().await?;
    saved(&visit, &book, id, "added").await
}

/// The page with the form for changing a book.
pub(crate) async fn edit(
    visit: Visit,
    RecordId(id): RecordId,
    layout: Layout,
) -> Result<Response, PageError> {
    let db = &visit.app().db;
    let form = stored(db, id).await?;
    let mut fields = Fields::initial(&form);
    read(&mut fields, BookChoices::load(db).await?);
    update_page(layout, id, title_in(&form), fields)
}

/// Changes a book.
pub(crate) async fn update(
    visit: Visit,
    RecordId(id): RecordId,
    form: Form,
) -> Result<Response, PageError> {
    let db = &visit.app().db;
    let before = stored(db, id).await?;
    let mut fields = Fields::submitted(&form);
    let Some(book) = read(&mut fields, BookChoices::load(db).await?) else {
        return update_page(Layout::of(&visit).await?, id, title_in(&before), fields);
    };
    let mut db = db.begin_with("BEGIN IMMEDIATE").await?;
    let isbn_changed = before.get("isbn") != Some(&book.isbn);
    if isbn_changed && is_taken(&mut db, &book.isbn, Some(id)).await? {
        drop(db);
        fields.error("isbn", ISBN_EXISTS);
        return update_page(Layout::of(&visit).await?, id, title_in(&before), fields);
    }
    book.update(&mut db, id).await?;
    db.commit().await?;
    saved(&visit, &book, id, "changed").await
}

/// Adds the fields of the form, and reads and validates their values. Returns `None` if a value is
/// not valid, or if the form is shown for the first time and was not submitted yet.
pub(crate) fn read(fields: &mut Fields<'_>, choices: BookChoices) -> Option<Book> {
    let invalid = InvalidChoice::Unquoted;
    let title = fields.line("title", "Title", MAX_TITLE);
    let author = match choices.authors {
        Some(authors) => fields.choice("author", "Author", authors, None, invalid),
        None => Some(None),
    };
    let summary = fields.text_area("summary", "Summary", MAX_SUMMARY);
    let isbn = fields.line("isbn", "ISBN", usize::MAX);
    fields.help("13 digits, with or without hyphens and spaces.");
    let isbn = isbn.and_then(|typed| read_isbn(fields, &typed));
    let genres = fields.choices("genre", "Genre", choices.genres);
    fields.help("One or more: hold Ctrl (or Command) to choose several.");
    let language = fields.choice("language", "Language", choices.languages, None, invalid);
    let book = Book {
        title: title?,
        author: author?.as_deref().and_then(number),
        summary: summary?,
        isbn: isbn?,
        genres: genres?,
        language: language??,
    };
    fields.are_valid().then_some(book)
}

fn read_isbn(fields: &mut Fields<'_>, typed: &str) -> Option<String> {
    let error = match isbn::parse(typed) {
        Ok(isbn) => return Some(isbn),
        // A text of only hyphens and white space counts as empty.
        Err(IsbnError::Invalid) if typed.chars().all(|c| c == '-' || c.is_whitespace()) => {
            REQUIRED.to_owned()
        }
        Err(IsbnError::Invalid) => ISBN_INVALID.to_owned(),
        Err(IsbnError::TooLong(chars)) => format!(
            "Ensure this value has at most {} characters (it has {chars}).",
            isbn::DIGITS
        ),
    };
    fields.error("isbn", error);
    None
}

impl Book {
    /// Adds the book and returns its id.
    pub(crate) async fn insert(&self, db: &mut SqliteConnection) -> Result<i64, PageError> {
        let insert = sqlx::query_scalar(INSERT)
            .bind(&self.title)
            .bind(&self.summary)
            .bind(&self.isbn)
            .bind(self.author)
            .bind(number(&self.language));
        let id = insert.fetch_one(&mut *db).await?;
        set_genres(db, id, &self.genres).await?;
        Ok(id)
    }

    /// Changes the book with this id to these values.
    ///
    /// # Errors
    /// [`PageError::NotFound`] if there is no such book.
    pub(crate) async fn update(&self, db: &mut SqliteConnection, id: i64) -> Result<(), PageError> {
        let update = sqlx::query(UPDATE)
            .bind(&self.title)
            .bind(&self.summary)
            .bind(&self.isbn)
            .bind(self.author)
            .bind(number(&self.language))
            .bind(id);
        if update.execute(&mut *db).await?.rows_affected() == 0 {
            return Err(PageError::NotFound);
        }
        Ok(set_genres(db, id, &self.genres).await?)
    }
}

impl BookChoices {
    pub(crate) async fn load(db: &SqlitePool) -> Result<Self, sqlx::Error> {
        let authors: Vec<(i64, String, String)> = sqlx::query_as(AUTHORS).fetch_all(db).await?;
        let genres = load_genres(db).await?;
        let languages = load_languages(db).await?;
        let named = |(id, name): (i64, String)| (id.to_string(), name);
        let authors = authors
            .into_iter()
            .map(|(id, last, first)| (id, authors::name(&last, &first)));
        Ok(Self {
            authors: Some(authors.map(named).collect()),
            genres: genres.into_iter().map(named).collect(),
            languages: languages.into_iter().map(named).collect(),
        })
    }
}

/// Parses the id of a record that the visitor chose from a list. All ids in the list are numbers.
fn number(id: &str) -> Option<i64> {
    id.parse().ok()
}

/// Returns whether a book other than the one with the id `own` has this ISBN.
pub(crate) async fn is_taken(
    db: &mut SqliteConnection,
    isbn: &str,
    own: Option<i64>,
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query_scalar(IS_TAKEN).bind(isbn).bind(own);
    taken.fetch_one(db).await
}

/// Sets the genres of a book: deletes its links to other genres, then adds the missing links. An
/// existing link keeps its id.
async fn set_genres(
    db: &mut SqliteConnection,
    book: i64,
    genres: &[String],
) -> Result<(), sqlx::Error> {
    let ids: Vec<i64> = genres.iter().filter_map(|id| number(id)).collect();
    let ids = format!("{ids:?}");
    for statement in [DROP_GENRES, ADD_GENRES] {
        let link = sqlx::query(statement).bind(book).bind(&ids);
        link.execute(&mut *db).await?;
    }
    Ok(())
}

/// Loads a book and returns the values with which its form is filled.
async fn stored(db: &SqlitePool, id: i64) -> Result<Form, PageError> {
    type Row = (String, Option<i64>, String, String, Option<i64>);
    let row: Option<Row> = sqlx::query_as(BOOK).bind(id).fetch_optional(db).await?;
    let (title, author, summary, isbn, language) = row.ok_or(PageError::NotFound)?;
    let genres = sqlx::query_scalar::<_, i64>(GENRES_OF_BOOK).bind(id);
    let genres = genres.fetch_all(db).await?;
    let id_text = |id: Option<i64>| id.map(|id| id.to_string()).unwrap_or_default();
    let values = [
        ("title", title),
        ("author", id_text(author)),
        ("summary", summary),
        ("isbn", isbn),
        ("language", id_text(language)),
    ];
    let genres = genres.into_iter().map(|id| ("genre", id.to_string()));
    Ok(values.into_iter().chain(genres).collect())
}

fn title_in(stored: &Form) -> &str {
    stored.get("title").unwrap_or_default()
}

async fn saved(visit: &Visit, book: &Book, id: i64, done: &str) -> Result<Response, PageError> {
    let session = visit.session().await?;
    visitor::add_message(&session, format!("The book {} was {done}.", book.title))?;
    Ok(redirect(&format!("/catalog/book/{id}")))
}

fn create_page(layout: Layout, fields: Fields<'_>) -> Result<Response, PageError> {
    let page = FormPage::new(layout, "Create book", fields, "Create book");
    Ok(page.back("/catalog/books/").html()?.into_response())
}

fn update_page(
    layout: Layout,
    id: i64,
    name: &str,
    fields: Fields<'_>,
) -> Result<Response, PageError> {
    let page = FormPage::new(layout, format!("Update book: {name}"), fields, "Save");
    let page = page.back(format!("/catalog/book/{id}"));
    Ok(page.html()?.into_response())
}
