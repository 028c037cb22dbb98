use std::path::{Path, PathBuf};
use std::time::Duration;

use cloakroom::{Error, ErrorKind, Result};

use crate::table_name;

/// The options of a store, whichever store it is.
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
                    "`readers({})` is out of range: an SQLite store has 1 to {MAX_READERS}",
                    self.readers
                ),
            ));
        }
        table_name::check(&self.table)
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
