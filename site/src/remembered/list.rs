use askama::Template;
use axum::{
    http::header::CACHE_CONTROL,
    response::{Html, IntoResponse, Response},
};

use super::recent::RecentBook;
use crate::{
    date,
    visitor::{self, Scheme},
    web::{error::PageError, layout::Layout, visit::Visit},
};

#[derive(Template)]
#[template(path = "remembered/list.html")]
struct Remembered {
    layout: Layout,
    visits: Option<u64>,
    per_page: Option<u64>,
    scheme: Option<&'static str>,
    notices: Vec<String>,
    recent: Vec<RecentBook>,
    /// The date on which the session expires.
    until: Option<String>,
}

/// The page with the items in the visitor's session.
pub(crate) async fn list(visit: Visit, layout: Layout) -> Result<Response, PageError> {
    let session = visit.session_if_any().await?;
    let session = session.as_ref();
    let recent = RecentBook::load(&visit.app().db, session, None).await?;
    let page = Remembered {
        visits: session.and_then(visitor::visits),
        per_page: session.and_then(visitor::chosen_per_page),
        scheme: layout.scheme().map(Scheme::name),
        notices: session
            .map(|session| visitor::dismissed(session).slugs)
            .unwrap_or_default(),
        recent,
        until: session.map(|session| date::display_day(session.expiry_date())),
        layout,
    };
    Ok(([(CACHE_CONTROL, "no-store")], Html(page.render()?)).into_response())
}

impl Remembered {
    fn is_empty(&self) -> bool {
        let has_items = self.visits.is_some()
            || self.per_page.is_some()
            || self.scheme.is_some()
            || !self.notices.is_empty()
            || !self.recent.is_empty();
        !has_items
    }
}
