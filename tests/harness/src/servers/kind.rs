use std::env;
use std::io::{self, Write};
use std::sync::OnceLock;

use super::private::{Private, Recipe};
use super::server::Server;
use super::tls::{self, Certificate, with_certificate};
use super::{cluster, mariadb, memcached, pgbouncer, postgres, redis, replicas};

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
    /// Redis with a replica and three Sentinels.
    RedisSentinel,
    /// Valkey, one node.
    Valkey,
    /// memcached.
    Memcached,
    /// PgBouncer in transaction mode, with a PostgreSQL behind it.
    Pgbouncer,
    /// PostgreSQL that accepts encrypted connections only.
    PostgresTls,
    /// MariaDB that accepts encrypted connections only.
    MariadbTls,
    /// Redis, one node that accepts encrypted connections only.
    RedisTls,
}

impl Kind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Postgres,
        Self::Mariadb,
        Self::Redis,
        Self::RedisCluster,
        Self::RedisSentinel,
        Self::Valkey,
        Self::Memcached,
        Self::Pgbouncer,
        Self::PostgresTls,
        Self::MariadbTls,
        Self::RedisTls,
    ];

    /// Returns the name of the product.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_harness::servers::Kind;
    ///
    /// assert_eq!(Kind::Postgres.name(), "PostgreSQL");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Mariadb => "MariaDB",
            Self::Redis => "Redis",
            Self::RedisCluster => "Redis Cluster",
            Self::RedisSentinel => "Redis Sentinel",
            Self::Valkey => "Valkey",
            Self::Memcached => "memcached",
            Self::Pgbouncer => "PgBouncer",
            Self::PostgresTls => "PostgreSQL with TLS",
            Self::MariadbTls => "MariaDB with TLS",
            Self::RedisTls => "Redis with TLS",
        }
    }

    /// Returns the name of the environment variable for the URL of an existing server of this kind.
    /// If the variable is set but empty, tests that need a server of this kind are skipped.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_harness::servers::Kind;
    ///
    /// assert_eq!(Kind::Redis.variable(), "CLOAKROOM_TEST_REDIS_URL");
    /// ```
    pub fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "CLOAKROOM_TEST_POSTGRES_URL",
            Self::Mariadb => "CLOAKROOM_TEST_MARIADB_URL",
            Self::Redis => "CLOAKROOM_TEST_REDIS_URL",
            Self::RedisCluster => "CLOAKROOM_TEST_REDIS_CLUSTER_URL",
            Self::RedisSentinel => "CLOAKROOM_TEST_REDIS_SENTINEL_URL",
            Self::Valkey => "CLOAKROOM_TEST_VALKEY_URL",
            Self::Memcached => "CLOAKROOM_TEST_MEMCACHED_URL",
            Self::Pgbouncer => "CLOAKROOM_TEST_PGBOUNCER_URL",
            Self::PostgresTls => "CLOAKROOM_TEST_POSTGRES_TLS_URL",
            Self::MariadbTls => "CLOAKROOM_TEST_MARIADB_TLS_URL",
            Self::RedisTls => "CLOAKROOM_TEST_REDIS_TLS_URL",
        }
    }

    /// Starts a server of this kind for one test, even if the environment variable of the kind is
    /// set. Returns `None` if the server is not installed.
    ///
    /// # Panics
    /// If the server does not start; the message ends with the server's log.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom_harness::servers::Kind;
    ///
    /// let Some(server) = Kind::Redis.start() else { return };
    /// assert!(server.url().starts_with("redis://"));
    /// drop(server); // Stops the server.
    /// ```
    pub fn start(self) -> Option<Server> {
        match self {
            Self::RedisCluster => cluster::start(),
            Self::RedisSentinel => replicas::start_with_sentinels(),
            Self::Postgres => self.start_one(postgres::recipe()?),
            Self::Mariadb => self.start_one(mariadb::recipe()?),
            Self::Redis => self.start_one(redis::recipe("redis-server", "redis")?),
            Self::Valkey => self.start_one(redis::recipe("valkey-server", "valkey")?),
            Self::Memcached => self.start_one(memcached::recipe()?),
            Self::Pgbouncer => pgbouncer::start(),
            Self::PostgresTls | Self::MariadbTls | Self::RedisTls => {
                self.start_one(self.encrypted(Certificate::Valid, false)?)
            }
        }
    }

    /// Starts a server with TLS and a certificate that has expired, for one test. Returns `None` if
    /// the server is not installed or the environment variable of the kind is empty.
    ///
    /// # Panics
    /// If the server does not start; the message ends with the server's log. If the kind has no
    /// TLS. If the server is not installed and `CLOAKROOM_TEST_REQUIRE_SERVERS` is 1.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom_harness::servers::Kind;
    ///
    /// let Some(server) = Kind::RedisTls.start_expired() else { return };
    /// assert!(server.url().contains("sslmode=verify-full"));
    /// ```
    pub fn start_expired(self) -> Option<Server> {
        self.start_unless_excluded(|| self.start_one(self.encrypted(Certificate::Expired, false)?))
    }

    /// Starts a memcached for one test that refuses writes when its memory is full, and evicts
    /// nothing. It has 4 MiB. Returns `None` if memcached is not installed or the environment
    /// variable of the kind is empty.
    ///
    /// # Panics
    /// If the server does not start; the message ends with the server's log. If the kind is not
    /// [`Memcached`](Self::Memcached). If the server is not installed and
    /// `CLOAKROOM_TEST_REQUIRE_SERVERS` is 1.
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom_harness::servers::Kind;
    ///
    /// let Some(server) = Kind::Memcached.start_without_eviction() else { return };
    /// assert!(server.url().starts_with("memcached://"));
    /// ```
    pub fn start_without_eviction(self) -> Option<Server> {
        assert_eq!(self, Self::Memcached, "only memcached has this option");
        self.start_unless_excluded(|| self.start_one(memcached::without_eviction()?))
    }

    /// Returns how to run a server with TLS.
    pub(super) fn encrypted(
        self,
        certificate: Certificate<'_>,
        is_killable: bool,
    ) -> Option<Recipe> {
        let usual = match (self, is_killable) {
            (Self::PostgresTls, false) => postgres::recipe()?,
            (Self::PostgresTls, true) => postgres::killable()?,
            (Self::MariadbTls, false) => mariadb::recipe()?,
            (Self::MariadbTls, true) => mariadb::killable()?,
            (Self::RedisTls, false) => redis::recipe("redis-server", "redis")?,
            (Self::RedisTls, true) => redis::killable("redis-server", "redis")?,
            _ => panic!("{} has no TLS", self.name()),
        };
        let (settings, prepare_tls) = match self {
            Self::PostgresTls => tls::POSTGRES,
            Self::MariadbTls => tls::MARIADB,
            _ => tls::REDIS,
        };
        let mut recipe = with_certificate(usual, settings, prepare_tls, certificate);
        if self == Self::RedisTls {
            recipe.run = redis::RUN_TLS;
        }
        Some(recipe)
    }

    pub(super) fn start_killable(self) -> Option<Server> {
        match self {
            Self::RedisCluster | Self::RedisSentinel => {
                panic!(
                    "{} has several processes and cannot be killed as a whole",
                    self.name()
                )
            }
            Self::Postgres => self.start_one(postgres::killable()?),
            Self::Mariadb => self.start_one(mariadb::killable()?),
            Self::Redis => self.start_one(redis::killable("redis-server", "redis")?),
            Self::Valkey => self.start_one(redis::killable("valkey-server", "valkey")?),
            Self::Memcached => self.start_one(memcached::killable()?),
            Self::Pgbouncer => pgbouncer::start_killable(),
            Self::PostgresTls | Self::MariadbTls | Self::RedisTls => {
                self.start_one(self.encrypted(Certificate::Valid, true)?)
            }
        }
    }

    fn start_one(self, recipe: Recipe) -> Option<Server> {
        let private = recipe.start();
        let url = self.url(&private);
        Some(Server::private(url, vec![private]))
    }

    /// Returns the URL of a server that this crate has started as one process.
    pub(super) fn url(self, private: &Private) -> String {
        let port = private.port;
        let encrypted = |url: String| format!("{url}?{}", tls::parameters(&private.folder));
        match self {
            Self::PostgresTls => encrypted(postgres::url(port)),
            Self::MariadbTls => encrypted(mariadb::url(port)),
            Self::RedisTls => encrypted(format!("{}/0", redis::url(port))),
            Self::Postgres | Self::Pgbouncer => postgres::url(port),
            Self::Mariadb => mariadb::url(port),
            Self::Redis | Self::RedisCluster | Self::RedisSentinel | Self::Valkey => {
                redis::url(port)
            }
            Self::Memcached => memcached::url(port),
        }
    }

    /// Returns the name of a file in the server's folder, and a text that the file contains once
    /// the server listens. For PgBouncer, the file and the text are those of the PostgreSQL behind
    /// PgBouncer, because a test kills that PostgreSQL.
    pub(super) fn ready(self) -> (&'static str, &'static str) {
        match self {
            Self::Postgres | Self::PostgresTls | Self::Pgbouncer => postgres::READY,
            Self::Mariadb | Self::MariadbTls => mariadb::READY,
            Self::Redis
            | Self::RedisCluster
            | Self::RedisSentinel
            | Self::Valkey
            | Self::RedisTls => redis::READY,
            Self::Memcached => memcached::READY,
        }
    }

    pub(crate) fn shared(self) -> Option<&'static Server> {
        static SHARED: [OnceLock<Option<Server>>; Kind::ALL.len()] =
            [const { OnceLock::new() }; Kind::ALL.len()];
        SHARED[self as usize].get_or_init(|| self.find()).as_ref()
    }

    fn find(self) -> Option<Server> {
        match env::var(self.variable()) {
            Ok(url) if url.is_empty() => {
                warn(&format!("not run: {} is empty", self.variable()));
                None
            }
            Ok(url) => Some(Server::existing(url)),
            Err(_) => self.or_warn_missing(self.start()),
        }
    }

    /// Calls `start`, unless the environment variable of this kind is empty.
    pub(super) fn start_unless_excluded<S>(self, start: impl FnOnce() -> Option<S>) -> Option<S> {
        if env::var(self.variable()).is_ok_and(|url| url.is_empty()) {
            warn(&format!("not run: {} is empty", self.variable()));
            return None;
        }
        self.or_warn_missing(start())
    }

    fn or_warn_missing<S>(self, server: Option<S>) -> Option<S> {
        if server.is_none() {
            let missing = self.missing();
            assert!(env::var(REQUIRE).as_deref() != Ok("1"), "{missing}");
            warn(&missing);
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
            Self::RedisSentinel => "redis-sentinel",
            Self::PostgresTls => "postgresql openssl",
            Self::MariadbTls => "mariadb-server openssl",
            Self::RedisTls => "redis-server openssl",
            Self::Valkey => "valkey-server",
            Self::Memcached => "memcached",
            Self::Pgbouncer => "pgbouncer postgresql",
        }
    }
}

/// Writes a line to standard error. Unlike the output of `eprintln!`, this line is shown even if
/// the test passes.
fn warn(line: &str) {
    // Writing fails if standard error is closed. The test goes on without the line.
    let _ = writeln!(io::stderr(), "{line}");
}

const REQUIRE: &str = "CLOAKROOM_TEST_REQUIRE_SERVERS";
