use askama::Template;
use axum::{extract::State, http::Method, response::Html};
use cloakroom::Session;

use crate::{
    remembered::RecentBook,
    state::AppState,
    visitor,
    web::{error::PageError, layout::Layout, static_files},
};

const COUNTS: &str = "\
    SELECT (SELECT COUNT(*) FROM catalog_book), \
    (SELECT COUNT(*) FROM catalog_bookinstance), \
    (SELECT COUNT(*) FROM catalog_bookinstance WHERE status = 'a'), \
    (SELECT COUNT(*) FROM catalog_author), \
    (SELECT COUNT(*) FROM catalog_genre)";

#[derive(Template)]
#[template(path = "home/index.html")]
struct Home {
    layout: Layout,
    shelf: &'static str,
    books: i64,
    copies: i64,
    copies_available: i64,
    authors: i64,
    genres: i64,
    visits: u64,
    recent: Vec<RecentBook>,
}

/// The home page with the number of visits by this browser.
pub(crate) async fn index(
    State(app): State<AppState>,
    method: Method,
    session: Session,
    layout: Layout,
) -> Result<Html<String>, PageError> {
    let visits = visitor::count_visit(&session, &method)?;
    let (books, copies, copies_available, authors, genres) =
        sqlx::query_as(COUNTS).fetch_one(&app.db).await?;
    let recent = RecentBook::load(&app.db, Some(&session), None).await?;
    let page = Home {
        recent,
        layout,
        shelf: static_files::url("shelf.svg"),
        books,
        copies,
        copies_available,
        authors,
        genres,
        visits,
    };
    Ok(Html(page.render()?))
}
