use crate::model::Error;

/// A response extension that carries a session error from a handler or an extractor to the session
/// layer.
///
/// The handler stopped halfway. An adapter that finds this extension therefore treats the request
/// as failed: a logout is the only unsaved change to the session that is carried out. The adapter
/// discards the response and answers with the error, as it does when
/// [`finish`](crate::Sessions::finish) fails.
///
/// # Examples
/// ```
/// use cloakroom::{Error, ErrorKind, HandlerError};
/// use http::Response;
///
/// let error = Error::new(ErrorKind::Unavailable, "loading a session: the store is down");
/// let mut response = Response::new("");
/// response.extensions_mut().insert(HandlerError::new(error));
///
/// let found = response.extensions_mut().remove::<HandlerError>().unwrap();
/// assert_eq!(found.into_error().kind(), ErrorKind::Unavailable);
/// ```
#[derive(Clone, Debug)]
pub struct HandlerError {
    error: Error,
    #[cfg(feature = "tower")]
    is_answered: bool,
}

impl HandlerError {
    /// Creates the extension that carries `error` to the session layer.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Error, ErrorKind, HandlerError};
    ///
    /// let marker = HandlerError::new(Error::new(ErrorKind::Full, "saving a session"));
    /// assert_eq!(marker.into_error().kind(), ErrorKind::Full);
    /// ```
    pub fn new(error: Error) -> Self {
        Self {
            error,
            #[cfg(feature = "tower")]
            is_answered: false,
        }
    }

    /// Returns the error.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::{Error, ErrorKind, HandlerError};
    ///
    /// let marker = HandlerError::new(Error::new(ErrorKind::Full, "saving a session"));
    /// assert_eq!(marker.into_error().to_string(), "saving a session");
    /// ```
    pub fn into_error(self) -> Error {
        self.error
    }

    /// Creates the extension of a response that is a session layer's answer to `error`. Outer
    /// session layers leave this response unchanged. When they commit their own sessions, they
    /// treat the request as failed, whatever the status of this response.
    #[cfg(feature = "tower")]
    pub(crate) fn answered(error: Error) -> Self {
        Self {
            error,
            is_answered: true,
        }
    }

    /// Returns whether the response is already a session layer's answer to the error.
    #[cfg(feature = "tower")]
    pub(crate) fn is_answered(&self) -> bool {
        self.is_answered
    }
}
