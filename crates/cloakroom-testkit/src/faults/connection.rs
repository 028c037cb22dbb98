//! Faults of the connection to the server.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::Store;
use cloakroom::{ErrorKind, Result};

use super::faults::{
    CALL_TIMEOUT, VISITS, Visit, assert_unavailable, new_visitor, retry, sessions,
    sessions_with_timeout, visit, visits,
};
use super::server::TestServer;
use super::traffic::Traffic;
use crate::{Proxy, soak, unique_name};

/// Connections are closed after a request was sent, but before its answer arrives. An acknowledged
/// edit is applied exactly once. An edit whose save fails is applied at most once.
pub async fn a_lost_answer_is_resolved_and_nothing_is_done_twice<S: Store>(
    mut server: impl TestServer,
    open: impl AsyncFn(&str, &str) -> Result<S>,
) {
    let Some(url) = server.share() else { return };
    let (proxy, name) = (Proxy::to(&url), unique_name());
    let observer = sessions(open(&url, &name).await).await;
    let site = sessions(open(proxy.url(), &name).await).await;
    let key = retry("a session", async || new_visitor(&site).await).await;

    let mut resolved = 0;
    for round in soak::rounds(ROUNDS) {
        let count_visits = async || {
            let count = retry("a count", async || visits(&observer, &key).await).await;
            count.expect("the session was not ended")
        };
        let before = count_visits().await;
        let session = retry("a session", async || site.open(&key).await).await;
        let session = session.expect("the session was not ended");
        session
            .update(VISITS, |visits| *visits += 1)
            .expect("the item is a number");

        // Loses the answer to the save, or to one of the two calls with which the site then finds
        // out whether the save was written.
        proxy.lose_answer_after(round % LOST);
        let saved = session.save().await;
        proxy.heal();

        let after = count_visits().await;
        match saved {
            Ok(()) => {
                resolved += 1;
                assert_eq!(after, before + 1, "an acknowledged edit is applied once");
            }
            Err(error) => {
                assert_unavailable(error);
                assert!(
                    (before..=before + 1).contains(&after),
                    "{before} became {after}"
                );
            }
        }
    }
    assert!(
        resolved > 0,
        "every save failed, but the site can load the session to find out whether it was written"
    );
}

/// All connections are cut under load, several times. Requests may fail at first, but succeed again
/// without a restart of the site. No acknowledged edit is lost, and no edit is applied twice.
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
        traffic.wait_until_served().await;
        proxy.cut().await;
    }
    traffic.wait_until_served().await;
    traffic.finish().await;
}

/// The server does not answer, or answers too late. A request fails with
/// [`Timeout`](ErrorKind::Timeout) at its time limit. Requests after the fault succeed.
pub async fn a_silent_or_slow_server_causes_timeouts_until_it_recovers<S: Store>(
    mut server: impl TestServer,
    open: impl AsyncFn(&str, &str) -> Result<S>,
) {
    let Some(url) = server.share() else { return };
    let (proxy, name) = (Proxy::to(&url), unique_name());
    let store = Arc::new(open(proxy.url(), &name).await.expect("the server is there"));
    let (patient, hasty) = (
        sessions_with_timeout(Arc::clone(&store), CALL_TIMEOUT),
        sessions_with_timeout(store, SHORT),
    );
    let key = retry("a session", async || new_visitor(&patient).await).await;
    let session = retry("a session", async || patient.open(&key).await).await;
    assert!(session.is_some(), "the session was not ended");

    proxy.stall();
    let error = hasty.open(&key).await.expect_err("there is no answer");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    proxy.heal();
    visit_until_counted(async || visit(&patient, &key).await).await;

    proxy.slow(SHORT);
    let error = hasty
        .open(&key)
        .await
        .expect_err("the answer comes too late");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    let slow = retry("a slow answer", async || visits(&patient, &key).await).await;
    assert!(slow.is_some(), "a patient request gets the slow answer");
    proxy.heal();
    visit_until_counted(async || visit(&patient, &key).await).await;
}

/// The server cannot be reached. A request fails at once or at its time limit. Once the server can
/// be reached again, requests succeed without a restart of the site.
pub async fn an_unreachable_server_is_unavailable_until_it_returns<S: Store>(
    mut server: impl TestServer,
    open: impl AsyncFn(&str, &str) -> Result<S>,
) {
    let Some(url) = server.share() else { return };
    let (proxy, name) = (Proxy::to(&url), unique_name());
    let site = sessions(open(proxy.url(), &name).await).await;
    let key = retry("a session", async || new_visitor(&site).await).await;

    proxy.refuse().await;
    for _ in 0..3 {
        match visit(&site, &key).await {
            Visit::NotCounted(_) => {}
            other => panic!("the server cannot be reached, but the visit is {other:?}"),
        }
    }
    let refused = open(proxy.url(), &name).await;
    let pinged = match refused {
        // Some stores connect only on their first call.
        Ok(store) => sessions(Ok(store)).await.ping().await,
        Err(error) => Err(error),
    };
    assert_unavailable(pinged.expect_err("the server cannot be reached"));

    proxy.heal();
    let unknown = visit_until_counted(async || visit(&site, &key).await).await;
    let counted = retry("a count", async || visits(&site, &key).await).await;
    assert!(
        counted.is_some_and(|counted| (1..=1 + unknown).contains(&counted)),
        "a refused visit is not counted; the count is {counted:?}"
    );
}

/// Repeats a visit until it is counted, and returns how many earlier tries may have been counted,
/// too.
async fn visit_until_counted(visit: impl AsyncFn() -> Visit) -> u64 {
    let mut unknown = 0;
    retry("a visit", async || match visit().await {
        Visit::Counted => Ok(()),
        Visit::Gone => panic!("a session that was not ended is gone"),
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

/// The number of answers from which each round loses one: the answer to the save, and the next two,
/// with which the site finds out whether the save was written.
const LOST: usize = 3;

const CUTS: usize = 5;

/// The delay of the slow server, and the time limit of the requests that are to time out.
const SHORT: Duration = Duration::from_millis(100);
