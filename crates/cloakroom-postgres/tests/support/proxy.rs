use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What stands between a store and its server: it counts round trips, and breaks on demand.
pub(crate) struct Proxy {
    url: String,
    state: Arc<State>,
    _accepting: JoinSet<()>,
}

#[derive(Default)]
struct State {
    round_trips: AtomicUsize,
    /// Refuses whoever comes.
    down: AtomicBool,
    /// The next answer is swallowed, and the connection on which it came is closed.
    cuts: AtomicBool,
    /// Of the connections that are there now: whether they carry nothing any more.
    frozen: Mutex<Arc<AtomicBool>>,
}

impl Proxy {
    /// A proxy to the server of `url`.
    pub(crate) async fn before(url: &str) -> Self {
        let config: tokio_postgres::Config = url.parse().unwrap();
        let tokio_postgres::config::Host::Tcp(host) = &config.get_hosts()[0] else {
            panic!("the proxy speaks TCP only");
        };
        let there = format!("{host}:{}", config.get_ports()[0]);
        let there: SocketAddr = tokio::net::lookup_host(&there)
            .await
            .unwrap()
            .next()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (user, rest) = rest.split_once('@').unwrap();
        let (_, path) = rest.split_once('/').unwrap();

        let state = Arc::new(State::default());
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, there, Arc::clone(&state)));
        Self {
            url: format!("{scheme}://{user}@{here}/{path}"),
            state,
            _accepting: accepting,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How often something was sent that asks for an answer.
    pub(crate) fn round_trips(&self) -> usize {
        self.state.round_trips.load(Ordering::SeqCst)
    }

    /// Swallows the next answer, and closes the connection.
    pub(crate) fn cut_next_answer(&self) {
        self.state.cuts.store(true, Ordering::SeqCst);
    }

    /// The connections that are there carry nothing any more, and stay open.
    pub(crate) fn freeze(&self) {
        let mut frozen = self.state.frozen.lock().unwrap();
        frozen.store(true, Ordering::SeqCst);
        *frozen = Arc::default();
    }

    /// Refuses whoever comes, or lets them in again.
    pub(crate) fn set_down(&self, down: bool) {
        self.state.down.store(down, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, there: SocketAddr, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        if state.down.load(Ordering::SeqCst) {
            continue;
        }
        let server = TcpStream::connect(there).await.unwrap();
        server.set_nodelay(true).unwrap();
        client.set_nodelay(true).unwrap();
        let state = Arc::clone(&state);
        let frozen = Arc::clone(&state.frozen.lock().unwrap());
        connections.spawn(async move {
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                _ = ask(from_client, to_server, &state, &frozen) => {}
                _ = answer(from_server, to_client, &state, &frozen) => {}
            }
        });
    }
}

/// Carries messages to the server, one by one, to count those that ask for an answer.
async fn ask(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    state: &State,
    frozen: &AtomicBool,
) -> std::io::Result<()> {
    let mut is_first = true;
    loop {
        let mut message = Vec::new();
        if !is_first {
            message.push(client.read_u8().await?);
        }
        let len = client.read_u32().await?;
        message.extend(len.to_be_bytes());
        let body = message.len();
        message.resize(body + len as usize - 4, 0);
        client.read_exact(&mut message[body..]).await?;
        if !is_first && matches!(message[0], b'S' | b'Q') {
            state.round_trips.fetch_add(1, Ordering::SeqCst);
        }
        is_first = false;
        if !frozen.load(Ordering::SeqCst) {
            server.write_all(&message).await?;
        }
    }
}

async fn answer(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    state: &State,
    frozen: &AtomicBool,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let len = server.read(&mut buffer).await?;
        if len == 0 || state.cuts.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        if !frozen.load(Ordering::SeqCst) {
            client.write_all(&buffer[..len]).await?;
        }
    }
}
