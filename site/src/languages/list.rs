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

const COUNT: &str = "SELECT COUNT(*) FROM catalog_language";

const PAGE: &str = "SELECT id, name FROM catalog_language ORDER BY name, id LIMIT ? OFFSET ?";

#[derive(Template)]
#[template(path = "languages/list.html")]
struct Languages {
    layout: Layout,
    paging: Paging,
    languages: Vec<(i64, String)>,
}

/// All languages by name.
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
    let languages = rows.fetch_all(&app.db).await?;
    Ok(Html(
        Languages {
            layout,
            paging,
            languages,
        }
        .render()?,
    ))
}
