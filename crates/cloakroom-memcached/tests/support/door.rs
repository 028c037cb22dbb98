//! An address behind which the server can be exchanged.

use std::sync::{Arc, Mutex};

use cloakroom_testkit::servers::Server;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) struct Door {
    url: String,
    inside: Arc<Mutex<Inside>>,
}

struct Inside {
    server: Option<String>,
    connections: JoinSet<()>,
}

impl Door {
    pub(crate) async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("memcached://{}", listener.local_addr().unwrap());
        let inside = Arc::new(Mutex::new(Inside {
            server: Some(address(server)),
            connections: JoinSet::new(),
        }));
        let to = inside.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut inside = to.lock().unwrap();
                let Some(address) = inside.server.clone() else {
                    continue;
                };
                inside.connections.spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(address).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { url, inside }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Cuts all connections; new ones lead to `server`, or are closed at once.
    pub(crate) async fn lead_to(&self, server: Option<&Server>) {
        let mut connections = {
            let mut inside = self.inside.lock().unwrap();
            inside.server = server.map(address);
            std::mem::take(&mut inside.connections)
        };
        connections.shutdown().await;
    }
}

fn address(server: &Server) -> String {
    server.url().replace("memcached://", "")
}
