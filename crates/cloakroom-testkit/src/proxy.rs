use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::ports::reusable_port;

/// A TCP proxy that breaks its connections to a server on demand.
///
/// The proxy can cut, refuse, delay and freeze connections, and lose answers. It interprets no
/// protocol, so it works with every TCP server. The proxy runs on the tokio runtime in which it was
/// created. Its connections end when the proxy or that runtime is dropped.
///
/// # Examples
/// ```
/// use cloakroom_testkit::Proxy;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tokio::net::{TcpListener, TcpStream};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// let server = TcpListener::bind("127.0.0.1:0").await?;
/// let proxy = Proxy::to(&format!("redis://ada:s3cret@{}/3", server.local_addr()?));
/// assert!(proxy.url().starts_with("redis://ada:s3cret@127.0.0.1:"));
/// assert!(proxy.url().ends_with("/3"));
///
/// let mut client = TcpStream::connect(proxy.address()).await?;
/// client.write_all(b"save").await?;
/// let (mut served, _) = server.accept().await?;
/// let mut request = [0; 4];
/// served.read_exact(&mut request).await?;
///
/// // The server has carried out the request, but the client receives no answer.
/// proxy.lose_answer_after(0);
/// served.write_all(b"done").await?;
/// assert_eq!(client.read(&mut [0; 4]).await?, 0);
/// # Ok(())
/// # }
/// ```
pub struct Proxy {
    url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    /// The task that accepts connections; `None` while the proxy refuses them.
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// Creates a proxy to the server at `url`, on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If the URL does not contain exactly one host with a port, if no port of this machine is
    /// free, or if the caller is not in a tokio runtime.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_testkit::Proxy;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let proxy = Proxy::to("postgres://ada@127.0.0.1:5432/library");
    ///
    /// assert_eq!(proxy.url(), format!("postgres://ada@{}/library", proxy.address()));
    /// # }
    /// ```
    pub fn to(url: &str) -> Self {
        let server = authority(url);
        let listener = reusable_port().expect("the operating system has a free port");
        let address = listener.local_addr().expect("the listener is bound");
        let route = Route {
            server: server.to_owned(),
            accepted: 0,
            stalled: false,
            frozen: 0,
            delay: Duration::ZERO,
        };
        let shared = Arc::new(Shared {
            route: watch::Sender::new(route),
            answers_left: Mutex::new(None),
            round_trips: AtomicUsize::new(0),
            connections: Mutex::default(),
        });
        let accepting = spawn_accept(listener, &shared);
        Self {
            url: url.replacen(server, &address.to_string(), 1),
            address,
            shared,
            accepting: Mutex::new(Some(accepting)),
        }
    }

