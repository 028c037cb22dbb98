use std::time::Duration;

/// The time limits of the site. They have no flags, since the defaults suit all visitors. Tests set
/// shorter limits.
///
/// ```
/// use std::time::Duration;
///
/// use locallibrary::config::Limits;
///
/// let limits = Limits { request: Duration::from_secs(5), ..Limits::default() };
/// assert_eq!(limits.headers, Duration::from_secs(30));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The time for the headers of a request, counted from the moment when the connection is ready
    /// for a request. An idle connection is closed after the same time.
    pub headers: Duration,
    /// The time from the headers of a request to its response. It includes reading the body.
    pub request: Duration,
    /// The time that a client has to read the next part of a response.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            headers: Duration::from_secs(30),
            request: Duration::from_secs(30),
            write: Duration::from_secs(60),
        }
    }
}
