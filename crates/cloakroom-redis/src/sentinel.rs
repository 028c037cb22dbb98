use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, ErrorKind, ProtocolVersion};
use redis::{RedisError, RedisResult, Value};

use crate::connection::client;
use crate::error::not_primary;

/// The Sentinels that watch a primary, and how to log in at the server that they name.
pub(crate) struct Sentinels {
    sentinels: Vec<ConnectionInfo>,
    /// The name of the primary in the configuration of the Sentinels.
    name: String,
    /// The login, the database and the encryption of the primary. Its address is not used.
    primary: ConnectionInfo,
    /// The Sentinel that is asked first: the last one that led to the primary.
    first: AtomicUsize,
}

impl Sentinels {
    pub(crate) fn new(
        sentinels: Vec<ConnectionInfo>,
        name: String,
        primary: ConnectionInfo,
    ) -> Self {
        Self {
            sentinels,
            name,
            primary,
            first: AtomicUsize::new(0),
        }
    }

    pub(crate) fn sentinels(&self) -> &[ConnectionInfo] {
        &self.sentinels
    }

    pub(crate) fn protocol(&self) -> ProtocolVersion {
        self.primary.redis_settings().protocol()
    }

    /// Connects to the primary.
    ///
    /// Asks the Sentinels in turn until one names a server that is the primary. During a failover,
    /// or after a partition of the network, one may still name the old primary.
    pub(crate) async fn connect(
        &self,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let first = self.first.load(Ordering::Relaxed);
        let mut tried = Vec::new();
        let mut failure = None;
        for n in 0..self.sentinels.len() {
            let number = (first + n) % self.sentinels.len();
            let error = match self.ask(&self.sentinels[number]).await {
                Ok(address) if tried.contains(&address) => continue,
                Ok(address) => match self.connect_to(&address, config).await {
                    Ok(connection) => {
                        self.first.store(number, Ordering::Relaxed);
                        return Ok(connection);
                    }
                    Err(error) => {
                        tried.push(address);
                        error
                    }
                },
                Err(error) => error,
            };
            // An unknown name is reported only if no Sentinel knows it and all can be reached.
            if failure.as_ref().is_none_or(is_unknown_name) {
                failure = Some(error);
            }
        }
        Err(failure.expect("a URL names at least one Sentinel"))
    }

    /// Asks a Sentinel for the address of the primary.
    async fn ask(&self, sentinel: &ConnectionInfo) -> RedisResult<(String, u16)> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(SENTINEL_TIMEOUT))
            .set_response_timeout(Some(SENTINEL_TIMEOUT));
        let client = client(sentinel.clone())?;
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        let address: Option<(String, u16)> = command.query_async(&mut connection).await?;
        address.ok_or_else(|| {
            let why = "the Sentinels know no primary of this name";
            RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, why))
        })
    }

    /// Connects to the server at this address, if it is the primary.
    async fn connect_to(
        &self,
        (host, port): &(String, u16),
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let address = at(self.primary.addr(), host.clone(), *port);
        let client = client(self.primary.clone().set_addr(address))?;
        let mut connection = client
            .get_multiplexed_async_connection_with_config(config)
            .await?;
        match redis::cmd("ROLE").query_async(&mut connection).await? {
            Value::Array(role) if role.first() == Some(&Value::BulkString(b"master".into())) => {
                Ok(connection)
            }
            _ => Err(not_primary()),
        }
    }
}

/// Returns the address of another server with the same encryption.
fn at(like: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match like {
        ConnectionAddr::TcpTls {
            insecure,
            tls_params,
            ..
        } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    }
}

fn is_unknown_name(error: &RedisError) -> bool {
    error.kind() == ErrorKind::MasterNameNotFoundBySentinel
}

/// The longest time to connect to a Sentinel, and again for its answer. Short, because the next one
/// may be reachable.
const SENTINEL_TIMEOUT: Duration = Duration::from_millis(500);
