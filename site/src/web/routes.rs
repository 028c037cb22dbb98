//! The map of the site: which address is which page.

use axum::{
    Router,
    extract::RawQuery,
    http::{StatusCode, header::LOCATION},
    middleware,
    response::IntoResponse,
    routing::{MethodRouter, any},
};

use super::{error, headers, hosts, methods::read, static_files};
use crate::{application::AppState, authors, books, copies, genres, home, languages};

/// All pages, inside what happens to every request.
pub(crate) fn router(state: AppState) -> Router {
    Router::new()
        .route("/", any(async || moved_to("/catalog/".to_owned())))
        .merge(page("/catalog/", read(home::index)))
        .merge(page("/catalog/books/", read(books::list)))
        .merge(page("/catalog/book/{id}", read(books::detail)))
        .merge(page("/catalog/authors/", read(authors::list)))
        .merge(page("/catalog/author/{id}", read(authors::detail)))
        .merge(page("/catalog/genres/", read(genres::list)))
        .merge(page("/catalog/genre/{id}", read(genres::detail)))
        .merge(page("/catalog/languages/", read(languages::list)))
        .merge(page("/catalog/language/{id}", read(languages::detail)))
        .merge(page("/catalog/bookinstances/", read(copies::list)))
        .merge(page("/catalog/bookinstance/{id}", read(copies::detail)))
        .route("/static/{name}", static_files::route())
        .fallback(error::not_found)
        // From here on the last is the outermost: a refused host gets the site's error page, and its headers.
        .layer(state.sessions.layer().on_error(error::session_failed))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            hosts::refuse_foreign,
        ))
        .layer(middleware::from_fn(error::in_the_layout))
        .layer(middleware::map_response(headers::add))
        .with_state(state)
}

/// A page; if its path ends in a slash, the path without it leads there.
fn page(path: &'static str, methods: MethodRouter<AppState>) -> Router<AppState> {
    let router = Router::new().route(path, methods);
    match path.strip_suffix('/') {
        // The target is made of the path written above, not of the one asked for, so it cannot leave the site.
        Some(bare) => router.route(
            bare,
            any(async |RawQuery(query)| moved_to(with_query(path, query))),
        ),
        None => router,
    }
}

fn with_query(path: &str, query: Option<String>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

fn moved_to(target: String) -> impl IntoResponse {
    (StatusCode::MOVED_PERMANENTLY, [(LOCATION, target)])
}
