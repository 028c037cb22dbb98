use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cloakroom::Result;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::connection::{ActiveCall, Answer, Connection, StatementError};
use crate::error::{ConnectError, Failure, refused};
use crate::statements::Statements;
use crate::target::Target;
use crate::value::Value;

/// The connections of one store.
///
/// A call uses the least busy connection. If all are busy, the store opens another one, up to the
/// limit that the options set. It opens only one at a time, so that it does not flood a server that
/// has just restarted.
pub(crate) struct Connections<S: Statements>(Arc<Shared<S>>);

struct Shared<S> {
    target: Target,
    table: Arc<str>,
    max_connections: usize,
    state: Mutex<State<S>>,
    /// Notified when an attempt to open a connection has succeeded or failed.
    changed: Notify,
}

struct State<S> {
    open: Vec<Arc<Connection<S>>>,
    opening: bool,
    outage: Option<Outage>,
}

/// The failure of the last attempt to open a connection, and the time of the next attempt.
#[derive(Clone)]
struct Outage {
    since: Instant,
    retries: u32,
    retry_at: Instant,
    error: ConnectError,
}

impl<S: Statements> Connections<S> {
    /// Opens the first connection.
    pub(crate) async fn open(
        target: Target,
        table: &str,
        max_connections: usize,
    ) -> Result<Self, ConnectError> {
        let table: Arc<str> = Arc::from(table);
        let first = Connection::new(target.connect_first().await?, &table);
        let state = State {
            open: vec![Arc::new(first)],
            opening: false,
            outage: None,
        };
        Ok(Self(Arc::new(Shared {
            target,
            table,
            max_connections,
            state: Mutex::new(state),
            changed: Notify::new(),
        })))
    }

    pub(crate) fn target(&self) -> &Target {
        &self.0.target
    }

    pub(crate) fn table(&self) -> &str {
        &self.0.table
    }

