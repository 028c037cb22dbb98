//! Pages that could not be given, and the page that says so.

use std::error::Error;

use askama::Template;
use axum::{
    extract::Request,
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use http::HeaderValue;

use super::layout::Layout;

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum PageError {
    /// There is nothing at this address.
    NotFound,
    /// The page exists, but not for this method.
    MethodNotAllowed {
        /// The methods that it does answer.
        allow: &'static str,
    },
    /// The request was meant for another host.
    ForeignHost,
    /// The session could not be read or written.
    Session(cloakroom::Error),
    /// Our fault; told to the log, not to the visitor.
    Internal(Box<dyn Error + Send + Sync>),
}

impl From<cloakroom::Error> for PageError {
    fn from(error: cloakroom::Error) -> Self {
        Self::Session(error)
    }
}

impl From<sqlx::Error> for PageError {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<askama::Error> for PageError {
    fn from(error: askama::Error) -> Self {
        Self::Internal(error.into())
    }
}

// Only the status is decided here. What the visitor sees needs the layout, and so the request: `in_the_layout` adds it.
impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND.into_response(),
            Self::MethodNotAllowed { allow } => {
                (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allow)]).into_response()
            }
            Self::ForeignHost => StatusCode::BAD_REQUEST.into_response(),
            // The session layer answers it, with the status alone: see `session_failed`.
            Self::Session(error) => error.into_response(),
            Self::Internal(error) => {
                tracing::error!(error, "making a page");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// The session layer's answer when a session cannot be read or saved.
pub(crate) fn session_failed(error: &cloakroom::Error) -> Response {
    error.kind().status().into_response()
}

/// The answer to an address that the map of the site does not have.
pub(crate) async fn not_found() -> PageError {
    PageError::NotFound
}

#[derive(Template)]
#[template(path = "errors/error.html")]
struct ErrorPage {
    layout: Layout,
    heading: &'static str,
    text: &'static str,
}

/// Turns every bare error, whoever made it, into a page with the layout of the site.
pub(crate) async fn in_the_layout(request: Request, next: Next) -> Response {
    let layout = Layout::of(request.uri());
    let is_head = request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || is_html(&response) {
        return response;
    }

    let (heading, text) = words(status);
    let page = match (ErrorPage {
        layout,
        heading,
        text,
    })
    .render()
    {
        Ok(page) => page,
        Err(error) => {
            tracing::error!(error = &error as &dyn Error, "making an error page");
            heading.to_owned()
        }
    };
    let length = HeaderValue::from(page.len());
    let body = if is_head { String::new() } else { page };
    let (parts, body) = Html(body).into_response().into_parts();
    let headers = response.headers_mut();
    headers.extend(parts.headers);
    // Of the page, also where HEAD leaves the page out.
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.body_mut() = body;
    response
}

fn is_html(response: &Response) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
}

fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::NOT_FOUND => (
            "Page not found",
            "There is nothing at this address. It may have been mistyped, or the record may have left the catalogue.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => (
            "This page is only for reading",
            "The address is right, but it does not take what was sent to it.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "One moment, please",
            "The library cannot look up its records just now. Please try again in a few seconds.",
        ),
        status if status.is_client_error() => (
            "That request could not be understood",
            "Something in it does not make sense to this site. Going back and trying again may help.",
        ),
        _ => (
            "Something went wrong here",
            "The fault is on our side and has been written down. Please try again in a moment.",
        ),
    }
}
