//! Somebody else's client: the classic text protocol, as Django's client speaks it, and a word to ask for times.

use cloakroom_harness::servers::Server;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

pub(crate) struct Plain(BufReader<TcpStream>);

impl Plain {
    pub(crate) async fn of(server: &Server) -> Self {
        let address = server.url().replace("memcached://", "");
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    /// The flags and the value of an item.
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

    /// Writes an item, whatever is there.
    pub(crate) async fn set(&mut self, key: &str, flags: u32, exptime: i64, value: &[u8]) {
        let line = format!("set {key} {flags} {exptime} {}\r\n", value.len());
        let answer = self.ask([line.as_bytes(), value, b"\r\n"].concat()).await;
        assert_eq!(answer, "STORED");
    }

    /// For how many seconds an item stays; -1 is forever.
    pub(crate) async fn left(&mut self, key: &str) -> i64 {
        let line = self.ask(format!("mg {key} t\r\n")).await;
        line.strip_prefix("HD t").unwrap().parse().unwrap()
    }

    /// Sends this and gives back the first line of the answer.
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
