use std::time::Duration;

use cloakroom::Result;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
#[cfg(feature = "cluster")]
use redis::cluster::ClusterClient;
#[cfg(feature = "cluster")]
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::{TcpSettings, socket2};
use redis::{Client, Cmd, RedisResult, Value};

use crate::address::Address;
use crate::error::refused;

/// The way to the server: one connection to each node, which all calls share and which opens again when it breaks.
///
/// A call that may have been done is never sent again from here: its second answer would be about what the first has
/// left, and the core would take it for that of another request. The core knows how to find out.
pub(crate) enum Connection {
    Node(ConnectionManager),
    #[cfg(feature = "cluster")]
    Cluster(ClusterConnection),
}

impl Connection {
    pub(crate) async fn open(address: Address) -> Result<Self> {
        #[cfg(feature = "tls")]
        choose_cryptography();
        let opened = match address {
            Address::Node(node) => open_node(*node).await,
            Address::Cluster(nodes) => open_cluster(nodes).await,
        };
        opened.map_err(|cause| refused("connecting to Redis", cause))
    }

    /// Sends a command and waits for its answer.
    ///
    /// If the future is dropped, the command has been done or not, but never half.
    pub(crate) async fn ask(&self, command: &Cmd) -> RedisResult<Value> {
        match self.ask_once(command).await {
            // It was not sent, for want of a connection; and that is how the last try to open one ended, however long
            // ago. This waits for the next try.
            Err(error) if error.is_connection_refusal() => self.ask_once(command).await,
            answer => answer,
        }
    }

    /// Sends a command that only reads, once more if the connection breaks.
    pub(crate) async fn read(&self, command: &Cmd) -> RedisResult<Value> {
        match self.ask(command).await {
            Err(error) if error.is_connection_dropped() && !error.is_connection_refusal() => {
                self.ask(command).await
            }
            answer => answer,
        }
    }

    async fn ask_once(&self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Node(node) => command.query_async(&mut node.clone()).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => redirect::ask(cluster, command).await,
        }
    }
}

async fn open_node(node: redis::ConnectionInfo) -> RedisResult<Connection> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(ANSWER_TIMEOUT))
        // A request waits for the connection. The next one tries again.
        .set_number_of_retries(CONNECT_TRIES - 1)
        .set_max_delay(CONNECT_PAUSE);
    let client = Client::open(node.set_tcp_settings(tcp()))?;
    let manager = ConnectionManager::new_with_config(client, config).await?;
    Ok(Connection::Node(manager))
}

#[cfg(feature = "cluster")]
async fn open_cluster(nodes: Vec<redis::ConnectionInfo>) -> RedisResult<Connection> {
    let client = ClusterClient::builder(nodes)
        .connection_timeout(CONNECT_TIMEOUT)
        .response_timeout(ANSWER_TIMEOUT)
        .overall_response_timeout(Some(ANSWER_TIMEOUT))
        .tcp_settings(tcp())
        // The driver would also send again what may have been done. `redirect` sends again only
        // what was not done.
        .retries(0)
        .build()?;
    Ok(Connection::Cluster(client.get_async_connection().await?))
}

#[cfg(not(feature = "cluster"))]
async fn open_cluster(_: Vec<redis::ConnectionInfo>) -> RedisResult<Connection> {
    unreachable!("`Address::parse` makes none without the feature")
}

/// With these settings, a server whose machine or network has failed is noticed within seconds. The
/// kernel alone gives up after a quarter of an hour.
fn tcp() -> TcpSettings {
    let probes = socket2::TcpKeepalive::new()
        .with_time(DEAF_AFTER)
        .with_interval(CONNECT_TIMEOUT);
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(probes);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(DEAF_AFTER);
    settings
}

/// Takes rustls's `ring`, if the program has not chosen.
#[cfg(feature = "tls")]
fn choose_cryptography() {
    use rustls::crypto::{CryptoProvider, ring};

    if CryptoProvider::get_default().is_none() {
        // Another thread may have been first, and then its choice is as good.
        let _ = ring::default_provider().install_default();
    }
}

#[cfg(feature = "cluster")]
mod redirect {
    //! Slots move from node to node, and masters fail. A node that refuses a command for that reason has not done it, so
    //! it can be sent again.

    use redis::cluster_async::ClusterConnection;
    use redis::cluster_routing::SingleNodeRoutingInfo;
    use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
    use tokio::time::{Duration, sleep};

    pub(super) async fn ask(cluster: &ClusterConnection, command: &Cmd) -> RedisResult<Value> {
        let mut answer = command.query_async(&mut cluster.clone()).await;
        for pause in PAUSES {
            match answer {
                Err(error) if is_asked_elsewhere(&error) => {
                    answer = ask_elsewhere(cluster, command, &error).await;
                }
                Err(error) if is_refused_undone(&error) => {
                    sleep(pause).await;
                    answer = command.query_async(&mut cluster.clone()).await;
                }
                answer => return answer,
            }
        }
        answer
    }

    fn is_asked_elsewhere(error: &RedisError) -> bool {
        error.kind() == ErrorKind::Server(ServerErrorKind::Ask)
    }

    fn is_refused_undone(error: &RedisError) -> bool {
        matches!(
            error.kind(),
            ErrorKind::ClusterConnectionNotFound
                | ErrorKind::Server(
                    ServerErrorKind::Moved
                        | ServerErrorKind::TryAgain
                        | ServerErrorKind::ClusterDown
                        | ServerErrorKind::MasterDown
                        | ServerErrorKind::BusyLoading
                        | ServerErrorKind::ReadOnly
                )
        )
    }

    /// The slot is on its way to another node, and the key has arrived there or is new.
    async fn ask_elsewhere(
        cluster: &ClusterConnection,
        command: &Cmd,
        redirect: &RedisError,
    ) -> RedisResult<Value> {
        let node = redirect.redirect_node();
        let Some((host, port)) = node.and_then(|(address, _)| address.rsplit_once(':')) else {
            return Err(redirect.clone());
        };
        let node = SingleNodeRoutingInfo::ByAddress {
            host: host.to_owned(),
            port: port.parse().map_err(|_| redirect.clone())?,
        };
        // In one piece: `ASKING` is about the command behind it, and others share the connection.
        let mut both = redis::pipe();
        both.cmd("ASKING").add_command(command.clone());
        let mut answers = cluster.clone().route_pipeline(both, 0, 2, node).await?;
        match answers.pop() {
            Some(answer) => answer.extract_error(),
            None => Err(redirect.clone()),
        }
    }

    /// How long a command that was refused waits before it is sent again. Together they are longer than it takes to
    /// move a slot, and much shorter than a failover: that is for the visitor to wait for.
    const PAUSES: [Duration; 6] = [
        Duration::ZERO,
        Duration::from_millis(10),
        Duration::from_millis(20),
        Duration::from_millis(40),
        Duration::from_millis(80),
        Duration::from_millis(160),
    ];
}

/// How long a try to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a server may leave what was sent to it without an answer, before the connection counts
/// as broken.
const DEAF_AFTER: Duration = Duration::from_secs(10);

/// How long an answer may take. It matters to a store without a session layer, whose own limit is
/// shorter.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A second try is for a request that comes while the server restarts. With more tries, requests
/// would pile up while the server is down, since each of them tries for itself.
const CONNECT_TRIES: usize = 2;

/// The longest pause between two tries.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);
