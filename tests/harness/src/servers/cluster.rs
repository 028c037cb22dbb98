use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::private::{Private, Recipe, free_port};
use super::program::{SBIN, find};
use super::redis::{SOCKET, ask};
use super::server::Server;

/// Starts a Redis Cluster. Returns `None` if Redis is not installed.
pub(super) fn start() -> Option<Server> {
    let program = find("redis-server", SBIN)?;
    let nodes = start_nodes(&recipe(&program), PRIMARIES);
    Some(Server::private(url(&nodes), nodes))
}

/// Starts the nodes of a Cluster. The first [`PRIMARIES`] nodes serve all slots, the others none.
pub(super) fn start_nodes(recipe: &Recipe, count: usize) -> Vec<Private> {
    let nodes: Vec<Private> = (0..count).map(|_| recipe.start()).collect();
    if let Err(error) = join(&nodes) {
        panic!("creating a cluster of {count} Redis nodes: {error}");
    }
    nodes
}

pub(super) fn recipe(program: &Path) -> Recipe {
    Recipe {
        prepare: ":",
        run: RUN,
        settings: SOCKET.to_owned(),
        is_killable: false,
        program: program.to_owned(),
        account: "redis",
        stopped_by: "KILL",
        ready: ("log", "Ready to accept connections"),
        free_port: free_port_with_bus,
    }
}

/// Returns the URL with the addresses of these nodes.
pub(super) fn url<'a>(nodes: impl IntoIterator<Item = &'a Private>) -> String {
    let addresses: Vec<String> = nodes
        .into_iter()
        .map(|node| format!("127.0.0.1:{}", node.port))
        .collect();
    format!("redis+cluster://{}", addresses.join(","))
}

/// Assigns the hash slots to the first nodes and connects all nodes. Waits until each node reports
/// a complete cluster.
fn join(nodes: &[Private]) -> io::Result<()> {
    for (number, node) in nodes.iter().enumerate() {
        let slots: Vec<String> = (0..SLOTS)
            .filter(|slot| slot * PRIMARIES / SLOTS == number)
            .map(|slot| slot.to_string())
            .collect();
        ask(node, &format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1))?;
        if !slots.is_empty() {
            ask(node, &format!("CLUSTER ADDSLOTS {}", slots.join(" ")))?;
        }
        // Nodes also meet through others, but that takes seconds.
        for other in &nodes[..number] {
            ask(node, &format!("CLUSTER MEET 127.0.0.1 {}", other.port))?;
        }
    }
    let deadline = Instant::now() + JOIN_LIMIT;
    for node in nodes {
        while !is_joined(&ask(node, "CLUSTER INFO")?, nodes.len()) {
            if Instant::now() > deadline {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    ask(node, "CLUSTER INFO")?,
                ));
            }
            thread::sleep(POLL);
        }
    }
    Ok(())
}

fn is_joined(info: &str, nodes: usize) -> bool {
    info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{nodes}\r\n"))
}

/// Returns a free port whose cluster bus port, 10,000 higher, is free as well.
fn free_port_with_bus() -> io::Result<u16> {
    for _ in 0..PORT_TRIES {
        let port = free_port()?;
        if let Some(bus) = port.checked_add(BUS_OFFSET)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, bus)).is_ok()
        {
            return Ok(port);
        }
    }
    Err(io::Error::other(
        "found no two free ports that are 10,000 apart",
    ))
}

const RUN: &str = r#"
exec "$PROGRAM" --port "$PORT" --bind 127.0.0.1 --save '' --appendonly no \
    --cluster-enabled yes \
    --cluster-announce-ip 127.0.0.1 \
    $SETTINGS
"#;

/// The minimum number of primaries of a Redis Cluster.
pub(super) const PRIMARIES: usize = 3;

/// The number of hash slots of every Redis Cluster.
const SLOTS: usize = 16_384;

/// The distance from a node's port to its cluster bus port, to which the other nodes connect.
const BUS_OFFSET: u16 = 10_000;

const PORT_TRIES: usize = 100;

const JOIN_LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(20);
