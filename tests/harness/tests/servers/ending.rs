//! Servers end with the process that started them. To show this, a test runs itself again in a
//! child process. The child starts a server, and the test then ends the child.

use std::fs;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom_harness::servers::{self, KillableServer, Kind};
use cloakroom_testkit::faults::TestServer;
use cloakroom_testkit::unique_name;

use super::{addresses, child};

#[test]
fn servers_end_when_their_process_is_killed() {
    if let Some(kind) = child::kind() {
        return start_and_wait(kind);
    }
    for &kind in Kind::ALL {
        let scratch = Scratch::new();
        let Some((mut child, url)) = scratch.start(kind) else {
            continue;
        };

        child.kill().unwrap();
        child.wait().unwrap();

        scratch.assert_ends_up_empty(kind);
        assert_refused(&url);
    }
}

#[test]
fn servers_end_when_the_process_group_is_killed() {
    let scratch = Scratch::new();
    let Some((mut child, url)) = scratch.start(Kind::Memcached) else {
        return;
    };

    signal("KILL", &format!("-{}", child.id()));
    child.wait().unwrap();

    scratch.assert_ends_up_empty(Kind::Memcached);
    assert_refused(&url);
}

#[test]
fn servers_that_are_still_starting_end_with_their_process() {
    // The kind of server, and a file that the server writes while it starts. The child process is
    // killed as soon as the file exists.
    let stages = [
        (Kind::Postgres, "log"),
        (Kind::Postgres, "data/PG_VERSION"),
        (Kind::Postgres, "data/postmaster.pid"),
        (Kind::Mariadb, "log"),
        (Kind::Mariadb, "data/ibdata1"),
        (Kind::Mariadb, "init.sql"),
        (Kind::Redis, "log"),
        (Kind::RedisCluster, "nodes.conf"),
        (Kind::Memcached, "log"),
    ];
    for (kind, stage) in stages {
        let scratch = Scratch::new();
        let mut child = scratch.spawn(kind);

        let has_reached_stage = || {
            scratch
                .folders()
                .iter()
                .any(|folder| folder.join(stage).exists())
        };
        // The child ends early if the server is not installed.
        let mut ended = false;
        wait_until(&format!("{kind:?} has not written {stage}"), || {
            ended = child.try_wait().unwrap().is_some();
            ended || has_reached_stage()
        });
        child.kill().unwrap();
        child.wait().unwrap();

        assert!(
            !ended || kind.start().is_none(),
            "{kind:?} is installed, but the child ended early"
        );
        scratch.assert_ends_up_empty(kind);
    }
}

#[test]
fn servers_end_however_their_process_ends() {
    let this_test = "ending::servers_end_however_their_process_ends";
    if let Some(role) = child::role() {
        child::send(servers::memcached().map_or("none", |server| server.url()));
        match role.as_str() {
            "returns" => return,
            "panics" => panic!("on purpose"),
            "exits" => std::process::exit(0),
            _ => std::process::abort(),
        }
    }
    for role in ["returns", "panics", "exits", "aborts"] {
        let scratch = Scratch::new();
        let mut child = scratch.command(this_test, role).spawn().unwrap();
        let url = child::receive(&mut child).unwrap();
        child.wait().unwrap();

        scratch.assert_ends_up_empty(Kind::Memcached);
        if url != "none" {
            assert_refused(&url);
        }
    }
}

#[test]
fn dropping_a_server_waits_until_it_has_ended() {
    for &kind in Kind::ALL {
        let Some(server) = kind.start() else { continue };
        let url = server.url().to_owned();

        drop(server);

        for address in addresses(&url) {
            assert!(
                TcpStream::connect(&address).is_err(),
                "{kind:?} still listens on {address}"
            );
        }
    }
}

