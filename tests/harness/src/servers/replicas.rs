use std::fmt;
use std::thread;
use std::time::Instant;

use super::kind::Kind;
use super::private::{POLL, Private, Recipe, START_LIMIT, free_port};
use super::program::{SBIN, find};
use super::redis::{SOCKET, ask, recipe};
use super::server::Server;
use super::tls::{self, Certificate, with_certificate};

/// A Redis or Valkey with a replica, for one test.
///
/// [`start_sentinels`](Self::start_sentinels) adds Sentinels, which watch the primary and promote
/// the replica if the primary fails.
///
/// All servers and Sentinels stop when this value is dropped or the test process ends.
///
/// # Examples
/// ```no_run
/// use cloakroom_harness::servers::{Kind, Replicas};
///
/// let Some(mut servers) = Replicas::start(Kind::Redis) else { return };
/// let (primary, replica) = (servers.primary(), servers.replica());
///
/// servers.swap_roles();
/// assert_eq!((servers.primary(), servers.replica()), (replica, primary));
/// ```
pub struct Replicas {
    kind: Kind,
    /// `None` after the primary was killed.
    primary: Option<Private>,
    replica: Private,
    sentinels: Vec<Private>,
}

impl Replicas {
    /// The name of the primary in the configuration of the Sentinels.
    pub const NAME: &str = "cloakroom";

    /// Starts a primary and a replica, and waits until the replica has the data of the primary.
    ///
    /// With [`Kind::RedisTls`], the servers and their Sentinels accept encrypted connections only,
    /// and share a certificate.
    ///
    /// Returns `None` if the server is not installed, or if the environment variable that
    /// [`Kind::variable`] names is empty.
    ///
    /// # Panics
    /// If the servers do not start, or if the kind is neither Redis nor Valkey.
    pub fn start(kind: Kind) -> Option<Self> {
        kind.start_unless_excluded(|| Self::start_now(kind))
    }

    fn start_now(kind: Kind) -> Option<Self> {
        let primary = server(kind, Certificate::Valid, "")?.start();
        let replica_of = format!("--replicaof 127.0.0.1 {}", primary.port);
        let replica = server(kind, Certificate::SameAs(&primary.folder), &replica_of)?.start();
        let servers = Self {
            kind,
            primary: Some(primary),
            replica,
            sentinels: Vec::new(),
        };
        servers.wait_until_replicated();
        Some(servers)
    }

    /// Returns the URL of the primary.
    pub fn primary(&self) -> String {
        self.kind.url(self.running_primary())
    }

    /// Returns the URL of the replica.
    pub fn replica(&self) -> String {
        self.kind.url(&self.replica)
    }

    /// Swaps the roles of the primary and the replica. No acknowledged write is lost, and the
    /// connections of clients stay open.
    ///
    /// # Panics
    /// If the servers do not change their roles in time.
    pub fn swap_roles(&mut self) {
        let (old, new) = (self.running_primary(), &self.replica);
        self.wait_until(old, "INFO replication", "state=online");
        self.ask(old, &format!("FAILOVER TO 127.0.0.1 {}", new.port));
        self.wait_until(old, "INFO replication", "role:slave");
        self.wait_until(new, "INFO replication", "role:master");
        self.record_swap();
    }

    /// Starts three Sentinels that watch the primary, and waits until they have found the replica
    /// and each other. Returns the URL with their addresses.
    ///
    /// Returns `None` if `redis-sentinel` is not installed, or `valkey-sentinel` for Valkey.
    pub fn start_sentinels(&mut self) -> Option<String> {
        let certificate = Certificate::SameAs(&self.running_primary().folder);
        let recipe = sentinel(self.kind, certificate)?;
        self.sentinels
            .extend((0..SENTINELS).map(|_| recipe.start()));
        // By default, if a busy machine delays a Sentinel for two seconds, the Sentinel does
        // nothing for half a minute. This command raises the two seconds to a minute. Sentinels
        // older than 7.0 refuse the command.
        for sentinel in &self.sentinels {
            let _ = ask(sentinel, "SENTINEL DEBUG tilt-trigger 60000");
        }
        self.monitor(Self::NAME, "127.0.0.1", self.running_primary().port);
        let times = "down-after-milliseconds 2000 failover-timeout 3000";
        self.ask_sentinels(&format!("SENTINEL SET {} {times}", Self::NAME));
        let known = format!("slaves=1,sentinels={SENTINELS}");
        for sentinel in &self.sentinels {
            self.wait_until(sentinel, "INFO sentinel", &known);
        }
        let addresses: Vec<String> = self
            .sentinels
            .iter()
            .map(|it| format!("127.0.0.1:{}", it.port))
            .collect();
        let parameters = match self.kind {
            Kind::RedisTls => format!("?{}", tls::parameters(&self.sentinels[0].folder)),
            _ => String::new(),
        };
        Some(format!(
            "redis+sentinel://{}/{}{parameters}",
            addresses.join(","),
            Self::NAME
        ))
    }

