use std::env;
use std::io::{self, Write};
use std::sync::OnceLock;

use super::private::Recipe;
use super::server::Server;
use super::{cluster, mariadb, memcached, postgres, redis};

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

    pub(super) fn start_killable(self) -> Option<Server> {
        match self {
            Self::RedisCluster => {
                panic!("a cluster is more than one process; kill one of its nodes")
            }
            Self::Postgres => self.start_one(postgres::killable()?),
            Self::Mariadb => self.start_one(mariadb::killable()?),
            Self::Redis => self.start_one(redis::killable("redis-server", "redis")?),
            Self::Valkey => self.start_one(redis::killable("valkey-server", "valkey")?),
            Self::Memcached => self.start_one(memcached::killable()?),
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
    pub(super) fn ready(self) -> (&'static str, &'static str) {
        match self {
            Self::Postgres => postgres::READY,
            Self::Mariadb => mariadb::READY,
            Self::Redis | Self::RedisCluster | Self::Valkey => redis::READY,
            Self::Memcached => memcached::READY,
        }
    }

    pub(super) fn shared(self) -> Option<&'static Server> {
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
    pub(super) fn or_say_why(self, start: impl FnOnce() -> Option<Server>) -> Option<Server> {
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