#[test]
fn killable_servers_end_with_their_process_whether_alive_dead_or_restarted() {
    let this_test =
        "ending::killable_servers_end_with_their_process_whether_alive_dead_or_restarted";
    if let Some(role) = child::role() {
        let (state, kind) = role.split_once(' ').unwrap();
        let kind = Kind::ALL.iter().find(|known| known.name() == kind).unwrap();
        let mut server = KillableServer::new(*kind);
        let url = server.start();
        if url.is_some() && matches!(state, "dead" | "restarted") {
            server.kill();
        }
        if url.is_some() && state == "restarted" {
            server.start();
        }
        child::send(url.as_deref().unwrap_or("none"));
        loop {
            thread::park();
        }
    }
    // The state of the server when the child process is killed.
    for (state, kind) in [
        ("restarted", Kind::Postgres),
        ("alive", Kind::Redis),
        ("dead", Kind::Redis),
        ("restarted", Kind::Memcached),
    ] {
        let scratch = Scratch::new();
        let role = format!("{state} {}", kind.name());
        let mut child = scratch.command(this_test, &role).spawn().unwrap();
        let url = child::receive(&mut child).unwrap();

        child.kill().unwrap();
        child.wait().unwrap();

        scratch.assert_ends_up_empty(kind);
        if url != "none" {
            assert_refused(&url);
        }
    }
}

