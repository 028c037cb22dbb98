use std::fmt;
use std::process::Command;

use super::cluster::{self, PRIMARIES};
use super::kind::Kind;
use super::private::{Private, Recipe};
use super::program::{SBIN, find};
use super::redis::ask;
use super::replicas::{SETTINGS, wait, wait_until, wait_until_replicated};

/// A Redis Cluster of three shards, for one test. Each shard is a primary with a replica.
///
/// All nodes stop when this value is dropped or the test process ends.
///
/// # Examples
/// ```no_run
/// use cloakroom_harness::servers::ClusterReplicas;
///
/// let Some(mut cluster) = ClusterReplicas::start() else { return };
/// assert!(cluster.url().starts_with("redis+cluster://"));
///
/// cluster.swap_roles(0);
/// cluster.kill_primary(1);
/// cluster.wait_until_promoted(1);
/// ```
pub struct ClusterReplicas {
    url: String,
    shards: Vec<Shard>,
    suspended: Vec<Private>,
}

struct Shard {
    /// `None` after the primary was killed or suspended.
    primary: Option<Private>,
    replica: Private,
}

impl ClusterReplicas {
    /// The number of shards.
    pub const SHARDS: usize = PRIMARIES;

    /// Starts the nodes, and waits until each replica has the data of its primary.
    ///
    /// Returns `None` if Redis is not installed, or if the environment variable that
    /// [`Kind::variable`] names for [`Kind::RedisCluster`] is empty.
    ///
    /// # Panics
    /// If the nodes do not start or do not form a Cluster in time.
    pub fn start() -> Option<Self> {
        Kind::RedisCluster.start_unless_excluded(Self::start_now)
    }

    fn start_now() -> Option<Self> {
        let usual = cluster::recipe(&find("redis-server", SBIN)?);
        let recipe = Recipe {
            settings: format!(
                "{} {SETTINGS} --cluster-node-timeout {SHORT_NODE_TIMEOUT}",
                usual.settings
            ),
            ..usual
        };
        let mut primaries = cluster::start_nodes(&recipe, 2 * PRIMARIES);
        let url = cluster::url(&primaries);
        let replicas = primaries.split_off(PRIMARIES);
        let shards = primaries.into_iter().zip(replicas);
        let shards = shards.map(|(primary, replica)| {
            let id = tell(&primary, "CLUSTER MYID");
            tell(&replica, &format!("CLUSTER REPLICATE {id}"));
            Shard {
                primary: Some(primary),
                replica,
            }
        });
        let cluster = Self {
            url,
            shards: shards.collect(),
            suspended: Vec::new(),
        };
        for primary in cluster.primaries() {
            wait_until_replicated(NAME, primary);
        }
        cluster.set_node_timeout(USUAL_NODE_TIMEOUT);
        Some(cluster)
    }

    /// Returns the URL with the addresses of all nodes. It does not change when a node is killed.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Swaps the roles of the primary and the replica of a shard, as an administrator does before
    /// maintenance. No acknowledged write is lost, and the connections of clients stay open.
    ///
    /// # Panics
    /// If the nodes do not change their roles in time, or if the primary is gone already.
    pub fn swap_roles(&mut self, shard: usize) {
        self.wait_until_known(shard);
        let Shard { primary, replica } = &mut self.shards[shard];
        let primary = primary.as_mut().expect("the primary still runs");
        wait_until(NAME, primary, "INFO replication", "state=online");
        tell(replica, "CLUSTER FAILOVER");
        wait_until(NAME, replica, "INFO replication", "role:master");
        wait_until(NAME, primary, "INFO replication", "role:slave");
        std::mem::swap(primary, replica);
    }

    /// Kills the primary of a shard for good. First makes it hold back writes, and waits until the
    /// replica has received every write that was acknowledged. Does not wait until the other nodes
    /// notice, which takes some seconds.
    ///
    /// # Panics
    /// If the replica does not receive the writes in time, or if the primary is gone already.
    pub fn kill_primary(&mut self, shard: usize) {
        drop(self.take_primary(shard));
        self.set_node_timeout(SHORT_NODE_TIMEOUT);
    }

