use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A way to a server that can be closed, and that can lose an answer.
pub(crate) struct Proxy {
    address: SocketAddr,
    server: String,
    /// How many answers still get through; negative is all of them.
    answers: Arc<AtomicI64>,
    listening: Option<JoinHandle<()>>,
}

impl Proxy {
    pub(crate) async fn to(url: &str) -> Self {
        let server = url.trim_start_matches("redis://");
        let mut proxy = Self {
            address: "127.0.0.1:0".parse().unwrap(),
            server: server.split(['/', '?']).next().unwrap().to_owned(),
            answers: Arc::new(AtomicI64::new(-1)),
            listening: None,
        };
        proxy.open().await;
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Lets so many answers through, and loses the next one and its connection.
    pub(crate) fn lose_answer_after(&self, answers: i64) {
        self.answers.store(answers, SeqCst);
    }

    pub(crate) fn lose_nothing(&self) {
        self.answers.store(-1, SeqCst);
    }

    /// Breaks every connection and takes no new ones.
    pub(crate) async fn close(&mut self) {
        let listening = self.listening.take().unwrap();
        listening.abort();
        let _ = listening.await;
    }

    /// Takes connections, at the address that it had before.
    pub(crate) async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let (server, answers) = (self.server.clone(), Arc::clone(&self.answers));
        self.listening = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                connections.spawn(pass(client, server, Arc::clone(&answers)));
            }
        }));
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, answers: Arc<AtomicI64>) {
    let (mut asked, mut answered) = ([0; 4_096], [0; 4_096]);
    loop {
        let passed = tokio::select! {
            Ok(len @ 1..) = client.read(&mut asked) => server.write_all(&asked[..len]).await,
            Ok(len @ 1..) = server.read(&mut answered) => {
                let left = answers.fetch_sub(i64::from(answers.load(SeqCst) >= 0), SeqCst);
                if left == 0 {
                    return;
                }
                client.write_all(&answered[..len]).await
            }
            else => return,
        };
        if passed.is_err() {
            return;
        }
    }
}
