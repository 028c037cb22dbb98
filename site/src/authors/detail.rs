use askama::Template;
use axum::{extract::State, response::Html};

use super::{lifespan::Lifespan, name::name};
use crate::{
    books::Cover,
    language_tag,
    state::AppState,
    users::Permission::{ChangeAuthor, DeleteAuthor},
    web::{error::PageError, layout::Layout, record_id::RecordId},
};

const AUTHOR: &str = "\
    SELECT last_name, first_name, date_of_birth, date_of_death FROM catalog_author WHERE id = ?";

const BOOKS: &str = "\
    SELECT b.id, b.title, b.summary, l.name, \
    (SELECT COUNT(*) FROM catalog_bookinstance c WHERE c.book_id = b.id) FROM catalog_book b \
    LEFT JOIN catalog_language l ON l.id = b.language_id \
    WHERE b.author_id = ? ORDER BY b.title, b.id";

type AuthorRow = (String, String, Option<String>, Option<String>);

type BookRow = (i64, String, String, Option<String>, i64);

#[derive(Template)]
#[template(path = "authors/detail.html")]
struct Author {
    layout: Layout,
    id: i64,
    name: String,
    lifespan: Lifespan,
    books: Vec<Book>,
}

struct Book {
    id: i64,
    title: String,
    summary: String,
    lang: Option<&'static str>,
    copies: i64,
    cover: Cover,
}

/// The page of an author, with their books.
pub(crate) async fn detail(
    State(app): State<AppState>,
    RecordId(id): RecordId,
    layout: Layout,
) -> Result<Html<String>, PageError> {
    let author = sqlx::query_as::<_, AuthorRow>(AUTHOR)
        .bind(id)
        .fetch_optional(&app.db)
        .await?;
    let (last, first, born, died) = author.ok_or(PageError::NotFound)?;
    let books = sqlx::query_as::<_, BookRow>(BOOKS)
        .bind(id)
        .fetch_all(&app.db)
        .await?;

    let name = name(&last, &first);
    let to_book = |(id, title, summary, language, copies): BookRow| Book {
        id,
        cover: Cover::of(&title, &name),
        title,
        summary,
        lang: language_tag::of_language(language.as_deref()),
        copies,
    };
    let books = books.into_iter().map(to_book).collect();
    let lifespan = Lifespan::new(born.as_deref(), died.as_deref());
    Ok(Html(
        Author {
            layout,
            id,
            lifespan,
            books,
            name,
        }
        .render()?,
    ))
}
