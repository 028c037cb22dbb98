use askama::Template;
use axum::{extract::State, response::Html};

use super::{CopyId, Standing};
use crate::{
    application::AppState,
    date, languages,
    visitor::PER_PAGE,
    web::{
        error::PageError,
        layout::Layout,
        paging::{Asked, Paging},
    },
};

const COUNT: &str = "SELECT COUNT(*) FROM catalog_bookinstance";

const PAGE: &str = "\
    SELECT c.id, b.title, l.name, c.status, c.due_back FROM catalog_bookinstance c \
    LEFT JOIN catalog_book b ON b.id = c.book_id \
    LEFT JOIN catalog_language l ON l.id = b.language_id \
    ORDER BY c.due_back IS NOT NULL, c.due_back, c.id LIMIT ? OFFSET ?";

type CopyRow = (
    String,
    Option<String>,
    Option<String>,
    String,
    Option<String>,
);

#[derive(Template)]
#[template(path = "copies/list.html")]
struct Copies {
    layout: Layout,
    paging: Paging,
    copies: Vec<Copy>,
}

struct Copy {
    id: CopyId,
    title: String,
    lang: Option<&'static str>,
    standing: Standing,
}

/// All copies by due date, those without one first.
pub(crate) async fn list(
    State(app): State<AppState>,
    layout: Layout,
    asked: Asked,
) -> Result<Html<String>, PageError> {
    let total = sqlx::query_scalar(COUNT).fetch_one(&app.db).await?;
    let paging = Paging::new(asked, total, PER_PAGE)?;
    let rows = sqlx::query_as::<_, CopyRow>(PAGE)
        .bind(paging.limit())
        .bind(paging.offset());
    let today = date::today();
    let to_copy = |(id, title, language, status, due): CopyRow| Copy {
        id: CopyId::stored(id),
        title: title.unwrap_or_else(|| "Unknown book".to_owned()),
        lang: languages::tag(language.as_deref()),
        standing: Standing::new(&status, due, today),
    };
    let copies = rows
        .fetch_all(&app.db)
        .await?
        .into_iter()
        .map(to_copy)
        .collect();
    Ok(Html(
        Copies {
            layout,
            paging,
            copies,
        }
        .render()?,
    ))
}
