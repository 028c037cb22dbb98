use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cloakroom::{Error, ErrorKind, Result};
use crossbeam_channel::{Receiver, Sender, TrySendError};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use crate::database_file::DatabaseFile;
use crate::error::{Advice, Cause, failed, no_result, queue_full};
use crate::threads::{QUEUE_LEN, Threads};

/// The thread that writes.
///
/// The thread commits all waiting calls as one group, in one transaction. The flush to the disk is
/// almost the whole cost of a save, and the calls of a group share one flush.
pub(crate) struct Writer<T> {
    jobs: Sender<Job<T>>,
    advice: Advice,
    // Must stay below `jobs`, so that `jobs` is dropped first. Dropping `_threads` waits for the
    // thread, which ends only when `jobs` has been dropped.
    _threads: Threads,
}

impl<T: Send + Sync + 'static> Writer<T> {
    pub(crate) fn start(
        db: Connection,
        table: &Arc<T>,
        file: &Arc<DatabaseFile>,
        advice: Advice,
    ) -> Result<Self> {
        let (jobs, queue) = crossbeam_channel::bounded(QUEUE_LEN);
        let mut threads = Threads::default();
        let (table, file) = (Arc::clone(table), Arc::clone(file));
        threads
            .spawn("cloakroom-write", move || {
                write(&db, &*table, &file, &queue)
            })
            .map_err(|source| {
                Error::new(
                    ErrorKind::Unavailable,
                    "starting the thread that writes to SQLite",
                )
                .with_source(source)
            })?;
        Ok(Self {
            jobs,
            advice,
            _threads: threads,
        })
    }

    /// Runs `work` and returns, after the commit, the number of rows that it changed. Error
    /// messages begin with `doing`.
    ///
    /// If `work` changes rows with several statements, it must use [`all_or_nothing`]. SQLite rolls
    /// back a single statement that fails. So a failed `work` has changed nothing, and the writer
    /// can commit the rest of the group.
    ///
    /// If the future is dropped, `work` is committed completely or not at all.
    pub(crate) async fn run(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection, &T) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Result<usize> {
        let (answer, answered) = oneshot::channel();
        let work = Box::new(work);
        match self.jobs.try_send(Job { work, answer }) {
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

/// Runs the statements of `work`. If one of them fails, rolls back all of them.
pub(crate) fn all_or_nothing<R>(
    db: &Connection,
    work: impl FnOnce() -> rusqlite::Result<R>,
) -> rusqlite::Result<R> {
    db.execute_batch("SAVEPOINT work")?;
    let result = work();
    // After a serious error, such as a full disk, SQLite has ended the whole transaction.
    if !db.is_autocommit() {
        if result.is_err() {
            // The transaction may contain the work of other callers.
            db.execute_batch("ROLLBACK TO work")?;
        }
        db.execute_batch("RELEASE work")?;
    }
    result
}

struct Job<T> {
    work: Work<T>,
    answer: Answer,
}

type Work<T> = Box<dyn FnOnce(&Connection, &T) -> rusqlite::Result<usize> + Send>;
type Answer = oneshot::Sender<Result<usize, Cause>>;

fn write<T>(db: &Connection, table: &T, file: &DatabaseFile, queue: &Receiver<Job<T>>) {
    while let Ok(first) = queue.recv() {
        let waiting = iter::once(first).chain(queue.try_iter().take(MAX_GROUP - 1));
        // Skip the job of a caller that has dropped its future. The caller no longer waits for a
        // result, and `run` does not promise that such a job is carried out.
        let wanted = waiting.filter(|job| !job.answer.is_closed());
        let (group, answers) = wanted.map(|job| (job.work, job.answer)).unzip();
        commit(db, table, file, group, answers);
    }
}

/// Runs the work of a group in one transaction, and sends each caller its result after the commit.
fn commit<T>(
    db: &Connection,
    table: &T,
    file: &DatabaseFile,
    group: Vec<Work<T>>,
    answers: Vec<Answer>,
) {
    // `send` fails only if the caller has dropped its future. Then no result is needed, so failures
    // of `send` are ignored.
    let committed = match file.is_usable() {
        true => in_one_transaction(db, table, group).map_err(Cause::of),
        false => Err(Cause::file_lost(file)),
    };
    match committed {
        // The group was committed, but to a file that cannot be opened any more.
        Ok(_) if !file.check() => fail(answers, &Cause::file_lost(file)),
        Ok(results) => {
            for (answer, result) in answers.into_iter().zip(results) {
                // `None` means that the job panicked. Dropping `answer` gives the caller an error.
                if let Some(result) = result {
                    let _ = answer.send(result);
                }
            }
        }
        Err(cause) => fail(answers, &cause),
    }
}

fn fail(answers: Vec<Answer>, cause: &Cause) {
    for answer in answers {
        let _ = answer.send(Err(cause.clone()));
    }
}

/// Returns one result per job, `None` for a job that panicked. Returns an error if the whole
/// transaction was rolled back.
fn in_one_transaction<T>(
    db: &Connection,
    table: &T,
    group: Vec<Work<T>>,
) -> rusqlite::Result<Vec<Option<Result<usize, Cause>>>> {
    if group.is_empty() {
        return Ok(Vec::new());
    }
    // `Immediate` waits for the write lock here, before any work is done.
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    let mut results = Vec::with_capacity(group.len());
    for work in group {
        match catch_unwind(AssertUnwindSafe(|| work(&transaction, table))) {
            // After a serious error, such as a full disk, SQLite rolls back and ends the whole
            // transaction. If the loop continued, SQLite would commit each remaining job
            // separately, although the whole group is reported as failed.
            Ok(Err(cause)) if transaction.is_autocommit() => return Err(cause),
            // If the job failed, SQLite has rolled back only the failed statement, and the
            // transaction continues.
            Ok(result) => results.push(Some(result.map_err(Cause::of))),
            Err(_) => results.push(None),
        }
    }
    transaction.commit()?;
    Ok(results)
}

/// The largest number of calls in one transaction. A larger group would hardly be faster, and each
/// call waits for its whole group.
const MAX_GROUP: usize = 256;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_panic_in_a_group_fails_only_the_call_that_panics() {
        let db = database();

        let results = in_one_transaction(&db, &(), vec![insert(1), panics(), insert(2)]).unwrap();

        assert!(matches!(results[..], [Some(Ok(1)), None, Some(Ok(1))]));
        assert_eq!(rows(&db), 2);
    }

    #[test]
    fn an_error_that_rolls_back_the_transaction_fails_the_whole_group() {
        let db = database();
        let rolls_back: Work<()> = Box::new(|db, ()| {
            db.execute_batch("ROLLBACK")?;
            Err(rusqlite::Error::InvalidQuery)
        });

        assert!(in_one_transaction(&db, &(), vec![insert(1), rolls_back, insert(2)]).is_err());

        assert_eq!(rows(&db), 0);
        assert!(in_one_transaction(&db, &(), vec![insert(3)]).is_ok());
    }

    #[test]
    fn a_failed_commit_fails_the_whole_group_and_writes_nothing() {
        let db = database();
        // The table `parent` has no row 7. SQLite checks the deferred foreign key only at the
        // commit, so the commit fails.
        let orphan: Work<()> = Box::new(|db, ()| db.execute("INSERT INTO child VALUES (7)", []));
        let (answers, mut receivers): (Vec<_>, Vec<_>) = (0..2).map(|_| oneshot::channel()).unzip();

        commit(
            &db,
            &(),
            &DatabaseFile::none(),
            vec![insert(1), orphan],
            answers,
        );

        for answer in &mut receivers {
            assert!(
                answer.try_recv().unwrap().is_err(),
                "a call was acknowledged although the commit failed"
            );
        }
        assert_eq!(rows(&db), 0);
        assert!(in_one_transaction(&db, &(), vec![insert(3)]).is_ok());
    }

    #[tokio::test]
    async fn a_panic_is_reported_and_the_writer_continues() {
        let advice = Advice {
            busy_timeout: Duration::ZERO,
            no_table: "",
        };
        let writer =
            Writer::start(database(), &Arc::new(()), &DatabaseFile::none(), advice).unwrap();

        let error = writer
            .run("testing", |_, ()| panic!("this test panics on purpose"))
            .await
            .unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(writer.run("testing", |_, ()| Ok(1)).await.unwrap(), 1);
    }

    #[test]
    fn if_one_of_several_statements_fails_none_of_them_has_an_effect() {
        let db = database();
        let half: Work<()> = Box::new(|db, ()| {
            all_or_nothing(db, || {
                db.execute("INSERT INTO parent VALUES (7)", [])?;
                db.execute("INSERT INTO parent VALUES (1)", [])
            })
        });

        let results = in_one_transaction(&db, &(), vec![insert(1), half, insert(2)]).unwrap();

        assert!(matches!(
            results[..],
            [Some(Ok(1)), Some(Err(_)), Some(Ok(1))]
        ));
        assert_eq!(rows(&db), 2);
    }

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        let tables = "PRAGMA foreign_keys = ON;
            CREATE TABLE parent (id INTEGER PRIMARY KEY);
            CREATE TABLE child (parent REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)";
        db.execute_batch(tables).unwrap();
        db
    }

    fn insert(id: i64) -> Work<()> {
        Box::new(move |db, ()| db.execute("INSERT INTO parent VALUES (?1)", [id]))
    }

    fn panics() -> Work<()> {
        Box::new(|_, ()| panic!("this test panics on purpose"))
    }

    fn rows(db: &Connection) -> i64 {
        db.query_row("SELECT COUNT(*) FROM parent", [], |row| row.get(0))
            .unwrap()
    }
}
