//! The page of an answer that is an error and has none yet.

use std::error::Error;

use askama::Template;
use axum::{
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};

use super::{error::ErrorText, layout::Layout, request_id::RequestId};

#[derive(Template)]
#[template(path = "errors/error.html")]
struct ErrorPage {
    layout: Layout,
    heading: &'static str,
    text: &'static str,
    /// What to quote when asking about a fault of the site.
    reference: Option<RequestId>,
}

/// Gives every error that has no page yet the page of a visitor who is not known.
pub(crate) async fn in_the_layout(request: Request, next: Next) -> Response {
    let layout = Layout::bare(request.uri());
    let method = request.method().clone();
    let id = request.extensions().get().cloned();
    let response = next.run(request).await;
    match needs_page(&response) {
        true => page(response, layout, &method, id),
        false => response,
    }
}

/// Whether this is an error without a page.
pub(super) fn needs_page(response: &Response) -> bool {
    let status = response.status();
    (status.is_client_error() || status.is_server_error()) && !is_html(response)
}

/// Gives an error its page.
pub(super) fn page(
    mut response: Response,
    layout: Layout,
    method: &Method,
    id: Option<RequestId>,
) -> Response {
    let ErrorText(heading, text) = match response.extensions().get::<ErrorText>() {
        Some(&text) => text,
        None => text_of(response.status()),
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

fn text_of(status: StatusCode) -> ErrorText {
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
    ErrorText(heading, text)
}
