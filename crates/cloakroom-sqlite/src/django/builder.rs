use cloakroom::Result;

use super::store::DjangoTable;
use crate::builder::Builder;

impl Builder<DjangoTable> {
    /// Opens the file and starts the threads. It makes no table, and need not find one: see
    /// [`DjangoTable::migrate`].
    ///
    /// It blocks for a few milliseconds.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if an option is out of its range, or the file is no
    /// SQLite database. [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the file cannot be
    /// opened or written.
    pub fn open(self) -> Result<DjangoTable> {
        DjangoTable::start(self.checked()?)
    }
}
