use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OnceCell};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use crate::error::Failure;
use crate::session::{Scope, Session};
use crate::statements::Statements;
use crate::value::Value;

/// One pipelined connection, shared by many concurrent calls.
///
/// Each call sends its statement without waiting for the answers to earlier statements. The server
/// answers in order.
pub(crate) struct Connection<S> {
    session: Session,
    table: Arc<str>,
    /// The SQL of each statement, generated when the statement is first used.
    sql: Box<[OnceLock<Box<str>>]>,
    /// The statements that the server has prepared. Used only with `statements=named`.
    prepared: Box<[OnceCell<tokio_postgres::Statement>]>,
    /// Locked while the messages of a transaction are queued, so that no message of another call
    /// gets in between. No code waits while it holds the lock.
    burst: Mutex<Burst>,
    /// Notified when a burst ends.
    burst_ended: Notify,
    statements: PhantomData<fn(S)>,
    /// The total [`weight`](Statements::weight) of the statements in progress.
    load: AtomicUsize,
    retired: AtomicBool,
    /// The time at which a caller first dropped an unanswered call after the last answer, or `None`
    /// if no caller has dropped one since then.
    silent_since: Mutex<Option<Instant>>,
}

impl<S: Statements> Connection<S> {
    pub(crate) fn new(session: Session, table: &Arc<str>) -> Self {
        Self {
            session,
            table: Arc::clone(table),
            sql: (0..S::COUNT).map(|_| OnceLock::new()).collect(),
            prepared: (0..S::COUNT).map(|_| OnceCell::new()).collect(),
            burst: Mutex::new(Burst::default()),
            burst_ended: Notify::new(),
            statements: PhantomData,
            load: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            silent_since: Mutex::new(None),
        }
    }

    /// Returns the total weight of the calls in progress.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Returns whether new calls may use the connection. Closes the connection if it has been
    /// silent for too long.
    pub(crate) fn is_alive(&self) -> bool {
        let silence = *self.silent_since();
        let is_silent = silence.is_some_and(|since| since.elapsed() > LONGEST_SILENCE);
        if is_silent {
            // Do not wait until the peer closes the connection, because the peer does not respond.
            self.session.task.abort();
        }
        !is_silent && !self.session.client.is_closed() && !self.retired.load(Ordering::Relaxed)
    }

    /// Makes new calls use another connection. Calls in progress still get their answers.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    /// Counts a call of this weight as in progress until the returned value is dropped.
    pub(crate) fn begin_call(self: &Arc<Self>, weight: usize) -> ActiveCall<S> {
        self.load.fetch_add(weight, Ordering::Relaxed);
        ActiveCall {
            connection: Arc::clone(self),
            weight,
            answered: false,
        }
    }

