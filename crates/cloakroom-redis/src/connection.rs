use std::time::Duration;

use cloakroom::Result;
use redis::io::tcp::{TcpSettings, socket2};
use redis::{Client, Cmd, ConnectionInfo, RedisResult, Value};

use crate::address::Address;
#[cfg(feature = "cluster")]
use crate::cluster::Cluster;
use crate::error::refused;
use crate::primary::Primary;
use crate::scan::{Answer, Step};
use crate::tls::Tls;

/// A connection to the primary, or one to each node of a Cluster. All calls share the connections.
/// A broken connection is replaced automatically.
///
/// A write that may have been carried out is never sent again. If the first attempt was carried
/// out, it changed the version of the session, so the second attempt would be stale, and the
/// session layer would assume a change by another request. Instead, the session layer resolves an
/// unknown outcome by loading the session.
pub(crate) enum Connection {
    Primary(Primary),
    #[cfg(feature = "cluster")]
    Cluster(Cluster),
}

impl Connection {
    pub(crate) async fn open(address: Address) -> Result<Self> {
        let opened = match address {
            Address::Primary(target) => Primary::open(target).await.map(Self::Primary),
            Address::Cluster(nodes, tls) => open_cluster(nodes, tls).await,
        };
        opened.map_err(|cause| refused("connecting to Redis", cause))
    }

    /// Sends a command and returns its answer.
    ///
    /// If the future is dropped, the command is carried out completely or not at all.
    pub(crate) async fn ask(&self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Primary(primary) => primary.ask(command).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => match redirect::ask(cluster, command).await {
                // The driver did not send the command, because the last attempt to connect failed.
                // The server may be back by now. The second call waits for a new attempt to
                // connect.
                Err(error) if error.is_connection_refusal() => {
                    redirect::ask(cluster, command).await
                }
                answer => answer,
            },
        }
    }

    /// Carries out a step of a scan on the node that serves `slot`.
    pub(crate) async fn scan(&self, slot: u16, step: &Step) -> RedisResult<Answer> {
        match self.scan_once(slot, step).await {
            Err(error) if error.is_connection_dropped() && !error.is_connection_refusal() => {
                self.scan_once(slot, step).await
            }
            answer => answer,
        }
    }

    #[cfg_attr(
        not(feature = "cluster"),
        expect(unused_variables, reason = "a single server has all slots")
    )]
    async fn scan_once(&self, slot: u16, step: &Step) -> RedisResult<Answer> {
        match self {
            Self::Primary(primary) => Answer::read(primary.read_all(&step.commands()).await?),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => redirect::scan(cluster, slot, step).await,
        }
    }

    /// Sends a command that only reads, and sends it again if the connection breaks.
    pub(crate) async fn read(&self, command: &Cmd) -> RedisResult<Value> {
        match self.ask(command).await {
            Err(error) if error.is_connection_dropped() && !error.is_connection_refusal() => {
                self.ask(command).await
            }
            answer => answer,
        }
    }
}

/// Returns a client for one server. The client resolves the host name again for each connection.
pub(crate) fn client(server: ConnectionInfo) -> RedisResult<Client> {
    Client::open(server.set_tcp_settings(tcp()))
}

#[cfg(feature = "cluster")]
async fn open_cluster(nodes: Vec<ConnectionInfo>, tls: Option<Tls>) -> RedisResult<Connection> {
    Cluster::open(nodes, tls).await.map(Connection::Cluster)
}

#[cfg(not(feature = "cluster"))]
async fn open_cluster(_: Vec<ConnectionInfo>, _: Option<Tls>) -> RedisResult<Connection> {
    unreachable!("`Address::parse` returns no Cluster without the feature")
}

/// Returns settings with which the kernel notices a failed machine or network within seconds. With
/// default settings, the kernel closes the connection only after about fifteen minutes.
pub(crate) fn tcp() -> TcpSettings {
    let probes = socket2::TcpKeepalive::new()
        .with_time(SILENCE_LIMIT)
        .with_interval(CONNECT_TIMEOUT);
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(probes);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(SILENCE_LIMIT);
    settings
}

#[cfg(feature = "cluster")]
mod redirect {
    //! Repeats commands that a node refused because a slot is moving or a primary failed. The node
    //! has not carried out such a command, so it is safe to send it again.

