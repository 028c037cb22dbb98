use askama::Template;
use axum::{extract::State, response::Html};

use super::LANGUAGES;
use crate::{
    accounts::Permission::{ChangeLanguage, DeleteLanguage},
    application::AppState,
    books::{BookCard, CardRow},
    web::{
        error::PageError,
        layout::Layout,
        paging::{Asked, Paging},
        record_id::RecordId,
    },
};

const COUNT: &str = "SELECT COUNT(*) FROM catalog_book WHERE language_id = ?";

const PAGE: &str = "\
    SELECT b.id, b.title, a.last_name, a.first_name, l.name FROM catalog_book b \
    JOIN catalog_language l ON l.id = b.language_id \
    LEFT JOIN catalog_author a ON a.id = b.author_id \
    WHERE l.id = ? \
    ORDER BY b.title, a.last_name, a.first_name, b.id LIMIT ? OFFSET ?";

#[derive(Template)]
#[template(path = "languages/detail.html")]
struct Language {
    layout: Layout,
    id: i64,
    paging: Paging,
    name: String,
    books: Vec<BookCard>,
}

/// One language, with its books by title.
pub(crate) async fn detail(
    State(app): State<AppState>,
    RecordId(id): RecordId,
    layout: Layout,
    asked: Asked,
) -> Result<Html<String>, PageError> {
    let name = LANGUAGES.name(&app.db, id).await?;
    let total = sqlx::query_scalar(COUNT)
        .bind(id)
        .fetch_one(&app.db)
        .await?;
    let paging = Paging::new(asked, total, layout.per_page())?;
    let rows = sqlx::query_as::<_, CardRow>(PAGE);
    let rows = rows.bind(id).bind(paging.limit()).bind(paging.offset());
    let books = rows
        .fetch_all(&app.db)
        .await?
        .into_iter()
        .map(BookCard::from)
        .collect();
    Ok(Html(
        Language {
            layout,
            id,
            paging,
            name,
            books,
        }
        .render()?,
    ))
}
