//! A fake server whose answers the test chooses.

use std::time::Duration;

use cloakroom_memcached::{Builder, MemcachedStore};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Fake(TcpListener);

impl Fake {
    pub(crate) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("memcached://{}", self.0.local_addr().unwrap())
    }

    pub(crate) fn builder(&self) -> Builder {
        MemcachedStore::builder(&self.url()).prefix("test")
    }

    pub(crate) fn store(&self) -> MemcachedStore {
        self.builder().open().unwrap()
    }

    /// Accepts the next connection of a store.
    pub(crate) async fn accept(&self) -> Peer {
        let accepted = in_time(self.0.accept()).await;
        Peer(BufReader::new(accepted.unwrap().0))
    }
}

/// The server's side of a connection.
pub(crate) struct Peer(BufReader<TcpStream>);

pub(crate) struct Request {
    /// The command line, without the line break at its end.
    pub(crate) line: String,
    pub(crate) value: Vec<u8>,
    /// The `mg` that the store sends behind a write.
    pub(crate) check: Option<String>,
}

impl Peer {
    pub(crate) async fn request(&mut self) -> Request {
        self.try_request().await.expect("the store sends a command")
    }

    /// Reads a command, or returns `None` if the store has closed the connection.
    pub(crate) async fn try_request(&mut self) -> Option<Request> {
        let line = self.line().await?;
        let (mut value, mut check) = (Vec::new(), None);
        if line.starts_with("add ") || line.starts_with("cas ") {
            let size: usize = line.split(' ').nth(4).unwrap().parse().unwrap();
            value.resize(size + 2, 0);
            self.0.read_exact(&mut value).await.unwrap();
            assert_eq!(value.split_off(size), b"\r\n");
            check = self.line().await;
            assert!(check.as_ref().unwrap().starts_with("mg "));
        }
        Some(Request { line, value, check })
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = in_time(self.0.read_line(&mut line)).await;
        if read.unwrap_or(0) == 0 {
            return None;
        }
        Some(line.strip_suffix("\r\n").unwrap().to_owned())
    }

    /// Waits for the next command or the end of the connection. Returns whether the connection
    /// ended.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.try_request().await.is_none()
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads a command and answers with this code and the number of the command.
    pub(crate) async fn answer(&mut self, code: &str) -> Request {
        let request = self.request().await;
        self.send(format!("{code} {}\r\n", request.opaque())).await;
        request
    }

    /// Reads a write, and answers that the item was stored and now has this CAS number.
    pub(crate) async fn store(&mut self, cas: u64) -> Request {
        let request = self.request().await;
        self.send(request.stored(cas, &request.value)).await;
        request
    }

    /// Closes the connection without an answer.
    pub(crate) async fn close(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Reads an `mg` and answers with this value and CAS number.
    pub(crate) async fn answer_value(&mut self, value: &[u8], cas: u64) -> Request {
        self.answer_flagged(value, cas, 0).await
    }

    /// Reads an `mg` and answers with this value, CAS number and flags.
    pub(crate) async fn answer_flagged(&mut self, value: &[u8], cas: u64, flags: u32) -> Request {
        let request = self.request().await;
        let (key, opaque) = (request.key(), request.opaque());
        let head = format!("VA {} c{cas} f{flags} k{key} {opaque}\r\n", value.len());
        self.send([head.as_bytes(), value, b"\r\n"].concat()).await;
        request
    }
}

impl Request {
    pub(crate) fn key(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    /// Returns the number of the command, which the answer must repeat, with the `O` before it.
    pub(crate) fn opaque(&self) -> &str {
        let line = self.check.as_ref().unwrap_or(&self.line);
        let mut words = line.split(' ').skip(2);
        words.find(|word| word.starts_with('O')).unwrap()
    }

    /// Returns the answer to a write that was carried out: `STORED`, and an item with this CAS
    /// number and this value.
    pub(crate) fn stored(&self, cas: u64, value: &[u8]) -> Vec<u8> {
        let flags = self.line.split(' ').nth(2).unwrap();
        let fields = format!("c{cas} f{flags} k{} {}\r\n", self.key(), self.opaque());
        match self.check.as_ref().unwrap().contains(" v ") {
            true => {
                let head = format!("STORED\r\nVA {} {fields}", value.len());
                [head.as_bytes(), value, b"\r\n"].concat()
            }
            false => format!("STORED\r\nHD {fields}").into_bytes(),
        }
    }

    /// Returns the line without the number of the command.
    pub(crate) fn command(&self) -> String {
        self.line.replace(&format!(" {}", self.opaque()), "")
    }
}

/// Returns the output of `future`. Fails the test if there is none after ten seconds: the store and
/// the fake server are then waiting for each other.
pub(crate) async fn in_time<F: Future>(future: F) -> F::Output {
    let done = tokio::time::timeout(Duration::from_secs(10), future).await;
    done.expect("the store and the fake wait for each other")
}
