use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Duration, Instant};

use super::answer::{Answer, Code, WriteAnswer};
use super::command::{Command, NewItem};
use super::connection::Connection;
use super::{Fault, Key};

/// A memcached server and the connections to it.
pub(crate) struct Server {
    address: Box<str>,
    max_value: usize,
    permits: Semaphore,
    /// The connections that no call uses. Each call takes the most recently used one. So
    /// connections that are no longer needed stay unused until the server's idle timeout closes
    /// them.
    idle: Mutex<Vec<(Connection, ConnectionNumber)>>,
    /// How many connections have been opened.
    opened: AtomicU64,
    /// When a call last found that the server cannot be reached.
    unreachable: Mutex<Option<Instant>>,
}

/// Identifies the value that an item had when it was loaded or written, for a
/// [swap](Lease::swap).
#[derive(Clone, Copy)]
pub(crate) struct Token {
    /// The CAS number of the item: memcached's number for compare-and-swap.
    cas: u64,
    /// The last connection that was opened before the CAS number was requested.
    /// [`Lease::accepts`] uses it to notice that the server has restarted since then.
    seen: ConnectionNumber,
}

/// Numbers the connections to a server in the order in which they were opened.
type ConnectionNumber = u64;

/// A value with its flags and its token.
pub(crate) struct Item {
    pub(crate) value: Bytes,
    pub(crate) flags: u32,
    pub(crate) token: Token,
}

/// What a compare-and-swap does.
#[derive(Clone, Copy)]
#[cfg_attr(
    not(feature = "django"),
    expect(dead_code, reason = "only Django's cache needs all of them")
)]
pub(crate) enum Change<'a> {
    /// Replaces the item.
    Replace(NewItem<'a>),
    /// Sets when the server removes the item. Needs no memory.
    Expire(i64),
    /// Deletes the item. Needs no memory.
    Delete,
}

/// The result of a compare-and-swap.
pub(crate) enum Swapped {
    /// The item was changed. Contains its new token if the server returned one.
    Done(Option<Token>),
    /// Nothing was changed: the item has another CAS number.
    Changed,
    /// Nothing was changed: there is no item.
    Gone,
}

impl Server {
    pub(crate) fn new(address: &str, connections: usize, max_value: usize) -> Self {
        Self {
            address: address.into(),
            max_value,
            permits: Semaphore::new(connections),
            idle: Mutex::default(),
            opened: AtomicU64::new(0),
            unreachable: Mutex::default(),
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Records that the server cannot be reached.
    pub(crate) fn set_unreachable(&self) {
        let mut unreachable = self
            .unreachable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *unreachable = Some(Instant::now());
    }

    /// Returns whether the server could not be reached in the last second.
    pub(crate) fn was_just_unreachable(&self) -> bool {
        let unreachable = self
            .unreachable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        unreachable.is_some_and(|at| at.elapsed() < UNREACHABLE_PAUSE)
    }

    /// Returns a connection for one call. Waits while all connections are in use.
    pub(crate) async fn lease(&self) -> Result<Lease<'_>, Fault> {
        let permit = self.permits.acquire().await;
        let permit = permit.expect("the semaphore is never closed");
        // The loop ends: every round removes an idle connection, and the server has at most as many
        // idle connections as permits.
        while let Some((connection, opened)) = self.take_idle() {
            if connection.is_idle() {
                return Ok(self.lend(connection, opened, permit));
            }
        }
        let connection = Connection::open(&self.address, self.max_value).await?;
        let opened = self.opened.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(self.lend(connection, opened, permit))
    }

    fn lend<'a>(
        &'a self,
        connection: Connection,
        opened: ConnectionNumber,
        permit: SemaphorePermit<'a>,
    ) -> Lease<'a> {
        Lease {
            server: self,
            connection,
            opened,
            _permit: permit,
        }
    }

    fn take_idle(&self) -> Option<(Connection, ConnectionNumber)> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop()
    }
}

/// A connection that one call uses exclusively.
///
/// Dropping a lease without [`release`](Self::release) closes the connection. This happens after a
/// fault and when the future of the call is dropped, so that no later call reads the answer to this
/// call.
pub(crate) struct Lease<'a> {
    server: &'a Server,
    connection: Connection,
    opened: ConnectionNumber,
    _permit: SemaphorePermit<'a>,
}

