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

/// A way to a server that breaks on demand: connections are cut, answers get lost, nothing gets through, or slowly.
///
/// It belongs to the tokio runtime in which it was made, and with it the connections end. It speaks no protocol, so any
/// server that is reached over TCP can stand behind it.
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
/// assert!(proxy.url().starts_with("redis://ada:s3cret@127.0.0.1:") && proxy.url().ends_with("/3"));
///
/// let mut client = TcpStream::connect(proxy.address()).await?;
/// client.write_all(b"save").await?;
/// let (mut served, _) = server.accept().await?;
/// let mut request = [0; 4];
/// served.read_exact(&mut request).await?;
///
/// // The request was carried out; whoever has sent it will never know.
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
    /// The task that takes connections, if any are taken.
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// A proxy on a port of its own to the server of `url`, which names one host and its port.
    ///
    /// # Panics
    /// If the URL does not, or if there is no free port.
    pub fn to(url: &str) -> Self {
        let server = authority(url);
        let listener = reusable_port().expect("the operating system has a free port");
        let address = listener.local_addr().expect("it was bound to one");
        let way = Way {
            server: server.to_owned(),
            came: 0,
            stalled: false,
            frozen: 0,
            delay: Duration::ZERO,
        };
        let shared = Arc::new(Shared {
            way: watch::Sender::new(way),
            answers_left: Mutex::new(None),
            round_trips: AtomicUsize::new(0),
            connections: Mutex::default(),
        });
        let accepting = accepting(listener, &shared);
        Self {
            url: url.replacen(server, &address.to_string(), 1),
            address,
            shared,
            accepting: Mutex::new(Some(accepting)),
        }
    }

    /// The server's URL with the address of the proxy in it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address of the proxy.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often something was sent and then answered.
    pub fn round_trips(&self) -> usize {
        self.shared.round_trips.load(Ordering::SeqCst)
    }

    /// Closes the connections that are there. New ones are as good as before.
    pub async fn cut(&self) {
        let mut connections = std::mem::take(&mut *self.shared.connections());
        connections.shutdown().await;
    }

    /// Lets so many answers through, on all connections together; swallows the next one, and closes the connection on
    /// which it came.
    pub fn lose_answer_after(&self, answers: usize) {
        *self.shared.answers_left() = Some(answers);
    }

    /// Closes the connections that are there and takes no new ones, as if there were no server.
    pub async fn refuse(&self) {
        let accepting = self.accepting().take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // The listener is gone when its task is.
            let _ = accepting.await;
        }
        self.cut().await;
    }

    /// Holds whatever is sent, in both directions, and keeps the connections open. [`heal`](Self::heal) lets it on.
    pub fn stall(&self) {
        self.change(|way| way.stalled = true);
    }

    /// The connections that are there stay open and never carry anything again. New ones are as good as before.
    pub fn freeze(&self) {
        self.change(|way| way.frozen = way.came);
    }

    /// Holds each piece that is sent, in both directions, for so long.
    pub fn slow(&self, delay: Duration) {
        self.change(|way| way.delay = delay);
    }

    /// Leads new connections to the server of another URL.
    ///
    /// # Panics
    /// As [`to`](Self::to).
    pub fn lead_to(&self, url: &str) {
        let server = authority(url).to_owned();
        self.change(|way| way.server = server);
    }

    /// Takes connections again, and loses, holds and slows nothing. What was cut or frozen stays so.
    ///
    /// # Panics
    /// If somebody has taken the port of a proxy that refused.
    pub fn heal(&self) {
        self.accepting().get_or_insert_with(|| {
            let listener = std::net::TcpListener::bind(self.address);
            let listener = listener.expect("nobody else takes the port of a proxy");
            accepting(listener, &self.shared)
        });
        *self.shared.answers_left() = None;
        self.change(|way| {
            way.stalled = false;
            way.delay = Duration::ZERO;
        });
    }

    fn accepting(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.accepting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Way)) {
        self.shared.way.send_modify(change);
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
    // Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

struct Shared {
    way: watch::Sender<Way>,
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

    /// Whether this is the answer that gets lost.
    fn loses_this(&self) -> bool {
        let mut left = self.answers_left();
        let is_lost = *left == Some(0);
        *left = left.and_then(|left| left.checked_sub(1));
        is_lost
    }
}

/// What the way to the server is like.
struct Way {
    server: String,
    /// How many connections have come; the next one has this number.
    came: usize,
    stalled: bool,
    /// The connections with a smaller number are frozen.
    frozen: usize,
    delay: Duration,
}

fn accepting(listener: std::net::TcpListener, shared: &Arc<Shared>) -> JoinHandle<()> {
    let listener = listener
        .set_nonblocking(true)
        .and_then(|()| TcpListener::from_std(listener));
    let listener = listener.expect("a proxy is made inside of a tokio runtime");
    tokio::spawn(accept(listener, Arc::clone(shared)))
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        // An error is of the one who came, and is gone: a reset, or no file left for it.
        let Ok((client, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let mut number = 0;
        shared.way.send_if_modified(|way| {
            number = way.came;
            way.came += 1;
            false
        });
        let connection = Connection {
            number,
            shared: Arc::clone(&shared),
            is_asked: AtomicBool::new(false),
        };
        let mut connections = shared.connections();
        while connections.try_join_next().is_some() {}
        connections.spawn(async move { connection.carry(client).await });
    }
}

struct Connection {
    number: usize,
    shared: Arc<Shared>,
    /// Whether something was sent since the last answer.
    is_asked: AtomicBool,
}

impl Connection {
    /// Until one of the two closes it, or an answer is lost.
    async fn carry(&self, client: TcpStream) {
        let server = self.shared.way.borrow().server.clone();
        let Ok(server) = TcpStream::connect(server).await else {
            return;
        };
        // Without it small messages wait for each other.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            () = self.ask(from_client, to_server) => {}
            () = self.answer(from_server, to_client) => {}
        }
    }

    async fn ask(&self, mut client: OwnedReadHalf, mut server: OwnedWriteHalf) {
        let mut piece = vec![0; PIECE];
        while let Ok(len @ 1..) = client.read(&mut piece).await {
            self.is_asked.store(true, Ordering::SeqCst);
            self.go_the_way().await;
            if server.write_all(&piece[..len]).await.is_err() {
                return;
            }
        }
    }

    async fn answer(&self, mut server: OwnedReadHalf, mut client: OwnedWriteHalf) {
        let mut piece = vec![0; PIECE];
        while let Ok(len @ 1..) = server.read(&mut piece).await {
            if self.is_asked.swap(false, Ordering::SeqCst) {
                self.shared.round_trips.fetch_add(1, Ordering::SeqCst);
            }
            if self.shared.loses_this() {
                return;
            }
            self.go_the_way().await;
            if client.write_all(&piece[..len]).await.is_err() {
                return;
            }
        }
    }

    /// Takes as long as the way does now; for ever, on a frozen connection.
    async fn go_the_way(&self) {
        let mut way = self.shared.way.subscribe();
        let delay = way.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let open = way.wait_for(|way| !way.stalled && way.frozen <= self.number);
        // The sender lives in `shared`, so this is no error.
        let _ = open.await;
    }
}

/// The host and the port of a URL.
fn authority(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    assert!(
        host.contains(':') && !host.contains(','),
        "a proxy leads to one host and its port"
    );
    host
}

/// At most so much is carried at once.
const PIECE: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[tokio::test]
    async fn a_cut_closes_what_is_there_and_new_connections_work() {
        let (proxy, _server) = echo().await;
        let mut old = connect(&proxy).await;
        asks(&mut old).await.unwrap();

        proxy.cut().await;

        assert!(asks(&mut old).await.is_err());
        asks(&mut connect(&proxy).await).await.unwrap();
        assert_eq!(proxy.round_trips(), 2);
    }

    #[tokio::test]
    async fn of_the_answers_the_one_that_is_named_gets_lost() {
        let (proxy, _server) = echo().await;
        let mut client = connect(&proxy).await;

        proxy.lose_answer_after(1);

        asks(&mut client).await.unwrap();
        assert!(asks(&mut client).await.is_err());
        asks(&mut connect(&proxy).await).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_is_refused_comes_through_when_it_is_healed() {
        let (proxy, _server) = echo().await;
        let mut old = connect(&proxy).await;
        asks(&mut old).await.unwrap();

        proxy.refuse().await;
        assert!(asks(&mut old).await.is_err());
        assert!(TcpStream::connect(proxy.address()).await.is_err());

        proxy.heal();
        asks(&mut connect(&proxy).await).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_stalled_goes_on_when_it_is_healed() {
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
    async fn a_frozen_connection_stays_silent_and_a_new_one_does_not() {
        let (proxy, _server) = echo().await;
        let mut frozen = connect(&proxy).await;
        asks(&mut frozen).await.unwrap();

        proxy.freeze();
        proxy.heal();

        let silence = tokio::time::timeout(MOMENT, asks(&mut frozen));
        assert!(silence.await.is_err());
        asks(&mut connect(&proxy).await).await.unwrap();
    }

    #[tokio::test]
    async fn a_slow_way_is_slow_in_both_directions() {
        let (proxy, _server) = echo().await;
        let mut client = connect(&proxy).await;

        proxy.slow(MOMENT);
        let before = std::time::Instant::now();
        asks(&mut client).await.unwrap();

        assert!(before.elapsed() >= 2 * MOMENT);
    }

    #[tokio::test]
    async fn it_leads_to_another_server() {
        let (proxy, server) = echo().await;
        let (_, another) = echo().await;
        drop(server);

        assert!(asks(&mut connect(&proxy).await).await.is_err());
        proxy.lead_to(&another.url);

        asks(&mut connect(&proxy).await).await.unwrap();
    }

    #[test]
    fn the_authority_is_what_stands_between_the_user_and_the_path() {
        for url in [
            "redis://host:1",
            "postgres://ada:s3:cr@t@host:1/library?host=2",
            "memcached://host:1?prefix=a",
        ] {
            assert_eq!(authority(url), "host:1");
        }
    }

    /// A server that sends back what it gets, and a proxy to it.
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

    async fn asks(client: &mut TcpStream) -> io::Result<()> {
        client.write_all(b"?").await?;
        client.read_exact(&mut [0]).await?;
        Ok(())
    }

    const MOMENT: Duration = Duration::from_millis(20);
}
