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
//! [`Mortal`] is a server of one test, to be killed and started again.
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
//! Unless it is a [`Mortal`], it is not safe from a power cut: it writes without waiting for the disk, which makes the suites faster and changes
//! nothing for a process that is killed. It asks for no password and trusts whoever may connect to 127.0.0.1 on this
//! machine while the tests run. When root runs the tests, it has the rights of the user that its package made, or of
//! `nobody`.

use std::env;
use std::fmt;
use std::io::{self, Write};
use std::sync::OnceLock;

mod account;
mod cluster;
mod mariadb;
mod memcached;
mod postgres;
mod program;
mod redis;

mod mortal;
pub use mortal::Mortal;

mod private;
use private::{Private, Recipe};

/// A PostgreSQL for the tests of this process, `postgres://…`. It is stopped with the process.
///
/// A private one has the superuser `cloakroom` and a database of that name.
///
/// # Panics
/// If the server is installed and does not start, with what it wrote. If there is none, and
/// `CLOAKROOM_TEST_REQUIRE_SERVERS` is 1. The same goes for every kind.
///
/// # Examples
/// ```no_run
/// let Some(server) = cloakroom_harness::servers::postgres() else { return };
///
/// assert!(server.url().starts_with("postgres://"));
/// ```
pub fn postgres() -> Option<&'static Server> {
    Kind::Postgres.shared()
}

/// A MariaDB for the tests of this process, `mysql://…`. It is stopped with the process.
///
/// A private one has the user `root` without a password and a database `cloakroom`, in `utf8mb4`.
pub fn mariadb() -> Option<&'static Server> {
    Kind::Mariadb.shared()
}

/// A Redis of one node for the tests of this process, `redis://…`. It is stopped with the process.
pub fn redis() -> Option<&'static Server> {
    Kind::Redis.shared()
}

/// A Redis Cluster for the tests of this process: `redis+cluster://…`, with the addresses of all of its nodes, set
/// apart by commas. It is stopped with the process.
///
/// A private one has three nodes without replicas, and every slot is served.
pub fn redis_cluster() -> Option<&'static Server> {
    Kind::RedisCluster.shared()
}

/// A Valkey of one node for the tests of this process, `redis://…`. It is stopped with the process.
pub fn valkey() -> Option<&'static Server> {
    Kind::Valkey.shared()
}

/// A memcached for the tests of this process, `memcached://…`. It is stopped with the process.
///
/// A private one has 64 MiB and takes items of up to 1 MiB, as memcached does by default.
pub fn memcached() -> Option<&'static Server> {
    Kind::Memcached.shared()
}

/// A running server. A private one stops when this is dropped, or when the process ends in any other way.
pub struct Server {
    url: String,
    /// Its processes; none of an existing server.
    processes: Vec<Private>,
}

impl Server {
    /// Where it is, in the words that stores take.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn private(url: String, processes: Vec<Private>) -> Self {
        Self { url, processes }
    }

    fn existing(url: String) -> Self {
        Self {
            url,
            processes: Vec::new(),
        }
    }
}

impl fmt::Debug for Server {
    // Without the URL, which may hold the password of an existing server.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

/// A kind of server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    Mariadb,
    /// Redis, one node.
    Redis,
    /// Redis Cluster, three nodes.
    RedisCluster,
    /// Valkey, one node.
    Valkey,
    /// memcached.
    Memcached,
}

