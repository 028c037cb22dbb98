use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cloakroom::Result;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::connection::{Answer, Connection, Lease, Trouble};
use crate::error::{Fate, Unreached, refused};
use crate::statements::Statements;
use crate::target::Target;
use crate::value::Value;

/// The connections of one store.
///
/// A call takes the one with the least to do. Another one is opened when all are busy, up to the number that the
/// options allow, and when none is left; one at a time, so that a server which comes back is not stormed.
pub(crate) struct Connections<S: Statements>(Arc<Shared<S>>);

struct Shared<S> {
    target: Target,
    table: Arc<str>,
    most: usize,
    state: Mutex<State<S>>,
    /// Called whenever an opening has ended, well or not.
    changed: Notify,
}

struct State<S> {
    open: Vec<Arc<Connection<S>>>,
    opening: bool,
    outage: Option<Outage>,
}

/// Why there is no connection, or not another one.
#[derive(Clone)]
struct Outage {
    since: Instant,
    tries: u32,
    again_at: Instant,
    why: Unreached,
}

impl<S: Statements> Connections<S> {
    /// Opens the first one.
    pub(crate) async fn open(target: Target, table: &str, most: usize) -> Result<Self, Unreached> {
        let table = Arc::from(table);
        let first = Connection::open(&target, Arc::clone(&table)).await?;
        let state = State {
            open: vec![Arc::new(first)],
            opening: false,
            outage: None,
        };
        Ok(Self(Arc::new(Shared {
            target,
            table,
            most,
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

    /// Runs a statement: one round trip, once a connection has prepared it.
    ///
    /// It is tried again if the server has rolled it back, up to [`TRIES`] times in all; on another connection if this
    /// one cannot run it, up to [`MOVES`] times; and if it was lost on the way and may be repeated, once for each
    /// connection, since those that are lost were often lost together.
    pub(crate) async fn ask(
        &self,
        doing: &'static str,
        statement: S,
        values: &[Value<'_>],
    ) -> Result<Answer> {
        let mut tries = 1;
        loop {
            let lease = self.lease(statement.weight()).await;
            let lease = lease.map_err(|unreached| unreached.error(doing))?;
            let Trouble { error, fate } = match lease.ask(statement, values).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            let again = match fate {
                Fate::RolledBack => tries < TRIES,
                Fate::NotHere => tries <= MOVES,
                Fate::Unsent => tries <= self.0.most,
                Fate::Unknown => tries <= self.0.most && statement.may_be_repeated(),
                Fate::Refused => false,
            };
            if !again {
                return Err(refused(doing, &error, S::NO_TABLE));
            }
            tries += 1;
        }
    }

    /// A place on the connection with the least to do; waits for up to [`PATIENCE`] if there is none.
    ///
    /// Once the server has been away for longer than that, a call waits for a try that is being made and for no more.
    async fn lease(&self, weight: usize) -> Result<Lease<S>, Unreached> {
        let shared = &self.0;
        let give_up_at = Instant::now() + PATIENCE;
        // Ends when a connection is there, or the time is over.
        loop {
            let changed = shared.changed.notified();
            let outage = match shared.pick(weight)? {
                Pick::Lease(lease) => return Ok(lease),
                Pick::Opening => None,
                Pick::Outage(outage) => Some(outage),
            };
            let now = Instant::now();
            match outage {
                Some(Outage { since, why, .. })
                    if why.is_final() || now >= give_up_at || since + PATIENCE <= now =>
                {
                    return Err(why);
                }
                Some(Outage { again_at, .. }) => {
                    tokio::time::sleep_until(again_at.min(give_up_at)).await;
                }
                None => {
                    let waited = tokio::time::timeout_at(give_up_at, changed).await;
                    waited.map_err(|_| Unreached::late(&shared.target.place, PATIENCE))?;
                }
            }
        }
    }
}

enum Pick<S: Statements> {
    Lease(Lease<S>),
    /// There is none, and one is being opened.
    Opening,
    /// There is none, and it is too early to try again.
    Outage(Outage),
}

impl<S: Statements> Shared<S> {
    fn pick(self: &Arc<Self>, weight: usize) -> Result<Pick<S>, Unreached> {
        let mut state = self.state();
        let had_one = !state.open.is_empty();
        state.open.retain(|connection| connection.is_alive());
        if had_one && state.open.is_empty() {
            state.outage = None;
        }

        let idlest = state.open.iter().min_by_key(|connection| connection.load());
        let idlest = idlest.map(Arc::clone);
        let all_busy = idlest.as_ref().is_none_or(|idlest| idlest.load() > 0);
        let too_early = state
            .outage
            .as_ref()
            .is_some_and(|outage| Instant::now() < outage.again_at);
        if all_busy && state.open.len() < self.most && !state.opening && !too_early {
            state.opening = true;
            tokio::spawn(Opening(Arc::clone(self)).run());
        }

        match (idlest, &state.outage) {
            (Some(idlest), _) if idlest.load() >= MOST_WAITING => {
                Err(Unreached::overrun(&self.target.place, MOST_WAITING))
            }
            (Some(idlest), _) => Ok(Pick::Lease(idlest.lease(weight))),
            (None, Some(outage)) if !state.opening => Ok(Pick::Outage(outage.clone())),
            (None, _) => Ok(Pick::Opening),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().expect("nothing panics with this lock")
    }
}

/// The one opening that is going on. However it ends, with its runtime for instance, there can be another one.
struct Opening<S: Statements>(Arc<Shared<S>>);

impl<S: Statements> Opening<S> {
    async fn run(self) {
        let shared = &self.0;
        let opened = Connection::open(&shared.target, Arc::clone(&shared.table)).await;
        let mut state = shared.state();
        match opened {
            Ok(connection) => {
                state.open.push(Arc::new(connection));
                state.outage = None;
            }
            Err(why) => {
                let now = Instant::now();
                let (since, tries) = state
                    .outage
                    .as_ref()
                    .map_or((now, 0), |outage| (outage.since, outage.tries + 1));
                state.outage = Some(Outage {
                    since,
                    tries,
                    again_at: now + pause_after(tries),
                    why,
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

/// Twice as long after each try, up to a bound, and up to a quarter shorter or longer.
fn pause_after(tries: u32) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries));
    let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    pause.min(LONGEST_PAUSE).mul_f64(0.75 + random / 2.0)
}

/// How often a statement is tried in all.
const TRIES: usize = 5;

/// How often a statement moves to another connection. A server that takes no writes would not take them there either.
const MOVES: usize = 2;

/// How long a call waits for a connection: as long as a server takes to restart, and less than the sessions' time limit
/// for a call.
const PATIENCE: Duration = Duration::from_secs(3);

const FIRST_PAUSE: Duration = Duration::from_millis(50);

const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How many calls may wait on one connection. More would only wait until they are given up.
const MOST_WAITING: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        for tries in 0..100 {
            let pause = pause_after(tries);
            assert!(pause >= FIRST_PAUSE.mul_f64(0.75), "{pause:?}");
            assert!(pause <= LONGEST_PAUSE.mul_f64(1.25), "{pause:?}");
        }
        assert!(pause_after(10) > pause_after(0));
    }
}
