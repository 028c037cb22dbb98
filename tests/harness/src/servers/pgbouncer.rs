use super::postgres;
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
    let program = find("pgbouncer", SBIN)?;
    let postgres: Private = postgres.start();
    let recipe = Recipe {
        prepare: PREPARE,
        run: r#"exec "$PROGRAM" settings.ini"#,
        settings: format!("{} {max_clients}", postgres.port),
        is_killable: false,
        program,
        account: "postgres",
        stopped_by: "KILL",
        ready: ("log", "process up: PgBouncer"),
        free_port,
    };
    let pgbouncer = recipe.start();
    let url = postgres::url(pgbouncer.port);
    Some(Server::private(url, vec![postgres, pgbouncer]))
}

/// Every database is served under its own name, in transaction mode. The database `cloakroom` is
/// also served as `session` in session mode and as `statement` in statement mode.
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
