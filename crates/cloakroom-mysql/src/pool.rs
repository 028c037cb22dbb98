use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cloakroom::{Error, Result};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Row, Value};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::address::Address;
use crate::connection::{connect, driver_options};
use crate::error::{Failure, is_duplicate, refused, too_slow};

/// The connections of a store, opened when they are needed.
///
/// A connection is closed if its last statement did not finish, either because the connection was
/// lost or because the caller dropped the future.
pub(crate) struct Pool {
    address: Address,
    driver_options: Opts,
    size: usize,
    /// The advice in the error message if the table does not exist.
    no_table: &'static str,
    free: Semaphore,
    // A stack: the most recently used connection is reused first, so that surplus connections stay
    // idle and are closed.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    db: Conn,
    since: Instant,
}

/// A statement that runs as its own transaction.
#[derive(Clone, Copy)]
pub(crate) struct Statement<'a> {
    /// What the statement is doing, for error messages.
    pub(crate) doing: &'static str,
    pub(crate) sql: &'a str,
    /// Whether the statement may be executed again after its answer was lost.
    pub(crate) repeatable: bool,
}

impl Pool {
    pub(crate) fn new(address: Address, size: usize, no_table: &'static str) -> Self {
        Self {
            driver_options: driver_options(&address),
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

    /// Executes a statement, up to [`MAX_TRIES`] times in total.
    ///
    /// The statement is tried again
    /// * after a deadlock or a lock wait timeout;
    /// * once, if a server refused the first try because it is not the primary;
    /// * if it is repeatable, after its connection was lost.
    ///
    /// If the future is dropped, the statement may or may not have been executed.
    pub(crate) async fn run(
        &self,
        statement: Statement<'_>,
        params: impl Fn() -> Vec<Value>,
    ) -> Result<Answer> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut db = self.acquire(statement.doing).await?;
            let cause = match db.execute(statement.sql, params()).await {
                Ok(answer) => {
                    db.release();
                    return Ok(answer);
                }
                Err(cause) => cause,
            };
            let try_again = match Failure::of(&cause) {
                Failure::RolledBack => {
                    db.release();
                    true
                }
                Failure::Refused => {
                    db.release();
                    false
                }
                Failure::TooLarge => false,
                // Try again only once: a second new connection would reach the same server.
                Failure::NotPrimary => {
                    self.close_idle();
                    tries == 1
                }
                Failure::ConnectionUnusable => {
                    self.close_idle();
                    statement.repeatable
                }
            };
            if !try_again || tries == MAX_TRIES {
                return Err(self.refused(statement.doing, cause));
            }
        }
    }

