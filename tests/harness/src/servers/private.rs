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

/// How to run a private server.
pub(super) struct Recipe {
    /// Shell commands that prepare the server's folder, in which they run. They can use `$PROGRAM`,
    /// `$PORT` and `$SETTINGS`.
    pub(super) prepare: &'static str,
    /// Shell commands that run the server. The last command replaces the shell with the server
    /// (`exec`). The commands can use the same variables as `prepare`.
    pub(super) run: &'static str,
    /// The server's options that differ between a usual and a killable server.
    pub(super) settings: String,
    /// Whether the server can be started again after a kill; see
    /// [`KillableServer`](super::killable::KillableServer).
    pub(super) is_killable: bool,
    pub(super) program: PathBuf,
    /// The name of the server's user. Used only if root runs the tests; see
    /// [`Account::for_server`].
    pub(super) account: &'static str,
    /// The signals that end all processes of the server immediately.
    pub(super) stopped_by: &'static str,
    /// A file in the folder, and a text that the file contains once the server listens. An open
    /// port alone does not show this, because another process may have taken the port first.
    pub(super) ready: (&'static str, &'static str),
    /// Finds a port for the server.
    pub(super) free_port: fn() -> io::Result<u16>,
}

impl Recipe {
    /// Returns this recipe with other settings, for a server that can be killed and started again.
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
    /// If the server does not listen in time; the message ends with the server's log.
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
            trouble.expect("every try has failed")
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
        // With `setsid`, the processes of the server are a process group, so that the watchdog can
        // signal all of them.
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
            // The server's user may have no access to the usual temporary folder.
            .env("TMPDIR", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // Ctrl-C and test runners signal the whole process group of the test. The watchdog has
            // to outlive the test, so it runs in a new process group.
            .process_group(0)
            .spawn()
    }
}

/// A running server with its watchdog. The watchdog is a script that stops the server when this
/// value is dropped or the test process ends.
pub(super) struct Private {
    pub(super) port: u16,
    pub(super) folder: PathBuf,
    /// Owns the pipe to the watchdog's standard input.
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
                return Err(io::Error::other(format!("it ended: {}", self.log_tail())));
            }
            thread::sleep(POLL);
        }
        let message = format!("not ready after {START_LIMIT:?}: {}", self.log_tail());
        Err(io::Error::new(ErrorKind::TimedOut, message))
    }

    /// Sends `signal` to a killable server, and waits until the server has ended and refuses
    /// connections.
    pub(super) fn end_with(&self, signal: &str) -> io::Result<()> {
        let pid = self.read("pid");
        let pid = pid.trim();
        // `keeper.sh` starts the server again only if the file `killable` is missing or the file
        // `alive` exists.
        fs::write(self.folder.join("killable"), "")?;
        fs::remove_file(self.folder.join("alive"))?;
        let sent = Command::new("kill").args(["-s", signal, pid]).status()?;
        if !sent.success() {
            return Err(io::Error::other(format!("there is no process {pid}")));
        }
        self.wait_until("still running", || is_dead(pid))?;
        // The children of a killed server may share its listening socket for a moment.
        self.wait_until("still accepts connections", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err()
        })
    }

    /// Starts the server again on the same port, after [`end_with`](Self::end_with), and waits
    /// until it listens.
    pub(super) fn start_again(&mut self, ready: (&str, &str)) -> io::Result<()> {
        // Empty the file first, because it still contains the text with which the ended server
        // reported that it was ready.
        fs::write(self.folder.join(ready.0), "")?;
        // `keeper.sh` starts the server when it finds the file `alive`.
        fs::write(self.folder.join("alive"), "")?;
        self.wait_until_ready(ready)
    }

    fn wait_until(&self, failure: &str, is_done: impl Fn() -> bool) -> io::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while !is_done() {
            if Instant::now() >= deadline {
                let message = format!("{failure} after {START_LIMIT:?}: {}", self.log_tail());
                return Err(io::Error::new(ErrorKind::TimedOut, message));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = self.read("log");
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }

    /// Reads a file in the server's folder. A missing file reads as empty.
    pub(super) fn read(&self, file: &str) -> String {
        fs::read(self.folder.join(file))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }
}

