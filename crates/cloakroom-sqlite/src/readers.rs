use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cloakroom::{Error, ErrorKind, Result};
use crossbeam_channel::{Receiver, Sender, TrySendError};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::database_file::DatabaseFile;
use crate::error::{Advice, Cause, failed, no_result, queue_full};
use crate::threads::{QUEUE_LEN, Threads};

/// The threads that read. They share one queue, so no call waits while a thread is idle.
pub(crate) struct Readers<T> {
    jobs: Sender<Job<T>>,
    file: Arc<DatabaseFile>,
    advice: Advice,
    // Must stay below `jobs`, so that `jobs` is dropped first. Dropping `_threads` waits for the
    // threads, which end only when `jobs` has been dropped.
    _threads: Threads,
}

impl<T: Send + Sync + 'static> Readers<T> {
    pub(crate) fn start(
        connections: Vec<Connection>,
        table: &Arc<T>,
        file: &Arc<DatabaseFile>,
        advice: Advice,
    ) -> Result<Self> {
        let (jobs, queue) = crossbeam_channel::bounded(QUEUE_LEN);
        let mut threads = Threads::default();
        for db in connections {
            let (queue, table) = (queue.clone(), Arc::clone(table));
            threads
                .spawn("cloakroom-read", move || read(&db, &*table, &queue))
                .map_err(|source| {
                    Error::new(
                        ErrorKind::Unavailable,
                        "starting a thread that reads from SQLite",
                    )
                    .with_source(source)
                })?;
        }
        Ok(Self {
            jobs,
            file: Arc::clone(file),
            advice,
            _threads: threads,
        })
    }

    /// Runs `work` on one of the threads and returns its result. Error messages begin with `doing`.
    /// If the future is dropped, `work` may still run.
    pub(crate) async fn run<A: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection, &T) -> rusqlite::Result<A> + Send + 'static,
    ) -> Result<A> {
        let (answer, answered) = oneshot::channel::<Result<A, Cause>>();
        let file = Arc::clone(&self.file);
        let job: Job<T> = Box::new(move |db, table| {
            // Skip the job if the caller has dropped its future and no longer waits for the result.
            if !answer.is_closed() {
                let _ = answer.send(match file.is_usable() {
                    true => work(db, table).map_err(Cause::of),
                    false => Err(Cause::file_lost(&file)),
                });
            }
        });
        match self.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(queue_full(doing, QUEUE_LEN)),
            Err(TrySendError::Disconnected(_)) => return Err(no_result(doing)),
        }
        match answered.await {
            Ok(answer) => answer.map_err(|cause| failed(doing, self.advice, cause)),
            Err(_) => Err(no_result(doing)),
        }
    }
}

type Job<T> = Box<dyn FnOnce(&Connection, &T) + Send>;

fn read<T>(db: &Connection, table: &T, queue: &Receiver<Job<T>>) {
    while let Ok(job) = queue.recv() {
        // A panic drops the job and its channel, so the caller gets an error. It also drops the
        // job's statement. Dropping a statement resets it, so the connection stays usable.
        let _ = catch_unwind(AssertUnwindSafe(|| job(db, table)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_reported_and_the_reader_continues() {
        let db = Connection::open_in_memory().unwrap();
        let advice = Advice {
            busy_timeout: Duration::ZERO,
            no_table: "",
        };
        let readers =
            Readers::start(vec![db], &Arc::new(()), &DatabaseFile::none(), advice).unwrap();

        let panics = |_: &Connection, (): &()| -> rusqlite::Result<()> {
            panic!("this test panics on purpose")
        };
        let error = readers.run("testing", panics).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(readers.run("testing", |_, _| Ok(1)).await.unwrap(), 1);
    }
}
