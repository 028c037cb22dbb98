use super::postgres;
use super::postgres_replicas::PostgresReplicas;
use super::private::{CONNECTIONS, Private, Recipe, free_port};
use super::program::{SBIN, find};
use super::server::Server;

/// Starts PgBouncer in front of a private PostgreSQL. Returns `None` if PgBouncer or PostgreSQL is
/// not installed.
pub(super) fn start() -> Option<Server> {
    serve(postgres::recipe()?, MAX_CLIENTS)
}

/// Starts PgBouncer in front of a PostgreSQL that can be killed and that acknowledges a write only
/// when the write is on disk.
pub(super) fn start_killable() -> Option<Server> {
    serve(postgres::killable()?, CONNECTIONS)
}

/// Starts PostgreSQL and PgBouncer. PostgreSQL is the first process of the server, because
/// [`KillableServer`](super::killable::KillableServer) kills the first process.
fn serve(postgres: Recipe, max_clients: usize) -> Option<Server> {
    // Checked first, so that no PostgreSQL is started in vain.
    find("pgbouncer", SBIN)?;
    let postgres: Private = postgres.start();
    let pgbouncer = pool(postgres.port, max_clients)?;
    let url = postgres::url(pgbouncer.port);
    Some(Server::private(url, vec![postgres, pgbouncer]))
}

/// A PostgreSQL with a hot standby, each behind a PgBouncer. All of them stop when this value is
/// dropped.
pub(super) struct PgbouncerReplicas {
    servers: PostgresReplicas,
    /// The PgBouncer in front of the primary.
    to_primary: Private,
    to_standby: Private,
}

impl PgbouncerReplicas {
    /// Starts the servers. Returns `None` if PgBouncer, PostgreSQL or one of its clients is not
    /// installed.
    pub(super) fn start() -> Option<Self> {
        find("pgbouncer", SBIN)?;
        let servers = PostgresReplicas::start()?;
        let (primary, standby) = servers.ports();
        Some(Self {
            to_primary: pool(primary, CONNECTIONS)?,
            to_standby: pool(standby, CONNECTIONS)?,
            servers,
        })
    }

    /// Returns the URL of the PgBouncer in front of the primary.
    pub(super) fn primary(&self) -> String {
        postgres::url(self.to_primary.port)
    }

    /// Returns the URL of the PgBouncer in front of the standby.
    pub(super) fn standby(&self) -> String {
        postgres::url(self.to_standby.port)
    }

    /// Swaps the roles of the primary and the standby; see [`PostgresReplicas::swap_roles`]. The
    /// connections of clients to PgBouncer stay open, except those in a transaction.
    pub(super) fn swap_roles(&mut self) {
        self.servers.swap_roles();
        std::mem::swap(&mut self.to_primary, &mut self.to_standby);
    }
}

/// Starts PgBouncer in front of the PostgreSQL at this port.
fn pool(port: u16, max_clients: usize) -> Option<Private> {
    let recipe = Recipe {
        prepare: PREPARE,
        run: r#"exec "$PROGRAM" settings.ini"#,
        settings: format!("{port} {max_clients}"),
        is_killable: false,
        program: find("pgbouncer", SBIN)?,
        account: "postgres",
        stopped_by: "KILL",
        ready: ("log", "process up: PgBouncer"),
        free_port,
    };
    Some(recipe.start())
}

/// Writes the configuration of PgBouncer. Every database is served under its own name, in
/// transaction mode. The database `cloakroom` is also served as `session` in session mode and as
/// `statement` in statement mode.
///
/// With `server_login_retry = 1`, PgBouncer waits one second after a failed connection to
/// PostgreSQL before it tries again. The default is 15 seconds.
const PREPARE: &str = r#"
set -- $SETTINGS
echo '"cloakroom" ""' >users.txt
cat >settings.ini <<END
[databases]
cloakroom = host=127.0.0.1 port=$1 pool_size=3
session = host=127.0.0.1 port=$1 dbname=cloakroom pool_size=60 pool_mode=session
statement = host=127.0.0.1 port=$1 dbname=cloakroom pool_mode=statement
* = host=127.0.0.1 port=$1 pool_size=1
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $PORT
unix_socket_dir =
auth_type = trust
auth_file = users.txt
pool_mode = transaction
max_client_conn = $2
server_login_retry = 1
END
"#;

/// The number of clients that the shared PgBouncer accepts. PgBouncer's default of 100 is too small
/// for all tests together.
const MAX_CLIENTS: usize = 400;
