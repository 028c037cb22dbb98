use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;

use cloakroom::Result;

use crate::options::{Options, Synchronous};
use crate::store::SqliteStore;

/// The options of a store; made by [`SqliteStore::builder`], and with the feature `django` by
/// `DjangoTable::builder`.
///
/// # Examples
/// ```
/// use cloakroom_sqlite::{SqliteStore, Synchronous};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("site.sqlite");
/// let staff = SqliteStore::builder(&path).table("staff_session").open()?;
/// let visitors = SqliteStore::builder(&path).synchronous(Synchronous::Normal).open()?;
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

    /// How many threads load sessions; 2 by default, 1 to 64.
    ///
    /// Each is one thread with one connection and its page cache of up to 2 MB. A load takes some
    /// ten microseconds, so two threads serve more requests than most machines can; more help when
    /// the file is larger than memory.
    pub fn readers(mut self, readers: usize) -> Self {
        self.options.readers = readers;
        self
    }

    /// How long a call waits while another process, or another part of this one, keeps the database
    /// locked; 5 s by default.
    ///
    /// A save that comes while another one is already waiting may wait twice as long. Let the
    /// timeout of the session layer be the longer one: its error knows less.
    pub fn busy_timeout(mut self, busy_timeout: Duration) -> Self {
        self.options.busy_timeout = busy_timeout;
        self
    }

    /// The table that the sessions are in; `cloakroom_session` by default. For a `DjangoTable`,
    /// with the feature `django`, it is `django_session`.
    ///
    /// Session layers with different tables share a file and never see each other's sessions. A
    /// name is a letter or `_`, then up to 62 letters, digits and `_`, and SQLite takes no notice
    /// of its case.
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.options.table = name.into();
        self
    }

    /// The options, if all of them can be used.
    pub(crate) fn checked(self) -> Result<Options> {
        self.options.check()?;
        Ok(self.options)
    }
}

impl Builder {
    /// What a commit waits for; [`Synchronous::Full`] by default.
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.options.synchronous = synchronous;
        self
    }

    /// Opens the file, makes the table if it is not there, and starts the threads.
    ///
    /// It blocks for a few milliseconds, and for up to the [`busy_timeout`](Self::busy_timeout) if
    /// there is a table to be made while another process holds the file.
    ///
    /// # Errors
    /// [`Config`](cloakroom::ErrorKind::Config) if an option is out of its range, or the file is
    /// not one that this version can use: no SQLite database, a table that is not ours, a table
    /// that a newer version has made. [`Unavailable`](cloakroom::ErrorKind::Unavailable) if the
    /// file cannot be opened or written, or is locked.
    pub fn open(self) -> Result<SqliteStore> {
        SqliteStore::start(self.checked()?)
    }
}