    /// Returns the server's URL, with the address of the proxy in place of the server's.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_testkit::Proxy;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let proxy = Proxy::to("redis://127.0.0.1:6379/3");
    ///
    /// assert_eq!(proxy.url(), format!("redis://{}/3", proxy.address()));
    /// # }
    /// ```
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the address at which the proxy accepts connections.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_testkit::Proxy;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let proxy = Proxy::to("redis://127.0.0.1:6379");
    ///
    /// assert!(proxy.address().ip().is_loopback());
    /// # }
    /// ```
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of round trips on all connections together. A round trip is something
    /// that a client sent, followed by an answer of the server.
    ///
    /// # Examples
    /// ```
    /// # use std::io;
    /// # use cloakroom_testkit::Proxy;
    /// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// # use tokio::net::{TcpListener, TcpStream};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> io::Result<()> {
    /// let server = TcpListener::bind("127.0.0.1:0").await?;
    /// let proxy = Proxy::to(&format!("test://{}", server.local_addr()?));
    /// let mut client = TcpStream::connect(proxy.address()).await?;
    ///
    /// client.write_all(b"ping").await?;
    /// let (mut served, _) = server.accept().await?;
    /// served.read_exact(&mut [0; 4]).await?;
    /// served.write_all(b"pong").await?;
    /// client.read_exact(&mut [0; 4]).await?;
    ///
    /// assert_eq!(proxy.round_trips(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn round_trips(&self) -> usize {
        self.shared.round_trips.load(Ordering::SeqCst)
    }

    /// Closes all open connections. New connections work.
    ///
    /// # Examples
    /// ```
    /// # use std::io;
    /// # use cloakroom_testkit::Proxy;
    /// # use tokio::io::AsyncReadExt;
    /// # use tokio::net::{TcpListener, TcpStream};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> io::Result<()> {
    /// # let server = TcpListener::bind("127.0.0.1:0").await?;
    /// let proxy = Proxy::to(&format!("test://{}", server.local_addr()?));
    /// let mut client = TcpStream::connect(proxy.address()).await?;
    /// let _ = server.accept().await?;
    ///
    /// proxy.cut().await;
    ///
    /// let closed = client.read(&mut [0]).await;
    /// assert!(matches!(closed, Ok(0) | Err(_)));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cut(&self) {
        let mut connections = std::mem::take(&mut *self.shared.connections());
        connections.shutdown().await;
    }

    /// Forwards the next `answers` answers, counted on all connections together. Then discards one
    /// answer and closes its connection.
    ///
    /// An answer is what one read from the server returns: up to 64 KiB that arrive together.
    ///
    /// # Examples
    /// ```
    /// # use std::io;
    /// # use cloakroom_testkit::Proxy;
    /// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// # use tokio::net::{TcpListener, TcpStream};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> io::Result<()> {
    /// # let server = TcpListener::bind("127.0.0.1:0").await?;
    /// # let proxy = Proxy::to(&format!("test://{}", server.local_addr()?));
    /// # let mut client = TcpStream::connect(proxy.address()).await?;
    /// # let (mut served, _) = server.accept().await?;
    /// proxy.lose_answer_after(1);
    ///
    /// served.write_all(b"first").await?;
    /// client.read_exact(&mut [0; 5]).await?;
    /// served.write_all(b"second").await?;
    /// assert_eq!(client.read(&mut [0; 6]).await?, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn lose_answer_after(&self, answers: usize) {
        *self.shared.answers_left() = Some(answers);
    }

    /// Closes all open connections and refuses new ones, as if the server were not running.
    ///
    /// [`heal`](Self::heal) accepts connections again.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_testkit::Proxy;
    /// use tokio::net::TcpStream;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let proxy = Proxy::to("redis://127.0.0.1:6379");
    /// assert!(TcpStream::connect(proxy.address()).await.is_ok());
    ///
    /// proxy.refuse().await;
    /// assert!(TcpStream::connect(proxy.address()).await.is_err());
    /// # }
    /// ```
    pub async fn refuse(&self) {
        let accepting = self.accepting().take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // The listener is closed once its task has ended.
            let _ = accepting.await;
        }
        self.cut().await;
    }

    /// Forwards nothing in either direction until [`heal`](Self::heal). Connections stay open.
    ///
    /// `heal` forwards what was sent in the meantime.
    ///
    /// # Examples
    /// ```
    /// # use std::io;
    /// # use std::time::Duration;
    /// # use cloakroom_testkit::Proxy;
    /// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// # use tokio::net::{TcpListener, TcpStream};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> io::Result<()> {
    /// # let server = TcpListener::bind("127.0.0.1:0").await?;
    /// # let proxy = Proxy::to(&format!("test://{}", server.local_addr()?));
    /// # let mut client = TcpStream::connect(proxy.address()).await?;
    /// # let (mut served, _) = server.accept().await?;
    /// proxy.stall();
    /// client.write_all(b"ping").await?;
    /// let mut request = [0; 4];
    /// let silence = served.read_exact(&mut request);
    /// assert!(tokio::time::timeout(Duration::from_millis(10), silence).await.is_err());
    ///
    /// proxy.heal();
    /// served.read_exact(&mut request).await?;
    /// assert_eq!(&request, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn stall(&self) {
        self.change(|route| route.stalled = true);
    }

    /// Permanently stops forwarding on all open connections, without closing them. New connections
    /// work.
    ///
    /// To a client, this looks as if the server had vanished from the network.
    ///
    /// # Examples
    /// ```
    /// # use std::io;
    /// # use std::time::Duration;
    /// # use cloakroom_testkit::Proxy;
    /// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// # use tokio::net::{TcpListener, TcpStream};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> io::Result<()> {
    /// # let server = TcpListener::bind("127.0.0.1:0").await?;
    /// # let proxy = Proxy::to(&format!("test://{}", server.local_addr()?));
    /// # let mut client = TcpStream::connect(proxy.address()).await?;
    /// # let (mut served, _) = server.accept().await?;
    /// proxy.freeze();
    /// proxy.heal();
    ///
    /// client.write_all(b"ping").await?;
    /// let mut request = [0; 4];
    /// let silence = served.read(&mut request);
    /// assert!(tokio::time::timeout(Duration::from_millis(10), silence).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn freeze(&self) {
        self.change(|route| route.frozen = route.accepted);
    }

    /// Delays everything that is sent, in both directions, by `delay`.
    ///
    /// # Examples
    /// ```
    /// # use std::io;
    /// # use std::time::{Duration, Instant};
    /// # use cloakroom_testkit::Proxy;
    /// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// # use tokio::net::{TcpListener, TcpStream};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> io::Result<()> {
    /// # let server = TcpListener::bind("127.0.0.1:0").await?;
    /// # let proxy = Proxy::to(&format!("test://{}", server.local_addr()?));
    /// # let mut client = TcpStream::connect(proxy.address()).await?;
    /// # let (mut served, _) = server.accept().await?;
    /// proxy.slow(Duration::from_millis(10));
    ///
    /// let begun = Instant::now();
    /// client.write_all(b"ping").await?;
    /// served.read_exact(&mut [0; 4]).await?;
    /// assert!(begun.elapsed() >= Duration::from_millis(10));
    /// # Ok(())
    /// # }
    /// ```
    pub fn slow(&self, delay: Duration) {
        self.change(|route| route.delay = delay);
    }

    /// Forwards new connections to the server at another URL. [`url`](Self::url) stays the same.
    ///
    /// # Panics
    /// If the URL does not contain exactly one host with a port.
    ///
    /// # Examples
    /// ```
    /// # use std::io;
    /// # use cloakroom_testkit::Proxy;
    /// # use tokio::net::{TcpListener, TcpStream};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> io::Result<()> {
    /// let proxy = Proxy::to("test://127.0.0.1:6379");
    /// let server = TcpListener::bind("127.0.0.1:0").await?;
    ///
    /// proxy.lead_to(&format!("test://{}", server.local_addr()?));
    ///
    /// let _client = TcpStream::connect(proxy.address()).await?;
    /// assert!(server.accept().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn lead_to(&self, url: &str) {
        let server = authority(url).to_owned();
        self.change(|route| route.server = server);
    }

    /// Ends all faults: accepts connections, and forwards everything without delay or loss.
    ///
    /// Connections that were cut or frozen do not recover.
    ///
    /// # Panics
    /// If another process has taken the port after [`refuse`](Self::refuse).
    ///
    /// # Examples
    /// ```
    /// use cloakroom_testkit::Proxy;
    /// use tokio::net::TcpStream;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let proxy = Proxy::to("redis://127.0.0.1:6379");
    /// proxy.refuse().await;
    ///
    /// proxy.heal();
    /// assert!(TcpStream::connect(proxy.address()).await.is_ok());
    /// # }
    /// ```
    pub fn heal(&self) {
        self.accepting().get_or_insert_with(|| {
            let listener = std::net::TcpListener::bind(self.address);
            let listener = listener.expect("no other process takes the port of a proxy");
            spawn_accept(listener, &self.shared)
        });
        *self.shared.answers_left() = None;
        self.change(|route| {
            route.stalled = false;
            route.delay = Duration::ZERO;
        });
    }

    fn accepting(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.accepting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Route)) {
        self.shared.route.send_modify(change);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting().take() {
            accepting.abort();
        }
        self.shared.connections().abort_all();
    }
}

