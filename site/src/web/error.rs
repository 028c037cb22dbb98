//! Pages that could not be given, and the page that says so.

use std::error::Error;

use askama::Template;
use axum::{
    Extension,
    extract::Request,
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use cloakroom::tower::RequestInfo;
use http::HeaderValue;

use super::{layout::Layout, next, request_id::RequestId};

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
    /// A form that breaks off, or is larger than forms may be.
    BadForm,
    /// A form without a valid token, or from another site.
    Forged,
    /// The page is for users; this visitor may log in and come back to `next`.
    LogInFirst {
        /// The path and query of the page.
        next: String,
    },
    /// The user is not allowed to do this.
    Forbidden,
    /// The record is not as it would have to be.
    Conflict {
        /// What is in the way.
        heading: &'static str,
        /// What to do about it.
        text: &'static str,
    },
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
            Self::ForeignHost | Self::BadForm => StatusCode::BAD_REQUEST.into_response(),
            Self::Forged => (StatusCode::FORBIDDEN, Extension(FORGED)).into_response(),
            Self::LogInFirst { next } => redirect(&next::login(&next)),
            Self::Forbidden => StatusCode::FORBIDDEN.into_response(),
            Self::Conflict { heading, text } => {
                (StatusCode::CONFLICT, Extension(Words(heading, text))).into_response()
            }
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
pub(crate) fn session_failed(error: &cloakroom::Error, _: &RequestInfo) -> Response {
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
    /// What to quote when asking about a fault of the site.
    reference: Option<RequestId>,
}

/// Turns every bare error that nobody else made a page of into one for a visitor of whom nothing is known.
pub(crate) async fn in_the_layout(request: Request, next: Next) -> Response {
    let layout = Layout::bare(request.uri());
    let method = request.method().clone();
    let id = request.extensions().get().cloned();
    let response = next.run(request).await;
    match needs_a_page(&response) {
        true => page(response, layout, &method, id),
        false => response,
    }
}

/// Whether this is an error without a page.
pub(super) fn needs_a_page(response: &Response) -> bool {
    let status = response.status();
    (status.is_client_error() || status.is_server_error()) && !is_html(response)
}

/// Turns a bare error, whoever made it, into a page.
pub(super) fn page(
    mut response: Response,
    layout: Layout,
    method: &Method,
    id: Option<RequestId>,
) -> Response {
    let Words(heading, text) = match response.extensions().get::<Words>() {
        Some(&words) => words,
        None => words(response.status()),
    };
    let page = match (ErrorPage {
        layout,
        heading,
        text,
        reference: id.filter(|_| response.status().is_server_error()),
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
    let body = match *method {
        Method::HEAD => String::new(),
        _ => page,
    };
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

/// A heading and a sentence for the visitor, where the status alone does not say enough.
#[derive(Debug, Clone, Copy)]
struct Words(&'static str, &'static str);

const FORGED: Words = Words(
    "That form could not be accepted",
    "It did not come from a page of this site, or the page was open for too long. Go back, reload the page and send \
     the form again. This site needs a cookie to tell its own forms from forged ones: please allow it.",
);

/// The answer that sends the browser to a page after a form.
pub(crate) fn redirect(target: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(target) else {
        return PageError::Internal("a redirect that is not one line".into()).into_response();
    };
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

fn words(status: StatusCode) -> Words {
    let (heading, text) = match status {
        StatusCode::FORBIDDEN => (
            "You cannot open this page",
            "Your account does not have the permission for it. A librarian may be able to help.",
        ),
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
    };
    Words(heading, text)
}
