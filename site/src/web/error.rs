//! The error type of handlers, and the status of the response.

use std::error::Error;

use axum::{
    Extension,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use cloakroom::tower::RequestInfo;

use super::next;
use crate::users::HashingError;

/// The reason why a handler returns no page.
#[derive(Debug)]
pub(crate) enum PageError {
    /// There is no page or record at this address.
    NotFound,
    /// The page does not support the method of the request.
    MethodNotAllowed {
        /// The methods that the page supports, for the header `Allow`.
        allow: &'static str,
    },
    /// The request names a host that is not allowed.
    ForeignHost,
    /// The form is malformed or too large.
    BadForm,
    /// The form has no valid CSRF token, or comes from another site.
    Forged,
    /// The page requires a login. The login page leads back to `next`.
    LogInFirst {
        /// The path and query of the page.
        next: String,
    },
    /// The user does not have the permission that the page requires.
    Forbidden,
    /// The state of the record does not allow the action.
    Conflict {
        /// What happened.
        heading: &'static str,
        /// What to do next.
        text: &'static str,
    },
    /// The session could not be read or written.
    Session(cloakroom::Error),
    /// A fault of the site. The log has the details; the visitor gets a general message.
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

// The responses have no page: a page needs the layout, and the layout needs the request. The layers
// in `error_page` and `visit_layer` add the page.
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
            // The session layer replaces this response with that of `session_failed`.
            Self::Session(error) => error.into_response(),
            Self::Internal(error) => {
                tracing::error!(error, "handling a request");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// Returns the response to a request whose session cannot be read or saved. The response has a
/// status but no page. The session layer calls this function.
pub(crate) fn session_failed(error: &cloakroom::Error, _: &RequestInfo) -> Response {
    error.kind().status().into_response()
}

/// The fallback handler of the router.
pub(crate) async fn not_found() -> PageError {
    PageError::NotFound
}

/// The heading and text of an error page. They replace the general texts for the status.
#[derive(Debug, Clone, Copy)]
pub(super) struct ErrorText(pub(super) &'static str, pub(super) &'static str);

const FORGED: ErrorText = ErrorText(
    "That form could not be accepted",
    "It did not come from a page of this site, or the page was open for too long. Go back, reload \
     the page and send the form again. Allow cookies for this site: it needs a cookie to recognise \
     its own forms.",
);

/// Redirects the browser to a page, for example after a form.
pub(crate) fn redirect(target: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(target) else {
        return PageError::Internal("redirecting: the target contains a line break".into())
            .into_response();
    };
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}
