use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;

use cloakroom::Result;

use crate::options::{Options, Synchronous};
use crate::store::SqliteStore;

/// The options of a store, returned by [`SqliteStore::builder`] and, with the feature `django`, by
/// `DjangoTable::builder`.
///
/// # Examples
/// ```
/// use cloakroom::store::Store;
/// use cloakroom_sqlite::{SqliteStore, Synchronous};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("site.sqlite");
/// let staff = SqliteStore::builder(&path).table("staff_session").open()?;
/// let visitors = SqliteStore::builder(&path).synchronous(Synchronous::Normal).open()?;
///
/// assert!(staff.guarantees().durable);
/// assert!(!visitors.guarantees().durable);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder<S = SqliteStore> {
    options: Options,
    store: PhantomData<fn() -> S>,
}

impl<S> Builder<S> {
    pub(crate) fn new(path: &Path, table: &str) -> Self {
        Self {
            options: Options::new(path, table),
            store: PhantomData,
        }
    }

    /// Sets how many threads load sessions. Defaults to 2; must be between 1 and 64.
    ///
    /// Each thread has a connection with a page cache of up to 2 MB. A load takes about ten
    /// microseconds, so two threads are enough for most machines. More threads help if the file is
    /// larger than memory.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::ErrorKind;
    /// use cloakroom_sqlite::SqliteStore;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("sessions.sqlite");
    /// assert!(SqliteStore::builder(&path).readers(8).open().is_ok());
    ///
    /// let error = SqliteStore::builder(&path).readers(0).open().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Config);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn readers(mut self, readers: usize) -> Self {
        self.options.readers = readers;
        self
    }

    /// Sets how long a call waits for a lock that another connection holds. Defaults to 5 s.
    ///
    /// The other connection may belong to another process, or to the application in this process.
    ///
    /// A save may wait up to twice this long if it is queued behind another save that waits for the
    /// lock. The session layer (the crate `cloakroom`) also limits the time of a call, but its
    /// error does not name the lock as the cause. To get the error of the store instead, set
    /// [`SessionsBuilder::timeout`](cloakroom::SessionsBuilder::timeout) to more than twice the
    /// busy timeout.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// use cloakroom::ErrorKind;
    /// use cloakroom::store::Store;
    /// use cloakroom_sqlite::SqliteStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("sessions.sqlite");
    /// let store = SqliteStore::builder(&path).busy_timeout(Duration::from_millis(50)).open()?;
    ///
    /// let application = rusqlite::Connection::open(&path)?;
    /// application.execute_batch("BEGIN IMMEDIATE")?; // locks the database
    ///
    /// # let key = cloakroom::StoreKey::new(&[1; 32]);
    /// let error = store.delete(&key).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Unavailable);
    /// # Ok(())
    /// # }
    /// ```
    pub fn busy_timeout(mut self, busy_timeout: Duration) -> Self {
        self.options.busy_timeout = busy_timeout;
        self
    }

    /// Sets the table that stores the sessions. Defaults to `cloakroom_session`, or to
    /// `django_session` for a `DjangoTable`.
    ///
    /// Stores with different tables can share a file; they never see each other's sessions. A valid
    /// name is an ASCII letter or `_`, followed by up to 62 ASCII letters, digits and `_`.
    /// Names that begin with `sqlite_` and the name `cloakroom_schema` are reserved. SQLite ignores
    /// the case of a name.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::ErrorKind;
    /// use cloakroom_sqlite::SqliteStore;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("site.sqlite");
    /// assert!(SqliteStore::builder(&path).table("staff_session").open().is_ok());
    ///
    /// let error = SqliteStore::builder(&path).table("staff sessions").open().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Config);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.options.table = name.into();
        self
    }

    /// Returns the options, or an error if one of them is invalid.
    pub(crate) fn checked(self) -> Result<Options> {
        self.options.check()?;
        Ok(self.options)
    }
}

impl Builder {
    /// Sets whether a commit waits until its data is on the disk. Defaults to
    /// [`Synchronous::Full`], which waits.
    ///
    /// # Examples
    /// ```
    /// use cloakroom::store::Store;
    /// use cloakroom_sqlite::{SqliteStore, Synchronous};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("sessions.sqlite");
    /// let store = SqliteStore::builder(&path).synchronous(Synchronous::Normal).open()?;
    /// assert!(!store.guarantees().durable);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.options.synchronous = synchronous;
        self
    }

    /// Opens the file, creates the file and the table if they are missing, and starts the threads.
    ///
    /// The call blocks the thread for a few milliseconds. If it has to create the table while
    /// another process holds a lock, it blocks for up to the [`busy_timeout`](Self::busy_timeout).
    ///
    /// The first call of a process logs a warning if the program is linked with an SQLite that has
    /// the [WAL-reset bug](crate#beside-other-sqlite-crates).
    ///
    /// # Errors
    /// * [`Config`](cloakroom::ErrorKind::Config) if an option is out of range, the file is not an
    ///   SQLite database, the table was created by another program or by a newer version of this
    ///   crate, or the linked SQLite is older than 3.38.
    /// * [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the file cannot be opened or
    ///   written, or if another connection keeps it locked.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_sqlite::SqliteStore;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("sessions.sqlite");
    /// let store = SqliteStore::builder(&path).readers(4).open()?;
    /// assert!(path.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(self) -> Result<SqliteStore> {
        SqliteStore::start(self.checked()?)
    }
}
