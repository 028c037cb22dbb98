/// A server that the suite starts, kills and starts again.
///
/// Implement this trait for your store's server and pass an expression for it to
/// [`faults!`](crate::faults!). The suite creates one value for each promise and drops the value
/// afterwards. Dropping the value must end the server if it is still running.
///
/// # Examples
/// ```no_run
/// use std::net::TcpStream;
/// use std::process::{Child, Command};
/// use std::time::Duration;
///
/// use cloakroom_testkit::faults::TestServer;
///
/// struct LedgerServer {
///     port: u16,
///     process: Option<Child>,
/// }
///
/// impl LedgerServer {
///     fn new() -> Self {
///         // The listener is closed here; the port stays free until the server takes it.
///         let listener = cloakroom_testkit::reusable_port().unwrap();
///         Self { port: listener.local_addr().unwrap().port(), process: None }
///     }
/// }
///
/// impl TestServer for LedgerServer {
///     fn start(&mut self) -> Option<String> {
///         let port = self.port;
///         let mut command = Command::new("ledgerd");
///         command.arg(format!("--port={port}")).arg("--max-clients=40");
///         self.process = Some(command.spawn().expect("ledgerd is installed"));
///         while TcpStream::connect(("127.0.0.1", port)).is_err() {
///             std::thread::sleep(Duration::from_millis(20));
///         }
///         Some(format!("ledger://127.0.0.1:{port}"))
///     }
///
///     fn kill(&mut self) {
///         if let Some(mut process) = self.process.take() {
///             process.kill().expect("ledgerd runs"); // Sends SIGKILL.
///             process.wait().expect("ledgerd is a child of this process");
///         }
///     }
///
///     fn max_connections(&self) -> usize {
///         40
///     }
/// }
///
/// impl Drop for LedgerServer {
///     fn drop(&mut self) {
///         self.kill();
///     }
/// }
/// ```
pub trait TestServer {
    /// Starts the server, or starts it again after [`kill`](Self::kill), and returns its URL once
    /// the server accepts connections.
    ///
    /// The URL must contain one host and its port, because the suite puts a [`Proxy`](crate::Proxy)
    /// between the store and the server. The URL must be the same after each start.
    ///
    /// Returns `None` if this machine has no such server. The test then passes without testing
    /// anything, so an implementation should print why.
    ///
    /// # Panics
    /// If the server does not start.
    fn start(&mut self) -> Option<String>;

    /// Kills the running server without a clean shutdown, and waits until it is dead.
    ///
    /// # Panics
    /// If the server is not running.
    fn kill(&mut self);

    /// Returns the number of clients that the server accepts at once.
    ///
    /// The suite opens that many connections, so configure the server for a few dozen at most.
    fn max_connections(&self) -> usize;

    /// Returns whether everything that the server has acknowledged survives a kill. Defaults to
    /// `true`.
    ///
    /// If this returns `false`, sessions may be gone after a kill. No other promise changes.
    fn is_durable(&self) -> bool {
        true
    }

    /// Starts a primary and a replica of it, and returns their URLs once the replica has the data
    /// of the primary.
    ///
    /// Each URL must name one host and its port, and both URLs must name the same user and the same
    /// database. The user must not be an administrator, because a replica may accept the writes of
    /// administrators.
    ///
    /// By default, returns `None`, which means that the server has no replicas. The promise about
    /// replicas then passes without testing anything.
    ///
    /// # Panics
    /// If the servers do not start.
    fn start_with_replica(&mut self) -> Option<(String, String)> {
        None
    }

    /// Makes the replica the primary, and the former primary a replica, which refuses writes. Waits
    /// until both servers have changed their roles. Must not lose a write that was acknowledged,
    /// and should keep the connections of the clients open if the server can do so.
    ///
    /// # Panics
    /// If the servers do not change their roles, or were not started by
    /// [`start_with_replica`](Self::start_with_replica).
    fn swap_roles(&mut self) {
        panic!("`start_with_replica` returns `None`, so there are no roles to swap");
    }

    /// Returns the URL of a running server, for tests that break connections but do not kill the
    /// server.
    ///
    /// By default, starts the server. Override this method if starting a server is slow and the
    /// tests of a process can share a server. `None` has the same meaning as for
    /// [`start`](Self::start).
    fn share(&mut self) -> Option<String> {
        self.start()
    }
}