    /// Makes the Sentinels watch another primary, the server at this host and port. The Sentinels
    /// report the host as it is written here, even if it is a host name.
    ///
    /// # Panics
    /// If a Sentinel refuses, or if no Sentinels were started.
    pub fn watch_as(&self, name: &str, host: &str, port: u16) {
        self.ask_sentinels("SENTINEL CONFIG SET resolve-hostnames yes");
        self.ask_sentinels("SENTINEL CONFIG SET announce-hostnames yes");
        self.monitor(name, host, port);
    }

    /// Asks a Sentinel to make the replica the primary, and waits until the roles have changed.
    /// Writes that the replica has not received are lost.
    ///
    /// # Panics
    /// If the servers do not change their roles in time, or if no Sentinels were started.
    pub fn fail_over(&mut self) {
        self.begin_fail_over();
        self.wait_until(&self.replica, "INFO replication", "role:master");
        self.wait_until(self.running_primary(), "INFO replication", "role:slave");
        self.record_swap();
    }

    /// Asks a Sentinel to make the replica the primary, but does not wait until the roles have
    /// changed. The old primary becomes a replica some seconds after the replica has become the
    /// primary.
    ///
    /// # Panics
    /// If no Sentinels were started.
    pub fn begin_fail_over(&self) {
        let sentinel = self.sentinels.first().expect("the Sentinels were started");
        self.ask(sentinel, &format!("SENTINEL FAILOVER {}", Self::NAME));
    }

    /// Kills the primary for good, after the replica has received every write. If there are
    /// Sentinels, waits until they have made the replica the primary.
    ///
    /// # Panics
    /// If the replica does not become the primary in time.
    pub fn kill_primary(&mut self) {
        self.wait_until_replicated();
        self.primary = None;
        if !self.sentinels.is_empty() {
            self.wait_until(&self.replica, "INFO replication", "role:master");
        }
    }

    /// Waits until the replica is connected and has received every write of the primary.
    pub fn wait_until_replicated(&self) {
        let name = self.kind.name();
        wait_until_replicated(name, self.running_primary());
    }

    fn running_primary(&self) -> &Private {
        self.primary.as_ref().expect("the primary was not killed")
    }

    /// Records that the replica is now the primary, and the primary the replica.
    fn record_swap(&mut self) {
        let primary = self.primary.as_mut().expect("the primary was not killed");
        std::mem::swap(primary, &mut self.replica);
    }

    fn monitor(&self, name: &str, host: &str, port: u16) {
        self.ask_sentinels(&format!("SENTINEL MONITOR {name} {host} {port} {QUORUM}"));
    }

    fn ask_sentinels(&self, command: &str) {
        assert!(!self.sentinels.is_empty(), "no Sentinels were started");
        for sentinel in &self.sentinels {
            self.ask(sentinel, command);
        }
    }

    fn wait_until(&self, server: &Private, command: &str, text: &str) {
        wait_until(self.kind.name(), server, command, text);
    }

    fn ask(&self, server: &Private, command: &str) {
        let name = self.kind.name();
        ask(server, command).unwrap_or_else(|error| panic!("{command} on {name}: {error}"));
    }
}

