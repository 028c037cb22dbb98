use cloakroom::Result;

use super::store::DjangoTable;
use crate::builder::Builder;

impl Builder<DjangoTable> {
    /// Opens the file, creates the file if it is missing, and starts the threads.
    ///
    /// The table need not exist yet: see [`DjangoTable::migrate`].
    ///
    /// The call blocks the thread for a few milliseconds. The first call of a process logs a
    /// warning if the program is linked with an SQLite that has the
    /// [WAL-reset bug](crate#beside-other-sqlite-crates).
    ///
    /// # Errors
    /// * [`Config`](cloakroom::ErrorKind::Config) if an option is out of range, the file is not an
    ///   SQLite database, or the linked SQLite is older than 3.38.
    /// * [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the file cannot be opened or
    ///   written.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_sqlite::DjangoTable;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("db.sqlite3");
    /// let store = DjangoTable::builder(&path).readers(4).open()?;
    /// assert!(path.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(self) -> Result<DjangoTable> {
        DjangoTable::start(self.checked()?)
    }
}
