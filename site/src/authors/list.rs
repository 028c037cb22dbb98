use askama::Template;
use axum::{extract::State, response::Html};

use super::{lifespan::Lifespan, name::name};
use crate::{
    state::AppState,
    web::{
        error::PageError,
        layout::Layout,
        paging::{Paging, RequestedPage},
    },
};

const COUNT: &str = "SELECT COUNT(*) FROM catalog_author";

const PAGE: &str = "\
    SELECT id, last_name, first_name, date_of_birth, date_of_death FROM catalog_author \
    ORDER BY last_name, first_name, id LIMIT ? OFFSET ?";

type AuthorRow = (i64, String, String, Option<String>, Option<String>);

#[derive(Template)]
#[template(path = "authors/list.html")]
struct Authors {
    layout: Layout,
    paging: Paging,
    authors: Vec<Author>,
}

struct Author {
    id: i64,
    name: String,
    lifespan: Lifespan,
}

/// The page with all authors, ordered by name.
pub(crate) async fn list(
    State(app): State<AppState>,
    layout: Layout,
    asked: RequestedPage,
) -> Result<Html<String>, PageError> {
    let total = sqlx::query_scalar(COUNT).fetch_one(&app.db).await?;
    let paging = Paging::new(asked, total, layout.per_page())?;
    let rows = sqlx::query_as::<_, AuthorRow>(PAGE)
        .bind(paging.limit())
        .bind(paging.offset());
    let to_author = |(id, last, first, born, died): AuthorRow| Author {
        id,
        name: name(&last, &first),
        lifespan: Lifespan::new(born.as_deref(), died.as_deref()),
    };
    let authors = rows
        .fetch_all(&app.db)
        .await?
        .into_iter()
        .map(to_author)
        .collect();
    Ok(Html(
        Authors {
            layout,
            paging,
            authors,
        }
        .render()?,
    ))
}
