use askama::Template;
use axum::{
    http::header::CACHE_CONTROL,
    response::{Html, IntoResponse, Response},
};

use crate::web::{error::PageError, layout::Layout, visit::Visit};

#[derive(Template)]
#[template(path = "accounts/logged_out.html")]
struct LoggedOut {
    layout: Layout,
}

/// Ends the session of this browser and shows a page that confirms the logout. Ignores the
/// parameter `next`.
pub(crate) async fn logout(visit: Visit) -> Result<Response, PageError> {
    if let Some(session) = visit.session_if_any().await? {
        visit.app().auth.log_out(&session)?;
    }
    let page = LoggedOut {
        layout: Layout::of(&visit).await?,
    };
    Ok(([(CACHE_CONTROL, "no-store")], Html(page.render()?)).into_response())
}
