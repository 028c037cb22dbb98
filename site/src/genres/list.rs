use askama::Template;
use axum::{extract::State, response::Html};

use crate::{
    application::AppState,
    web::{
        error::PageError,
        layout::Layout,
        paging::{Asked, Paging},
    },
};

const COUNT: &str = "SELECT COUNT(*) FROM catalog_genre";

const PAGE: &str = "SELECT id, name FROM catalog_genre ORDER BY name, id LIMIT ? OFFSET ?";

#[derive(Template)]
#[template(path = "genres/list.html")]
struct Genres {
    layout: Layout,
    paging: Paging,
    genres: Vec<(i64, String)>,
}

/// All genres by name.
pub(crate) async fn list(
    State(app): State<AppState>,
    layout: Layout,
    asked: Asked,
) -> Result<Html<String>, PageError> {
    let total = sqlx::query_scalar(COUNT).fetch_one(&app.db).await?;
    let paging = Paging::new(asked, total, layout.per_page())?;
    let rows = sqlx::query_as(PAGE)
        .bind(paging.limit())
        .bind(paging.offset());
    let genres = rows.fetch_all(&app.db).await?;
    Ok(Html(
        Genres {
            layout,
            paging,
            genres,
        }
        .render()?,
    ))
}