    use redis::cluster_routing::{Route, SingleNodeRoutingInfo, SlotAddr};
    use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
    use tokio::time::{Duration, sleep};

    use crate::cluster::Cluster;
    use crate::error::is_not_primary;
    use crate::scan::{Answer, Step};

    pub(super) async fn ask(cluster: &Cluster, command: &Cmd) -> RedisResult<Value> {
        let mut answer = send(cluster, command).await;
        for pause in PAUSES {
            match answer {
                Err(error) if is_ask_redirect(&error) => {
                    answer = follow_ask(cluster, command, &error).await;
                }
                Err(error) if is_safe_to_repeat(&error) => {
                    sleep(pause).await;
                    answer = send(cluster, command).await;
                }
                answer => return answer,
            }
        }
        answer.map_err(|error| match error.kind() {
            // Until a replica takes over from a failed primary, the nodes redirect to that primary.
            ErrorKind::Server(ServerErrorKind::Moved) => {
                let why = "the node of the slot cannot be reached";
                (ErrorKind::ClusterConnectionNotFound, why, error.to_string()).into()
            }
            _ => error,
        })
    }

    /// Carries out a step of a scan. Repeats it if the node that answers does not serve `slot`: the
    /// driver sends a command without a key to any node if it cannot reach the right one.
    pub(super) async fn scan(cluster: &Cluster, slot: u16, step: &Step) -> RedisResult<Answer> {
        for pause in PAUSES {
            match scan_once(cluster, slot, step).await {
                Ok(answer) if answer.serves(slot) => return Ok(answer),
                Err(error) if !is_safe_to_repeat(&error) => return Err(error),
                Ok(_) | Err(_) => {
                    cluster.look_up_nodes().await;
                    sleep(pause).await;
                }
            }
        }
        let why = "no node that can be reached serves the slot";
        Err((ErrorKind::ClusterConnectionNotFound, why).into())
    }

    async fn scan_once(cluster: &Cluster, slot: u16, step: &Step) -> RedisResult<Answer> {
        let commands = step.commands_for_node();
        let node = SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master));
        let count = commands.len();
        let answers = cluster
            .call(async move |mut driver| driver.route_pipeline(commands, 0, count, node).await)
            .await;
        Answer::read(answers?)
    }

    async fn send(cluster: &Cluster, command: &Cmd) -> RedisResult<Value> {
        let command = command.clone();
        cluster
            .call(async move |mut driver| command.query_async(&mut driver).await)
            .await
    }

    fn is_ask_redirect(error: &RedisError) -> bool {
        error.kind() == ErrorKind::Server(ServerErrorKind::Ask)
    }

    fn is_safe_to_repeat(error: &RedisError) -> bool {
        let is_elsewhere = matches!(
            error.kind(),
            ErrorKind::ClusterConnectionNotFound
                | ErrorKind::Server(
                    ServerErrorKind::Moved
                        | ServerErrorKind::TryAgain
                        | ServerErrorKind::ClusterDown
                )
        );
        is_elsewhere || is_not_primary(error)
    }

    /// Follows a redirect of the kind `ASK`: sends the command to the node that the slot is moving
    /// to. The key has already been moved there, or is new.
    async fn follow_ask(
        cluster: &Cluster,
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
        // `ASKING` applies to the next command on the connection. Send both commands in one
        // pipeline, so that no command of another call comes between them.
        let mut both = redis::pipe();
        both.cmd("ASKING").add_command(command.clone());
        let answers = cluster
            .call(async move |mut driver| driver.route_pipeline(both, 0, 2, node).await)
            .await;
        match answers?.pop() {
            Some(answer) => answer.extract_error(),
            None => Err(redirect.clone()),
        }
    }

    /// The pause before each repetition. Together, the pauses are longer than a key takes to move,
    /// but much shorter than a failover: during a failover the visitor gets an error instead of
    /// waiting.
    const PAUSES: [Duration; 6] = [
        Duration::ZERO,
        Duration::from_millis(10),
        Duration::from_millis(20),
        Duration::from_millis(40),
        Duration::from_millis(80),
        Duration::from_millis(160),
    ];
}

/// The longest time for one attempt to connect.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection may be idle before the kernel probes it, and how long sent data may stay
/// unacknowledged before the kernel closes the connection.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// The longest time to wait for an answer. This limit matters only to programs that call the store
/// directly: the timeout of the session layer is shorter.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
