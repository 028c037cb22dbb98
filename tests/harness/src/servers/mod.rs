//! Real servers for tests of stores: private ones, as child processes, that stop whatever happens to the test.
//!
//! [`postgres`], [`mariadb`], [`redis`], [`redis_cluster`], [`valkey`] and [`memcached`] give the server of their kind
//! that all tests of the process share:
//! 1. the one that the environment names, in the variable of [`Kind::variable`]. An empty variable says to do without;
//! 2. or else, if the program is installed, a private one on a free port of 127.0.0.1, with its files in a temporary
//!    folder;
//! 3. or else `None`, and a line on standard error that says what did not run. With `CLOAKROOM_TEST_REQUIRE_SERVERS=1`
//!    that is a panic instead, unless the variable is empty.
//!
//! [`KillableServer`] is a server of one test, to be killed and started again.
//!
//! A test that leaves things behind names them with [`unique_name`](cloakroom_testkit::unique_name),
//! because others use the same server.
//!
//! # Examples
//! ```no_run
//! use cloakroom_harness::servers;
//! use cloakroom_testkit::unique_name;
//!
//! // In a test.
//! let Some(server) = servers::postgres() else { return };
//! let table = unique_name();
//!
//! println!("the test may do what it likes with {table} in {}", server.url());
//! ```
//!
//! # One set of servers for many processes
//! `cargo nextest` runs each test in a process of its own. The example of this crate starts every kind once, puts them
//! into the environment and runs a command, as `scripts/test` does:
//! ```sh
//! cargo run -q -p cloakroom-harness --example servers -- cargo nextest run -p cloakroom-postgres
//! ```
//!
//! # How they stop
//! Each server runs below a watchdog, a few lines of shell at the other end of a pipe from this process. However this
//! process ends, by returning, panicking, aborting or `kill -9`, the pipe closes, and the watchdog stops the server and
//! deletes its folder. Should the watchdog be killed, the folder stays, but on Linux the kernel kills the server at once;
//! elsewhere, where there is no `setpriv`, nobody does.
//!
//! # What a private server is not
//! Unless it is a [`KillableServer`], it is not safe from a power cut: it writes without waiting
//! for the disk, which makes the suites faster and changes nothing for a process that is killed.
//! It asks for no password and trusts whoever may connect to 127.0.0.1 on this
//! machine while the tests run. When root runs the tests, it has the rights of the user that its package made, or of
//! `nobody`.

mod account;
mod cluster;
mod killable;
mod kind;
mod mariadb;
mod memcached;
mod postgres;
mod private;
mod program;
mod redis;
mod server;
mod shared;

pub use killable::KillableServer;
pub use kind::Kind;
pub use server::Server;
pub use shared::{mariadb, memcached, postgres, redis, redis_cluster, valkey};
