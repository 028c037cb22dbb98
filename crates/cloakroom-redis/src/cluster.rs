use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{ConnectionInfo, RedisError, RedisResult};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::connection::{ANSWER_TIMEOUT, CONNECT_TIMEOUT, tcp};
use crate::primary::LONGEST_SILENCE;
use crate::tls::Tls;

/// The connections to the nodes of a Cluster, which all calls share.
///
/// The driver notices a broken connection and looks up which node has which slots. But it keeps
/// using a node that neither answers nor closes its connection, even after a replica has taken
/// over. So the store replaces all connections if a call exceeds the driver's time limit, or if a
/// caller gives up on a call and no answer arrives within [`LONGEST_SILENCE`] after that. Calls use
/// the old connections until the new ones are open, because the other nodes still answer.
pub(crate) struct Cluster(Arc<Inner>);

struct Inner {
    client: ClusterClient,
    connections: Mutex<Connections>,
}

#[derive(Clone)]
struct Connections {
    driver: ClusterConnection,
    /// How many times the connections have been replaced.
    generation: u64,
    is_being_replaced: bool,
}

impl Cluster {
    pub(crate) async fn open(nodes: Vec<ConnectionInfo>, tls: Option<Tls>) -> RedisResult<Self> {
        let builder = ClusterClient::builder(nodes)
            .connection_timeout(CONNECT_TIMEOUT)
            .response_timeout(ANSWER_TIMEOUT)
            .overall_response_timeout(Some(ANSWER_TIMEOUT))
            .tcp_settings(tcp())
            // No retries by the driver: it would also repeat commands that may have been carried
            // out. The module `redirect` repeats only commands that were not carried out.
            .retries(0);
        let builder = match &tls {
            Some(tls) => tls.cluster(builder),
            None => builder,
        };
        let client = builder.build()?;
        let connections = Connections {
            driver: client.get_async_connection().await?,
            generation: 0,
            is_being_replaced: false,
        };
        Ok(Self(Arc::new(Inner {
            client,
            connections: Mutex::new(connections),
        })))
    }

    /// Calls `ask` with the driver's current connections, and waits for the answer.
    ///
    /// If the future is dropped, the driver still carries out the call, or gives it up after
    /// [`LONGEST_SILENCE`].
    pub(crate) async fn call<T, F>(
        &self,
        ask: impl FnOnce(ClusterConnection) -> F,
    ) -> RedisResult<T>
    where
        T: Send + 'static,
        F: Future<Output = RedisResult<T>> + Send + 'static,
    {
        let Connections {
            driver, generation, ..
        } = self.0.connections().clone();
        let mut call = Call {
            answer: Some(ask(driver).boxed()),
            cluster: Arc::downgrade(&self.0),
            generation,
        };
        let answer = call.answer.as_mut().expect("the call was just made").await;
        call.answer = None;
        if answer.as_ref().is_err_and(RedisError::is_timeout) {
            self.0.replace(generation);
        }
        answer
    }

    /// Replaces the connections, and with them the driver's list of slots and nodes. Returns at
    /// once if they are being replaced already.
    ///
    /// The driver looks up the nodes again only if a node redirects a command that has a key.
    pub(crate) async fn look_up_nodes(&self) {
        let generation = self.0.connections().generation;
        if let Some(replaced) = self.0.replace(generation) {
            // An error means that the task has panicked. The old connections are still there.
            let _ = replaced.await;
        }
    }
}

impl Inner {
    /// Starts to replace the connections if they are still of this generation and are not being
    /// replaced yet. If no node can be reached, keeps the old connections.
    fn replace(self: &Arc<Self>, generation: u64) -> Option<JoinHandle<()>> {
        let mut connections = self.connections();
        if connections.generation != generation || connections.is_being_replaced {
            return None;
        }
        connections.is_being_replaced = true;
        let (client, cluster) = (self.client.clone(), Arc::downgrade(self));
        Some(tokio::spawn(async move {
            let opened = timeout(REPLACE_TIMEOUT, client.get_async_connection()).await;
            let Some(cluster) = cluster.upgrade() else {
                return;
            };
            let mut connections = cluster.connections();
            connections.is_being_replaced = false;
            if let Ok(Ok(driver)) = opened {
                connections.driver = driver;
                connections.generation += 1;
            }
        }))
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in progress. If the caller drops it before the answer has arrived, a task waits for the
/// answer. If no answer arrives within [`LONGEST_SILENCE`], the task replaces the connections.
struct Call<T: Send + 'static> {
    /// `None` after the answer has arrived.
    answer: Option<BoxFuture<'static, RedisResult<T>>>,
    cluster: Weak<Inner>,
    /// The generation of the connections that the call uses.
    generation: u64,
}

impl<T: Send + 'static> Drop for Call<T> {
    fn drop(&mut self) {
        // There is no runtime if the runtime itself is being dropped.
        let (Some(answer), Ok(runtime)) = (self.answer.take(), Handle::try_current()) else {
            return;
        };
        let (cluster, generation) = (self.cluster.clone(), self.generation);
        runtime.spawn(async move {
            if timeout(LONGEST_SILENCE, answer).await.is_err()
                && let Some(cluster) = cluster.upgrade()
            {
                cluster.replace(generation);
            }
        });
    }
}

/// The time limit for opening the new connections. It leaves time for the driver to wait for nodes
/// that do not answer before it uses the others.
const REPLACE_TIMEOUT: Duration = Duration::from_secs(10);
