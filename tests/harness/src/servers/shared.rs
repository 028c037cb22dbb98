use super::kind::Kind;
use super::server::Server;

/// Returns the PostgreSQL server of this process, `postgres://…`. It stops when the process ends.
///
/// A private one, which this crate starts, has the superuser `cloakroom` and a database
/// `cloakroom`.
///
/// # Panics
/// If the server does not start; the message ends with its log. If it is not installed and
/// `CLOAKROOM_TEST_REQUIRE_SERVERS` is 1. The same applies to the other functions that return a
/// shared server.
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

/// Returns the MariaDB server of this process, `mysql://…`. It stops when the process ends.
///
/// A private one has the user `root` without a password and a database `cloakroom` in `utf8mb4`.
pub fn mariadb() -> Option<&'static Server> {
    Kind::Mariadb.shared()
}

/// Returns the Redis server of this process, one node, `redis://…`. It stops when the process ends.
pub fn redis() -> Option<&'static Server> {
    Kind::Redis.shared()
}

/// Returns the Redis Cluster of this process, `redis+cluster://…` with the addresses of all nodes,
/// separated by commas. It stops when the process ends.
///
/// A private one has three nodes without replicas, which serve all slots.
pub fn redis_cluster() -> Option<&'static Server> {
    Kind::RedisCluster.shared()
}

/// Returns the Redis with Sentinels of this process, `redis+sentinel://…` with the addresses of the
/// Sentinels. It stops when the process ends.
///
/// A private one has a primary, a replica and three Sentinels.
pub fn redis_sentinel() -> Option<&'static Server> {
    Kind::RedisSentinel.shared()
}

/// Returns the Valkey server of this process, one node, `redis://…`. It stops when the process
/// ends.
pub fn valkey() -> Option<&'static Server> {
    Kind::Valkey.shared()
}

/// Returns the memcached server of this process, `memcached://…`. It stops when the process ends.
///
/// A private one has 64 MiB and accepts items of up to 1 MiB, which are memcached's defaults.
pub fn memcached() -> Option<&'static Server> {
    Kind::Memcached.shared()
}

/// Returns the PgBouncer of this process, `postgres://…`, in transaction mode. It stops when the
/// process ends.
///
/// A private one has a separate PostgreSQL behind it, with the superuser `cloakroom`. PgBouncer
/// opens up to three connections to the database `cloakroom`, and one to each other database. Under
/// the name `session` it serves the database `cloakroom` in session mode, and under the name
/// `statement` in statement mode.
pub fn pgbouncer() -> Option<&'static Server> {
    Kind::Pgbouncer.shared()
}

/// Returns the PostgreSQL server with TLS of this process. It accepts encrypted connections only,
/// and its URL has the parameters `sslmode=verify-full&sslrootcert=…`. It stops when the process
/// ends.
///
/// The certificate of a private one is for 127.0.0.1 and db.example. `sslrootcert` is the file
/// `ca.pem` of the certificate authority that signed this certificate. `other.pem` in the same
/// folder is another authority. The same applies to the servers of [`mariadb_tls`] and
/// [`redis_tls`].
pub fn postgres_tls() -> Option<&'static Server> {
    Kind::PostgresTls.shared()
}

/// Returns the MariaDB server with TLS of this process. It accepts encrypted connections only.
pub fn mariadb_tls() -> Option<&'static Server> {
    Kind::MariadbTls.shared()
}

/// Returns the Redis server with TLS of this process, `redis://…`. It accepts encrypted connections
/// only.
pub fn redis_tls() -> Option<&'static Server> {
    Kind::RedisTls.shared()
}
