use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloakroom::{Error, ErrorKind, Result};

use crate::store::SqliteStore;
use crate::table_name;

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

/// The options themselves, whichever store they are for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) path: PathBuf,
    pub(crate) table: String,
    pub(crate) readers: usize,
    pub(crate) synchronous: Synchronous,
    pub(crate) busy_timeout: Duration,
}

impl Options {
    pub(crate) fn new(path: &Path, table: &str) -> Self {
        Self {
            path: path.to_owned(),
            table: table.to_owned(),
            readers: 2,
            synchronous: Synchronous::default(),
            busy_timeout: Duration::from_secs(5),
        }
    }

    fn check(&self) -> Result<()> {
        if !(1..=MAX_READERS).contains(&self.readers) {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "`readers({})` is out of range: an SQLite store has 1 to {MAX_READERS}",
                    self.readers
                ),
            ));
        }
        table_name::check(&self.table)
    }
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
    /// Each is one thread with one connection and its page cache of up to 2 MB. A load takes some ten microseconds,
    /// so two threads serve more requests than most machines can; more help when the file is larger than memory.
    pub fn readers(mut self, readers: usize) -> Self {
        self.options.readers = readers;
        self
    }

    /// How long a call waits while another process, or another part of this one, keeps the database locked; 5 s by
    /// default.
    ///
    /// A save that comes while another one is already waiting may wait twice as long. Let the timeout of the
    /// session layer be the longer one: its error knows less.
    pub fn busy_timeout(mut self, busy_timeout: Duration) -> Self {
        self.options.busy_timeout = busy_timeout;
        self
    }

    /// The table that the sessions are in; `cloakroom_session` by default. For a `DjangoTable`, with
    /// the feature `django`, it is `django_session`.
    ///
    /// Session layers with different tables share a file and never see each other's sessions. A name is a letter or
    /// `_`, then up to 62 letters, digits and `_`, and SQLite takes no notice of its case.
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
    /// It blocks for a few milliseconds, and for up to the [`busy_timeout`](Self::busy_timeout) if there is a table
    /// to be made while another process holds the file.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if an option is out of its range, or the file is not one that this version can
    /// use: no SQLite database, a table that is not ours, a table that a newer version has made.
    /// [`Unavailable`](ErrorKind::Unavailable) if the file cannot be opened or written, or is locked.
    pub fn open(self) -> Result<SqliteStore> {
        SqliteStore::start(self.checked()?)
    }
}

/// What a commit waits for: the price of a save against what a power cut may take back.
///
/// The end of the process takes nothing back with either.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Synchronous {
    /// An acknowledged save survives a power cut. The price is one flush to the disk per group of commits: a
    /// millisecond or so on a good disk, which saves that come at the same time share.
    #[default]
    Full,
    /// A save waits for no disk. A power cut may take back the saves of the last moments, and with them a logout or
    /// a revocation; the file stays sound. The store no longer says that it is
    /// [durable](cloakroom::store::Guarantees::durable).
    Normal,
}

const MAX_READERS: usize = 64;