    async fn run(&self, statement: S, values: &[Value<'_>]) -> Result<Answer, StatementError> {
        let answer = match &self.session.scope {
            Scope::Connection => self.run_named(statement, values).await,
            Scope::Transaction { begin } => self.run_unnamed(begin, statement, values).await,
        };
        match answer {
            // A concurrent statement inserted the same key first, so this statement changed
            // nothing.
            Err(StatementError { error, .. })
                if error.code() == Some(&SqlState::UNIQUE_VIOLATION) =>
            {
                Ok(Answer::changed(0))
            }
            answer => answer,
        }
    }

    /// Runs a statement that has a name. The server prepares the statement once per connection.
    async fn run_named(
        &self,
        statement: S,
        values: &[Value<'_>],
    ) -> Result<Answer, StatementError> {
        let client = &self.session.client;
        let prepared = self.prepared[statement.index()]
            .get_or_try_init(|| client.prepare(self.sql(statement)))
            .await
            .map_err(|error| StatementError::new(error, false))?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let answer = match statement.returns_rows() {
            true => client.query(prepared, &values).await.map(Answer::rows),
            false => client.execute(prepared, &values).await.map(Answer::changed),
        };
        answer.map_err(|error| StatementError::new(error, true))
    }

    /// Runs a statement without a name, in a transaction that begins with the store's settings.
    ///
    /// Sends the whole transaction at once, before it waits for the first answer. If the current
    /// [`Burst`] has lasted for [`LONGEST_BURST`], first waits until that burst ends.
    async fn run_unnamed(
        &self,
        begin: &str,
        statement: S,
        values: &[Value<'_>],
    ) -> Result<Answer, StatementError> {
        let client = &self.session.client;
        let sql = self.sql(statement);
        let typed: Vec<(&(dyn ToSql + Sync), Type)> = values
            .iter()
            .map(|value| (value as _, value.type_of()))
            .collect();
        let mut begin = pin!(client.batch_execute(begin));
        let mut run = pin!(async {
            match statement.returns_rows() {
                true => client.query_typed(sql, &typed).await.map(Answer::rows),
                false => client.execute_typed(sql, &typed).await.map(Answer::changed),
            }
        });
        let mut commit = pin!(client.batch_execute("COMMIT"));

        // The loop ends when this transaction begins a burst or joins one. Each burst ends, and one
        // of the transactions that wait for its end begins the next one.
        let (_unanswered, queued) = loop {
            let ended = self.burst_ended.notified();
            // The driver queues a message when the future of the message is first polled. So one
            // poll of each future queues the whole transaction.
            let joined = poll_fn(|cx| {
                let mut burst = self.burst();
                Poll::Ready(burst.join().then(|| {
                    let unanswered = Unanswered(self);
                    let queued = match begin.as_mut().poll(cx) {
                        Poll::Ready(Err(error)) => Err(StatementError::new(error, false)),
                        begun => Ok((begun, run.as_mut().poll(cx), commit.as_mut().poll(cx))),
                    };
                    (unanswered, queued)
                }))
            });
            match joined.await {
                Some(joined) => break joined,
                None => ended.await,
            }
        };
        let (begun, ran, committed) = queued?;

        // If the server refuses a setting, the server also refuses the statement, and `COMMIT`
        // rolls back.
        let sent = |error| StatementError::new(error, true);
        rest_of(begun, begin).await.map_err(sent)?;
        let answer = rest_of(ran, run).await.map_err(sent)?;
        rest_of(committed, commit).await.map_err(sent)?;
        Ok(answer)
    }

    fn sql(&self, statement: S) -> &str {
        self.sql[statement.index()].get_or_init(|| statement.sql(&self.table).into())
    }

    fn burst(&self) -> MutexGuard<'_, Burst> {
        self.burst
            .lock()
            .expect("no code panics while it holds this lock")
    }

    fn silent_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.silent_since
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

/// A series of overlapping transactions. A burst begins when a transaction is sent while none is
/// unanswered, and ends as soon as none is unanswered any more.
///
/// A pooler can let another client use the connection to the server only between two bursts. So a
/// burst accepts no more transactions after [`LONGEST_BURST`].
#[derive(Default)]
struct Burst {
    unanswered: usize,
    began: Option<Instant>,
}

impl Burst {
    /// Counts one more transaction. Returns false if the burst has lasted for too long.
    fn join(&mut self) -> bool {
        if self.unanswered == 0 {
            self.began = Some(Instant::now());
        }
        let is_open = self
            .began
            .is_some_and(|began| began.elapsed() < LONGEST_BURST);
        self.unanswered += usize::from(is_open);
        is_open
    }
}

/// A transaction that belongs to a burst until this value is dropped.
struct Unanswered<'a, S: Statements>(&'a Connection<S>);

impl<S: Statements> Drop for Unanswered<'_, S> {
    fn drop(&mut self) {
        let mut burst = self.0.burst();
        burst.unanswered -= 1;
        if burst.unanswered == 0 {
            self.0.burst_ended.notify_waiters();
        }
    }
}

/// Returns the output of `future`, whose first poll has returned `polled`.
async fn rest_of<T>(polled: Poll<T>, future: Pin<&mut impl Future<Output = T>>) -> T {
    match polled {
        Poll::Ready(output) => output,
        Poll::Pending => future.await,
    }
}

/// A call in progress on a connection.
pub(crate) struct ActiveCall<S: Statements> {
    connection: Arc<Connection<S>>,
    weight: usize,
    answered: bool,
}

impl<S: Statements> ActiveCall<S> {
    /// Sends the statement and waits for its answer.
    ///
    /// If the future is dropped, the statement may or may not run. Other calls on the connection
    /// are not affected.
    pub(crate) async fn run(
        mut self,
        statement: S,
        values: &[Value<'_>],
    ) -> Result<Answer, StatementError> {
        let answer = self.connection.run(statement, values).await;
        self.answered = true;
        if let Err(StatementError { failure, .. }) = &answer
            && failure.retires_connection()
        {
            self.connection.retire();
        }
        answer
    }
}

impl<S: Statements> Drop for ActiveCall<S> {
    fn drop(&mut self) {
        self.connection
            .load
            .fetch_sub(self.weight, Ordering::Relaxed);
        let mut silent_since = self.connection.silent_since();
        match self.answered {
            // Answers arrive in order, so the server has finished every earlier statement, too.
            true => *silent_since = None,
            false => *silent_since = silent_since.or_else(|| Some(Instant::now())),
        }
    }
}

/// The answer to a statement.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The rows that the statement returned.
    pub(crate) rows: Vec<Row>,
    /// The number of rows that the statement wrote.
    pub(crate) changed: u64,
}

impl Answer {
    fn rows(rows: Vec<Row>) -> Self {
        Self { rows, changed: 0 }
    }

    fn changed(changed: u64) -> Self {
        Self {
            rows: Vec::new(),
            changed,
        }
    }
}

/// The error of a statement, and its [`Failure`], which decides whether the statement is tried
/// again.
#[derive(Debug)]
pub(crate) struct StatementError {
    pub(crate) error: tokio_postgres::Error,
    pub(crate) failure: Failure,
}

impl StatementError {
    fn new(error: tokio_postgres::Error, sent: bool) -> Self {
        let failure = Failure::of(&error, sent);
        Self { error, failure }
    }
}

/// How long a burst accepts transactions. The end of a burst costs one round trip, during which
/// this connection gives the server nothing to do.
const LONGEST_BURST: Duration = Duration::from_millis(25);

/// How long a connection may be silent after a caller dropped a call that was not answered. The
/// time for which the caller waited is not included.
///
/// A site with few requests may lose a healthy connection this way: if a browser disconnects in the
/// middle of a call and no other call follows, no answer shows that the server is healthy. The next
/// call then opens a new connection.
const LONGEST_SILENCE: Duration = Duration::from_secs(2);
