//! The layer that creates the [`Visit`] of a request.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header::CACHE_CONTROL},
    middleware::Next,
    response::Response,
};
use cloakroom::SessionHandle;

use super::{error_page, layout::Layout, visit::Visit};
use crate::state::AppState;

/// Creates the [`Visit`] of a request. Adds an error page, the CSRF cookie and `Cache-Control` to
/// the response if it needs them.
pub(crate) async fn begin(
    State(app): State<AppState>,
    handle: SessionHandle,
    mut request: Request,
    next: Next,
) -> Response {
    let visit = Visit::new(app, handle, &request);
    let id = request.extensions().get().cloned();
    request.extensions_mut().insert(visit.clone());
    let mut response = next.run(request).await;
    if error_page::needs_page(&response) {
        let layout = Layout::of(&visit).await;
        // If loading the layout fails as well, an outer layer adds a page for an unknown visitor.
        if let Ok(layout) = layout {
            response = error_page::page(response, layout, visit.method(), id);
        }
    }
    let is_for_user = visit.known_user().is_some();
    let headers = response.headers_mut();
    let used_token = visit.secret().add_cookie(&visit.app().csrf, headers);
    if !headers.contains_key(CACHE_CONTROL) {
        if is_for_user {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        } else if used_token {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        }
    }
    response
}
