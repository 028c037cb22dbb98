//! The response of an endpoint that fails.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

pub(crate) enum Failure {
    Refused { status: StatusCode, why: String },
    Sessions(cloakroom::Error),
}

impl Failure {
    pub(crate) fn new(status: StatusCode, why: &str) -> Self {
        let why = why.to_owned();
        Self::Refused { status, why }
    }
}

impl From<cloakroom::Error> for Failure {
    fn from(error: cloakroom::Error) -> Self {
        Self::Sessions(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Refused { status, why } => {
                let body = serde_json::json!({ "error": why });
                (status, body.to_string()).into_response()
            }
            // The library chooses the status, by the kind of error.
            Self::Sessions(error) => error.into_response(),
        }
    }
}
