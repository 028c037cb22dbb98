use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cloakroom::{Error, Result};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Row, Value};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::address::Address;
use crate::connection::{connect, recipe};
use crate::error::{Remedy, is_duplicate, refused, too_slow};

/// A few connections, made when they are needed.
///
/// One that did not finish what it was asked, because it broke or because the caller's future was dropped, is closed
/// and not used again.
pub(crate) struct Pool {
    address: Address,
    recipe: Opts,
    size: usize,
    /// What to do when the table is not there.
    no_table: &'static str,
    free: Semaphore,
    // The one that was used last is used next, so those that are not needed grow old and are closed.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    db: Conn,
    since: Instant,
}

/// One statement that commits by itself.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) doing: &'static str,
    pub(crate) statement: &'a str,
    /// Whether it does no harm if it is executed again after its answer was lost.
    pub(crate) repeatable: bool,
}

impl Pool {
    pub(crate) fn new(address: Address, size: usize, no_table: &'static str) -> Self {
        Self {
            recipe: recipe(&address),
            address,
            size,
            no_table,
            free: Semaphore::new(size),
            idle: Mutex::default(),
        }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Executes a statement, and again after what leaves nothing behind: a deadlock, a lock that
    /// was waited for in vain, and the refusal of a server that has become a replica.
    ///
    /// If the future is dropped, the statement may have happened or not.
    pub(crate) async fn ask(
        &self,
        ask: Ask<'_>,
        params: impl Fn() -> Vec<Value>,
    ) -> Result<Answer> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut db = self.take(ask.doing).await?;
            let cause = match db.execute(ask.statement, params()).await {
                Ok(answer) => {
                    db.put_back();
                    return Ok(answer);
                }
                Err(cause) => cause,
            };
            let again = match Remedy::of(&cause) {
                Remedy::Again => {
                    db.put_back();
                    true
                }
                Remedy::GiveUp => {
                    db.put_back();
                    false
                }
                // Once: a second new connection would lead to the same server.
                Remedy::Elsewhere => {
                    self.distrust();
                    tries == 1
                }
                Remedy::Reconnect => {
                    self.distrust();
                    ask.repeatable
                }
            };
            if !again || tries == MOST_TRIES {
                return Err(self.refused(ask.doing, cause));
            }
        }
    }

    /// The error of a call that MySQL refused or did not answer.
    pub(crate) fn refused(&self, doing: &'static str, cause: mysql_async::Error) -> Error {
        refused(doing, cause, self.no_table)
    }

    /// A connection, when one is free.
    pub(crate) async fn take(&self, doing: &str) -> Result<Held<'_>> {
        let Ok(permit) = timeout(LINE_LIMIT, self.free.acquire()).await else {
            let why = format!(
                "no connection came free within {LINE_LIMIT:?} ({} in use; raise `connections`)",
                self.size
            );
            return Err(too_slow(doing, &why));
        };
        let permit = permit.expect("nobody closes the semaphore");
        let db = match self.rested().await {
            Some(db) => db,
            None => connect(&self.address, &self.recipe).await?,
        };
        Ok(Held {
            pool: self,
            db,
            _permit: permit,
        })
    }

    /// The connection that was used last, if it is still one.
    async fn rested(&self) -> Option<Conn> {
        let mut idle = self.idle().pop().filter(Idle::is_fresh)?;
        // Between two requests of a quiet site the server may have been restarted. Finding out by a write would cost a
        // visitor a page, since nobody could tell whether it has happened.
        if idle.since.elapsed() > QUIET
            && !matches!(timeout(PING_LIMIT, idle.db.ping()).await, Ok(Ok(())))
        {
            self.distrust();
            return None;
        }
        Some(idle.db)
    }

    /// Closes the connections that nobody uses. When one breaks, the server was stopped, and they are broken too.
    pub(crate) fn distrust(&self) {
        let broken = std::mem::take(&mut *self.idle());
        drop(broken);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < IDLE_LIMIT
    }
}

/// A connection in use. It is closed if it is dropped, and with that ends a transaction that it was in.
pub(crate) struct Held<'a> {
    pool: &'a Pool,
    db: Conn,
    _permit: SemaphorePermit<'a>,
}

impl Held<'_> {
    /// Executes a statement, which is prepared when this connection has it for the first time.
    ///
    /// A key that is taken is no error: nothing was changed.
    pub(crate) async fn execute(
        &mut self,
        statement: &str,
        params: Vec<Value>,
    ) -> mysql_async::Result<Answer> {
        match in_time(self.db.exec(statement, params)).await {
            Ok(rows) => Ok(Answer {
                rows,
                changed: self.db.affected_rows(),
            }),
            Err(cause) if is_duplicate(&cause) => Ok(Answer::default()),
            Err(cause) => Err(cause),
        }
    }

    /// Executes a statement that cannot be prepared.
    pub(crate) async fn command(&mut self, statement: &str) -> mysql_async::Result<()> {
        in_time(self.db.query_drop(statement)).await
    }

    /// Lets others have it.
    pub(crate) fn put_back(self) {
        let mut idle = self.pool.idle();
        idle.retain(Idle::is_fresh);
        idle.push(Idle {
            db: self.db,
            since: Instant::now(),
        });
    }
}

