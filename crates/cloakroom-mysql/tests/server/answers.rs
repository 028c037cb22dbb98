//! A proxy that answers some packets of the client itself, as another server would.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A proxy in front of a real server. While it has an answer, it sends the answer instead of
/// passing the client's packet on.
pub(crate) struct Answers {
    url: String,
    answer: Arc<Mutex<Option<Answer>>>,
}

/// What the proxy answers.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) to: To,
    /// How many packets are answered.
    pub(crate) times: usize,
    /// Whether the proxy then closes the connection.
    pub(crate) closes: bool,
    pub(crate) packet: Vec<u8>,
}

/// Which packets of the client are answered.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum To {
    /// The response to the server's handshake.
    Login,
    /// The execution of a prepared statement.
    Statement,
}

impl Answers {
    /// Creates a proxy to the server at `url`. It has no answer yet.
    pub(crate) async fn to(url: &str) -> Self {
        let (_, server) = url.rsplit_once('@').unwrap();
        let server: SocketAddr = server.split_once('/').unwrap().0.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::<Mutex<Option<Answer>>>::default();
        let shared = Arc::clone(&answer);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server, Arc::clone(&shared)));
            }
        });
        Self {
            url: url.replacen(&server.to_string(), &address.to_string(), 1),
            answer,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = Some(answer);
    }

    /// Returns how many packets the proxy would still answer.
    pub(crate) fn left(&self) -> usize {
        self.answer.lock().unwrap().as_ref().unwrap().times
    }
}

/// Returns an ERR packet as the documentation of MySQL's protocol describes it. `number` is its
/// number in the sequence of packets.
pub(crate) fn err_packet(number: u8, code: u16, state: &str, message: &str) -> Vec<u8> {
    let [low, high] = code.to_le_bytes();
    let mut payload = vec![0xff, low, high];
    payload.extend(format!("#{state}{message}").bytes());
    packet(number, &payload)
}

/// Returns a packet with this content.
pub(crate) fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    [&[len, 0, 0, number], payload].concat()
}

async fn serve(mut client: TcpStream, server: SocketAddr, answer: Arc<Mutex<Option<Answer>>>) {
    let mut server = TcpStream::connect(server).await.unwrap();
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let (mut sent, mut received) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut is_login = true;
    loop {
        tokio::select! {
            len = from_client.read(&mut sent) => {
                let Ok(len @ 1..) = len else { return };
                let sent = &sent[..len];
                let to = match sent {
                    _ if is_login => Some(To::Login),
                    [_, _, _, 0, EXECUTE, ..] => Some(To::Statement),
                    _ => None,
                };
                is_login = false;
                let answered = answer.lock().unwrap().as_mut().and_then(|answer| {
                    let applies = Some(answer.to) == to && answer.times > 0;
                    answer.times -= usize::from(applies);
                    applies.then(|| answer.clone())
                });
                let Some(answer) = answered else {
                    to_server.write_all(sent).await.unwrap();
                    continue;
                };
                to_client.write_all(&answer.packet).await.unwrap();
                if answer.closes {
                    return;
                }
            }
            len = from_server.read(&mut received) => {
                let Ok(len @ 1..) = len else { return };
                if to_client.write_all(&received[..len]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The number of the packet that answers a login.
pub(crate) const LOGIN_ANSWER: u8 = 2;

/// The first byte of a packet that executes a prepared statement (`COM_STMT_EXECUTE`).
const EXECUTE: u8 = 0x17;
