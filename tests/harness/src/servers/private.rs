use std::env;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom_testkit::{reusable_port, unique_name};

use super::account::Account;
use super::program::find;

/// How to run a server.
pub(super) struct Recipe {
    /// Shell text that makes what the server needs. It runs in the server's folder and finds `$PROGRAM` and `$PORT`.
    pub(super) prepare: &'static str,
    /// Shell text that becomes the server with `exec`. It finds `$SETTINGS` as well.
    pub(super) run: &'static str,
    /// What the server is to do otherwise than usual, in its own words.
    pub(super) settings: String,
    /// Whether it is started again after it was killed; see
    /// [`KillableServer`](super::killable::KillableServer).
    pub(super) is_killable: bool,
    pub(super) program: PathBuf,
    /// Whose rights the server gets when the test has root's.
    pub(super) account: &'static str,
    /// The signals that end the server at once, all of its processes.
    pub(super) stopped_by: &'static str,
    /// A file in the folder, and what stands in it as soon as the server listens. Asking the port alone could find
    /// the server of somebody else, who was faster to take it.
    pub(super) ready: (&'static str, &'static str),
    /// Finds a port that this server could take.
    pub(super) free_port: fn() -> io::Result<u16>,
}

impl Recipe {
    /// The same server with other settings, to be killed and started again.
    pub(super) fn killable(self, settings: String) -> Self {
        Self {
            settings,
            is_killable: true,
            free_port: lasting_port,
            ..self
        }
    }

    /// Runs the server and waits until it listens.
    ///
    /// # Panics
    /// If it does not, with what it wrote.
    pub(super) fn start(&self) -> Private {
        let mut trouble = None;
        for _ in 0..START_TRIES {
            match self.try_start() {
                Ok(private) => return private,
                Err(error) => trouble = Some(error),
            }
        }
        panic!(
            "starting {}, {START_TRIES} tries: {}",
            self.program.display(),
            trouble.expect("a try that started the server has returned")
        )
    }

    fn try_start(&self) -> io::Result<Private> {
        let port = (self.free_port)()?;
        let folder = env::temp_dir().join(format!("cloakroom-{}", unique_name()));
        let watchdog = self.run(&folder, port)?;
        let mut private = Private {
            port,
            folder,
            watchdog,
        };
        private.wait_until_ready(self.ready)?;
        Ok(private)
    }

    fn run(&self, folder: &Path, port: u16) -> io::Result<Child> {
        let account = Account::for_server(self.account)?;
        let owner = account.as_ref().map(Account::owner).unwrap_or_default();
        let mut command = Command::new("sh");
        command
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(folder)
            .args([&owner, self.stopped_by]);
        // A session of its own, so that the watchdog can signal whatever the script has started.
        if let Some(setsid) = find("setsid", &[]) {
            command.arg(setsid);
        }
        if let Some(setpriv) = find("setpriv", &[]) {
            // The kernel kills the server if the watchdog dies first.
            command.arg(setpriv).args(["--pdeathsig", "KILL"]);
            command.args(account.iter().flat_map(Account::setpriv));
        }
        command
            .args(["sh", "-c", if self.is_killable { KEEPER } else { ONCE }])
            .env("PREPARE", self.prepare)
            .env("RUN", self.run)
            .env("SETTINGS", &self.settings)
            .env("PROGRAM", &self.program)
            .env("PORT", port.to_string())
            .env("LC_ALL", "C")
            // The usual one may be closed to the server's user.
            .env("TMPDIR", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // Ctrl-C and a test runner's time limit signal the whole group of the test; the watchdog has to outlive it.
            .process_group(0)
            .spawn()
    }
}

/// A server with its watchdog. It runs for as long as this value, or this process, exists.
pub(super) struct Private {
    pub(super) port: u16,
    pub(super) folder: PathBuf,
    /// Holds our end of its standard input.
    watchdog: Child,
}

impl Private {
    pub(super) fn wait_until_ready(&mut self, (file, text): (&str, &str)) -> io::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if self.read(file).contains(text)
                && TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
            {
                return Ok(());
            }
            if self.folder.join("exited").exists() || self.watchdog.try_wait()?.is_some() {
                return Err(io::Error::other(format!("it ended: {}", self.last_words())));
            }
            thread::sleep(POLL);
        }
        let words = format!("not ready after {START_LIMIT:?}: {}", self.last_words());
        Err(io::Error::new(ErrorKind::TimedOut, words))
    }

    fn last_words(&self) -> String {
        let log = self.read("log");
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
    }

    /// What is in a file of the server's folder; nothing, if it has not been written yet.
    pub(super) fn read(&self, file: &str) -> String {
        fs::read(self.folder.join(file))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }
}

impl Drop for Private {
    /// Stops the server, and waits until it has stopped and its folder is gone.
    fn drop(&mut self) {
        // Closes our end of the pipe first.
        let _ = self.watchdog.wait();
    }
}

/// A port that stays the server's while it is dead.
fn lasting_port() -> io::Result<u16> {
    Ok(reusable_port()?.local_addr()?.port())
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

const WATCHDOG: &str = include_str!("watchdog.sh");

const ONCE: &str = r#"eval "$PREPARE" && eval "$RUN""#;

const KEEPER: &str = include_str!("keeper.sh");

/// How often a server is started before it counts as broken: between finding a free port and taking it, somebody else
/// may have taken it.
const START_TRIES: usize = 3;

/// How many clients a server that can be killed accepts.
pub(super) const CONNECTIONS: usize = 40;

/// How long a server may take until it listens. On an idle machine it is a second or two.
pub(super) const START_LIMIT: Duration = Duration::from_secs(60);

/// How many lines of a broken server's log are shown.
const LAST_WORDS: usize = 20;

pub(super) const POLL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;

    #[test]
    #[should_panic(expected = "starting true, 3 tries: it ended: no room for a server")]
    fn a_server_that_ends_at_once_is_reported_with_its_words() {
        let recipe = Recipe {
            prepare: "echo no room for a server",
            run: "exit",
            settings: String::new(),
            is_killable: false,
            program: PathBuf::from("true"),
            account: "nobody",
            stopped_by: "KILL",
            ready: ("log", "welcome"),
            free_port,
        };

        recipe.start();
    }

    #[test]
    fn a_port_that_somebody_took_first_is_given_up_for_another() {
        static TAKEN: OnceLock<TcpListener> = OnceLock::new();
        let Some(program) = find("memcached", &[]) else {
            return;
        };
        let recipe = Recipe {
            prepare: ":",
            run: r#"MEMCACHED_PORT_FILENAME="$PWD/port" exec "$PROGRAM" -l 127.0.0.1 -p "$PORT""#,
            settings: String::new(),
            is_killable: false,
            program,
            account: "memcache",
            stopped_by: "KILL",
            ready: ("port", "TCP INET: "),
            free_port: || match TAKEN.get() {
                Some(_) => free_port(),
                None => Ok(TAKEN
                    .get_or_init(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
                    .local_addr()?
                    .port()),
            },
        };

        let private = recipe.start();

        let taken = TAKEN.get().expect("the first try has asked for it");
        assert_ne!(private.port, taken.local_addr().unwrap().port());
    }
}
