use std::time::Duration;

use cloakroom::Result;
use cloakroom::store::Store;

use super::faults::{ended, retry, sessions};
use super::server::TestServer;
use super::traffic::Traffic;
use crate::{Proxy, soak, unique_name};

/// Several times, the primary becomes a replica under load, and its host name is moved to the new
/// primary. The connections to the old primary stay open if the server can keep them open. Requests
/// may fail during the change. Within [`FAILOVER_LIMIT`] after the change, all requests succeed
/// again, without a restart of the site. No acknowledged edit is lost, no edit is applied twice,
/// and no ended session is restored.
///
/// In this test, the replica has received every write before the roles change. In production, a
/// failover may undo writes that the replica has not received, which no store can prevent.
pub async fn a_server_that_became_a_replica_is_left_for_the_new_primary<S: Store>(
    mut server: impl TestServer,
    open: impl AsyncFn(&str, &str) -> Result<S>,
) {
    let Some((mut primary, mut replica)) = server.start_with_replica() else {
        return;
    };
    let (proxy, name) = (Proxy::to(&primary), unique_name());
    let one = sessions(open(proxy.url(), &name).await).await;
    let other = sessions(open(proxy.url(), &name).await).await;
    let mut traffic = Traffic::begin(vec![one.clone(), other.clone()]).await;

    for round in soak::rounds(FAILOVERS) {
        let ended = ended(&one).await;
        traffic.wait_until_served().await;

        // In even rounds, the roles change before the host name is moved. In odd rounds, the host
        // name is moved first.
        if round % 2 == 0 {
            server.swap_roles();
            traffic.wait_until_failed().await;
            proxy.lead_to(&replica);
        } else {
            proxy.lead_to(&replica);
            server.swap_roles();
        }
        std::mem::swap(&mut primary, &mut replica);

        // Waits until no request fails, because a store that still uses some connections to the
        // replica serves a part of the requests.
        let served = tokio::time::timeout(FAILOVER_LIMIT, traffic.wait_until_none_fails()).await;
        served.expect("all requests succeed soon after a failover");
        for site in [&one, &other] {
            let found = retry("an ended session", async || site.open(&ended).await).await;
            assert!(found.is_none(), "an ended session was restored");
        }
    }
    traffic.finish().await;
}

const FAILOVERS: usize = 3;

/// How soon after a failover every visitor must be served again, without further failures.
pub const FAILOVER_LIMIT: Duration = Duration::from_secs(10);
