//! JSON bodies of requests and responses. Numbers of any size, `NaN` and unpaired surrogates pass
//! through unchanged, as in sessions.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use cloakroom::session::{Items, Value};
use cloakroom_django::wire::json;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// The object in the body of a request.
pub(crate) struct Body(Items);

impl Body {
    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, Failure> {
        self.value(name)?
            .get()
            .map_err(|_| bad(&format!("`{name}` has the wrong type")))
    }

    pub(crate) fn value(&self, name: &str) -> Result<Value, Failure> {
        let value = self.0.get(name);
        value
            .cloned()
            .ok_or_else(|| bad(&format!("`{name}` is missing")))
    }

    /// Returns the name of an item, which may be any Python string. Parses it as the key of an
    /// object, because [`json::read`] accepts any Python string there.
    pub(crate) fn key(&self) -> Result<String, Failure> {
        let text = self.value("key")?;
        let object = [b"{", &**text.as_json()?, b":0}"].concat();
        let items = json::read(&object).map_err(|_| bad("`key` is not text"))?;
        let name = items.iter().next().map(|(name, _)| name.to_string());
        name.ok_or_else(|| bad("`key` is not text"))
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|error| bad(&error.to_string()))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| bad("the body is not UTF-8"))?;
        let text = if text.is_empty() { "{}" } else { text };
        let read = json::read(ascii(text).as_bytes());
        read.map(Self).map_err(|_| bad("the body is not JSON"))
    }
}

/// Escapes every character beyond ASCII, because [`json::read`] would read its bytes as Latin-1.
fn ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_ascii() {
            true => ascii.push(character),
            false => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    ascii.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    ascii
}

/// The object in the body of a response.
#[derive(Default)]
pub(crate) struct Answer(Items);

impl Answer {
    pub(crate) fn ok() -> Result<Self, Failure> {
        Self::default().with("ok", true)
    }

    pub(crate) fn with(self, name: &'static str, value: impl Serialize) -> Result<Self, Failure> {
        Ok(self.with_value(name, Value::of(&value)?))
    }

    pub(crate) fn with_value(mut self, name: &'static str, value: Value) -> Self {
        self.0.set(name.into(), value);
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match json::write(&self.0) {
            Ok(text) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
            Err(error) => Failure::from(error).into_response(),
        }
    }
}

/// Returns the items as a JSON list, in which each item is a list of its name and its value.
pub(crate) fn pairs(items: impl Iterator<Item = (String, Value)>) -> Result<Value, Failure> {
    let mut text = Vec::from(b"[");
    for (name, value) in items {
        let mut item = Items::new();
        item.set(name.into(), value);
        // `{"name":value}` becomes `["name",value]`.
        let object = json::write(&item)?;
        let (name, value) = split(&object);
        if text.len() > 1 {
            text.push(b',');
        }
        text.extend_from_slice(format!("[{name},{value}]").as_bytes());
    }
    text.push(b']');
    Ok(Value::from_json(text.into()))
}

/// Splits an object with one member into its name and its value.
fn split(object: &str) -> (&str, &str) {
    let inside = &object[1..object.len() - 1];
    let mut escaped = false;
    let end = inside.bytes().skip(1).position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    let (name, value) = inside.split_at(end.map_or(inside.len(), |end| end + 2));
    (name, value.strip_prefix(':').unwrap_or(value))
}

pub(crate) fn bad(why: &str) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, why)
}
