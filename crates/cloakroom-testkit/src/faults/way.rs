//! What happens on the way to the server.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::Store;
use cloakroom::{ErrorKind, Result};

use super::faults::{
    A_WHILE, VISITS, Visit, answered, on, sessions, unavailable, visit, visitor, visits,
};
use super::server::TestServer;
use super::traffic::Traffic;
use crate::{Proxy, soak, unique_name};

/// The connection is cut after a request was sent and before its answer came. Whatever is answered is so: what was
/// acknowledged is there once, and what was not is there once or not at all.
pub async fn a_lost_answer_is_resolved_and_nothing_is_done_twice<S: Store>(
    mut server: impl TestServer,
    open: impl AsyncFn(&str, &str) -> Result<S>,
) {
    let Some(url) = server.share() else { return };
    let (proxy, name) = (Proxy::to(&url), unique_name());
    let looker = sessions(open(&url, &name).await).await;
    let site = sessions(open(proxy.url(), &name).await).await;
    let key = answered("a session", async || visitor(&site).await).await;

    let mut found_out = 0;
    for round in soak::rounds(ROUNDS) {
        let there = async || {
            let there = answered("a count", async || visits(&looker, &key).await).await;
            there.expect("nobody has ended the session")
        };
        let before = there().await;
        let session = answered("a session", async || site.open(&key).await).await;
        let session = session.expect("nobody has ended it");
        session
            .update(VISITS, |visits| *visits += 1)
            .expect("the item is a number");

        // The answer of the save, or one of those by which the site finds out what became of it.
        proxy.lose_answer_after(round % LOST);
        let saved = session.save().await;
        proxy.heal();

        let after = there().await;
        match saved {
            Ok(()) => {
                found_out += 1;
                assert_eq!(after, before + 1, "what is acknowledged is there once");
            }
            Err(error) => {
                unavailable(error);
                assert!(
                    (before..=before + 1).contains(&after),
                    "{before} became {after}"
                );
            }
        }
    }
    assert!(found_out > 0, "the version tells what became of a save");
}

/// Every connection is cut under load, again and again. Requests may fail and go on by themselves; no edit that was
/// acknowledged is lost, and none is done twice.
pub async fn connections_cut_under_load_lose_and_repeat_nothing<S: Store>(
    mut server: impl TestServer,
    open: impl AsyncFn(&str, &str) -> Result<S>,
) {
    let Some(url) = server.share() else { return };
    let (proxy, name) = (Proxy::to(&url), unique_name());
    let one = sessions(open(proxy.url(), &name).await).await;
    let other = sessions(open(proxy.url(), &name).await).await;
    let mut traffic = Traffic::begin(vec![one, other]).await;

    for _ in soak::rounds(CUTS) {
        traffic.flows().await;
        proxy.cut().await;
    }
    traffic.flows().await;
    traffic.ends().await;
}

/// The server is there and says nothing, or says it too late: a request fails with [`Timeout`](ErrorKind::Timeout) when
/// its time is over, and the next one after the fault is served.
pub async fn a_silent_or_slow_server_causes_timeouts_until_it_recovers<S: Store>(
    mut server: impl TestServer,
    open: impl AsyncFn(&str, &str) -> Result<S>,
) {
    let Some(url) = server.share() else { return };
    let (proxy, name) = (Proxy::to(&url), unique_name());
    let store = Arc::new(open(proxy.url(), &name).await.expect("the server is there"));
    let (patient, hasty) = (on(Arc::clone(&store), A_WHILE), on(store, SHORT));
    let key = answered("a session", async || visitor(&patient).await).await;
    let session = answered("a session", async || patient.open(&key).await).await;
    assert!(session.is_some(), "nobody has ended it");

    proxy.stall();
    let error = hasty.open(&key).await.expect_err("nothing is answered");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    proxy.heal();
    served(async || visit(&patient, &key).await).await;

    proxy.slow(SHORT);
    let error = hasty
        .open(&key)
        .await
        .expect_err("the answer comes too late");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    let slow = answered("a slow answer", async || visits(&patient, &key).await).await;
    assert!(slow.is_some(), "whoever waits gets it");
    proxy.heal();
    served(async || visit(&patient, &key).await).await;
}

/// Nobody can be reached: a request fails at once or when its time is over, and when the way is open again the next one
/// is served by itself.
pub async fn an_unreachable_server_is_unavailable_until_it_returns<S: Store>(
    mut server: impl TestServer,
    open: impl AsyncFn(&str, &str) -> Result<S>,
) {
    let Some(url) = server.share() else { return };
    let (proxy, name) = (Proxy::to(&url), unique_name());
    let site = sessions(open(proxy.url(), &name).await).await;
    let key = answered("a session", async || visitor(&site).await).await;

    proxy.refuse().await;
    for _ in 0..3 {
        match visit(&site, &key).await {
            Visit::NotCounted(_) => {}
            other => panic!("nobody was reached, and it became {other:?}"),
        }
    }
    let refused = open(proxy.url(), &name).await;
    let pinged = match refused {
        // It asks nobody before it has to.
        Ok(store) => sessions(Ok(store)).await.ping().await,
        Err(error) => Err(error),
    };
    unavailable(pinged.expect_err("nobody was reached"));

    proxy.heal();
    let unknown = served(async || visit(&site, &key).await).await;
    let counted = answered("a count", async || visits(&site, &key).await).await;
    assert!(
        counted.is_some_and(|counted| (1..=1 + unknown).contains(&counted)),
        "what was refused was not done; the count is {counted:?}"
    );
}

/// Until a visit is counted; how many there were before of which nobody knows.
async fn served(visit: impl AsyncFn() -> Visit) -> u64 {
    let mut unknown = 0;
    answered("a visit", async || match visit().await {
        Visit::Counted => Ok(()),
        Visit::Gone => panic!("a session that nobody has ended is gone"),
        Visit::NotCounted(error) => Err(error),
        Visit::Unknown(error) => {
            unknown += 1;
            Err(error)
        }
    })
    .await;
    unknown
}

const ROUNDS: usize = 12;

/// As many as a save has answers, and some of those that come after it.
const LOST: usize = 3;

const CUTS: usize = 5;

/// Shorter than a slow server takes, and longer than it takes a store to notice that nothing is answered.
const SHORT: Duration = Duration::from_millis(100);
