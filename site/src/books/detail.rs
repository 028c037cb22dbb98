use askama::Template;
use axum::{http::Method, response::Html};

use super::cover::Cover;
use crate::{
    authors,
    copies::{Availability, CopyId},
    date, language_tag,
    remembered::RecentBook,
    users::Permission::{ChangeBook, DeleteBook},
    visitor,
    web::{error::PageError, layout::Layout, record_id::RecordId, visit::Visit},
};

const BOOK: &str = "\
    SELECT b.title, b.summary, b.isbn, a.id, a.last_name, a.first_name, l.id, l.name \
    FROM catalog_book b \
    LEFT JOIN catalog_author a ON a.id = b.author_id \
    LEFT JOIN catalog_language l ON l.id = b.language_id \
    WHERE b.id = ?";

const GENRES: &str = "\
    SELECT g.id, g.name FROM catalog_genre g \
    JOIN catalog_book_genre bg ON bg.genre_id = g.id \
    WHERE bg.book_id = ? ORDER BY g.name, g.id";

// Copies without a due date come first. The statement orders NULLs explicitly, because databases
// differ in their default order.
const COPIES: &str = "\
    SELECT id, imprint, status, due_back FROM catalog_bookinstance \
    WHERE book_id = ? ORDER BY due_back IS NOT NULL, due_back, id";

type BookRow = (
    String,
    String,
    String,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<String>,
);

type CopyRow = (String, String, String, Option<String>);

#[derive(Template)]
#[template(path = "books/detail.html")]
struct Book {
    layout: Layout,
    title: String,
    summary: String,
    isbn: String,
    author_id: Option<i64>,
    author: String,
    language: Option<Language>,
    lang: Option<&'static str>,
    cover: Cover,
    genres: Vec<(i64, String)>,
    copies: Vec<Copy>,
    id: i64,
    recent: Vec<RecentBook>,
}

struct Language {
    id: i64,
    name: String,
}

struct Copy {
    id: CopyId,
    imprint: String,
    availability: Availability,
}

/// The page of a book, with its copies.
pub(crate) async fn detail(
    visit: Visit,
    RecordId(id): RecordId,
    layout: Layout,
) -> Result<Html<String>, PageError> {
    let app = visit.app();
    let book = sqlx::query_as::<_, BookRow>(BOOK)
        .bind(id)
        .fetch_optional(&app.db)
        .await?;
    let (title, summary, isbn, author_id, last_name, first_name, language_id, language) =
        book.ok_or(PageError::NotFound)?;
    let genres = sqlx::query_as(GENRES).bind(id).fetch_all(&app.db).await?;
    let copies = sqlx::query_as::<_, CopyRow>(COPIES)
        .bind(id)
        .fetch_all(&app.db)
        .await?;

    let today = date::today();
    let to_copy = |(id, imprint, status, due): CopyRow| Copy {
        id: CopyId::stored(id),
        imprint,
        availability: Availability::new(&status, due, today),
    };
    let author = authors::name_or_unknown(last_name, first_name);
    let recent = RecentBook::load(&app.db, layout.session(), Some(id)).await?;
    let page = Book {
        layout,
        id,
        recent,
        cover: Cover::of(&title, &author),
        title,
        summary,
        isbn,
        author_id,
        author,
        lang: language_tag::of_language(language.as_deref()),
        language: language_id
            .zip(language)
            .map(|(id, name)| Language { id, name }),
        genres,
        copies: copies.into_iter().map(to_copy).collect(),
    };
    let page = page.render()?;
    if *visit.method() == Method::GET {
        remember(&visit, id).await?;
    }
    Ok(Html(page))
}

/// Adds the book to the visitor's recently viewed books. If the session can't be loaded or saved,
/// ignores the error, so that the page is sent anyway.
async fn remember(visit: &Visit, id: i64) -> Result<(), PageError> {
    let session = match visit.session().await {
        Ok(session) => session,
        Err(PageError::Session(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    visitor::remember_book(&session, id)?;
    if session.is_modified()
        && let Err(error) = session.save().await
    {
        tracing::warn!("saving the recently viewed books: {error:#}");
    }
    Ok(())
}
