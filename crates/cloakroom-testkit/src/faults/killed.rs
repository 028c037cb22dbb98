use cloakroom::Result;
use cloakroom::store::Store;

use super::faults::{ended, retry, sessions};
use super::server::TestServer;
use super::traffic::Traffic;
use crate::{soak, unique_name};

/// The server is killed with SIGKILL under load and started again, several times. Requests fail
/// while the server is down and succeed afterwards, without a restart of the site. No acknowledged
/// edit is lost, no edit is applied twice, and no ended session is restored.
///
/// If [`is_durable`](TestServer::is_durable) returns `false`, sessions may be lost. No other
/// promise changes.
pub async fn a_server_killed_under_load_loses_no_durable_data<S: Store>(
    mut server: impl TestServer,
    open: impl AsyncFn(&str, &str) -> Result<S>,
) {
    let Some(url) = server.start() else { return };
    let name = unique_name();
    let one = sessions(open(&url, &name).await).await;
    let other = sessions(open(&url, &name).await).await;
    let mut traffic = Traffic::begin(vec![one.clone(), other.clone()]).await;
    if !server.is_durable() {
        traffic.may_lose_sessions();
    }

    for round in soak::rounds(2) {
        let ended = ended(&one).await;
        traffic.wait_until_served().await;

        server.kill();
        if round == 0 {
            traffic.wait_until_failed().await;
            // Without a server, an ended session must not be reported as live.
            assert!(matches!(other.open(&ended).await, Err(_) | Ok(None)));
        }
        let same = server.start();
        assert_eq!(same.as_ref(), Some(&url), "a server keeps its URL");

        if !server.is_durable() {
            traffic.begin_session().await;
        }
        traffic.wait_until_served().await;
        for site in [&one, &other] {
            let found = retry("an ended session", async || site.open(&ended).await).await;
            assert!(found.is_none(), "an ended session was restored");
        }
    }
    traffic.finish().await;
}
