//! Error pages: adds a page to error responses that have none.

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
    /// The id of the request, with which a visitor can report a fault of the site.
    reference: Option<RequestId>,
}

/// Adds a page to every error response that has none. The page has the layout for an unknown
/// visitor.
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

/// Returns whether `response` is an error without a page.
pub(super) fn needs_page(response: &Response) -> bool {
    let status = response.status();
    (status.is_client_error() || status.is_server_error()) && !is_html(response)
}

/// Adds a page with `layout` to an error response.
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
            tracing::error!(error = &error as &dyn Error, "rendering an error page");
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
    // The response to HEAD has the length of the page, although it has no body.
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
            "Your account does not have permission for it. Ask a librarian for help.",
        ),
        StatusCode::NOT_FOUND => (
            "Page not found",
            "There is nothing at this address. It may be mistyped, or the record may have been \
             deleted. Check the address, or search the catalogue.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => (
            "This address cannot be used that way",
            "The address is right, but it does not accept this kind of request. Go back and use \
             the links and forms of the site.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "One moment, please",
            "The library cannot look up its records right now. Please try again in a few seconds.",
        ),
        status if status.is_client_error() => (
            "That request could not be understood",
            "This site does not understand a part of it. Go back and try again.",
        ),
        _ => (
            "Something went wrong here",
            "The fault is on our side and has been logged. Please try again in a moment.",
        ),
    };
    ErrorText(heading, text)
}
