use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};

use super::error::PageError;

/// The id of a record in the path. Rejects a path with 404 if its id is not a number, or is too
/// large for the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordId(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for RecordId {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let RecordNumber(text) = RecordNumber::from_request_parts(parts, state).await?;
        text.parse().map(Self).map_err(|_| PageError::NotFound)
    }
}

/// The digits of a number in the path. Rejects other text with 404.
pub(crate) struct RecordNumber(String);

impl<S: Send + Sync> FromRequestParts<S> for RecordNumber {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let text = path_param(parts, state).await?;
        // `parse` would also accept a sign.
        match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => Ok(Self(text)),
            false => Err(PageError::NotFound),
        }
    }
}

/// Returns the only parameter of the path, decoded. Fails with 404 if it is not UTF-8.
pub(crate) async fn path_param<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<String, PageError> {
    let params = RawPathParams::from_request_parts(parts, state).await;
    let params = params.map_err(|_| PageError::NotFound)?;
    let (_, value) = params.iter().next().ok_or(PageError::NotFound)?;
    Ok(value.to_owned())
}
