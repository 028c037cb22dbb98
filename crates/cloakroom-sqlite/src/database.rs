use std::fmt;
use std::sync::Arc;

use cloakroom::Result;
use rusqlite::Connection;

use crate::connection;
use crate::database_file::DatabaseFile;
use crate::error::Advice;
use crate::options::Options;
use crate::readers::Readers;
use crate::writer::Writer;

/// The threads that read and write one table of a file, each with its own connection.
///
/// `drop` waits until the threads have finished their current jobs.
pub(crate) struct Database<T> {
    // Must stay above `writer`, so that the writer's connection closes last. The connection that
    // closes last copies the write-ahead log into the database file.
    readers: Readers<T>,
    writer: Writer<T>,
    file: Arc<DatabaseFile>,
}

impl<T: Send + Sync + 'static> Database<T> {
    /// Starts the writer thread on the connection `writer`, and the reader threads.
    pub(crate) fn start(
        options: &Options,
        writer: Connection,
        table: T,
        no_table: &'static str,
    ) -> Result<Self> {
        let readers = (0..options.readers).map(|_| connection::reader(options));
        let readers = readers.collect::<Result<_>>()?;

        let table = Arc::new(table);
        let file = Arc::new(DatabaseFile::opened(&options.path));
        let advice = Advice {
            busy_timeout: options.busy_timeout,
            no_table,
        };
        Ok(Self {
            readers: Readers::start(readers, &table, &file, advice)?,
            writer: Writer::start(writer, &table, &file, advice)?,
            file,
        })
    }

    /// See [`Readers::run`].
    pub(crate) async fn read<A: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection, &T) -> rusqlite::Result<A> + Send + 'static,
    ) -> Result<A> {
        self.readers.run(doing, work).await
    }

    /// Does what [`read`](Self::read) does, and fails if the file was deleted, moved or replaced.
    pub(crate) async fn ping(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection, &T) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<()> {
        let file = Arc::clone(&self.file);
        let check = self.read(doing, move |_, _| Ok(file.check()));
        check.await?;
        self.read(doing, work).await
    }

    /// See [`Writer::run`].
    pub(crate) async fn write(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection, &T) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Result<usize> {
        self.writer.run(doing, work).await
    }
}

impl<T> fmt::Debug for Database<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.path().fmt(f)
    }
}
