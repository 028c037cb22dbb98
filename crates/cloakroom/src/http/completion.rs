use http::StatusCode;

/// How the service behind the sessions ended a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Completion {
    /// With a response of this status.
    Response(StatusCode),
    /// With an error instead of a response.
    Error,
    /// With a panic.
    Panicked,
    /// Its future was dropped, for instance because the browser hung up.
    Dropped,
}

impl Completion {
    /// Whether the request failed, so that only a logout is carried out. A 5xx is a failure, as in Django; a 4xx is not.
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
