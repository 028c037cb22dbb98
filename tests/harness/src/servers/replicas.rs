use std::fmt;
use std::thread;
use std::time::Instant;

use super::kind::Kind;
use super::private::{POLL, Private, Recipe, START_LIMIT, free_port};
use super::program::{SBIN, find};
use super::redis::{ask, recipe, url};
use super::server::Server;

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
    /// Returns `None` if the server is not installed, or if the environment variable that
    /// [`Kind::variable`] names is empty.
    ///
    /// # Panics
    /// If the servers do not start, or if the kind is neither Redis nor Valkey.
    pub fn start(kind: Kind) -> Option<Self> {
        kind.start_unless_excluded(|| Self::start_now(kind))
    }

    fn start_now(kind: Kind) -> Option<Self> {
        let (program, account) = match kind {
            Kind::Redis => ("redis-server", "redis"),
            Kind::Valkey => ("valkey-server", "valkey"),
            _ => panic!("a replica needs Redis or Valkey, not {}", kind.name()),
        };
        let start_with = |settings: String| {
            let usual = recipe(program, account)?;
            Some(Recipe { settings, ..usual }.start())
        };
        let primary = start_with(SETTINGS.to_owned())?;
        let replica = start_with(format!("{SETTINGS} --replicaof 127.0.0.1 {}", primary.port))?;
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
        url(self.primary_port())
    }

    /// Returns the URL of the replica.
    pub fn replica(&self) -> String {
        url(self.replica.port)
    }

    /// Swaps the roles of the primary and the replica. No acknowledged write is lost, and the
    /// connections of clients stay open.
    ///
    /// # Panics
    /// If the servers do not change their roles in time.
    pub fn swap_roles(&mut self) {
        let (old, new) = (self.primary_port(), self.replica.port);
        self.wait_until(old, "INFO replication", "state=online");
        self.ask(old, &format!("FAILOVER TO 127.0.0.1 {new}"));
        self.wait_until(old, "INFO replication", "role:slave");
        self.wait_until(new, "INFO replication", "role:master");
        let primary = self.primary.as_mut().expect("the primary was not killed");
        std::mem::swap(primary, &mut self.replica);
    }

    /// Starts three Sentinels that watch the primary, and waits until they have found the replica
    /// and each other. Returns the URL with their addresses.
    ///
    /// Returns `None` if `redis-sentinel` is not installed, or `valkey-sentinel` for Valkey.
    pub fn start_sentinels(&mut self) -> Option<String> {
        let program = match self.kind {
            Kind::Valkey => "valkey-sentinel",
            _ => "redis-sentinel",
        };
        let primary = self.primary_port();
        for _ in 0..SENTINELS {
            let sentinel = Recipe {
                prepare: ":",
                run: RUN_SENTINEL,
                settings: primary.to_string(),
                is_killable: false,
                program: find(program, SBIN)?,
                account: "redis",
                stopped_by: "KILL",
                ready: ("log", "+monitor master"),
                free_port,
            };
            self.sentinels.push(sentinel.start());
        }
        let known = format!("slaves=1,sentinels={SENTINELS}");
        for sentinel in &self.sentinels {
            self.wait_until(sentinel.port, "INFO sentinel", &known);
        }
        let addresses = self
            .sentinels
            .iter()
            .map(|it| format!("127.0.0.1:{}", it.port));
        let addresses: Vec<String> = addresses.collect();
        let name = Self::NAME;
        Some(format!("redis+sentinel://{}/{name}", addresses.join(",")))
    }

    /// Asks a Sentinel to make the replica the primary, and waits until the roles have changed.
    /// Writes that the replica has not received are lost.
    ///
    /// # Panics
    /// If the servers do not change their roles in time, or if no Sentinels were started.
    pub fn fail_over(&mut self) {
        self.begin_fail_over();
        self.wait_until(self.replica.port, "INFO replication", "role:master");
        self.wait_until(self.primary_port(), "INFO replication", "role:slave");
        let primary = self.primary.as_mut().expect("the primary was not killed");
        std::mem::swap(primary, &mut self.replica);
    }

    /// Asks a Sentinel to make the replica the primary, but does not wait until the roles have
    /// changed. The old primary becomes a replica some seconds after the replica has become the
    /// primary.
    ///
    /// # Panics
    /// If no Sentinels were started.
    pub fn begin_fail_over(&self) {
        let sentinel = self.sentinels.first().expect("the Sentinels were started");
        self.ask(sentinel.port, &format!("SENTINEL FAILOVER {}", Self::NAME));
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
            self.wait_until(self.replica.port, "INFO replication", "role:master");
        }
    }

    /// Waits until the replica is connected and has received every write of the primary.
    pub fn wait_until_replicated(&self) {
        let port = self.primary_port();
        self.wait(
            port,
            "INFO replication",
            "the replica has everything",
            |info| {
                let value = |name: &str| {
                    let mut lines = info.lines();
                    lines
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::to_owned)
                };
                let offset = value("master_repl_offset:").unwrap_or_default();
                value("slave0:").is_some_and(|replica| {
                    replica.contains("state=online")
                        && replica.contains(&format!("offset={offset},"))
                })
            },
        );
    }

    fn primary_port(&self) -> u16 {
        self.primary
            .as_ref()
            .expect("the primary was not killed")
            .port
    }

    fn wait_until(&self, port: u16, command: &str, text: &str) {
        self.wait(port, command, text, |answer| answer.contains(text));
    }

    fn wait(&self, port: u16, command: &str, what: &str, is_done: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            // A server whose role changes may close the connection. The next round asks again.
            let answer = ask(port, command).unwrap_or_else(|error| error.to_string());
            if is_done(&answer) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{command} on {}, port {port}: no `{what}` within {START_LIMIT:?}: {answer}",
                self.kind.name()
            );
            thread::sleep(POLL);
        }
    }

    fn ask(&self, port: u16, command: &str) -> String {
        let name = self.kind.name();
        ask(port, command).unwrap_or_else(|error| panic!("{command} on {name}: {error}"))
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

/// The servers write no append-only file. The first copy to the replica starts at once; by default
/// the primary waits some seconds. The primary pings the replica every second; the default is every
/// 10 seconds.
const SETTINGS: &str = "--appendonly no --repl-diskless-sync-delay 0 --repl-ping-replica-period 1";

/// Writes a configuration file for the Sentinel, which later adds to this file what it learns about
/// the servers. `$SETTINGS` is the port of the primary. `2` is the number of Sentinels that must
/// agree that the primary has failed.
const RUN_SENTINEL: &str = r#"
cat >sentinel.conf <<CONF
port $PORT
bind 127.0.0.1
sentinel monitor cloakroom 127.0.0.1 $SETTINGS 2
sentinel down-after-milliseconds cloakroom 2000
sentinel failover-timeout cloakroom 3000
CONF
exec "$PROGRAM" sentinel.conf
"#;

/// The number of Sentinels. With three, two are left to agree on a failover if one Sentinel fails
/// together with the primary.
const SENTINELS: usize = 3;