    /// Like [`kill_primary`](Self::kill_primary), but suspends the primary. Its connections stay
    /// open, and it answers nothing any more.
    ///
    /// # Panics
    /// As `kill_primary`, or if the primary cannot be suspended.
    pub fn suspend_primary(&mut self, shard: usize) {
        let primary = self.take_primary(shard);
        let info = tell(&primary, "INFO server");
        let mut lines = info.lines();
        let pid = lines.find_map(|line| line.strip_prefix("process_id:"));
        let pid = pid.expect("a server reports its process").trim();
        let status = Command::new("kill").args(["-s", "STOP", pid]).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "suspending {NAME}"
        );
        self.suspended.push(primary);
        self.set_node_timeout(SHORT_NODE_TIMEOUT);
    }

    /// Waits until the replica of a shard whose primary was killed or suspended is the primary, and
    /// all nodes have noticed.
    ///
    /// # Panics
    /// If the replica does not become the primary in time.
    pub fn wait_until_promoted(&mut self, shard: usize) {
        let promoted = &self.shards[shard].replica;
        wait_until(NAME, promoted, "INFO replication", "role:master");
        for node in self.running() {
            wait_until(NAME, node, "CLUSTER INFO", "cluster_state:ok");
        }
        self.set_node_timeout(USUAL_NODE_TIMEOUT);
    }

    /// Waits until every primary knows the replica of the shard as a replica. A primary votes to
    /// promote a node only if it knows the node as a replica.
    fn wait_until_known(&self, shard: usize) {
        let Shard { primary, replica } = &self.shards[shard];
        let primary = primary.as_ref().expect("the primary still runs");
        let id = tell(replica, "CLUSTER MYID");
        let replicates = format!(" slave {} ", tell(primary, "CLUSTER MYID"));
        // The nodes exchange news at least twice within a node timeout. So a short timeout makes
        // the wait short.
        self.set_node_timeout(SHORT_NODE_TIMEOUT);
        for primary in self.primaries() {
            wait(NAME, primary, "CLUSTER NODES", "the replica", |nodes| {
                let mut nodes = nodes.lines();
                nodes.any(|node| node.starts_with(&id) && node.contains(&replicates))
            });
        }
        self.set_node_timeout(USUAL_NODE_TIMEOUT);
    }

    /// Removes and returns the primary of a shard. First makes the primary hold back new writes,
    /// and waits until the replica has received all earlier ones.
    fn take_primary(&mut self, shard: usize) -> Private {
        self.wait_until_known(shard);
        let primary = self.shards[shard].primary.take();
        let primary = primary.expect("a primary fails only once");
        tell(&primary, "CLIENT PAUSE 60000 WRITE");
        wait_until_replicated(NAME, &primary);
        primary
    }

    fn set_node_timeout(&self, millis: &str) {
        for node in self.running() {
            tell(node, &format!("CONFIG SET cluster-node-timeout {millis}"));
        }
    }

    fn primaries(&self) -> impl Iterator<Item = &Private> {
        self.shards
            .iter()
            .filter_map(|shard| shard.primary.as_ref())
    }

    fn running(&self) -> impl Iterator<Item = &Private> {
        let shards = self.shards.iter();
        shards.flat_map(|shard| shard.primary.iter().chain([&shard.replica]))
    }
}

impl fmt::Debug for ClusterReplicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterReplicas").finish_non_exhaustive()
    }
}

fn tell(node: &Private, command: &str) -> String {
    ask(node, command).unwrap_or_else(|error| panic!("{command} on {NAME}: {error}"))
}

const NAME: &str = "a node of the Redis Cluster";

/// How long a node may be silent until the others assume that it has failed, in milliseconds. This
/// is the default of Redis. No node of a busy machine is silent for that long.
const USUAL_NODE_TIMEOUT: &str = "15000";

/// The node timeout while the nodes start, while they exchange news and while a replica takes over.
/// With the usual value, a test would wait too long.
const SHORT_NODE_TIMEOUT: &str = "1000";