impl Drop for Private {
    /// Stops the server, and waits until it has stopped and its folder is deleted.
    fn drop(&mut self) {
        // `wait` first closes the pipe, and the watchdog then stops the server.
        let _ = self.watchdog.wait();
    }
}

/// Returns whether the process has ended and its parent has reaped it.
fn is_dead(pid: &str) -> bool {
    let asked = Command::new("kill").args(["-s", "0", pid]).output();
    asked.is_ok_and(|answer| !answer.status.success())
}

/// Returns a port that no other process gets while the server is dead.
fn lasting_port() -> io::Result<u16> {
    Ok(reusable_port()?.local_addr()?.port())
}

/// Returns a port that was free a moment ago.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

const WATCHDOG: &str = include_str!("watchdog.sh");

const ONCE: &str = r#"eval "$PREPARE" && eval "$RUN""#;

const KEEPER: &str = include_str!("keeper.sh");

/// The number of tries to start a server. A try fails if another process takes the free port first.
const START_TRIES: usize = 3;

/// The number of clients that a killable server accepts. The number is small, so that a test can
/// use up all connections.
pub(super) const CONNECTIONS: usize = 40;

/// The time within which a server must listen. On an idle machine a server needs a second or two.
pub(super) const START_LIMIT: Duration = Duration::from_secs(60);

/// The number of log lines in the message about a server that does not start.
const LOG_TAIL_LINES: usize = 20;

pub(super) const POLL: Duration = Duration::from_millis(20);

#[cfg(test)]
impl Recipe {
    /// Returns the recipe of a server in Perl that prints "listening", or `None` if Perl is not
    /// installed. `run` uses `$PROGRAM`.
    pub(super) fn perl(run: &'static str, stopped_by: &'static str) -> Option<Self> {
        Some(Self {
            prepare: ":",
            run,
            settings: String::new(),
            is_killable: false,
            program: find("perl", &[])?,
            account: "memcache",
            stopped_by,
            ready: ("log", "listening"),
            free_port,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;

    #[test]
    #[should_panic(expected = "starting true, 3 tries: it ended: no room for a server")]
    fn a_server_that_ends_at_once_is_reported_with_its_log() {
        let recipe = Recipe {
            prepare: "echo no room for a server",
            run: "exit",
            settings: String::new(),
            is_killable: false,
            program: PathBuf::from("true"),
            account: "none",
            stopped_by: "KILL",
            ready: ("log", "welcome"),
            free_port,
        };

        recipe.start();
    }

    /// A shell that starts a server misses the signals that arrive just before the server runs.
    #[test]
    fn a_server_that_has_missed_a_signal_is_stopped() {
        // This server ignores the first TERM, as if it had missed the signal. The second TERM ends
        // the server. Without a second TERM, ALRM would end the server after 30 s, which is too
        // late for the test.
        let run = r#"exec "$PROGRAM" -MIO::Socket::INET -e '
                $| = 1;
                $socket = IO::Socket::INET->new(
                    LocalAddr => "127.0.0.1", LocalPort => $ENV{PORT}, Listen => 9,
                ) or die $!;
                $SIG{TERM} = sub { $SIG{TERM} = "DEFAULT" };
                alarm 30;
                print "listening";
                sleep while 1;
            '"#;
        let Some(recipe) = Recipe::perl(run, "TERM") else {
            return;
        };
        let private = recipe.start();

        let began = Instant::now();
        drop(private);

        assert!(began.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn a_server_whose_port_was_taken_is_started_on_another_port() {
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

        let taken = TAKEN.get().expect("the first try used this port");
        assert_ne!(private.port, taken.local_addr().unwrap().port());
    }
}
