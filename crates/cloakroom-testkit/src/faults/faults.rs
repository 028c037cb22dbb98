use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::Store;
use cloakroom::{Error, ErrorKind, Item, Result, SessionKey, Sessions};
use http::StatusCode;

use crate::conformance::{TIME_LIMIT, run_within};
use crate::soak;

/// Writes a module with one test for each promise about the faults of a server.
///
/// The first argument is the name of the module, the second an expression for
/// a [`TestServer`](crate::faults::TestServer) that has not been started; it is evaluated for each
/// test. The third is an asynchronous function that opens a store: from the URL of a server, and a
/// name that no other test uses, for a table or a prefix, which it creates if it does not exist.
/// Opened again with the same two, it is the same place.
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
///     // As in the example of `TestServer`.
/// #   fn start(&mut self) -> Option<String> { None }
/// #   fn kill(&mut self) {}
/// #   fn max_connections(&self) -> usize { 40 }
/// }
///
/// # struct LedgerStore;
/// # impl LedgerStore { async fn open(_: &str, _: &str) -> Result<MemoryStore> { Ok(MemoryStore::new()) } }
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

/// As [`conformance::run`](crate::conformance::run), with patience for servers that have to start.
///
/// # Panics
/// As that.
pub fn run<F>(promise: &str, test: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = ()>,
{
    let limit = match soak::time() {
        Duration::ZERO => 2 * TIME_LIMIT,
        // A million sessions take their time.
        time => 30 * TIME_LIMIT + time,
    };
    run_within(limit, promise, test);
}

pub(super) async fn sessions<S: Store>(store: Result<S>) -> Sessions {
    on(
        Arc::new(store.expect("a server that is there can be opened")),
        A_WHILE,
    )
}

/// Sessions whose calls of the store take no longer than `timeout`.
pub(super) fn on<S: Store>(store: Arc<S>, timeout: Duration) -> Sessions {
    let sessions = Sessions::builder(store).timeout(timeout).sweep(None);
    sessions.build().expect("the options fit together")
}

/// The key of a new session in which visits are counted, and of which there have been none.
pub(super) async fn visitor(sessions: &Sessions) -> Result<SessionKey> {
    let session = sessions.new_session();
    session.set(VISITS, 0)?;
    session.save().await?;
    Ok(session.key().expect("a saved session has a key"))
}

/// What became of one visit.
#[derive(Clone, Debug)]
pub(super) enum Visit {
    Counted,
    /// The session is not there, or ended under the request.
    Gone,
    /// The session could not be loaded.
    NotCounted(Error),
    /// It may have been counted and may not.
    Unknown(Error),
}

/// A request that counts itself.
pub(super) async fn visit(sessions: &Sessions, key: &SessionKey) -> Visit {
    let session = match sessions.open(key).await {
        Ok(Some(session)) => session,
        Ok(None) => return Visit::Gone,
        Err(error) => return Visit::NotCounted(unavailable(error)),
    };
    session
        .update(VISITS, |visits| *visits += 1)
        .expect("the item is a number");
    match session.save().await {
        Ok(()) => Visit::Counted,
        Err(error) if error.kind() == ErrorKind::Interrupted => Visit::Gone,
        Err(error) => Visit::Unknown(unavailable(error)),
    }
}

pub(super) async fn visits(sessions: &Sessions, key: &SessionKey) -> Result<Option<u64>> {
    match sessions.open(key).await? {
        Some(session) => session.get(VISITS),
        None => Ok(None),
    }
}

/// Asks until there is an answer; in between, errors that pass.
pub(super) async fn answered<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T>) -> T {
    let answer = tokio::time::timeout(PATIENCE, async {
        loop {
            match ask().await {
                Ok(answer) => return answer,
                Err(error) => drop(unavailable(error)),
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    answer
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// An error that passes, and with which a service answers 503.
pub(super) fn unavailable(error: Error) -> Error {
    assert_eq!(
        error.kind().status(),
        StatusCode::SERVICE_UNAVAILABLE,
        "a fault of the server is a 503; it was {error:?}"
    );
    error
}

pub(super) const VISITS: Item<u64> = Item::new("visits");

/// How long one call of the store may take, as by default.
pub(super) const A_WHILE: Duration = Duration::from_secs(5);

/// How long anything may take that has to happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at something that is waited for.
pub(super) const PAUSE: Duration = Duration::from_millis(5);
