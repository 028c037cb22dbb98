use std::time::Duration;

/// How long the site waits for others. The program has no flags for them: they suit every visitor, and tests shorten them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the headers of a request, from the first moment in which one may be sent: an idle connection is closed after as
    /// long.
    pub headers: Duration,
    /// For a request, from its headers to its answer, with all that is read and looked up in between.
    pub request: Duration,
    /// For a visitor to take the next byte of an answer.
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
