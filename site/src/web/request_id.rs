//! The id of a request. It is in the log lines of the request and in the headers of its response.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::secret::random_alphanumeric;

/// The header that contains the id, in requests and responses.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The length of the longest id that is accepted from a request. A UUID fits, but a client can't
/// flood the log.
const MAX_CHARS: usize = 64;

/// The length of a generated id, long enough to be unique in a log.
const GENERATED_CHARS: usize = 16;

/// The id of every request if the system provides no random numbers.
const FALLBACK: &str = "none";

/// The id of a request: letters, digits and hyphens.
#[derive(Debug, Clone)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// Returns the id in the headers, for example from a proxy, or else generates one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(HEADER).filter(|id| is_valid(id.as_bytes()));
        Self(given.cloned().unwrap_or_else(generate))
    }

    pub(super) fn as_str(&self) -> &str {
        self.0
            .to_str()
            .expect("ids are ASCII letters, digits and hyphens")
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

fn is_valid(id: &[u8]) -> bool {
    let is_id_byte = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    (1..=MAX_CHARS).contains(&id.len()) && id.iter().all(is_id_byte)
}

fn generate() -> HeaderValue {
    let id = random_alphanumeric(GENERATED_CHARS).ok();
    let id = id.and_then(|id| HeaderValue::try_from(id).ok());
    id.unwrap_or(HeaderValue::from_static(FALLBACK))
}
