//! Extractors for axum 0.8, and [`Error`] as a response.

use std::convert::Infallible;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use super::tower::{OnError, PlainText, log};
use crate::http::HandlerError;
use crate::model::{Error, Result};
use crate::session::{Session, SessionHandle};

/// Loads the session: the one await of a handler that uses it.
///
/// # Errors
/// As [`SessionHandle::open`], and [`Config`](crate::ErrorKind::Config) if no session layer wraps the route. The layer's
/// `on_error` answers them.
impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        SessionHandle::of(&parts.extensions)?.open().await
    }
}

/// The session only if the browser has one that is alive; without a cookie there is no store call.
impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>> {
        SessionHandle::of(&parts.extensions)?.open_existing().await
    }
}

/// The session unopened: for a middleware, or a handler that needs it only sometimes.
impl<S: Sync> FromRequestParts<S> for SessionHandle {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Self::of(&parts.extensions)
    }
}

/// The handle, if a session layer wraps the route.
impl<S: Sync> OptionalFromRequestParts<S> for SessionHandle {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}

/// The layer's `on_error` answers it; without a layer, plain text does.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        log(&self);
        let mut response: Response = PlainText.response(&self, &());
        response.extensions_mut().insert(HandlerError::new(self));
        response
    }
}
