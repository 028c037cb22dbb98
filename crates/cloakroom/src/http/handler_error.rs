use crate::model::Error;

/// A session's error that a handler or an extractor returned, on its way to the session layer in the extensions of the
/// response.
///
/// An adapter that finds one drops the handler's response and answers the error, as it does when
/// [`finish`](crate::Sessions::finish) fails. The handler stopped halfway, so its edits do not count.
#[derive(Clone, Debug)]
pub struct HandlerError(Error);

impl HandlerError {
    /// Marks a response as the answer to this error.
    pub fn new(error: Error) -> Self {
        Self(error)
    }

    /// Returns the error.
    pub fn into_error(self) -> Error {
        self.0
    }
}
