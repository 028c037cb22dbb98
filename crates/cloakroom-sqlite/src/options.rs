use std::path::{Path, PathBuf};
use std::time::Duration;

use cloakroom::{Error, ErrorKind, Result};

use crate::table_name;

/// The options of a `SqliteStore` or a `DjangoTable`.
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

    pub(crate) fn check(&self) -> Result<()> {
        if !(1..=MAX_READERS).contains(&self.readers) {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "`readers({})` is out of range: an SQLite store has 1 to {MAX_READERS} readers",
                    self.readers
                ),
            ));
        }
        table_name::check(&self.table)
    }
}

/// Determines whether a commit waits until its data is on the disk.
///
/// With either variant, an acknowledged save survives a crash of the process. The variants differ
/// in what a power cut can undo.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Synchronous {
    /// A commit waits for a flush to the disk, which takes about a millisecond on a good disk.
    /// Concurrent saves share a commit. An acknowledged save survives a power cut.
    #[default]
    Full,
    /// A commit does not wait for the disk. A power cut may undo the most recent writes, including
    /// a logout or a revocation; the file stays intact. The store's guarantees do not include
    /// [`durable`](cloakroom::store::Guarantees::durable).
    Normal,
}

const MAX_READERS: usize = 64;
