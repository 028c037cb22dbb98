use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom::Result;
use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, ErrorKind, ProtocolVersion};
use redis::{RedisError, RedisResult, Value};
use tokio::time::{sleep, timeout};

use crate::connection::client;
use crate::error::not_primary;
use crate::tls::Tls;

/// The Sentinels that watch a primary, and the login for the server that they name.
pub(crate) struct Sentinels {
    sentinels: Vec<ConnectionInfo>,
    /// The name of the primary in the configuration of the Sentinels.
    name: String,
    /// The login, the database and the encryption of the primary. Its address is not used.
    primary: ConnectionInfo,
    /// The Sentinel that is asked first: the last one that led to the primary.
    first: AtomicUsize,
    /// The address of the primary that was last connected to.
    found: Mutex<Option<Address>>,
}

type Address = (String, u16);

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
            found: Mutex::new(None),
        }
    }

    /// Returns the same Sentinels, with TLS turned on for the connections to them and to the
    /// primary.
    pub(crate) fn verified(self, tls: &Tls) -> Result<Self> {
        let sentinels = self
            .sentinels
            .into_iter()
            .map(|sentinel| tls.node(sentinel));
        Ok(Self {
            sentinels: sentinels.collect::<Result<_>>()?,
            primary: tls.node(self.primary)?,
            ..self
        })
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
    /// or after a partition of the network, a Sentinel may still name the old primary.
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
                        *self.found() = Some(address);
                        return Ok(connection);
                    }
                    Err(error) => {
                        tried.push(address);
                        error
                    }
                },
                Err(error) => error,
            };
            // Report an unknown name only if every Sentinel reports that it does not know the name.
            // Otherwise the error of another Sentinel is more helpful.
            if failure.as_ref().is_none_or(is_unknown_name) {
                failure = Some(error);
            }
        }
        Err(failure.expect("a URL names at least one Sentinel"))
    }

    /// Waits until a Sentinel names a primary other than the one that was last connected to.
    ///
    /// The store must then switch at once: in a failover that an administrator starts, the old
    /// primary acknowledges writes for some seconds after the Sentinels have named the new one, and
    /// these writes are lost.
    pub(crate) async fn moved(&self) {
        // If no Sentinel names another primary, this loop runs until its task is aborted.
        for number in self.first.load(Ordering::Relaxed).. {
            let sentinel = &self.sentinels[number % self.sentinels.len()];
            match self.watch(sentinel).await {
                Ok(true) => return,
                // Watch the next Sentinel.
                Ok(false) | Err(_) => sleep(WATCH_PAUSE).await,
            }
        }
    }

    /// Returns `true` as soon as this Sentinel names another primary, or `false` if the Sentinel
    /// closes the connection before that.
    async fn watch(&self, sentinel: &ConnectionInfo) -> RedisResult<bool> {
        let client = client(sentinel.clone())?;
        let subscribed = timeout(2 * SENTINEL_TIMEOUT, async {
            let mut switches = client.get_async_pubsub().await?;
            switches.subscribe("+switch-master").await?;
            RedisResult::Ok(switches)
        });
        let silent = |_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        let switches = subscribed.await.map_err(silent)??;
        // The primary may have changed before the subscription.
        if Some(self.ask(sentinel).await?) != *self.found() {
            return Ok(true);
        }
        let mut messages = switches.into_on_message();
        while let Some(message) = messages.next().await {
            let payload: String = message.get_payload()?;
            if payload.split(' ').next() == Some(&self.name) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn found(&self) -> MutexGuard<'_, Option<Address>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a Sentinel for the address of the primary.
    async fn ask(&self, sentinel: &ConnectionInfo) -> RedisResult<Address> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(SENTINEL_TIMEOUT))
            .set_response_timeout(Some(SENTINEL_TIMEOUT));
        let client = client(sentinel.clone())?;
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        let address: Option<Address> = command.query_async(&mut connection).await?;
        address.ok_or_else(|| {
            let why = "the Sentinels watch no primary of this name";
            RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, why))
        })
    }

    /// Connects to the server at this address. Returns an error if the server is not the primary.
    async fn connect_to(
        &self,
        (host, port): &Address,
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

/// Returns the address of `host` and `port`, with the same encryption as `like`.
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

/// The longest time to wait for a connection to a Sentinel, and then for its answer. Short, because
/// the next Sentinel may be reachable.
const SENTINEL_TIMEOUT: Duration = Duration::from_millis(500);

/// The pause before another Sentinel is watched. The pause limits how often the store connects
/// while the Sentinels cannot be reached or disagree.
pub(crate) const WATCH_PAUSE: Duration = Duration::from_secs(1);

#[cfg(all(test, feature = "tls"))]
mod tests {
    use crate::address::Address as Servers;
    use crate::primary::Target;

    use super::*;

    #[test]
    fn sentinels_and_primary_are_verified_alike() {
        for url in [
            "rediss+sentinel://one,two/name",
            "redis+sentinel://one,two/name?sslmode=verify-ca",
        ] {
            let Ok(Servers::Primary(Target::Sentinels(sentinels))) = Servers::parse(url) else {
                panic!("{url} was parsed as another kind");
            };
            let found = at(sentinels.primary.addr(), "10.0.0.7".to_owned(), 7000);
            assert_eq!(found.to_string(), "10.0.0.7:7000");
            let mut addresses: Vec<_> = sentinels.sentinels.iter().map(|one| one.addr()).collect();
            addresses.push(&found);
            for address in addresses {
                assert!(
                    matches!(
                        address,
                        ConnectionAddr::TcpTls {
                            insecure: false,
                            tls_params: Some(_),
                            ..
                        }
                    ),
                    "{url}"
                );
            }
        }
    }
}
