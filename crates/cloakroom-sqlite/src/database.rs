use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use cloakroom::Result;
use rusqlite::Connection;

use crate::connection;
use crate::error::Advice;
use crate::options::Options;
use crate::readers::Readers;
use crate::writer::Writer;

/// The connections to one file, with their threads, which have the statements on one table.
///
/// When it is dropped, it waits until the threads have finished what they are doing.
pub(crate) struct Database<T> {
    // The readers come first: the last connection to a file moves its log into it when it is closed, and that is the
    // writer's work.
    readers: Readers<T>,
    writer: Writer<T>,
    path: PathBuf,
}

impl<T: Send + Sync + 'static> Database<T> {
    /// Starts the threads: one with the connection that writes, and those that read.
    pub(crate) fn start(
        options: &Options,
        writer: Connection,
        table: T,
        no_table: &'static str,
    ) -> Result<Self> {
        let readers = (0..options.readers).map(|_| connection::reader(options));
        let readers = readers.collect::<Result<_>>()?;

        let table = Arc::new(table);
        let advice = Advice {
            busy_timeout: options.busy_timeout,
            no_table,
        };
        Ok(Self {
            readers: Readers::start(readers, &table, advice)?,
            writer: Writer::start(writer, &table, advice)?,
            path: options.path.clone(),
        })
    }

    /// See [`Readers::ask`].
    pub(crate) async fn read<A: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection, &T) -> rusqlite::Result<A> + Send + 'static,
    ) -> Result<A> {
        self.readers.ask(doing, work).await
    }

    /// See [`Writer::ask`].
    pub(crate) async fn write(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection, &T) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Result<usize> {
        self.writer.ask(doing, work).await
    }
}

impl<T> fmt::Debug for Database<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}