impl Lease<'_> {
    /// Makes the connection available to the next call. Must be called only after a complete
    /// answer.
    pub(crate) fn release(self) {
        let mut idle = self
            .server
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        idle.push((self.connection, self.opened));
    }

    /// Returns whether `token` is valid on this connection.
    ///
    /// A server that restarts assigns the same CAS numbers to other items. If this connection was
    /// opened before the token was requested and still works, the server has not restarted since.
    pub(crate) fn accepts(&self, token: &Token) -> bool {
        self.opened <= token.seen
    }

    pub(crate) async fn get(&mut self, key: &Key) -> Result<Option<Item>, Fault> {
        let seen = self.last_opened();
        let answer = self.connection.ask(&Command::Get(key)).await?;
        let (flags, token) = (answer.flags.unwrap_or(0), token(&answer, seen));
        match (answer.code, token) {
            (Code::Value(value), Some(token)) => Ok(Some(Item {
                value,
                flags,
                token,
            })),
            (Code::Value(_), None) => Err(Fault::NoCas),
            (Code::Missing, _) => Ok(None),
            _ => Err(UNEXPECTED),
        }
    }

    /// Stores `new_item` if there is no item at `key`. Returns whether `new_item` was stored, and
    /// its token if the server returned one. An item at `key` stays even if the server refuses the
    /// command.
    pub(crate) async fn add(
        &mut self,
        key: &Key,
        new_item: NewItem<'_>,
    ) -> Result<(bool, Option<Token>), Fault> {
        let seen = self.last_opened();
        let command = Command::Add(key, new_item);
        match self.connection.write(&command).await? {
            (WriteAnswer::Stored, check) => Ok((true, token_of(new_item, &check, seen))),
            (WriteAnswer::NotStored, _) => Ok((false, None)),
            _ => Err(UNEXPECTED),
        }
    }

    /// Changes the item at `key` if the item still has the token `old`. The lease must
    /// [accept](Self::accepts) `old`. The item stays as it is if the server refuses the command.
    pub(crate) async fn swap(
        &mut self,
        key: &Key,
        change: Change<'_>,
        old: Token,
    ) -> Result<Swapped, Fault> {
        let command = match change {
            Change::Replace(new_item) => return self.replace(key, new_item, old).await,
            Change::Expire(exptime) => Command::Expire(key, exptime, old.cas),
            Change::Delete => Command::Delete(key, Some(old.cas)),
        };
        match self.connection.ask(&command).await?.code {
            Code::Done => Ok(Swapped::Done(None)),
            Code::Exists => Ok(Swapped::Changed),
            Code::Missing => Ok(Swapped::Gone),
            _ => Err(UNEXPECTED),
        }
    }

    async fn replace(
        &mut self,
        key: &Key,
        new_item: NewItem<'_>,
        old: Token,
    ) -> Result<Swapped, Fault> {
        let seen = self.last_opened();
        let command = Command::Replace(key, new_item, old.cas);
        match self.connection.write(&command).await? {
            (WriteAnswer::Stored, check) => Ok(Swapped::Done(token_of(new_item, &check, seen))),
            (WriteAnswer::Exists, _) => Ok(Swapped::Changed),
            (WriteAnswer::NotFound, _) => Ok(Swapped::Gone),
            (WriteAnswer::NotStored, _) => Err(UNEXPECTED),
        }
    }

    pub(crate) async fn delete(&mut self, key: &Key) -> Result<(), Fault> {
        match self.connection.ask(&Command::Delete(key, None)).await?.code {
            Code::Done | Code::Missing => Ok(()),
            _ => Err(UNEXPECTED),
        }
    }

    pub(crate) async fn ping(&mut self) -> Result<(), Fault> {
        match self.connection.ask(&Command::Ping).await?.code {
            Code::Pong => Ok(()),
            _ => Err(UNEXPECTED),
        }
    }

    /// Returns the number of the last connection that was opened. Must be called before the command
    /// is sent: while the answer is on its way, the server may restart and another call may open a
    /// connection. The new connection must not accept the token in the answer.
    fn last_opened(&self) -> ConnectionNumber {
        self.server.opened.load(Ordering::SeqCst)
    }
}

/// Returns the token in an answer. Servers started with `-C` return the CAS number 0 for every
/// item, which is not a token.
fn token(answer: &Answer, seen: ConnectionNumber) -> Option<Token> {
    let cas = answer.cas.filter(|cas| *cas != 0)?;
    Some(Token { cas, seen })
}

/// Returns the token of `new_item` after a write, if `check`, the answer to the `mg` behind it,
/// contains the same value. Otherwise, the CAS number may be that of another write.
fn token_of(new_item: NewItem<'_>, check: &Answer, seen: ConnectionNumber) -> Option<Token> {
    match &check.code {
        Code::Value(value) if *value == new_item.value => {}
        _ => return None,
    }
    token(check, seen).filter(|_| check.flags == Some(new_item.flags))
}

/// How long new sessions avoid a server that could not be reached. Without a pause, every new
/// visitor would wait for a server that does not even refuse connections.
const UNREACHABLE_PAUSE: Duration = Duration::from_secs(1);

const UNEXPECTED: Fault = Fault::Garbled("an answer that does not fit the command");
