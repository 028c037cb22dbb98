use askama::Template;
use axum::{extract::State, response::Html};

use super::card::{BookCard, CardRow};
use crate::{
    state::AppState,
    web::{
        error::PageError,
        layout::Layout,
        paging::{Paging, RequestedPage},
    },
};

const COUNT: &str = "SELECT COUNT(*) FROM catalog_book";

const PAGE: &str = "\
    SELECT b.id, b.title, a.last_name, a.first_name, l.name FROM catalog_book b \
    LEFT JOIN catalog_author a ON a.id = b.author_id \
    LEFT JOIN catalog_language l ON l.id = b.language_id \
    ORDER BY b.title, a.last_name, a.first_name, b.id LIMIT ? OFFSET ?";

#[derive(Template)]
#[template(path = "books/list.html")]
struct Books {
    layout: Layout,
    paging: Paging,
    books: Vec<BookCard>,
}

/// The page with all books, ordered by title.
pub(crate) async fn list(
    State(app): State<AppState>,
    layout: Layout,
    asked: RequestedPage,
) -> Result<Html<String>, PageError> {
    let total = sqlx::query_scalar(COUNT).fetch_one(&app.db).await?;
    let paging = Paging::new(asked, total, layout.per_page())?;
    let rows = sqlx::query_as::<_, CardRow>(PAGE)
        .bind(paging.limit())
        .bind(paging.offset());
    let books = rows
        .fetch_all(&app.db)
        .await?
        .into_iter()
        .map(BookCard::from)
        .collect();
    Ok(Html(
        Books {
            layout,
            paging,
            books,
        }
        .render()?,
    ))
}