/// What a statement came to.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// How many rows were found and written.
    pub(crate) changed: u64,
}

async fn in_time<T>(
    answer: impl Future<Output = mysql_async::Result<T>>,
) -> mysql_async::Result<T> {
    let silent = |_| Err(io::Error::from(io::ErrorKind::TimedOut).into());
    timeout(ANSWER_LIMIT, answer).await.unwrap_or_else(silent)
}

/// How often a statement is executed at most. With a second for each lock that is waited for in vain, this stays below
/// the five seconds of the session layer, whose error knows less.
pub(crate) const MOST_TRIES: usize = 4;

/// How long a call stands in line for a connection.
const LINE_LIMIT: Duration = Duration::from_secs(5);

/// How long a statement may take, for who uses the store without the session layer and its shorter limit.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// How long a connection may have been idle before it is asked whether it is still one, which is a round trip.
const QUIET: Duration = Duration::from_secs(1);

/// How long the answer to that may take.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// How long a connection that nobody uses is kept. What stands between, a balancer or a firewall, forgets it later.
const IDLE_LIMIT: Duration = Duration::from_secs(50);

#[cfg(test)]
mod tests {
    use cloakroom_harness::servers::mariadb;

    use super::*;

    #[tokio::test]
    async fn a_connection_that_died_while_the_site_was_quiet_is_not_written_to() {
        let Some(pool) = pool(2) else { return };
        let id: u64 = one(&pool, "SELECT CONNECTION_ID()").await;
        let killer = Pool::new(Address::parse(mariadb().unwrap().url()).unwrap(), 1, "");
        let mut db = killer.take("killing").await.unwrap();
        db.command(&format!("KILL CONNECTION {id}")).await.unwrap();
        db.put_back();
        pool.idle()[0].since = Instant::now().checked_sub(2 * QUIET).unwrap();

        let write = Ask {
            doing: "writing",
            statement: "DO 1",
            repeatable: false,
        };
        pool.ask(write, Vec::new).await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_is_dropped_in_mid_call_is_not_used_again() {
        let Some(pool) = pool(1) else { return };
        let id: u64 = one(&pool, "SELECT CONNECTION_ID()").await;

        let mut db = pool.take("testing").await.unwrap();
        db.command("START TRANSACTION").await.unwrap();
        drop(db);

        let other: u64 = one(&pool, "SELECT CONNECTION_ID()").await;
        assert_ne!(other, id);
    }

    #[tokio::test]
    async fn every_connection_has_the_settings_that_the_statements_rely_on() {
        let Some(pool) = pool(1) else { return };

        let mode: String = one(&pool, "SELECT @@sql_mode").await;
        assert!(mode.contains("STRICT_ALL_TABLES"), "{mode}");
        for (setting, expected) in [
            ("autocommit", "ON"),
            ("innodb_lock_wait_timeout", "1"),
            ("lock_wait_timeout", "1"),
            ("character_set_client", "utf8mb4"),
            (
                "tx_isolation' OR Variable_name = 'transaction_isolation",
                "READ-COMMITTED",
            ),
        ] {
            let show = format!("SHOW SESSION VARIABLES WHERE Variable_name = '{setting}'");
            let ask = Ask {
                doing: "asking",
                statement: &show,
                repeatable: true,
            };
            let row = pool.ask(ask, Vec::new).await.unwrap().rows.remove(0);
            assert_eq!(
                mysql_async::from_row::<(String, String)>(row).1,
                expected,
                "{setting}"
            );
        }
    }

    #[tokio::test]
    async fn whoever_stands_in_line_for_too_long_is_told_what_to_raise() {
        let Some(pool) = pool(1) else { return };
        let held = pool.take("testing").await.unwrap();

        tokio::time::pause();
        let error = pool
            .take("loading")
            .await
            .err()
            .expect("there is one connection");

        assert_eq!(
            error.to_string(),
            "loading: no connection came free within 5s (1 in use; raise `connections`)"
        );
        drop(held);
    }

    fn pool(size: usize) -> Option<Pool> {
        let address = Address::parse(mariadb()?.url()).unwrap();
        Some(Pool::new(address, size, ""))
    }

    async fn one<T: mysql_async::prelude::FromValue>(pool: &Pool, statement: &str) -> T {
        let ask = Ask {
            doing: "asking",
            statement,
            repeatable: true,
        };
        let row = pool.ask(ask, Vec::new).await.unwrap().rows.remove(0);
        mysql_async::from_value(row.unwrap().remove(0))
    }
}
