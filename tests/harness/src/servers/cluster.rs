use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::private::{Private, Recipe, free_port};
use super::program::{SBIN, find};
use super::server::Server;

/// Starts a Redis Cluster; `None` if Redis is not installed.
pub(super) fn start() -> Option<Server> {
    let program = find("redis-server", SBIN)?;
    let nodes: Vec<Private> = (0..NODES).map(|_| recipe(&program).start()).collect();
    if let Err(error) = join(&nodes) {
        panic!("creating a cluster of {NODES} Redis nodes: {error}");
    }
    let addresses: Vec<String> = nodes
        .iter()
        .map(|node| format!("127.0.0.1:{}", node.port))
        .collect();
    Some(Server::private(
        format!("redis+cluster://{}", addresses.join(",")),
        nodes,
    ))
}

fn recipe(program: &Path) -> Recipe {
    Recipe {
        prepare: ":",
        run: RUN,
        settings: String::new(),
        is_killable: false,
        program: program.to_owned(),
        account: "redis",
        stopped_by: "KILL",
        ready: ("log", "Ready to accept connections"),
        free_port: free_port_with_bus,
    }
}

/// Assigns the slots to the nodes, connects them, and waits until each knows the whole cluster.
fn join(nodes: &[Private]) -> io::Result<()> {
    for (number, node) in nodes.iter().enumerate() {
        let slots: Vec<String> = (0..SLOTS)
            .filter(|slot| slot * NODES / SLOTS == number)
            .map(|slot| slot.to_string())
            .collect();
        ask(node, &format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1))?;
        ask(node, &format!("CLUSTER ADDSLOTS {}", slots.join(" ")))?;
        ask(node, &format!("CLUSTER MEET 127.0.0.1 {}", nodes[0].port))?;
    }
    let deadline = Instant::now() + JOIN_LIMIT;
    for node in nodes {
        while !is_joined(&ask(node, "CLUSTER INFO")?) {
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

fn is_joined(info: &str) -> bool {
    info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{NODES}\r\n"))
}

/// Sends a command to a node and returns its answer, a line or a text.
fn ask(node: &Private, command: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, node.port))?;
    stream.set_read_timeout(Some(JOIN_LIMIT))?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    match line.as_bytes().first() {
        Some(b'+') => Ok(line),
        Some(b'$') => {
            let size = line[1..].trim().parse().map_err(io::Error::other)?;
            let mut text = vec![0; size];
            stream.read_exact(&mut text)?;
            String::from_utf8(text).map_err(io::Error::other)
        }
        _ => Err(io::Error::other(line)),
    }
}

/// Returns a free port whose cluster bus port, 10,000 higher, is free as well.
fn free_port_with_bus() -> io::Result<u16> {
    for _ in 0..PORT_TRIES {
        let port = free_port()?;
        if let Some(bus) = port.checked_add(BUS)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, bus)).is_ok()
        {
            return Ok(port);
        }
    }
    Err(io::Error::other(
        "no pair of free ports that are 10,000 apart",
    ))
}

const RUN: &str = r#"
exec "$PROGRAM" --port "$PORT" --bind 127.0.0.1 --save '' --appendonly no \
    --cluster-enabled yes \
    --cluster-announce-ip 127.0.0.1
"#;

/// The minimum for a Redis Cluster.
const NODES: usize = 3;

const SLOTS: usize = 16_384;

const BUS: u16 = 10_000;

const PORT_TRIES: usize = 100;

const JOIN_LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(20);
