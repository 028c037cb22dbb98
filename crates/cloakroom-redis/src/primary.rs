use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::{MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, Cmd, ConnectionInfo, Pipeline, ProtocolVersion};
use redis::{PushInfo, PushKind, RedisResult, Value};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::connection::{ANSWER_TIMEOUT, CONNECT_TIMEOUT, client};
use crate::error::is_not_primary;
use crate::sentinel::{Sentinels, WATCH_PAUSE};

/// How to find the primary.
pub(crate) enum Target {
    /// The server at this address. A name is resolved for each connection.
    Server(Box<ConnectionInfo>),
    /// The server that the Sentinels name.
    Sentinels(Box<Sentinels>),
}

/// The connection to the primary, which all calls share.
///
/// The store looks up the primary again and replaces the connection when
/// * the connection breaks. Calls that wait for an answer fail, because their commands may have
///   been carried out; calls that begin later use the next connection;
/// * the server refuses a command because the server is not the primary. The command was not
///   carried out, so it is sent again;
/// * the server does not answer for [`LONGEST_SILENCE`] after a caller gave up;
/// * the Sentinels name another server.
pub(crate) struct Primary {
    inner: Arc<Inner>,
    /// The task that watches the Sentinels.
    watch: Option<AbortHandle>,
}

struct Inner {
    target: Arc<Target>,
    /// The last attempt to connect, which contains the connection once the attempt has succeeded.
    /// All calls share the attempt, so at most one attempt is in progress at a time.
    attempt: Mutex<Attempt>,
}

type Attempt = Shared<BoxFuture<'static, RedisResult<Arc<Link>>>>;

impl Primary {
    pub(crate) async fn open(target: Target) -> RedisResult<Self> {
        let target = Arc::new(target);
        let inner = Arc::new_cyclic(|inner| Inner {
            attempt: Mutex::new(attempt(&target, inner.clone())),
            target,
        });
        let mut primary = Self { inner, watch: None };
        primary.link().await?;
        if let Target::Sentinels(_) = *primary.inner.target {
            let watch = tokio::spawn(watch(Arc::downgrade(&primary.inner)));
            primary.watch = Some(watch.abort_handle());
        }
        Ok(primary)
    }

    /// Sends a command and returns its answer. Sends the command again if the server refuses it
    /// because the server is not the primary.
    pub(crate) async fn ask(&self, command: &Cmd) -> RedisResult<Value> {
        for pause in PAUSES {
            match self.ask_once(command).await {
                Err(error) if is_not_primary(&error) => sleep(pause).await,
                answer => return answer,
            }
        }
        self.ask_once(command).await
    }

    /// Sends several commands in one round trip and returns their answers. The commands must only
    /// read.
    pub(crate) async fn read_all(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        for pause in PAUSES {
            match self.read_all_once(commands).await {
                Err(error) if is_not_primary(&error) => sleep(pause).await,
                answers => return answers,
            }
        }
        self.read_all_once(commands).await
    }

    async fn ask_once(&self, command: &Cmd) -> RedisResult<Value> {
        let link = self.link().await?;
        let mut connection = link.connection.clone();
        link.wait(command.query_async(&mut connection)).await
    }

    async fn read_all_once(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        let link = self.link().await?;
        let mut connection = link.connection.clone();
        link.wait(commands.query_async(&mut connection)).await
    }

    /// Returns the current connection. If that is not usable, waits for the attempt to connect that
    /// is in progress, or for a new attempt.
    async fn link(&self) -> RedisResult<Arc<Link>> {
        let attempt = {
            let mut attempt = self.inner.attempt();
            match attempt.peek() {
                Some(Ok(link)) if link.is_usable() => return Ok(Arc::clone(link)),
                Some(_) => self.inner.begin(&mut attempt),
                None => {}
            }
            attempt.clone()
        };
        attempt.await
    }
}

impl Drop for Primary {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}

/// Replaces the connection whenever the Sentinels name another primary.
async fn watch(inner: Weak<Inner>) {
    while let Some(target) = inner.upgrade().map(|inner| Arc::clone(&inner.target)) {
        if let Target::Sentinels(sentinels) = &*target {
            sentinels.moved().await;
        }
        if let Some(inner) = inner.upgrade() {
            if let Some(Ok(link)) = inner.attempt().peek() {
                link.retire();
            }
            inner.renew();
        }
        sleep(WATCH_PAUSE).await;
    }
}

impl Inner {
    /// Starts an attempt to connect if the connection is no longer usable and no attempt is in
    /// progress.
    fn renew(self: &Arc<Self>) {
        let mut attempt = self.attempt();
        if attempt
            .peek()
            .is_some_and(|opened| !matches!(opened, Ok(link) if link.is_usable()))
        {
            self.begin(&mut attempt);
        }
    }

    /// Replaces the attempt with a new one, which continues even if no caller waits for it any
    /// more.
    fn begin(self: &Arc<Self>, last: &mut Attempt) {
        *last = attempt(&self.target, Arc::downgrade(self));
        tokio::spawn(last.clone());
    }

