//! A small client for memcached's meta commands.
//!
//! There are older Rust clients; none has compare-and-swap, a bounded pool and time limits together. This one knows five
//! commands. What keeps one visitor from ever getting the answer of another:
//!
//! * one call has a connection for itself and gives it back only after the whole answer was read;
//! * every answer repeats a number that the command was sent with, and a value its key;
//! * an idle connection on which something has come, the end included, is closed.

mod answer;

mod command;
pub(crate) use command::NewItem;

mod connection;

mod fault;
pub(crate) use fault::Fault;

mod key;
pub(crate) use key::Key;

mod server;
pub(crate) use server::{Item, Lease, Server, Swapped, Token};
