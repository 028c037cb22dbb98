use super::kind::Kind;
use super::server::Server;

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