    fn attempt(&self) -> MutexGuard<'_, Attempt> {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects, and tries once more if the first try fails.
fn attempt(target: &Arc<Target>, inner: Weak<Inner>) -> Attempt {
    let target = Arc::clone(target);
    let attempt = async move {
        for _ in 1..CONNECT_TRIES {
            match Link::open(&target, inner.clone()).await {
                Err(_) => sleep(CONNECT_PAUSE).await,
                opened => return opened,
            }
        }
        Link::open(&target, inner).await
    };
    attempt.boxed().shared()
}

/// A connection to the primary.
struct Link {
    connection: MultiplexedConnection,
    opened_at: Instant,
    /// `true` if new calls must use another connection.
    retired: Arc<AtomicBool>,
    /// The time at which a caller first gave up on a call after the last answer, or `None` if no
    /// caller has given up since then.
    silent_since: Mutex<Option<Instant>>,
}

impl Link {
    async fn open(target: &Target, inner: Weak<Inner>) -> RedisResult<Arc<Self>> {
        let retired = Arc::new(AtomicBool::new(false));
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        if target.protocol() == ProtocolVersion::RESP3 {
            let retired = Arc::clone(&retired);
            config = config.set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    retired.store(true, Ordering::SeqCst);
                    if let Some(inner) = inner.upgrade() {
                        inner.renew();
                    }
                }
                Ok::<(), SendError>(())
            });
        }
        Ok(Arc::new(Self {
            connection: target.connect(&config).await?,
            opened_at: Instant::now(),
            retired,
            silent_since: Mutex::new(None),
        }))
    }

    /// Waits for the answer to a call on this connection. If the answer shows that new calls must
    /// use another connection, retires this one.
    async fn wait<T>(&self, answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        let mut call = Call {
            link: self,
            answered: false,
        };
        let answer = answer.await;
        call.answered = !answer.as_ref().is_err_and(redis::RedisError::is_timeout);
        match &answer {
            Err(error) if is_not_primary(error) => self.retire_unless_young(),
            Err(error) if error.is_unrecoverable_error() => self.retire(),
            _ => {}
        }
        answer
    }

    /// Returns whether new calls may use the connection.
    fn is_usable(&self) -> bool {
        let silence = *self.silent_since();
        if silence.is_some_and(|since| since.elapsed() > LONGEST_SILENCE) {
            self.retire();
        }
        !self.retired.load(Ordering::SeqCst)
    }

    /// Makes new calls use another connection. Calls in progress still get their answers.
    fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
    }

    /// Like [`retire`](Self::retire), but keeps a connection that was opened less than [`YOUNG`]
    /// ago: a new connection would most likely lead to the same replica.
    fn retire_unless_young(&self) {
        if self.opened_at.elapsed() >= YOUNG {
            self.retire();
        }
    }

    fn silent_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.silent_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in progress. When it is dropped, it updates `silent_since` of the connection.
struct Call<'a> {
    link: &'a Link,
    answered: bool,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut silent_since = self.link.silent_since();
        match self.answered {
            // Answers arrive in order, so the server has also answered every call on which a caller
            // gave up earlier.
            true => *silent_since = None,
            false => *silent_since = silent_since.or_else(|| Some(Instant::now())),
        }
    }
}

impl Target {
    async fn connect(&self, config: &AsyncConnectionConfig) -> RedisResult<MultiplexedConnection> {
        match self {
            Self::Server(server) => {
                let client = client((**server).clone())?;
                client
                    .get_multiplexed_async_connection_with_config(config)
                    .await
            }
            Self::Sentinels(sentinels) => sentinels.connect(config).await,
        }
    }

    fn protocol(&self) -> ProtocolVersion {
        match self {
            Self::Server(server) => server.redis_settings().protocol(),
            Self::Sentinels(sentinels) => sentinels.protocol(),
        }
    }
}

/// The pauses before a refused command is sent again. Together they are long enough for a planned
/// failover. During a longer failover, the visitor gets an error instead of waiting.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(200),
];

/// The minimum age at which a connection to a replica is replaced. This limits how often a site
/// connects while its URL leads to a replica. The age is shorter than the second pause in
/// [`PAUSES`], so that the next try of a refused command can use a new connection.
const YOUNG: Duration = Duration::from_millis(40);

/// How many times an attempt tries to connect. The second try helps a request that arrives while
/// the server restarts. With more tries, requests would wait longer for an error while the server
/// is down.
const CONNECT_TRIES: usize = 2;

/// The pause between two tries to connect.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection may be silent after a caller gave up on a call, before the store replaces
/// the connection. The time that the caller waited before giving up does not count.
///
/// A quiet site may lose a healthy connection this way: after a browser disconnects in the middle
/// of a call, no later answer shows that the server is healthy. The next call then opens a new
/// connection.
pub(crate) const LONGEST_SILENCE: Duration = Duration::from_secs(2);
