use askama::Template;
use axum::{extract::State, response::Html};

use super::{availability::Availability, id::CopyId};
use crate::{
    authors,
    books::Cover,
    date, language_tag,
    state::AppState,
    users::Permission::{ChangeCopy, DeleteCopy, MarkReturned},
    web::{error::PageError, layout::Layout},
};

const COPY: &str = "\
    SELECT c.imprint, c.status, c.due_back, b.id, b.title, l.name, a.id, a.last_name, a.first_name \
    FROM catalog_bookinstance c \
    LEFT JOIN catalog_book b ON b.id = c.book_id \
    LEFT JOIN catalog_language l ON l.id = b.language_id \
    LEFT JOIN catalog_author a ON a.id = b.author_id \
    WHERE c.id = ?";

type CopyRow = (
    String,
    String,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<String>,
);

#[derive(Template)]
#[template(path = "copies/detail.html")]
struct Copy {
    layout: Layout,
    id: CopyId,
    imprint: String,
    availability: Availability,
    book_id: Option<i64>,
    title: String,
    lang: Option<&'static str>,
    author_id: Option<i64>,
    author: String,
    cover: Cover,
}

/// The page of a copy.
pub(crate) async fn detail(
    State(app): State<AppState>,
    id: CopyId,
    layout: Layout,
) -> Result<Html<String>, PageError> {
    let copy = sqlx::query_as::<_, CopyRow>(COPY).bind(id.as_stored());
    let (imprint, status, due, book_id, title, language, author_id, last_name, first_name) = copy
        .fetch_optional(&app.db)
        .await?
        .ok_or(PageError::NotFound)?;
    let title = title.unwrap_or_else(|| "Unknown book".to_owned());
    let author = authors::name_or_unknown(last_name, first_name);
    let page = Copy {
        layout,
        id,
        imprint,
        availability: Availability::new(&status, due, date::today()),
        book_id,
        cover: Cover::of(&title, &author),
        title,
        lang: language_tag::of_language(language.as_deref()),
        author_id,
        author,
    };
    Ok(Html(page.render()?))
}
