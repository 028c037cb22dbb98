//! Method routers that answer OPTIONS, and that respond 405 with `Allow` to unsupported methods.

use axum::{
    handler::Handler,
    http::{StatusCode, header::ALLOW},
    response::IntoResponse,
    routing::{MethodRouter, get, post as post_method},
};

use super::error::PageError;

const READ: &str = "GET, HEAD, OPTIONS";
const FORM: &str = "GET, HEAD, POST, OPTIONS";
const POST: &str = "POST, OPTIONS";

/// Routes a page that is only read. HEAD runs the same handler and drops the body.
pub(crate) fn read<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    only(READ, get(handler))
}

/// Routes a page with a form: `show` handles GET, `submit` handles POST.
pub(crate) fn form<G, P, T, U, S>(show: G, submit: P) -> MethodRouter<S>
where
    G: Handler<T, S>,
    P: Handler<U, S>,
    T: 'static,
    U: 'static,
    S: Clone + Send + Sync + 'static,
{
    only(FORM, get(show).post(submit))
}

/// Routes an action without a page, which accepts POST only.
pub(crate) fn post<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    only(POST, post_method(handler))
}

fn only<S: Clone + Send + Sync + 'static>(
    allow: &'static str,
    methods: MethodRouter<S>,
) -> MethodRouter<S> {
    methods
        .options(async move || options(allow))
        .fallback(async move || PageError::MethodNotAllowed { allow })
}

fn options(allow: &'static str) -> impl IntoResponse {
    (StatusCode::NO_CONTENT, [(ALLOW, allow)])
}
