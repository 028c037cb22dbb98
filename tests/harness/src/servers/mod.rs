//! Real servers for tests of stores, started as child processes that end with the test process.
//!
//! [`postgres`], [`mariadb`], [`redis`], [`redis_cluster`], [`redis_sentinel`], [`valkey`],
//! [`memcached`] and [`pgbouncer`] return a server that all tests of the process share:
//!
//! 1. If the environment variable for the kind of server (see [`Kind::variable`]) contains a URL,
//!    the existing server at that URL. If the variable is set but empty, `None`.
//! 2. If the variable is not set and the program is installed, a private server, which this crate
//!    starts on a free port of 127.0.0.1 with its files in a temporary folder.
//! 3. If the variable is not set and the program is not installed, `None`. A line on standard error
//!    names the missing server. With `CLOAKROOM_TEST_REQUIRE_SERVERS=1`, the test panics instead.
//!
//! [`postgres_tls`], [`mariadb_tls`] and [`redis_tls`] return servers that accept only encrypted
//! connections. Their URLs name the certificate authority to trust.
//!
//! [`KillableServer`] is a server that one test can kill and start again.
//!
//! [`Replicas`] is a primary with a replica. A test can add Redis Sentinels, which watch the
//! primary and promote the replica if the primary fails.
//!
//! [`ClusterReplicas`] is a Redis Cluster in which each primary has a replica.
//!
//! Tests share servers, so name tables and prefixes with
//! [`unique_name`](cloakroom_testkit::unique_name).
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
//! println!("the test uses {table} in {}", server.url());
//! ```
//!
//! # One set of servers for many processes
//! `cargo nextest` runs each test in a separate process. The example `servers` of this crate starts
//! each kind once, sets the environment variables and runs a command:
//! ```sh
//! cargo run -q -p cloakroom-harness --example servers -- cargo nextest run -p cloakroom-postgres
//! ```
//!
//! # How private servers stop
//! Each private server runs under a watchdog, a shell script that reads a pipe from this process.
//! When this process ends, even by a panic, an abort or `kill -9`, the pipe closes. The watchdog
//! then stops the server and deletes its folder.
//!
//! If the watchdog itself is killed, the folder is not deleted. On Linux with `setpriv`, the kernel
//! kills the server in that case. On other systems the server keeps running.
//!
//! # Limits of a private server
//! * It acknowledges a write before the write is on disk, which makes the tests faster. Data
//!   survives a killed process but not a power cut. A [`KillableServer`] waits for the disk.
//! * It needs no password, so every user of this machine can connect to it while the tests run.
//! * If root runs the tests, the server runs as the user that its package has created. If there is
//!   no such user, it runs as the system's unprivileged user.

mod account;
mod cluster;
mod cluster_replicas;
mod killable;
mod kind;
mod mariadb;
mod mariadb_replicas;
mod memcached;
mod pgbouncer;
mod postgres;
mod postgres_replicas;
mod private;
mod program;
mod redis;
mod replicas;
mod server;
mod shared;
mod tls;

pub use cluster_replicas::ClusterReplicas;
pub use killable::KillableServer;
pub use kind::Kind;
pub use replicas::Replicas;
pub use server::Server;
pub use shared::{
    mariadb, memcached, pgbouncer, postgres, redis, redis_cluster, redis_sentinel, valkey,
};
pub use shared::{mariadb_tls, postgres_tls, redis_tls};
