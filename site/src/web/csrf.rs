//! The layer that reads submitted forms and refuses forged ones.

use axum::{
    body::Body,
    extract::Request,
    middleware::{self, Next},
    response::Response,
    routing::MethodRouter,
};
use cloakroom_django::auth::csrf::{FIELD, Incoming};

use super::{error::PageError, form::Form, visit::Visit};
use crate::state::AppState;

/// Wraps a page in the CSRF check, which refuses requests that another site made the browser send.
/// The check runs before all other checks of the page.
pub(crate) fn against_forgery(methods: MethodRouter<AppState>) -> MethodRouter<AppState> {
    methods.layer(middleware::from_fn(
        async |visit: Visit, request: Request, next: Next| -> Result<Response, PageError> {
            let request = check(&visit, request).await?;
            Ok(next.run(request).await)
        },
    ))
}

/// Reads the form of a request whose method is not GET, HEAD or OPTIONS. Refuses the request if the
/// form was not sent by a page of this site.
///
/// # Errors
/// [`PageError::BadForm`] if the form cannot be read, [`PageError::Forged`] if the check fails.
async fn check(visit: &Visit, request: Request) -> Result<Request, PageError> {
    if request.method().is_safe() && *request.method() != http::Method::TRACE {
        return Ok(request);
    }
    let (mut parts, body) = request.into_parts();
    let form = Form::read(&parts.headers, body).await?;
    let app = visit.app();
    let incoming = Incoming {
        method: &parts.method,
        headers: &parts.headers,
        https: app.base_url.is_https(),
        host: &visit.host(),
        form_token: form.get(FIELD),
    };
    let secret = visit.secret().current();
    if let Err(refusal) = app.csrf.check(&incoming, secret.as_ref()) {
        tracing::info!("refusing a form: {refusal}");
        return Err(PageError::Forged);
    }
    parts.extensions.insert(form);
    Ok(Request::from_parts(parts, Body::empty()))
}
