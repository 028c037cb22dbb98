//! A client that acts as another program. Uses the classic text protocol, as Django's client does,
//! and `mg` to get a time to live.

use cloakroom_harness::servers::Server;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

pub(crate) struct Plain(BufReader<TcpStream>);

impl Plain {
    pub(crate) async fn of(server: &Server) -> Self {
        let address = server.url().replace("memcached://", "");
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    /// Returns the flags and the value of an item.
    pub(crate) async fn get(&mut self, key: &str) -> Option<(u32, Vec<u8>)> {
        let line = self.ask(format!("get {key}\r\n")).await;
        if line == "END" {
            return None;
        }
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[..2], ["VALUE", key]);
        let mut value = vec![0; words[3].parse().unwrap()];
        self.0.read_exact(&mut value).await.unwrap();
        assert_eq!(self.line().await, "");
        assert_eq!(self.line().await, "END");
        Some((words[2].parse().unwrap(), value))
    }

    /// Writes an item unconditionally.
    pub(crate) async fn set(&mut self, key: &str, flags: u32, exptime: i64, value: &[u8]) {
        let line = format!("set {key} {flags} {exptime} {}\r\n", value.len());
        let answer = self.ask([line.as_bytes(), value, b"\r\n"].concat()).await;
        assert_eq!(answer, "STORED");
    }

    /// Returns the time to live of an item in seconds, or -1 if the item never expires.
    pub(crate) async fn left(&mut self, key: &str) -> i64 {
        let line = self.ask(format!("mg {key} t\r\n")).await;
        // A touch through the store adds words about staleness.
        let left = line.strip_prefix("HD t").unwrap().split(' ').next();
        left.unwrap().parse().unwrap()
    }

    /// Sends a command and returns the first line of the answer.
    pub(crate) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> String {
        self.0.write_all(bytes.as_ref()).await.unwrap();
        self.line().await
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.strip_suffix("\r\n").unwrap().to_owned()
    }
}