    /// Executes the statement `first`, and then `second` if `first` changed a row. Both run in one
    /// transaction. Returns the number of rows that `first` changed.
    ///
    /// Tries again in the same cases as [`run`](Self::run) does for a statement that is not
    /// repeatable. If the future is dropped, the transaction takes effect completely or not at all.
    pub(crate) async fn run_both(
        &self,
        doing: &'static str,
        first: (&str, Vec<Value>),
        second: (&str, Vec<Value>),
    ) -> Result<u64> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut db = self.acquire(doing).await?;
            let cause = match db.execute_both(&first, &second).await {
                Ok(changed) => {
                    db.release();
                    return Ok(changed);
                }
                Err(cause) => cause,
            };
            let failure = Failure::of(&cause);
            self.end_transaction(db, failure).await;
            let try_again = match failure {
                Failure::RolledBack => true,
                Failure::NotPrimary => tries == 1,
                Failure::Refused | Failure::TooLarge | Failure::ConnectionUnusable => false,
            };
            if !try_again || tries == MAX_TRIES {
                return Err(self.refused(doing, cause));
            }
        }
    }

    /// Ends the transaction of `db` after a statement in it has failed. When this method returns,
    /// the transaction holds no locks, except if the method closed `db`: then the locks last until
    /// the server notices that the connection is closed.
    pub(crate) async fn end_transaction(&self, mut db: PooledConnection<'_>, failure: Failure) {
        // After a failure other than `RolledBack`, or if the rollback fails, close the connection.
        // The server rolls back when it notices that the connection is closed.
        if failure == Failure::RolledBack && db.command("ROLLBACK").await.is_ok() {
            db.release();
        } else {
            drop(db);
        }
        if matches!(failure, Failure::ConnectionUnusable | Failure::NotPrimary) {
            self.close_idle();
        }
    }

    /// Returns the error for a call that MySQL refused or did not answer.
    pub(crate) fn refused(&self, doing: &'static str, cause: mysql_async::Error) -> Error {
        refused(doing, cause, self.no_table)
    }

    /// Returns an idle connection, or a new one if none is idle. While all connections are in use,
    /// waits for up to [`ACQUIRE_TIMEOUT`].
    pub(crate) async fn acquire(&self, doing: &str) -> Result<PooledConnection<'_>> {
        let Ok(permit) = timeout(ACQUIRE_TIMEOUT, self.free.acquire()).await else {
            let why = format!(
                "no connection came free within {ACQUIRE_TIMEOUT:?} ({} in use; raise \
                 `connections`)",
                self.size
            );
            return Err(too_slow(doing, &why));
        };
        let permit = permit.expect("the semaphore is never closed");
        let db = match self.pop_idle().await {
            Some(db) => db,
            None => connect(&self.address, &self.driver_options).await?,
        };
        Ok(PooledConnection {
            pool: self,
            db,
            _permit: permit,
        })
    }

    /// Removes the most recently used idle connection, and returns it if it still works.
    async fn pop_idle(&self) -> Option<Conn> {
        let mut idle = self.idle().pop().filter(Idle::is_fresh)?;
        // If the server was restarted while the site was idle, the connection is lost. Without the
        // ping, a save could be the first statement on the lost connection. The outcome of the save
        // would be unknown, so the save would return an error.
        if idle.since.elapsed() > PING_AFTER
            && !matches!(timeout(PING_TIMEOUT, idle.db.ping()).await, Ok(Ok(())))
        {
            self.close_idle();
            return None;
        }
        Some(idle.db)
    }

    /// Closes all idle connections. Called when a connection is lost, because that usually means
    /// that the server was stopped.
    pub(crate) fn close_idle(&self) {
        let idle = std::mem::take(&mut *self.idle());
        drop(idle);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < MAX_IDLE
    }
}

/// A connection in use. Dropping it closes the connection, which rolls back an open transaction.
pub(crate) struct PooledConnection<'a> {
    pool: &'a Pool,
    db: Conn,
    _permit: SemaphorePermit<'a>,
}

impl PooledConnection<'_> {
    /// Executes a statement. Its first execution on this connection also prepares the statement.
    ///
    /// A duplicate key is not an error: the answer reports that no row was changed.
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

    async fn execute_both(
        &mut self,
        first: &(&str, Vec<Value>),
        second: &(&str, Vec<Value>),
    ) -> mysql_async::Result<u64> {
        self.command("START TRANSACTION").await?;
        let changed = self.execute(first.0, first.1.clone()).await?.changed;
        if changed > 0 {
            self.execute(second.0, second.1.clone()).await?;
        }
        self.command("COMMIT").await?;
        Ok(changed)
    }

    /// Executes a statement that cannot be prepared.
    pub(crate) async fn command(&mut self, statement: &str) -> mysql_async::Result<()> {
        in_time(self.db.query_drop(statement)).await
    }

    /// Returns the connection to the pool.
    pub(crate) fn release(self) {
        let mut idle = self.pool.idle();
        idle.retain(Idle::is_fresh);
        idle.push(Idle {
            db: self.db,
            since: Instant::now(),
        });
    }
}

/// The answer to a statement.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// The number of rows that the statement inserted or deleted, or that an UPDATE found.
    pub(crate) changed: u64,
}

async fn in_time<T>(
    answer: impl Future<Output = mysql_async::Result<T>>,
) -> mysql_async::Result<T> {
    let timed_out = |_| Err(io::Error::from(io::ErrorKind::TimedOut).into());
    timeout(ANSWER_TIMEOUT, answer)
        .await
        .unwrap_or_else(timed_out)
}

/// How many times a statement is tried in total. A lock wait times out after one second, so all
/// tries end before the session layer's limit of five seconds, whose error would be less specific.
pub(crate) const MAX_TRIES: usize = 4;

/// How long a call waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement may take. This limit matters only to programs that call the store directly:
/// the limit of the session layer is shorter.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that has been idle for longer than this is pinged before its next use. Connections
/// in steady use are not pinged, because a ping costs a round trip.
const PING_AFTER: Duration = Duration::from_secs(1);

