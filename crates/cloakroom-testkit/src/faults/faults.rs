use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::Store;
use cloakroom::{Error, ErrorKind, Item, Result, SessionKey, Sessions};
use http::StatusCode;

use crate::conformance::{TIME_LIMIT, run_within};
use crate::soak;

/// Generates a module with one test for each promise about the faults of a server.
///
/// * The first argument is the name of the module.
/// * The second is an expression for a [`TestServer`](crate::faults::TestServer) that is not
///   started. It is evaluated once for each test.
/// * The third is an asynchronous function that opens a store. Its arguments are the URL of the
///   server and a name that no other test uses, for a table or a prefix. It must create the table
///   if it is missing. Stores that are opened with the same arguments must have the same entries.
///
/// If the server's `start`, `share` or `start_with_replica` returns `None`, the tests that call
/// this method pass without testing anything.
///
/// # Examples
/// ```no_run
/// use cloakroom::Result;
/// use cloakroom::store::MemoryStore;
/// use cloakroom_testkit::faults::TestServer;
///
/// struct LedgerServer;
///
/// impl TestServer for LedgerServer {
///     // See the example of `TestServer`.
/// #   fn start(&mut self) -> Option<String> { None }
/// #   fn kill(&mut self) {}
/// #   fn max_connections(&self) -> usize { 40 }
/// }
///
/// # struct LedgerStore;
/// # impl LedgerStore {
/// #     async fn open(_: &str, _: &str) -> Result<MemoryStore> { Ok(MemoryStore::new()) }
/// # }
/// cloakroom_testkit::faults!(ledger, LedgerServer, async |url: &str, name: &str| {
///     LedgerStore::open(url, name).await
/// });
/// ```
#[macro_export]
macro_rules! faults {
    ($name:ident, $server:expr, $open:expr $(,)?) => {
        $crate::__faults! {
            [$name, $server, $open]
            a_server_killed_under_load_loses_no_durable_data
            a_server_without_free_connections_is_unavailable_until_it_has_some
            a_lost_answer_is_resolved_and_nothing_is_done_twice
            connections_cut_under_load_lose_and_repeat_nothing
            a_silent_or_slow_server_causes_timeouts_until_it_recovers
            an_unreachable_server_is_unavailable_until_it_returns
            a_server_that_became_a_replica_is_left_for_the_new_primary
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __faults {
    ([$name:ident, $server:expr, $open:expr] $($promise:ident)+) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(
                #[test]
                fn $promise() {
                    $crate::faults::run(stringify!($promise), async || {
                        $crate::faults::$promise($server, $open).await;
                    });
                }
            )+
        }
    };
}

/// Runs an asynchronous test like [`conformance::run`](crate::conformance::run), but with a longer
/// time limit, because servers take time to start.
///
/// # Panics
/// If `test` panics, with the same panic, or if `test` does not finish in time.
///
/// # Examples
/// ```
/// use cloakroom_testkit::Proxy;
/// use cloakroom_testkit::faults;
///
/// faults::run("a proxy refuses connections", async || {
///     let proxy = Proxy::to("ledger://127.0.0.1:7000");
///     proxy.refuse().await;
///     assert!(std::net::TcpStream::connect(proxy.address()).is_err());
/// });
/// ```
pub fn run<F>(promise: &str, test: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = ()>,
{
    let limit = match soak::time() {
        Duration::ZERO => 2 * TIME_LIMIT,
        // Creating and sweeping a million sessions takes minutes.
        time => 30 * TIME_LIMIT + time,
    };
    run_within(limit, promise, test);
}

pub(super) async fn sessions<S: Store>(store: Result<S>) -> Sessions {
    sessions_with_timeout(
        Arc::new(store.expect("a store on a running server can be opened")),
        CALL_TIMEOUT,
    )
}

/// Returns sessions whose store calls time out after `timeout`.
pub(super) fn sessions_with_timeout<S: Store>(store: Arc<S>, timeout: Duration) -> Sessions {
    let sessions = Sessions::builder(store).timeout(timeout).sweep(None);
    sessions.build().expect("the options are valid")
}

/// Creates a session whose count of visits is 0, and returns its key.
pub(super) async fn new_visitor(sessions: &Sessions) -> Result<SessionKey> {
    let session = sessions.new_session();
    session.set(VISITS, 0)?;
    session.save().await?;
    Ok(session.key().expect("a saved session has a key"))
}

/// Creates a session, ends it and returns its key.
pub(super) async fn ended(site: &Sessions) -> SessionKey {
    let key = retry("a session", async || new_visitor(site).await).await;
    retry("the end of a session", async || {
        if let Some(session) = site.open(&key).await? {
            session.flush()?;
            session.save().await?;
        }
        Ok(())
    })
    .await;
    key
}

/// The result of one visit.
#[derive(Clone, Debug)]
pub(super) enum Visit {
    Counted,
    /// There is no session, or it ended during the request.
    Gone,
    /// The session could not be loaded.
    NotCounted(Error),
    /// The save failed, so the visit may have been counted or not.
    Unknown(Error),
}

/// Performs a request that increments the count of visits.
pub(super) async fn visit(sessions: &Sessions, key: &SessionKey) -> Visit {
    let session = match sessions.open(key).await {
        Ok(Some(session)) => session,
        Ok(None) => return Visit::Gone,
        Err(error) => return Visit::NotCounted(assert_unavailable(error)),
    };
    session
        .update(VISITS, |visits| *visits += 1)
        .expect("the item is a number");
    match session.save().await {
        Ok(()) => Visit::Counted,
        Err(error) if error.kind() == ErrorKind::Interrupted => Visit::Gone,
        Err(error) => Visit::Unknown(assert_unavailable(error)),
    }
}

pub(super) async fn visits(sessions: &Sessions, key: &SessionKey) -> Result<Option<u64>> {
    match sessions.open(key).await? {
        Some(session) => session.get(VISITS),
        None => Ok(None),
    }
}

/// Repeats `ask` until it succeeds. Asserts that a site answers every earlier error with 503.
pub(super) async fn retry<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T>) -> T {
    let answer = tokio::time::timeout(WAIT_LIMIT, async {
        loop {
            match ask().await {
                Ok(answer) => return answer,
                Err(error) => drop(assert_unavailable(error)),
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    answer
        .await
        .unwrap_or_else(|_| panic!("{what}: no answer within {WAIT_LIMIT:?}"))
}

/// Asserts that a site answers this error with 503, and returns the error.
pub(super) fn assert_unavailable(error: Error) -> Error {
    assert_eq!(
        error.kind().status(),
        StatusCode::SERVICE_UNAVAILABLE,
        "a fault of the server is answered with 503; the error is {error:?}"
    );
    error
}

pub(super) const VISITS: Item<u64> = Item::new("visits");

/// The time limit of a store call, which is the default of [`Sessions`].
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the suite waits for something to happen before the test fails.
pub(super) const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// The pause before the suite checks again or repeats a failed request.
pub(super) const PAUSE: Duration = Duration::from_millis(5);