impl fmt::Debug for Proxy {
    // Omits the URL: it may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

struct Shared {
    route: watch::Sender<Route>,
    /// How many answers are forwarded before one is lost; `None` if all answers are forwarded.
    answers_left: Mutex<Option<usize>>,
    round_trips: AtomicUsize,
    connections: Mutex<JoinSet<()>>,
}

impl Shared {
    fn answers_left(&self) -> MutexGuard<'_, Option<usize>> {
        self.answers_left
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an answer and returns whether to discard it.
    fn loses_answer(&self) -> bool {
        let mut left = self.answers_left();
        let is_lost = *left == Some(0);
        *left = left.and_then(|left| left.checked_sub(1));
        is_lost
    }
}

/// Where new connections lead, and the faults of all connections.
struct Route {
    server: String,
    /// How many connections were accepted; the next one gets this number.
    accepted: usize,
    stalled: bool,
    /// Connections with a smaller number are frozen.
    frozen: usize,
    delay: Duration,
}

fn spawn_accept(listener: std::net::TcpListener, shared: &Arc<Shared>) -> JoinHandle<()> {
    let listener = listener
        .set_nonblocking(true)
        .and_then(|()| TcpListener::from_std(listener));
    let listener = listener.expect("a proxy is created inside a tokio runtime");
    tokio::spawn(accept(listener, Arc::clone(shared)))
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        // An error of `accept` affects only one connection: the client has reset the connection, or
        // no file descriptor was left for it.
        let Ok((client, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let mut number = 0;
        shared.route.send_if_modified(|route| {
            number = route.accepted;
            route.accepted += 1;
            false
        });
        let connection = Connection {
            number,
            shared: Arc::clone(&shared),
            awaits_answer: AtomicBool::new(false),
        };
        let mut connections = shared.connections();
        while connections.try_join_next().is_some() {}
        connections.spawn(async move { connection.forward(client).await });
    }
}

struct Connection {
    number: usize,
    shared: Arc<Shared>,
    /// Whether the client has sent something since the last answer.
    awaits_answer: AtomicBool,
}

impl Connection {
    /// Forwards both directions until either side closes, or an answer is lost.
    async fn forward(&self, client: TcpStream) {
        let server = self.shared.route.borrow().server.clone();
        let Ok(server) = TcpStream::connect(server).await else {
            return;
        };
        // Without `nodelay`, a small message waits until earlier messages are acknowledged.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            () = self.forward_requests(from_client, to_server) => {}
            () = self.forward_answers(from_server, to_client) => {}
        }
    }

    async fn forward_requests(&self, mut client: OwnedReadHalf, mut server: OwnedWriteHalf) {
        let mut piece = vec![0; PIECE];
        while let Ok(len @ 1..) = client.read(&mut piece).await {
            self.awaits_answer.store(true, Ordering::SeqCst);
            self.pass_faults().await;
            if server.write_all(&piece[..len]).await.is_err() {
                return;
            }
        }
    }

    async fn forward_answers(&self, mut server: OwnedReadHalf, mut client: OwnedWriteHalf) {
        let mut piece = vec![0; PIECE];
        while let Ok(len @ 1..) = server.read(&mut piece).await {
            if self.awaits_answer.swap(false, Ordering::SeqCst) {
                self.shared.round_trips.fetch_add(1, Ordering::SeqCst);
            }
            if self.shared.loses_answer() {
                return;
            }
            self.pass_faults().await;
            if client.write_all(&piece[..len]).await.is_err() {
                return;
            }
        }
    }

    /// Waits until the faults let a message pass. Waits forever on a frozen connection.
    async fn pass_faults(&self) {
        let mut route = self.shared.route.subscribe();
        let delay = route.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let open = route.wait_for(|route| !route.stalled && route.frozen <= self.number);
        // Cannot fail, because `shared` owns the sender.
        let _ = open.await;
    }
}

/// Returns the host and port of a URL.
fn authority(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    assert!(
        host.contains(':') && !host.contains(','),
        "a proxy needs a URL with one host and its port"
    );
    host
}

/// The largest number of bytes that is forwarded at once.
const PIECE: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[tokio::test]
    async fn a_cut_closes_open_connections_and_new_ones_work() {
        let (proxy, _server) = echo().await;
        let mut old = connect(&proxy).await;
        ping(&mut old).await.unwrap();

        proxy.cut().await;

        assert!(ping(&mut old).await.is_err());
        ping(&mut connect(&proxy).await).await.unwrap();
        assert_eq!(proxy.round_trips(), 2);
    }

