use std::fmt;
use std::fs;
use std::io;
use std::process::Command;
use std::thread;
use std::time::Instant;

use super::private::{POLL, Private, START_LIMIT};
use super::{Kind, Server};
use crate::ports;

/// A private server that a test may kill, and start again on the same port and with the data that it has kept.
///
/// Other than a [`Server`] it acknowledges nothing that is not on the disk, if it is of a kind that can: PostgreSQL
/// syncs, MariaDB flushes its log at each commit, and Redis appends to its file and syncs that. And it takes no more than
/// [`CONNECTIONS`](Self::CONNECTIONS) clients. It stops when this is dropped, or when the process ends in any other way.
///
/// # Examples
/// ```no_run
/// use cloakroom_testkit::servers::{Kind, Mortal};
///
/// let Some(mut server) = Mortal::start(Kind::Postgres) else { return };
/// println!("a PostgreSQL: {}", server.url());
///
/// server.kill(); // With SIGKILL: no last word, no clean end.
/// server.start_again();
/// ```
pub struct Mortal {
    kind: Kind,
    server: Server,
}

impl Mortal {
    /// How many clients it takes at once. Few enough for a test to be all of them.
    pub const CONNECTIONS: usize = 40;

    /// Starts a server of this kind that nobody else uses; `None` if it is not installed, or if the environment says
    /// to do without.
    ///
    /// # Panics
    /// If it does not start, with what it wrote, or if it is of several processes, as a cluster is. If there is none,
    /// and `CLOAKROOM_TEST_REQUIRE_SERVERS` is 1.
    pub fn start(kind: Kind) -> Option<Self> {
        let server = kind.or_say_why(|| kind.start_mortal())?;
        Some(Self { kind, server })
    }

    /// Where it is, in the words that stores take; the same after it was started again.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// Whether it comes back with everything that it has acknowledged.
    pub fn keeps(&self) -> bool {
        self.kind != Kind::Memcached
    }

    /// Kills it with SIGKILL, and waits until it is dead.
    ///
    /// # Panics
    /// If it cannot be killed: it is dead already.
    pub fn kill(&mut self) {
        let private = self.private();
        let (mortal, alive) = (private.folder.join("mortal"), private.folder.join("alive"));
        let pid = private.read("pid");
        let pid = pid.trim();
        let killed = fs::write(mortal, "")
            .and_then(|()| fs::remove_file(alive))
            .and_then(|()| Command::new("kill").args(["-s", "KILL", pid]).status());
        let name = self.kind.name();
        match killed {
            Ok(status) if status.success() => {
                wait_until(&format!("{name} is dead"), || is_dead(pid))
            }
            Ok(_) => panic!("killing {name}: there is no process {pid}"),
            Err(error) => panic!("killing {name}: {error}"),
        }
    }

    /// Starts it again, and waits until it listens.
    ///
    /// # Panics
    /// If it does not, with what it wrote.
    pub fn start_again(&mut self) {
        let ready = self.kind.ready();
        let name = self.kind.name();
        let private = self.private();
        // What it wrote in its last life says nothing about this one.
        let started = fs::write(private.folder.join(ready.0), "")
            .and_then(|()| fs::write(private.folder.join("alive"), ""))
            .and_then(|()| private.wait_until_ready(ready));
        started.unwrap_or_else(|error| panic!("starting {name} again: {error}"));
    }

    fn private(&mut self) -> &mut Private {
        let process = self.server.processes.first_mut();
        process.expect("a server that was started here has a process")
    }
}

impl fmt::Debug for Mortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mortal")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// A port that stays the server's while it is dead.
pub(super) fn lasting_port() -> io::Result<u16> {
    Ok(ports::lasting()?.local_addr()?.port())
}

/// Its parent has taken note of its end.
fn is_dead(pid: &str) -> bool {
    let asked = Command::new("kill").args(["-s", "0", pid]).output();
    asked.is_ok_and(|answer| !answer.status.success())
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + START_LIMIT;
    while !is_so() {
        assert!(
            Instant::now() < deadline,
            "not after {START_LIMIT:?}: {what}"
        );
        thread::sleep(POLL);
    }
}
