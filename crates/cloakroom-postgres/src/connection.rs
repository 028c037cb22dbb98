use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;
use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use crate::error::{ConnectError, Failure};
use crate::statements::Statements;
use crate::target::Target;
use crate::value::Value;

/// One pipelined connection, shared by many concurrent calls.
///
/// Each call sends its statement without waiting for the answers to earlier ones. The server
/// answers in order.
pub(crate) struct Connection<S> {
    client: Client,
    task: AbortHandle,
    table: Arc<str>,
    prepared: Box<[OnceCell<tokio_postgres::Statement>]>,
    statements: PhantomData<fn(S)>,
    load: AtomicUsize,
    retired: AtomicBool,
    /// When a caller gave up on a call, unless an answer has arrived since.
    silent_since: Mutex<Option<Instant>>,
}

impl<S: Statements> Connection<S> {
    pub(crate) async fn open(target: &Target, table: Arc<str>) -> Result<Self, ConnectError> {
        let (client, task) = target.connect().await?;
        Ok(Self {
            client,
            task,
            table,
            prepared: (0..S::COUNT).map(|_| OnceCell::new()).collect(),
            statements: PhantomData,
            load: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            silent_since: Mutex::new(None),
        })
    }

    /// The total weight of the calls in progress.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Returns whether new calls may use the connection. Closes it if it was silent for too long.
    pub(crate) fn is_alive(&self) -> bool {
        let silence = *self.silent_since();
        let is_silent = silence.is_some_and(|since| since.elapsed() > LONGEST_SILENCE);
        if is_silent {
            // The peer does not respond, so it would not close the connection either.
            self.task.abort();
        }
        !is_silent && !self.client.is_closed() && !self.retired.load(Ordering::Relaxed)
    }

    /// Keeps new calls off the connection. Calls in progress still get their answers.
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
        let prepare = || async { self.client.prepare(&statement.sql(&self.table)).await };
        let prepared = self.prepared[statement.index()]
            .get_or_try_init(prepare)
            .await
            .map_err(|error| StatementError::new(error, false))?;

        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let answer = match statement.returns_rows() {
            true => self.client.query(prepared, &values).await.map(Answer::rows),
            false => self
                .client
                .execute(prepared, &values)
                .await
                .map(Answer::changed),
        };
        match answer {
            // A concurrent statement inserted the same key first, so this one changed nothing.
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                Ok(Answer::changed(0))
            }
            answer => answer.map_err(|error| StatementError::new(error, true)),
        }
    }

    fn silent_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.silent_since
            .lock()
            .expect("nothing panics with this lock")
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
    /// The rows that it returned.
    pub(crate) rows: Vec<Row>,
    /// How many rows it wrote.
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

/// The error of a statement, and what it means for a retry.
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

/// How long a connection may be silent after a caller gave up on it. The caller's own wait comes
/// on top.
///
/// A quiet site may lose a healthy connection this way: a browser hangs up, and no later call
/// shows that the server still answers. The next call opens a new connection.
const LONGEST_SILENCE: Duration = Duration::from_secs(2);
