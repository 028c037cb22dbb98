use std::fmt;

use super::private::Private;

/// A running server. A server that this crate has started stops when this value is dropped or the
/// process of the test ends.
pub struct Server {
    url: String,
    /// The processes that this crate has started; empty for an existing server.
    pub(super) processes: Vec<Private>,
}

impl Server {
    /// Returns the URL of the server, in the form that the stores of this workspace accept.
    ///
    /// # Examples
    /// ```no_run
    /// let Some(server) = cloakroom_harness::servers::memcached() else { return };
    ///
    /// assert!(server.url().starts_with("memcached://"));
    /// ```
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn private(url: String, processes: Vec<Private>) -> Self {
        Self { url, processes }
    }

    pub(super) fn existing(url: String) -> Self {
        Self {
            url,
            processes: Vec::new(),
        }
    }
}

impl fmt::Debug for Server {
    // Omits the URL, which may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}