    /// Runs a statement. Takes one round trip. With `statements=named`, the first use of the
    /// statement on a connection takes an additional round trip, which prepares the statement.
    ///
    /// The statement is tried again
    /// * if the server rolled the statement back: up to [`MAX_TRIES`] times in total;
    /// * if its connection cannot run the statement: on up to [`MAX_MOVES`] other connections;
    /// * if the connection was lost before the statement was sent, or if the statement may be
    ///   repeated and its answer was lost: once for each connection that the store may have,
    ///   because connections are often lost together.
    pub(crate) async fn run(
        &self,
        doing: &'static str,
        statement: S,
        values: &[Value<'_>],
    ) -> Result<Answer> {
        let max_connections = self.0.max_connections;
        let mut tries = 1;
        loop {
            let call = self.begin_call(statement.weight()).await;
            let call = call.map_err(|error| error.error(doing))?;
            let StatementError { error, failure } = match call.run(statement, values).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let try_again = match failure {
                Failure::RolledBack => tries < MAX_TRIES,
                Failure::WrongConnection => tries <= MAX_MOVES,
                Failure::Unsent => tries <= max_connections,
                Failure::OutcomeUnknown => tries <= max_connections && statement.may_be_repeated(),
                Failure::Refused => false,
            };
            if !try_again {
                return Err(refused(doing, &error, S::NO_TABLE));
            }
            tries += 1;
        }
    }

    /// Begins a call on the least busy connection. If none is open, waits up to [`MAX_WAIT`] for a
    /// connection.
    ///
    /// Once an outage has lasted longer than [`MAX_WAIT`], a call waits only while an attempt to
    /// connect is in progress.
    async fn begin_call(&self, weight: usize) -> Result<ActiveCall<S>, ConnectError> {
        let shared = &self.0;
        let give_up_at = Instant::now() + MAX_WAIT;
        // Ends when a connection is open or at `give_up_at`.
        loop {
            let changed = shared.changed.notified();
            let outage = match shared.try_begin_call(weight)? {
                Availability::Begun(call) => return Ok(call),
                Availability::Opening => None,
                Availability::Outage(outage) => Some(outage),
            };
            let now = Instant::now();
            match outage {
                Some(Outage { since, error, .. })
                    if error.is_final() || now >= give_up_at || since + MAX_WAIT <= now =>
                {
                    return Err(error);
                }
                Some(Outage { retry_at, .. }) => {
                    tokio::time::sleep_until(retry_at.min(give_up_at)).await;
                }
                None => {
                    let waited = tokio::time::timeout_at(give_up_at, changed).await;
                    waited.map_err(|_| ConnectError::timed_out(&shared.target.place, MAX_WAIT))?;
                }
            }
        }
    }
}

/// What [`Shared::try_begin_call`] found.
enum Availability<S: Statements> {
    Begun(ActiveCall<S>),
    /// No connection is open, but one is being opened.
    Opening,
    /// No connection is open, and the next attempt is not due yet.
    Outage(Outage),
}

impl<S: Statements> Shared<S> {
    /// Begins a call on the least busy connection, and starts to open another one if all are busy.
    fn try_begin_call(self: &Arc<Self>, weight: usize) -> Result<Availability<S>, ConnectError> {
        let mut state = self.state();
        let had_one = !state.open.is_empty();
        state.open.retain(|connection| connection.is_alive());
        if had_one && state.open.is_empty() {
            // All connections are lost. If the store recently failed to open an additional
            // connection, that must not delay the next attempt.
            state.outage = None;
        }

        let least_busy = state.open.iter().min_by_key(|connection| connection.load());
        let least_busy = least_busy.map(Arc::clone);
        let all_busy = least_busy.as_ref().is_none_or(|it| it.load() > 0);
        let too_early = state
            .outage
            .as_ref()
            .is_some_and(|outage| Instant::now() < outage.retry_at);
        if all_busy && state.open.len() < self.max_connections && !state.opening && !too_early {
            state.opening = true;
            tokio::spawn(Opening(Arc::clone(self)).run());
        }

        match (least_busy, &state.outage) {
            (Some(connection), _) if connection.load() >= MAX_LOAD => {
                Err(ConnectError::overloaded(&self.target.place, MAX_LOAD))
            }
            (Some(connection), _) => Ok(Availability::Begun(connection.begin_call(weight))),
            (None, Some(outage)) if !state.opening => Ok(Availability::Outage(outage.clone())),
            (None, _) => Ok(Availability::Opening),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

/// An attempt to open a connection. At most one attempt is in progress.
///
/// Dropping this value allows the next attempt, even if the runtime is shut down in the middle of
/// this attempt.
struct Opening<S: Statements>(Arc<Shared<S>>);

impl<S: Statements> Opening<S> {
    async fn run(self) {
        let shared = &self.0;
        let opened = shared.target.connect().await;
        let mut state = shared.state();
        match opened {
            Ok(session) => {
                let connection = Connection::new(session, &shared.table);
                state.open.push(Arc::new(connection));
                state.outage = None;
            }
            Err(error) => {
                let now = Instant::now();
                let (since, retries) = state
                    .outage
                    .as_ref()
                    .map_or((now, 0), |outage| (outage.since, outage.retries + 1));
                state.outage = Some(Outage {
                    since,
                    retries,
                    retry_at: now + pause_after(retries),
                    error,
                });
            }
        }
    }
}

impl<S: Statements> Drop for Opening<S> {
    fn drop(&mut self) {
        self.0.state().opening = false;
        self.0.changed.notify_waiters();
    }
}

/// Returns the pause before the next attempt: exponential backoff up to [`LONGEST_PAUSE`], with a
/// random deviation of up to a quarter.
fn pause_after(retries: u32) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(retries));
    let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    pause.min(LONGEST_PAUSE).mul_f64(0.75 + random / 2.0)
}

/// How many times a statement is tried if the server rolls it back.
const MAX_TRIES: usize = 5;

/// On how many other connections a statement is tried if its connection cannot run it. If the first
/// few connections lead to a standby, the others probably do as well.
const MAX_MOVES: usize = 2;

/// How long a call waits for a connection: long enough for a quick restart of the server, but
/// shorter than the session layer's time limit for a call.
const MAX_WAIT: Duration = Duration::from_secs(3);

const FIRST_PAUSE: Duration = Duration::from_millis(50);

const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The load at which a connection accepts no more calls. Further calls would only time out.
const MAX_LOAD: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        for retries in 0..100 {
            let pause = pause_after(retries);
            assert!(pause >= FIRST_PAUSE.mul_f64(0.75), "{pause:?}");
            assert!(pause <= LONGEST_PAUSE.mul_f64(1.25), "{pause:?}");
        }
        assert!(pause_after(10) > pause_after(0));
    }
}
