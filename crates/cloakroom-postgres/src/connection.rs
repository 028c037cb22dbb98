use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;
use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use crate::error::{Fate, Unreached};
use crate::statements::Statements;
use crate::target::Target;
use crate::value::Value;

/// One connection, which many calls use at once: each sends its statement without waiting for the answers to the
/// others, and the server answers in the order in which it was asked.
pub(crate) struct Connection<S> {
    client: Client,
    task: AbortHandle,
    table: Arc<str>,
    prepared: Box<[OnceCell<tokio_postgres::Statement>]>,
    statements: PhantomData<fn(S)>,
    load: AtomicUsize,
    retired: AtomicBool,
    /// Since when somebody has given up waiting and nobody has got an answer.
    silent_since: Mutex<Option<Instant>>,
}

impl<S: Statements> Connection<S> {
    pub(crate) async fn open(target: &Target, table: Arc<str>) -> Result<Self, Unreached> {
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

    /// How much it has to do.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Whether it is worth a try.
    pub(crate) fn is_alive(&self) -> bool {
        let silence = *self.silent_since();
        let is_silent = silence.is_some_and(|since| since.elapsed() > LONGEST_SILENCE);
        if is_silent {
            // Nobody answers there, so nobody would end it either.
            self.task.abort();
        }
        !is_silent && !self.client.is_closed() && !self.retired.load(Ordering::Relaxed)
    }

    /// Takes it out of use; what it has been asked already is answered.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    /// Takes a place on it, for a statement of this weight.
    pub(crate) fn lease(self: &Arc<Self>, weight: usize) -> Lease<S> {
        self.load.fetch_add(weight, Ordering::Relaxed);
        Lease {
            connection: Arc::clone(self),
            weight,
            answered: false,
        }
    }

    async fn ask(&self, statement: S, values: &[Value<'_>]) -> Result<Answer, Trouble> {
        let prepare = || async { self.client.prepare(&statement.sql(&self.table)).await };
        let prepared = self.prepared[statement.nth()]
            .get_or_try_init(prepare)
            .await
            .map_err(|error| Trouble::of(error, false))?;

        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let answer = match statement.reads() {
            true => self.client.query(prepared, &values).await.map(Answer::read),
            false => self
                .client
                .execute(prepared, &values)
                .await
                .map(Answer::changed),
        };
        match answer {
            // Somebody else took the place at the same moment, and nothing was changed.
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                Ok(Answer::changed(0))
            }
            answer => answer.map_err(|error| Trouble::of(error, true)),
        }
    }

    fn silent_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.silent_since
            .lock()
            .expect("nothing panics with this lock")
    }
}

/// A call's place on a connection.
pub(crate) struct Lease<S: Statements> {
    connection: Arc<Connection<S>>,
    weight: usize,
    answered: bool,
}

impl<S: Statements> Lease<S> {
    /// Sends the statement and waits for its answer.
    ///
    /// If the future is dropped, the statement runs or does not; the connection goes on with the next.
    pub(crate) async fn ask(
        mut self,
        statement: S,
        values: &[Value<'_>],
    ) -> Result<Answer, Trouble> {
        let answer = self.connection.ask(statement, values).await;
        self.answered = true;
        let fate = answer.as_ref().err().map(|trouble| trouble.fate);
        if matches!(fate, Some(Fate::NotHere | Fate::Unsent | Fate::Unknown)) {
            self.connection.retire();
        }
        answer
    }
}

impl<S: Statements> Drop for Lease<S> {
    fn drop(&mut self) {
        self.connection
            .load
            .fetch_sub(self.weight, Ordering::Relaxed);
        let mut silent_since = self.connection.silent_since();
        match self.answered {
            // Answers come in order: what was asked before has been done by now.
            true => *silent_since = None,
            false => *silent_since = silent_since.or_else(|| Some(Instant::now())),
        }
    }
}

/// What a statement was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What it has read.
    pub(crate) rows: Vec<Row>,
    /// How many rows it has written.
    pub(crate) changed: u64,
}

impl Answer {
    fn read(rows: Vec<Row>) -> Self {
        Self { rows, changed: 0 }
    }

    fn changed(changed: u64) -> Self {
        Self {
            rows: Vec::new(),
            changed,
        }
    }
}

/// Why there was no answer, and what became of the statement.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) error: tokio_postgres::Error,
    pub(crate) fate: Fate,
}

impl Trouble {
    fn of(error: tokio_postgres::Error, sent: bool) -> Self {
        let fate = Fate::of(&error, sent);
        Self { error, fate }
    }
}

/// How long a connection may be silent after a call on it was given up. The caller has waited before that already.
///
/// A quiet site may lose a good connection to it, when a browser hung up and nobody came after. The next call opens
/// another one.
const LONGEST_SILENCE: Duration = Duration::from_secs(2);
