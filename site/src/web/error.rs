//! Why a request gets no page, and the status of the answer.

use std::error::Error;

use axum::{
    Extension,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use cloakroom::tower::RequestInfo;

use super::next;
use crate::users::HashingError;

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

impl From<HashingError> for PageError {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Random(error) => Self::Session(error),
            HashingError::Stopped(error) => Self::Internal(error),
        }
    }
}

impl From<askama::Error> for PageError {
    fn from(error: askama::Error) -> Self {
        Self::Internal(error.into())
    }
}

// Only the status is decided here. The page needs the layout, and so the request: see `error_page`.
impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND.into_response(),
            Self::MethodNotAllowed { allow } => {
                (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allow)]).into_response()
            }
            Self::ForeignHost | Self::BadForm => StatusCode::BAD_REQUEST.into_response(),
            Self::Forged => (StatusCode::FORBIDDEN, Extension(FORGED)).into_response(),
            Self::LogInFirst { next } => redirect(&next::login_path(&next)),
            Self::Forbidden => StatusCode::FORBIDDEN.into_response(),
            Self::Conflict { heading, text } => {
                (StatusCode::CONFLICT, Extension(ErrorText(heading, text))).into_response()
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

/// A heading and a sentence for the visitor, where the status alone does not say enough.
#[derive(Debug, Clone, Copy)]
pub(super) struct ErrorText(pub(super) &'static str, pub(super) &'static str);

const FORGED: ErrorText = ErrorText(
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