#[test]
fn a_primary_and_its_standby_end_with_their_process_even_while_they_swap_roles() {
    let this_test =
        "ending::a_primary_and_its_standby_end_with_their_process_even_while_they_swap_roles";
    if child::role().is_some() {
        let mut server = KillableServer::new(Kind::Postgres);
        if server.start_with_replica().is_none() {
            return;
        }
        loop {
            server.swap_roles();
        }
    }
    // The name of a stage, and how the servers' folders show it. The child process is killed as
    // soon as they show it.
    type Stage = (&'static str, fn(&[PathBuf]) -> bool);
    let stages: [Stage; 5] = [
        ("the standby is copied", |folders| {
            one_has(folders, &["data/backup_label"], &[])
        }),
        ("both servers run", |folders| {
            one_has(folders, &["alive", STANDBY], &[])
        }),
        ("the primary stops", |folders| {
            one_has(folders, &["killable"], &["alive"]) && one_has(folders, &[STANDBY], &[])
        }),
        ("the standby is promoted", |folders| {
            one_has(folders, &["killable"], &["alive"]) && !one_has(folders, &[STANDBY], &[])
        }),
        ("the old primary starts as a standby", |folders| {
            one_has(folders, &["killable", "alive", STANDBY], &[])
        }),
    ];
    for (stage, is_reached) in stages {
        let scratch = Scratch::new();
        let mut child = scratch.command(this_test, "swaps").spawn().unwrap();

        // The child ends early if PostgreSQL is not installed.
        let mut ended = false;
        wait_until(&format!("not reached: {stage}"), || {
            ended = child.try_wait().unwrap().is_some();
            ended || is_reached(&scratch.folders())
        });
        child.kill().unwrap();
        child.wait().unwrap();

        assert!(
            !ended || Kind::Postgres.start().is_none(),
            "PostgreSQL is installed, but the child ended early: {stage}"
        );
        scratch.assert_ends_up_empty(Kind::Postgres);
    }
}

#[test]
fn a_killable_server_refuses_connections_until_it_is_started_again() {
    for kind in [Kind::Postgres, Kind::Mariadb, Kind::Redis, Kind::Memcached] {
        let mut server = KillableServer::new(kind);
        let Some(url) = server.start() else { continue };
        let [address] = &*addresses(&url) else {
            panic!("{kind:?} is one process");
        };
        for _ in 0..2 {
            // If the server starts a process for a client, this process has the server's listening
            // socket for a moment.
            let clients: Vec<TcpStream> = (0..KillableServer::CONNECTIONS / 2)
                .map(|_| TcpStream::connect(address).unwrap())
                .collect();
            server.kill();
            assert!(
                TcpStream::connect(address).is_err(),
                "{kind:?} was killed but accepts connections"
            );
            drop(clients);
            server.start();
        }
        TcpStream::connect(address).unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_paused_server_ends_with_its_process() {
    for &kind in Kind::ALL {
        let scratch = Scratch::new();
        let Some((mut child, url)) = scratch.start(kind) else {
            continue;
        };
        for watchdog in scratch.children_of(child.id()) {
            let servers = scratch
                .children_of(watchdog)
                .filter(|&process| !is_shell(process));
            servers.for_each(|server| signal("STOP", &server.to_string()));
        }

        child.kill().unwrap();
        child.wait().unwrap();

        scratch.assert_ends_up_empty(kind);
        assert_refused(&url);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn no_server_outlives_its_watchdog() {
    for &kind in Kind::ALL {
        let scratch = Scratch::new();
        let Some((mut child, url)) = scratch.start(kind) else {
            continue;
        };

        scratch
            .children_of(child.id())
            .for_each(|watchdog| signal("KILL", &watchdog.to_string()));

        assert_refused(&url);
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until(&format!("a process of {kind:?} is left"), || {
            scratch.processes().is_empty()
        });
    }
}

/// The temporary folder of a child process. The servers of the child create their folders there.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(unique_name());
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn command(&self, test: &str, role: &str) -> Command {
        let mut command = child::command(test, role);
        command.env("TMPDIR", &self.0);
        command
    }

    /// Spawns a child that starts a server and then waits until it is killed.
    fn spawn(&self, kind: Kind) -> Child {
        let test = "ending::servers_end_when_their_process_is_killed";
        self.command(test, kind.name())
            .process_group(0)
            .spawn()
            .unwrap()
    }

    /// Spawns a child and waits for the URL of its server. Returns `None` if the server is not
    /// installed.
    fn start(&self, kind: Kind) -> Option<(Child, String)> {
        let mut child = self.spawn(kind);
        let url = child::receive(&mut child).expect("the child sends a URL or `none`");
        if url == "none" {
            child.wait().unwrap();
            return None;
        }
        Some((child, url))
    }

    fn folders(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect()
    }

    fn assert_ends_up_empty(&self, kind: Kind) {
        wait_until(&format!("{kind:?} or its folder is left"), || {
            self.folders().is_empty() && self.processes().is_empty()
        });
    }

    /// Returns the processes whose working directory is in this folder; empty without `/proc`.
    fn processes(&self) -> Vec<u32> {
        let processes = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let process = entry.ok()?;
                let works_in = fs::read_link(process.path().join("cwd")).ok()?;
                works_in
                    .starts_with(&self.0)
                    .then(|| process.file_name().to_str()?.parse().ok())?
            });
        processes.collect()
    }

    #[cfg(target_os = "linux")]
    fn children_of(&self, parent: u32) -> impl Iterator<Item = u32> {
        let line = format!("\nPPid:\t{parent}\n");
        self.processes()
            .into_iter()
            .filter(move |&process| status(process).contains(&line))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start_and_wait(kind: Kind) {
    let server = kind.start();
    let Some(server) = &server else {
        return child::send("none");
    };
    child::send(server.url());
    loop {
        thread::park();
    }
}

#[cfg(target_os = "linux")]
fn is_shell(process: u32) -> bool {
    status(process).starts_with("Name:\tsh\n")
}

#[cfg(target_os = "linux")]
fn status(process: u32) -> String {
    fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default()
}

/// Returns whether one of the folders has all of `files` and none of `missing`.
fn one_has(folders: &[PathBuf], files: &[&str], missing: &[&str]) -> bool {
    folders.iter().any(|folder| {
        let exists = |file: &&str| folder.join(file).exists();
        files.iter().all(exists) && !missing.iter().any(exists)
    })
}

fn signal(name: &str, process: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, "--", process])
        .status();
    assert!(sent.unwrap().success(), "sending {name} to {process}");
}

fn assert_refused(url: &str) {
    for address in addresses(url) {
        wait_until(&format!("{address} accepts connections"), || {
            TcpStream::connect(&address).is_err()
        });
    }
}

fn wait_until(failure: &str, mut is_done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_done() {
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain: {failure}"
        );
        thread::sleep(POLL);
    }
}

/// The file in the folder of a PostgreSQL that is a standby, or that becomes one when it starts.
const STANDBY: &str = "data/standby.signal";

const PATIENCE: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(5);