const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// An idle connection is not used again after this time. The limit is shorter than the time after
/// which load balancers and firewalls usually close idle connections.
const MAX_IDLE: Duration = Duration::from_secs(50);

#[cfg(test)]
mod tests {
    use cloakroom_harness::servers::mariadb;

    use super::*;

    #[tokio::test]
    async fn a_connection_lost_while_idle_is_not_used_for_a_write() {
        let Some(pool) = pool(2) else { return };
        let id: u64 = select_value(&pool, "SELECT CONNECTION_ID()").await;
        let killer = Pool::new(Address::parse(mariadb().unwrap().url()).unwrap(), 1, "");
        let mut db = killer.acquire("killing").await.unwrap();
        db.command(&format!("KILL CONNECTION {id}")).await.unwrap();
        db.release();
        pool.idle()[0].since = Instant::now().checked_sub(2 * PING_AFTER).unwrap();

        let write = Statement {
            doing: "writing",
            sql: "DO 1",
            repeatable: false,
        };
        pool.run(write, Vec::new).await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_dropped_during_a_transaction_is_not_reused() {
        let Some(pool) = pool(1) else { return };
        let id: u64 = select_value(&pool, "SELECT CONNECTION_ID()").await;

        let mut db = pool.acquire("testing").await.unwrap();
        db.command("START TRANSACTION").await.unwrap();
        drop(db);

        let other: u64 = select_value(&pool, "SELECT CONNECTION_ID()").await;
        assert_ne!(other, id);
    }

    #[tokio::test]
    async fn every_connection_has_the_settings_that_the_statements_rely_on() {
        let Some(pool) = pool(1) else { return };

        let mode: String = select_value(&pool, "SELECT @@sql_mode").await;
        assert!(mode.contains("STRICT_ALL_TABLES"), "{mode}");
        for (setting, expected) in [
            ("autocommit", "ON"),
            ("innodb_lock_wait_timeout", "1"),
            ("lock_wait_timeout", "1"),
            ("character_set_client", "utf8mb4"),
            // The name of this setting is `tx_isolation` in older versions of MariaDB.
            (
                "tx_isolation' OR Variable_name = 'transaction_isolation",
                "READ-COMMITTED",
            ),
        ] {
            let show = format!("SHOW SESSION VARIABLES WHERE Variable_name = '{setting}'");
            let statement = Statement {
                doing: "reading a setting",
                sql: &show,
                repeatable: true,
            };
            let row = pool.run(statement, Vec::new).await.unwrap().rows.remove(0);
            assert_eq!(
                mysql_async::from_row::<(String, String)>(row).1,
                expected,
                "{setting}"
            );
        }
    }

    #[tokio::test]
    async fn a_call_that_waits_too_long_for_a_connection_is_an_error_with_advice() {
        let Some(pool) = pool(1) else { return };
        let in_use = pool.acquire("testing").await.unwrap();

        tokio::time::pause();
        let error = pool
            .acquire("loading")
            .await
            .err()
            .expect("the only connection is in use");

        assert_eq!(
            error.to_string(),
            "loading: no connection came free within 5s (1 in use; raise `connections`)"
        );
        drop(in_use);
    }

    #[tokio::test]
    async fn a_statement_that_takes_too_long_is_an_error_with_advice() {
        let Some(pool) = pool(1) else { return };
        let slow = Statement {
            doing: "writing",
            sql: "DO SLEEP(60)",
            repeatable: false,
        };
        pool.acquire("connecting").await.unwrap().release();

        tokio::time::pause();
        let error = pool
            .run(slow, Vec::new)
            .await
            .err()
            .expect("60 s are too long");

        assert_eq!(
            error.to_string(),
            "writing: no answer came in time; check the load of the server and the network"
        );
    }

    fn pool(size: usize) -> Option<Pool> {
        let address = Address::parse(mariadb()?.url()).unwrap();
        Some(Pool::new(address, size, ""))
    }

    /// Executes a statement that returns one row with one column, and returns the value in it.
    async fn select_value<T: mysql_async::prelude::FromValue>(pool: &Pool, sql: &str) -> T {
        let statement = Statement {
            doing: "reading a value",
            sql,
            repeatable: true,
        };
        let row = pool.run(statement, Vec::new).await.unwrap().rows.remove(0);
        mysql_async::from_value(row.unwrap().remove(0))
    }
}