    #[tokio::test]
    async fn only_the_answer_after_the_given_number_of_answers_is_lost() {
        let (proxy, _server) = echo().await;
        let mut client = connect(&proxy).await;

        proxy.lose_answer_after(1);

        ping(&mut client).await.unwrap();
        assert!(ping(&mut client).await.is_err());
        ping(&mut connect(&proxy).await).await.unwrap();
    }

    #[tokio::test]
    async fn a_refusing_proxy_accepts_connections_after_it_is_healed() {
        let (proxy, _server) = echo().await;
        let mut old = connect(&proxy).await;
        ping(&mut old).await.unwrap();

        proxy.refuse().await;
        assert!(ping(&mut old).await.is_err());
        assert!(TcpStream::connect(proxy.address()).await.is_err());

        proxy.heal();
        ping(&mut connect(&proxy).await).await.unwrap();
    }

    #[tokio::test]
    async fn a_stalled_answer_arrives_after_the_proxy_is_healed() {
        let (proxy, _server) = echo().await;
        let mut client = connect(&proxy).await;

        proxy.stall();
        client.write_all(b"?").await.unwrap();
        let mut answer = [0];
        let silence = tokio::time::timeout(MOMENT, client.read_exact(&mut answer));
        assert!(silence.await.is_err());

        proxy.heal();
        client.read_exact(&mut answer).await.unwrap();
    }

