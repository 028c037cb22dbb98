use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cloakroom::{Error, ErrorKind, Result};
use crossbeam_channel::{Receiver, Sender, TrySendError};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use crate::error::{Advice, Cause, lost, overrun, refused};
use crate::threads::{QUEUE_LEN, Threads};

/// The thread that writes. What is waiting when it is free becomes one transaction, so the flush to the disk, which
/// is nearly all that a save costs, is paid once for all of it.
pub(crate) struct Writer<T> {
    jobs: Sender<Job<T>>,
    advice: Advice,
    // Below the sender: see `Threads`.
    _threads: Threads,
}

impl<T: Send + Sync + 'static> Writer<T> {
    pub(crate) fn start(db: Connection, table: &Arc<T>, advice: Advice) -> Result<Self> {
        let (jobs, queue) = crossbeam_channel::bounded(QUEUE_LEN);
        let mut threads = Threads::default();
        let table = Arc::clone(table);
        threads
            .spawn("cloakroom-write", move || write(&db, &*table, &queue))
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

    /// Runs `work`, which says how many rows it changed, and answers once that is committed.
    ///
    /// `work` changes something in one statement at most: what has failed must have changed nothing.
    ///
    /// If the future is dropped, it has happened or it has not, but never half.
    pub(crate) async fn ask(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection, &T) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Result<usize> {
        let (answer, answered) = oneshot::channel();
        let work = Box::new(work);
        match self.jobs.try_send(Job { work, answer }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(overrun(doing, QUEUE_LEN)),
            Err(TrySendError::Disconnected(_)) => return Err(lost(doing)),
        }
        match answered.await {
            Ok(answer) => answer.map_err(|cause| refused(doing, self.advice, cause)),
            Err(_) => Err(lost(doing)),
        }
    }
}

struct Job<T> {
    work: Work<T>,
    answer: Answer,
}

type Work<T> = Box<dyn FnOnce(&Connection, &T) -> rusqlite::Result<usize> + Send>;
type Answer = oneshot::Sender<Result<usize, Cause>>;

fn write<T>(db: &Connection, table: &T, queue: &Receiver<Job<T>>) {
    while let Ok(first) = queue.recv() {
        let waiting = iter::once(first).chain(queue.try_iter().take(MAX_GROUP - 1));
        // Who gave up on a call must find out what became of it anyway, and others wait.
        let wanted = waiting.filter(|job| !job.answer.is_closed());
        let (group, answers) = wanted.map(|job| (job.work, job.answer)).unzip();
        commit(db, table, group, answers);
    }
}

/// Does the work of a group and tells each caller how its part of it went, after the commit.
fn commit<T>(db: &Connection, table: &T, group: Vec<Work<T>>, answers: Vec<Answer>) {
    // A caller that is gone does not want to be told, so a failed `send` is none.
    match in_one_transaction(db, table, group) {
        Ok(results) => {
            for (answer, result) in answers.into_iter().zip(results) {
                // Without a result there was a panic. Dropping `answer` tells the caller.
                if let Some(result) = result {
                    let _ = answer.send(result);
                }
            }
        }
        Err(cause) => {
            let cause = Cause::new(cause);
            for answer in answers {
                let _ = answer.send(Err(Arc::clone(&cause)));
            }
        }
    }
}

/// One result for each of the group, `None` for a panic; or the error that rolled all of it back.
fn in_one_transaction<T>(
    db: &Connection,
    table: &T,
    group: Vec<Work<T>>,
) -> rusqlite::Result<Vec<Option<Result<usize, Cause>>>> {
    if group.is_empty() {
        return Ok(Vec::new());
    }
    // Immediate: the lock is waited for here, where nothing has been done yet, and never in the middle.
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    let mut results = Vec::with_capacity(group.len());
    for work in group {
        match catch_unwind(AssertUnwindSafe(|| work(&transaction, table))) {
            // A full disk or the like takes the whole transaction with it. What the rest of the group wrote now
            // would be committed statement by statement, and the first part is lost already.
            Ok(Err(cause)) if transaction.is_autocommit() => return Err(cause),
            // SQLite has undone the statement that failed, and no other.
            Ok(result) => results.push(Some(result.map_err(Cause::new))),
            Err(_) => results.push(None),
        }
    }
    transaction.commit()?;
    Ok(results)
}

/// How many calls one transaction takes at most. More would hardly save anything, and each waits for the last.
const MAX_GROUP: usize = 256;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_panic_in_a_group_is_that_calls_own() {
        let db = database();

        let results = in_one_transaction(&db, &(), vec![insert(1), panics(), insert(2)]).unwrap();

        assert!(matches!(results[..], [Some(Ok(1)), None, Some(Ok(1))]));
        assert_eq!(rows(&db), 2);
    }

    #[test]
    fn what_takes_the_transaction_with_it_fails_the_whole_group_and_leaves_nothing() {
        let db = database();
        let lost: Work<()> = Box::new(|db, ()| {
            db.execute_batch("ROLLBACK")?;
            Err(rusqlite::Error::InvalidQuery)
        });

        assert!(in_one_transaction(&db, &(), vec![insert(1), lost, insert(2)]).is_err());

        assert_eq!(rows(&db), 0);
        assert!(in_one_transaction(&db, &(), vec![insert(3)]).is_ok());
    }

    #[test]
    fn a_commit_that_fails_fails_the_whole_group_and_leaves_nothing() {
        let db = database();
        let orphan: Work<()> = Box::new(|db, ()| db.execute("INSERT INTO child VALUES (7)", []));
        let (asked, mut answered): (Vec<_>, Vec<_>) = (0..2).map(|_| oneshot::channel()).unzip();

        commit(&db, &(), vec![insert(1), orphan], asked);

        for answer in &mut answered {
            assert!(
                answer.try_recv().unwrap().is_err(),
                "acknowledged without a commit"
            );
        }
        assert_eq!(rows(&db), 0);
        assert!(in_one_transaction(&db, &(), vec![insert(3)]).is_ok());
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_the_writer_goes_on() {
        let advice = Advice {
            busy_timeout: Duration::ZERO,
            no_table: "",
        };
        let writer = Writer::start(database(), &Arc::new(()), advice).unwrap();

        let error = writer
            .ask("testing", |_, ()| panic!("as the test wants it"))
            .await
            .unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(writer.ask("testing", |_, ()| Ok(1)).await.unwrap(), 1);
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
        Box::new(|_, ()| panic!("as the test wants it"))
    }

    fn rows(db: &Connection) -> i64 {
        db.query_row("SELECT COUNT(*) FROM parent", [], |row| row.get(0))
            .unwrap()
    }
}
