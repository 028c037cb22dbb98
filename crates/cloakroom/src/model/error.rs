use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;

/// The result of every fallible function of this crate and of the store crates.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: a [`kind`](Self::kind) to match on, a message, and optionally the cause.
///
/// The message has the form "doing something: what went wrong; what to do", in lower case and
/// without a full stop. It never contains a key or a value of a session. `{}` prints the message
/// alone, and `{:#}` appends the chain of causes. Cheap to clone.
///
/// # Examples
/// ```
/// use cloakroom::{Error, ErrorKind};
///
/// let cause = std::io::Error::other("disk I/O error");
/// let error = Error::new(ErrorKind::Unavailable, "saving a session in the ledger");
/// let error = error.with_source(cause);
///
/// assert_eq!(error.kind(), ErrorKind::Unavailable);
/// assert_eq!(error.to_string(), "saving a session in the ledger");
/// assert_eq!(format!("{error:#}"), "saving a session in the ledger: disk I/O error");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

impl Error {
    /// Creates an error. `message` follows the form that is described at [`Error`].
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Full, "saving a session: the disk is full");
    /// assert_eq!(error.kind(), ErrorKind::Full);
    /// ```
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    /// Adds the cause, which [`source`](StdError::source) returns.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Unavailable, "loading a session");
    /// let error = error.with_source("broken pipe");
    /// assert_eq!(format!("{error:#}"), "loading a session: broken pipe");
    /// ```
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Arc::new(Inner {
            kind: self.0.kind,
            message: self.0.message.clone(),
            source: Some(source.into()),
        }))
    }

    /// Returns what went wrong, in a form to match on.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Error, ErrorKind, SessionTag};
    ///
    /// let error: Error = "not a tag".parse::<SessionTag>().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::BadValue);
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if f.alternate() {
            let mut cause = self.source();
            while let Some(error) = cause {
                write!(f, ": {error}")?;
                cause = error.source();
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self:#})", self.0.kind)
    }
}

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What went wrong, in a form to match on; see [`Error::kind`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store could not be reached or failed. Trying again later may help.
    Unavailable,
    /// The store did not answer within the configured time. Trying again later may help.
    Timeout,
    /// The store has no room for another session.
    Full,
    /// Every permitted try failed, because concurrent changes to the session came first.
    Conflict,
    /// The session was logged out, moved or expired during this request. Nothing was saved.
    Interrupted,
    /// The user already has as many sessions as
    /// [`max_sessions`](crate::SessionsBuilder::max_sessions) allows. Nothing was saved.
    TooManySessions,
    /// The client has begun as many sessions without a login as
    /// [`max_new_sessions`](crate::SessionsBuilder::max_new_sessions) allows. Nothing was saved.
    TooManyNewSessions,
    /// A value does not have the requested type, or cannot be represented in the stored form.
    BadValue,
    /// The session is larger than the limit.
    TooLarge,
    /// A stored entry cannot be read.
    Corrupt,
    /// The edit came too late: the request is over, or a save of the session has failed.
    Finished,
    /// The store or the format does not support this operation.
    Unsupported,
    /// The options contradict each other, or no session layer is installed for the request.
    Config,
    /// The operating system provided no random numbers.
    Random,
}

impl ErrorKind {
    /// Returns whether a store call that failed this way may have taken effect, or may still take
    /// effect later.
    pub(crate) fn may_have_happened(self) -> bool {
        matches!(self, Self::Unavailable | Self::Timeout)
    }

    /// Returns the status with which a service answers a request that failed this way.
    ///
    /// It is 503 if trying again may help, 400 for [`Interrupted`](Self::Interrupted), 403 for
    /// [`TooManySessions`](Self::TooManySessions), 429 for
    /// [`TooManyNewSessions`](Self::TooManyNewSessions), and 500 otherwise.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::ErrorKind;
    ///
    /// assert_eq!(ErrorKind::Timeout.status(), 503);
    /// assert_eq!(ErrorKind::Interrupted.status(), 400);
    /// assert_eq!(ErrorKind::Corrupt.status(), 500);
    /// ```
    pub fn status(self) -> StatusCode {
        match self {
            Self::Unavailable | Self::Timeout | Self::Full | Self::Conflict | Self::Random => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Interrupted => StatusCode::BAD_REQUEST,
            Self::TooManySessions => StatusCode::FORBIDDEN,
            Self::TooManyNewSessions => StatusCode::TOO_MANY_REQUESTS,
            Self::BadValue
            | Self::TooLarge
            | Self::Corrupt
            | Self::Finished
            | Self::Unsupported
            | Self::Config => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_the_source_and_not_part_of_the_message() {
        let error = Error::new(ErrorKind::Timeout, "loading a session").with_source("a cause");

        assert_eq!(error.to_string(), "loading a session");
        assert_eq!(
            error.source().map(ToString::to_string).as_deref(),
            Some("a cause")
        );
        assert_eq!(format!("{error:?}"), "Timeout(loading a session: a cause)");
    }
}
