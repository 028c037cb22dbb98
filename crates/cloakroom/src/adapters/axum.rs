//! Extractors for axum 0.8, and [`Error`] as a response.

use std::convert::Infallible;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use super::tower::{PlainText, log};
use crate::http::HandlerError;
use crate::model::{Error, Result};
use crate::session::{Session, SessionHandle};

/// Loads the session of the request. Reading and editing it needs no further `await`.
///
/// # Errors
/// As [`SessionHandle::open`], and [`Config`](crate::ErrorKind::Config) if no session layer wraps
/// the route. The layer's `on_error` function creates the response.
impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        SessionHandle::of(&parts.extensions)?.open().await
    }
}

/// Loads the session only if the browser has a live one. Makes no store call if the browser sent no
/// key.
impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>> {
        SessionHandle::of(&parts.extensions)?.open_existing().await
    }
}

/// Returns the handle without opening the session. For middleware, and for handlers that do not
/// always need the session.
impl<S: Sync> FromRequestParts<S> for SessionHandle {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Self::of(&parts.extensions)
    }
}

/// Returns the handle, or `None` if no session layer wraps the route.
impl<S: Sync> OptionalFromRequestParts<S> for SessionHandle {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}

/// Lets a handler return a session's error. The layer's `on_error` function creates the response;
/// without a layer, the response is plain text.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        log(&self);
        let mut response = PlainText.answer(&self).map(Body::from);
        response.extensions_mut().insert(HandlerError::new(self));
        response
    }
}
