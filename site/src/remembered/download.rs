use axum::{
    http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use crate::{
    visitor::FORGETTABLE,
    web::{error::PageError, visit::Visit},
};

/// Sends a JSON file with the username, and with those items of the session that a visitor can
/// delete. The file does not contain the session key.
pub(crate) async fn download(visit: Visit) -> Result<Response, PageError> {
    let mut items = Map::new();
    if let Some(user) = visit.user().await? {
        items.insert("username".to_owned(), Value::from(user.username.as_str()));
    }
    if let Some(session) = visit.session_if_any().await? {
        for name in FORGETTABLE {
            if let Ok(Some(value)) = session.get::<Value>(name) {
                items.insert(name.to_owned(), value);
            }
        }
    }
    let text = serde_json::to_string_pretty(&items);
    let text = text.map_err(|error| PageError::Internal(error.into()))?;
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (
            CONTENT_DISPOSITION,
            "attachment; filename=\"remembered-by-local-library.json\"",
        ),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, text).into_response())
}