/// Starts a Redis with a replica and Sentinels. Returns `None` if one of the programs is not
/// installed.
pub(super) fn start_with_sentinels() -> Option<Server> {
    let mut servers = Replicas::start_now(Kind::Redis)?;
    let url = servers.start_sentinels()?;
    // The processes stop in this order. The Sentinels stop before the primary, so that they do not
    // see it fail.
    let mut processes = servers.sentinels;
    processes.extend(servers.primary);
    processes.push(servers.replica);
    Some(Server::private(url, processes))
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replicas")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Returns how to run a primary or a replica.
fn server(kind: Kind, certificate: Certificate<'_>, settings: &str) -> Option<Recipe> {
    let usual = match kind {
        Kind::Redis => recipe("redis-server", "redis")?,
        Kind::Valkey => recipe("valkey-server", "valkey")?,
        Kind::RedisTls => kind.encrypted(certificate, false)?,
        _ => panic!("a replica needs Redis or Valkey, not {}", kind.name()),
    };
    let settings = format!("{} {SETTINGS} {SOCKET} {settings}", usual.settings);
    Some(Recipe { settings, ..usual })
}

/// Returns how to run a Sentinel.
fn sentinel(kind: Kind, certificate: Certificate<'_>) -> Option<Recipe> {
    let program = match kind {
        Kind::Valkey => "valkey-sentinel",
        _ => "redis-sentinel",
    };
    let usual = Recipe {
        prepare: ": >sentinel.conf",
        run: RUN_SENTINEL,
        settings: SOCKET.to_owned(),
        is_killable: false,
        program: find(program, SBIN)?,
        account: "redis",
        stopped_by: "KILL",
        ready: ("log", "Sentinel ID is"),
        free_port,
    };
    let (settings, prepare_tls) = tls::REDIS;
    Some(match kind {
        Kind::RedisTls => Recipe {
            run: RUN_SENTINEL_TLS,
            ..with_certificate(usual, settings, prepare_tls, certificate)
        },
        _ => usual,
    })
}

/// Waits until a replica of this primary is connected and has received every write.
pub(super) fn wait_until_replicated(name: &str, primary: &Private) {
    let what = "the replica has everything";
    wait(name, primary, "INFO replication", what, |info| {
        let value = |name: &str| {
            let mut lines = info.lines();
            lines
                .find_map(|line| line.strip_prefix(name))
                .map(str::to_owned)
        };
        let offset = value("master_repl_offset:").unwrap_or_default();
        value("slave0:").is_some_and(|replica| {
            replica.contains("state=online") && replica.contains(&format!("offset={offset},"))
        })
    });
}

/// Sends the command until the answer contains the text.
pub(super) fn wait_until(name: &str, server: &Private, command: &str, text: &str) {
    wait(name, server, command, text, |answer| answer.contains(text));
}

/// Sends the command until `is_done` returns `true` for the answer. `what` describes the answer.
pub(super) fn wait(
    name: &str,
    server: &Private,
    command: &str,
    what: &str,
    is_done: impl Fn(&str) -> bool,
) {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        // A server whose role changes may close the connection. The next round asks again.
        let answer = ask(server, command).unwrap_or_else(|error| error.to_string());
        if is_done(&answer) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{command} on {name}, port {}: no `{what}` within {START_LIMIT:?}: {answer}",
            server.port
        );
        thread::sleep(POLL);
    }
}

/// The first copy to the replica starts at once; by default the primary waits some seconds. The
/// primary pings the replica every second; the default is every 10 seconds.
pub(super) const SETTINGS: &str = "--repl-diskless-sync-delay 0 --repl-ping-replica-period 1";

/// A Sentinel adds to its configuration file what it learns about the servers.
const RUN_SENTINEL: &str = r#"
exec "$PROGRAM" sentinel.conf --port "$PORT" --bind 127.0.0.1 $SETTINGS
"#;

/// The same as [`RUN_SENTINEL`], but the port accepts TLS only.
const RUN_SENTINEL_TLS: &str = r#"
exec "$PROGRAM" sentinel.conf --port 0 --tls-port "$PORT" --bind 127.0.0.1 $SETTINGS
"#;

/// The number of Sentinels. With three, two are left to agree on a failover if one Sentinel fails
/// together with the primary.
const SENTINELS: usize = 3;

/// The number of Sentinels that must agree that the primary has failed.
const QUORUM: usize = 2;