impl Kind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Postgres,
        Self::Mariadb,
        Self::Redis,
        Self::RedisCluster,
        Self::Valkey,
        Self::Memcached,
    ];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Mariadb => "MariaDB",
            Self::Redis => "Redis",
            Self::RedisCluster => "Redis Cluster",
            Self::Valkey => "Valkey",
            Self::Memcached => "memcached",
        }
    }

    /// The environment variable that names an existing server of this kind by its URL, or, empty, says to do without.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "CLOAKROOM_TEST_POSTGRES_URL",
            Self::Mariadb => "CLOAKROOM_TEST_MARIADB_URL",
            Self::Redis => "CLOAKROOM_TEST_REDIS_URL",
            Self::RedisCluster => "CLOAKROOM_TEST_REDIS_CLUSTER_URL",
            Self::Valkey => "CLOAKROOM_TEST_VALKEY_URL",
            Self::Memcached => "CLOAKROOM_TEST_MEMCACHED_URL",
        }
    }

    /// Starts a private server that nobody else uses, whatever the environment says; `None` if it is not installed.
    ///
    /// # Panics
    /// If it does not start, with what it wrote.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom_harness::servers::Kind;
    ///
    /// let Some(server) = Kind::Redis.start() else { return };
    /// println!("a Redis to fill to the brim: {}", server.url());
    /// drop(server); // It has stopped.
    /// ```
    pub fn start(self) -> Option<Server> {
        match self {
            Self::RedisCluster => cluster::start(),
            Self::Postgres => self.start_one(postgres::recipe()?),
            Self::Mariadb => self.start_one(mariadb::recipe()?),
            Self::Redis => self.start_one(redis::recipe("redis-server", "redis")?),
            Self::Valkey => self.start_one(redis::recipe("valkey-server", "valkey")?),
            Self::Memcached => self.start_one(memcached::recipe()?),
        }
    }

    fn start_mortal(self) -> Option<Server> {
        match self {
            Self::RedisCluster => {
                panic!("a cluster is more than one process; kill one of its nodes")
            }
            Self::Postgres => self.start_one(postgres::mortal()?),
            Self::Mariadb => self.start_one(mariadb::mortal()?),
            Self::Redis => self.start_one(redis::mortal("redis-server", "redis")?),
            Self::Valkey => self.start_one(redis::mortal("valkey-server", "valkey")?),
            Self::Memcached => self.start_one(memcached::mortal()?),
        }
    }

    fn start_one(self, recipe: Recipe) -> Option<Server> {
        let private = recipe.start();
        let url = self.url(private.port);
        Some(Server::private(url, vec![private]))
    }

    /// Where a private server of one process is.
    fn url(self, port: u16) -> String {
        match self {
            Self::Postgres => postgres::url(port),
            Self::Mariadb => mariadb::url(port),
            Self::Redis | Self::RedisCluster | Self::Valkey => redis::url(port),
            Self::Memcached => memcached::url(port),
        }
    }

    /// A file of a private server, and what stands in it as soon as it listens.
    fn ready(self) -> (&'static str, &'static str) {
        match self {
            Self::Postgres => postgres::READY,
            Self::Mariadb => mariadb::READY,
            Self::Redis | Self::RedisCluster | Self::Valkey => redis::READY,
            Self::Memcached => memcached::READY,
        }
    }

    fn shared(self) -> Option<&'static Server> {
        static SHARED: [OnceLock<Option<Server>>; Kind::ALL.len()] =
            [const { OnceLock::new() }; Kind::ALL.len()];
        SHARED[self as usize].get_or_init(|| self.find()).as_ref()
    }

    fn find(self) -> Option<Server> {
        match env::var(self.variable()) {
            Ok(url) if url.is_empty() => {
                say(&format!("not run: {} is empty", self.variable()));
                None
            }
            Ok(url) => Some(Server::existing(url)),
            Err(_) => self.or_say_missing(self.start()),
        }
    }

    /// What `start` starts, unless the environment says to do without.
    fn or_say_why(self, start: impl FnOnce() -> Option<Server>) -> Option<Server> {
        if env::var(self.variable()).is_ok_and(|url| url.is_empty()) {
            say(&format!("not run: {} is empty", self.variable()));
            return None;
        }
        self.or_say_missing(start())
    }

    fn or_say_missing(self, server: Option<Server>) -> Option<Server> {
        if server.is_none() {
            let missing = self.missing();
            assert!(env::var(REQUIRE).as_deref() != Ok("1"), "{missing}");
            say(&missing);
        }
        server
    }

    fn missing(self) -> String {
        let (name, package) = (self.name(), self.package());
        format!(
            "not run: needs {name} (Debian: apt-get install {package}); scripts/test installs it"
        )
    }

    fn package(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::Mariadb => "mariadb-server",
            Self::Redis | Self::RedisCluster => "redis-server",
            Self::Valkey => "valkey-server",
            Self::Memcached => "memcached",
        }
    }
}

/// Past the test harness, which keeps what `eprintln!` writes to itself when a test passes.
fn say(line: &str) {
    // Nobody to tell is no reason to fail.
    let _ = writeln!(io::stderr(), "{line}");
}

const REQUIRE: &str = "CLOAKROOM_TEST_REQUIRE_SERVERS";
