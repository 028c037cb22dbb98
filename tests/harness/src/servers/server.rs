use std::fmt;

use super::private::Private;

/// A running server. A private one stops when this is dropped, or when the process ends in any other way.
pub struct Server {
    url: String,
    /// Its processes; none of an existing server.
    pub(super) processes: Vec<Private>,
}

impl Server {
    /// Where it is, in the words that stores take.
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
    // Without the URL, which may hold the password of an existing server.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}
