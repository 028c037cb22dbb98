//! A small client for three of memcached's meta commands and two of its classic commands.
//!
//! No other Rust client combines compare-and-swap, a bounded pool and time limits. These rules keep
//! a visitor from getting the answer to another visitor's request:
//!
//! * A call uses a connection exclusively, and returns it to the pool only after reading the whole
//!   answer.
//! * Every meta command except a ping is sent with a number, which its answer must repeat. The
//!   number may be missing only if an `mg` finds no item, because older servers omit it then. An
//!   answer with a value must also repeat the key. Behind a classic command, whose answer has no
//!   number, an `mg` is sent in the same packet.
//! * An idle connection is closed if any byte has arrived on it, or if the server has closed it.

mod answer;

mod command;
pub(crate) use command::NewItem;

mod connection;

mod fault;
pub(crate) use fault::Fault;

mod key;
pub(crate) use key::Key;

mod server;
pub(crate) use server::{Change, Item, Lease, Server, Swapped, Token};
