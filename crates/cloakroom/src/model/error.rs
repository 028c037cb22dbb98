use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;

/// What every fallible function of this crate and of the store crates returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something did not happen: a [`kind`](Self::kind) for programs, a sentence for people, and the cause.
///
/// The sentence says what was being done, to what, what went wrong and what to do. It never holds a key or a
/// value of a session. `{}` prints the sentence alone and `{:#}` the chain of causes behind it.
///
/// # Examples
/// ```
/// use cloakroom::{Error, ErrorKind};
///
/// let cause = std::io::Error::other("disk I/O error");
/// let error = Error::new(ErrorKind::Unavailable, "saving a session in the ledger").with_source(cause);
///
/// assert_eq!(error.kind(), ErrorKind::Unavailable);
/// assert_eq!(error.to_string(), "saving a session in the ledger");
/// assert_eq!(format!("{error:#}"), "saving a session in the ledger: disk I/O error");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

impl Error {
    /// An error of this kind; `message` follows the pattern that the type's documentation gives.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    /// The same error with the cause behind it, for [`source`](StdError::source).
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Arc::new(Inner {
            kind: self.0.kind,
            message: self.0.message.clone(),
            source: Some(source.into()),
        }))
    }

    /// What went wrong, in a form to match on.
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
    /// The store could not be reached or could not do its work; trying again later may help.
    Unavailable,
    /// The store did not answer within the configured time; trying again later may help.
    Timeout,
    /// The store has no room for another session.
    Full,
    /// Others kept saving the same session first, more often than the bound allows.
    Conflict,
    /// The session was logged out, moved or expired while this request was working on it. Nothing was saved.
    Interrupted,
    /// A value is not of the type that was asked for, or cannot be written as JSON.
    BadValue,
    /// The session would be larger than the limit.
    TooLarge,
    /// A stored entry cannot be read.
    Corrupt,
    /// The request is over: its edits have been committed, and this one came too late.
    Finished,
    /// The store or the format cannot do this; its guarantees say so.
    Unsupported,
    /// Options that do not fit together, or a session asked for where no session layer is.
    Config,
    /// The operating system gave no random numbers.
    Random,
}

impl ErrorKind {
    /// Whether a call of a store that failed in this way may have been carried out, or may still be.
    pub(crate) fn may_have_happened(self) -> bool {
        matches!(self, Self::Unavailable | Self::Timeout)
    }

    /// The status with which a service answers a request that failed in this way.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Unavailable | Self::Timeout | Self::Full | Self::Conflict | Self::Random => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Interrupted => StatusCode::BAD_REQUEST,
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
    fn the_cause_is_a_source_and_not_part_of_the_sentence() {
        let error = Error::new(ErrorKind::Timeout, "loading a session").with_source("a cause");

        assert_eq!(error.to_string(), "loading a session");
        assert_eq!(
            error.source().map(ToString::to_string).as_deref(),
            Some("a cause")
        );
        assert_eq!(format!("{error:?}"), "Timeout(loading a session: a cause)");
    }
}
