use std::fmt;

use cloakroom_testkit::faults::TestServer;

use super::kind::Kind;
use super::mariadb_replicas::MariadbReplicas;
use super::pgbouncer::PgbouncerReplicas;
use super::postgres_replicas::PostgresReplicas;
use super::private::{CONNECTIONS, Private};
use super::replicas::Replicas;
use super::server::Server;

/// A server that a test can kill and start again, on the same port and with the same data.
///
/// Unlike a [`Server`], it acknowledges a write only when the write is on disk. The exception is
/// memcached, which writes nothing to disk. The server accepts [`CONNECTIONS`](Self::CONNECTIONS)
/// clients. It stops when this value is dropped or the test process ends. With [`Kind::Pgbouncer`],
/// a test kills the PostgreSQL behind PgBouncer.
///
/// # Examples
/// ```no_run
/// use cloakroom_testkit::faults::TestServer;
/// use cloakroom_harness::servers::{Kind, KillableServer};
///
/// let mut server = KillableServer::new(Kind::Postgres);
/// let Some(url) = server.start() else { return };
/// assert!(url.starts_with("postgres://"));
///
/// server.kill(); // Sends SIGKILL, so there is no clean shutdown.
/// assert_eq!(server.start(), Some(url));
/// ```
pub struct KillableServer {
    kind: Kind,
    /// `None` until the server is started for the first time.
    server: Option<Server>,
    /// `None` unless the server was started with a replica.
    replicas: Option<Replicated>,
}

/// A primary with a replica.
enum Replicated {
    Redis(Replicas),
    Mariadb(MariadbReplicas),
    Postgres(PostgresReplicas),
    Pgbouncer(PgbouncerReplicas),
}

impl KillableServer {
    /// The number of clients that the server accepts at once. The number is small, so that a test
    /// can use up all connections.
    pub const CONNECTIONS: usize = CONNECTIONS;

    /// Creates a server of this kind for one test. [`start`](TestServer::start) starts it.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            server: None,
            replicas: None,
        }
    }

    /// Returns the process that a test kills.
    fn private(&mut self) -> &mut Private {
        let server = self.server.as_mut();
        let process = server.and_then(|server| server.processes.first_mut());
        process.expect("the server was started")
    }
}

impl TestServer for KillableServer {
    /// Returns `None` if the server is not installed, or if the environment variable that
    /// [`Kind::variable`] names is empty.
    ///
    /// # Panics
    /// If the server does not start; the message ends with the server's log. If the kind is Redis
    /// Cluster or Redis with Sentinels, which cannot be killed as a whole. If the server is not
    /// installed and `CLOAKROOM_TEST_REQUIRE_SERVERS` is 1.
    fn start(&mut self) -> Option<String> {
        let kind = self.kind;
        match self.server {
            Some(_) => {
                let started = self.private().start_again(kind.ready());
                started.unwrap_or_else(|error| panic!("starting {} again: {error}", kind.name()));
            }
            None => self.server = kind.start_unless_excluded(|| kind.start_killable()),
        }
        self.server.as_ref().map(|server| server.url().to_owned())
    }

    fn kill(&mut self) {
        let killed = self.private().end_with("KILL");
        killed.unwrap_or_else(|error| panic!("killing {}: {error}", self.kind.name()));
    }

    fn max_connections(&self) -> usize {
        Self::CONNECTIONS
    }

    fn is_durable(&self) -> bool {
        self.kind != Kind::Memcached
    }

    /// Also returns `None` for a kind that this crate cannot start with a replica.
    fn start_with_replica(&mut self) -> Option<(String, String)> {
        match self.kind {
            Kind::Redis | Kind::Valkey | Kind::RedisTls => {
                let servers = Replicas::start(self.kind)?;
                let urls = (servers.primary(), servers.replica());
                self.replicas = Some(Replicated::Redis(servers));
                Some(urls)
            }
            Kind::Mariadb => {
                let servers = self.kind.start_unless_excluded(MariadbReplicas::start)?;
                let urls = (servers.primary(), servers.replica());
                self.replicas = Some(Replicated::Mariadb(servers));
                Some(urls)
            }
            Kind::Postgres => {
                let servers = self.kind.start_unless_excluded(PostgresReplicas::start)?;
                let urls = (servers.primary(), servers.standby());
                self.replicas = Some(Replicated::Postgres(servers));
                Some(urls)
            }
            Kind::Pgbouncer => {
                let servers = self.kind.start_unless_excluded(PgbouncerReplicas::start)?;
                let urls = (servers.primary(), servers.standby());
                self.replicas = Some(Replicated::Pgbouncer(servers));
                Some(urls)
            }
            _ => None,
        }
    }

    fn swap_roles(&mut self) {
        match &mut self.replicas {
            Some(Replicated::Redis(servers)) => servers.swap_roles(),
            Some(Replicated::Mariadb(servers)) => servers.swap_roles(),
            Some(Replicated::Postgres(servers)) => servers.swap_roles(),
            Some(Replicated::Pgbouncer(servers)) => servers.swap_roles(),
            None => panic!("{} was started without a replica", self.kind.name()),
        }
    }

    /// Returns the URL of the server that all tests of the process share.
    fn share(&mut self) -> Option<String> {
        self.kind.shared().map(|server| server.url().to_owned())
    }
}

impl fmt::Debug for KillableServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KillableServer")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;
    use crate::servers::private::Recipe;

    /// Whenever PostgreSQL starts a child process, the child has the listening socket for a moment.
    #[test]
    fn a_killed_server_refuses_connections_even_if_a_child_still_has_its_socket() {
        let run = r#"exec "$PROGRAM" -MIO::Socket::INET -e '
                $| = 1;
                $socket = IO::Socket::INET->new(
                    LocalAddr => "127.0.0.1", LocalPort => $ENV{PORT}, Listen => 9, ReuseAddr => 1,
                ) or die $!;
                $parent = $$;
                if (fork) { sleep }
                print "listening";
                select undef, undef, undef, 0.001 while getppid == $parent;
                select undef, undef, undef, 0.3;
            '"#;
        let Some(recipe) = Recipe::perl(run, "KILL") else {
            return;
        };
        let private = recipe.killable(String::new()).start();
        let address = (Ipv4Addr::LOCALHOST, private.port);
        let mut server = KillableServer::new(Kind::Memcached);
        server.server = Some(Server::private("tcp:".to_owned(), vec![private]));

        server.kill();

        assert!(TcpStream::connect(address).is_err());
    }
}
