use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::answer::{Answer, Code};
use super::command::{Command, NewItem};
use super::connection::Connection;
use super::{Fault, Key};

/// One memcached, and the connections to it.
pub(crate) struct Server {
    address: Box<str>,
    max_value: usize,
    permits: Semaphore,
    // The last one in is the first one out, so that those that are not needed stay idle and are closed by the server.
    idle: Mutex<Vec<(Connection, ConnectionNumber)>>,
    opened: AtomicU64,
}

/// The CAS number of an item, as it was at a moment.
#[derive(Clone, Copy)]
pub(crate) struct Token {
    cas: u64,
    seen: ConnectionNumber,
}

/// How many connections had been opened. See [`Lease::takes`].
type ConnectionNumber = u64;

/// A value with its flags and its token.
pub(crate) struct Item {
    pub(crate) value: Bytes,
    pub(crate) flags: u32,
    pub(crate) token: Token,
}

/// What became of a compare-and-swap.
pub(crate) enum Swapped {
    /// Done; the item has this token now, if the server told it.
    Done(Option<Token>),
    /// Not done: the item has another number.
    Changed,
    /// Not done: there is no item.
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
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A connection for one call, once there is one.
    pub(crate) async fn lease(&self) -> Result<Lease<'_>, Fault> {
        let permit = self.permits.acquire().await;
        let permit = permit.expect("the semaphore is never closed");
        // Every turn takes one out, and there are no more than permits.
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

/// A connection that one call has for itself.
///
/// Unless it is given [`release`](Self::release), it is closed: after a fault, and when the future of the call is dropped,
/// so that nobody reads an answer that was meant for another.
pub(crate) struct Lease<'a> {
    server: &'a Server,
    connection: Connection,
    opened: ConnectionNumber,
    _permit: SemaphorePermit<'a>,
}

impl Lease<'_> {
    /// Ends the call with the connection in order.
    pub(crate) fn release(self) {
        let mut idle = self
            .server
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        idle.push((self.connection, self.opened));
    }

    /// Whether `token` means on this connection what it meant when it was seen.
    ///
    /// CAS numbers begin anew when a server does. A connection that was opened before the token was asked for and still
    /// works shows that the server is the same.
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

    /// Stores what was not there; `false` if there is something.
    pub(crate) async fn add(
        &mut self,
        key: &Key,
        new_item: NewItem<'_>,
    ) -> Result<(bool, Option<Token>), Fault> {
        let seen = self.last_opened();
        let answer = self.connection.ask(&Command::Add(key, new_item)).await?;
        match answer.code {
            Code::Done => Ok((true, token(&answer, seen))),
            Code::NotStored => Ok((false, None)),
            _ => Err(UNEXPECTED),
        }
    }

    /// Replaces the item if it still has this token. The lease must [take](Self::takes) it.
    pub(crate) async fn swap(
        &mut self,
        key: &Key,
        new_item: NewItem<'_>,
        old: Token,
    ) -> Result<Swapped, Fault> {
        let seen = self.last_opened();
        let command = Command::Swap(key, new_item, old.cas);
        let answer = self.connection.ask(&command).await?;
        match answer.code {
            Code::Done => Ok(Swapped::Done(token(&answer, seen))),
            Code::Exists => Ok(Swapped::Changed),
            Code::Missing => Ok(Swapped::Gone),
            _ => Err(UNEXPECTED),
        }
    }

    pub(crate) async fn delete(&mut self, key: &Key) -> Result<(), Fault> {
        match self.connection.ask(&Command::Delete(key)).await?.code {
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

    /// Before the question, not after the answer: another server may have come in between.
    fn last_opened(&self) -> ConnectionNumber {
        self.server.opened.load(Ordering::SeqCst)
    }
}

/// A server that was told not to count (`-C`) answers with the number 0, which every item has.
fn token(answer: &Answer, seen: ConnectionNumber) -> Option<Token> {
    let cas = answer.cas.filter(|cas| *cas != 0)?;
    Some(Token { cas, seen })
}

const UNEXPECTED: Fault = Fault::Garbled("an answer that fits another command");
