use http::StatusCode;

/// How the inner service ended a request.
///
/// An adapter passes it to [`Sessions::finish`](crate::Sessions::finish). A [`StatusCode`] converts
/// into it.
///
/// A request has failed if its response is a 5xx, as in Django, or if it has no response. A 4xx is
/// not a failure.
///
/// # Examples
/// ```
/// use cloakroom::Completion;
/// use http::StatusCode;
///
/// let completion = Completion::from(StatusCode::OK);
/// assert_eq!(completion, Completion::Response(StatusCode::OK));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Completion {
    /// With a response that has this status.
    Response(StatusCode),
    /// With an error instead of a response.
    Error,
    /// With a panic.
    Panicked,
    /// Not at all: the future of the request was dropped, for example because the browser closed
    /// the connection.
    Dropped,
}

impl Completion {
    /// Returns whether the request failed. After a failure, a logout is the only unsaved change to
    /// the session that is carried out.
    pub(crate) fn is_failure(self) -> bool {
        match self {
            Self::Response(status) => status.is_server_error(),
            Self::Error | Self::Panicked | Self::Dropped => true,
        }
    }
}

impl From<StatusCode> for Completion {
    fn from(status: StatusCode) -> Self {
        Self::Response(status)
    }
}
