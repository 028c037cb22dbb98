//! The name of a request, by which its lines in the log and its answer are found together.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::secret::random_alphanumeric;

/// The header in which a request may bring a name, and in which every answer has it.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name that is taken from a request: a UUID fits, and a log cannot be filled with one.
const MAX_CHARS: usize = 64;

/// Characters of a name made here: enough that no two requests in a log have the same.
const GENERATED_CHARS: usize = 16;

/// Where the system has no randomness: requests go on without names.
const FALLBACK: &str = "none";

/// The name of a request: letters, digits and hyphens.
#[derive(Debug, Clone)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// The name that the request brings, from a proxy for example, or a new one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(HEADER).filter(|name| is_valid(name.as_bytes()));
        Self(given.cloned().unwrap_or_else(generate))
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().expect("checked or made of letters")
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_valid(name: &[u8]) -> bool {
    let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    (1..=MAX_CHARS).contains(&name.len()) && name.iter().all(is_name_byte)
}

fn generate() -> HeaderValue {
    let id = random_alphanumeric(GENERATED_CHARS).ok();
    let id = id.and_then(|id| HeaderValue::try_from(id).ok());
    id.unwrap_or(HeaderValue::from_static(FALLBACK))
}