    #[tokio::test]
    async fn a_frozen_connection_stays_silent_but_a_new_connection_works() {
        let (proxy, _server) = echo().await;
        let mut frozen = connect(&proxy).await;
        ping(&mut frozen).await.unwrap();

        proxy.freeze();
        proxy.heal();

        let silence = tokio::time::timeout(MOMENT, ping(&mut frozen));
        assert!(silence.await.is_err());
        ping(&mut connect(&proxy).await).await.unwrap();
    }

    #[tokio::test]
    async fn both_directions_are_delayed() {
        let (proxy, _server) = echo().await;
        let mut client = connect(&proxy).await;

        proxy.slow(MOMENT);
        let before = std::time::Instant::now();
        ping(&mut client).await.unwrap();

        assert!(before.elapsed() >= 2 * MOMENT);
    }

    #[tokio::test]
    async fn after_lead_to_new_connections_reach_the_other_server() {
        let (proxy, server) = echo().await;
        let (_, another) = echo().await;
        drop(server);

        assert!(ping(&mut connect(&proxy).await).await.is_err());
        proxy.lead_to(&another.url);

        ping(&mut connect(&proxy).await).await.unwrap();
    }

    #[test]
    fn the_authority_excludes_the_user_the_path_and_the_query() {
        for url in [
            "redis://host:1",
            "postgres://ada:s3:cr@t@host:1/library?host=2",
            "memcached://host:1?prefix=a",
        ] {
            assert_eq!(authority(url), "host:1");
        }
    }

    /// A server that sends back what it receives, and a proxy to it.
    async fn echo() -> (Proxy, Echo) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("echo://{}", listener.local_addr().unwrap());
        let mut clients = JoinSet::new();
        clients.spawn(async move {
            let mut clients = JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                clients.spawn(async move {
                    let (mut from, mut to) = client.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let proxy = Proxy::to(&url);
        (
            proxy,
            Echo {
                url,
                _clients: clients,
            },
        )
    }

    struct Echo {
        url: String,
        _clients: JoinSet<()>,
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(proxy.address()).await.unwrap()
    }

    /// Sends a byte and waits until it comes back.
    async fn ping(client: &mut TcpStream) -> io::Result<()> {
        client.write_all(b"?").await?;
        client.read_exact(&mut [0]).await?;
        Ok(())
    }

    const MOMENT: Duration = Duration::from_millis(20);
}
