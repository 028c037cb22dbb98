use cloakroom::Result;
use cloakroom::store::Store;

use super::faults::{Visit, assert_unavailable, new_visitor, retry, sessions, visit};
use super::server::TestServer;
use crate::unique_name;

/// Other clients use all connections that the server accepts. In this state, opening or using a new
/// store fails with an error that a site answers with 503. A store that is already connected keeps
/// working. When the other clients have left, a new store can connect.
pub async fn a_server_without_free_connections_is_unavailable_until_it_has_some<S: Store>(
    mut server: impl TestServer,
    open: impl AsyncFn(&str, &str) -> Result<S>,
) {
    let Some(url) = server.start() else { return };
    let name = unique_name();
    let site = sessions(open(&url, &name).await).await;
    let key = retry("a session", async || new_visitor(&site).await).await;

    let mut crowd = Vec::new();
    let refused = loop {
        assert!(
            crowd.len() <= server.max_connections(),
            "the server accepts more connections than `max_connections`"
        );
        match open(&url, &name).await {
            Ok(store) => {
                let another = sessions(Ok(store)).await;
                if let Err(error) = another.ping().await {
                    break error;
                }
                crowd.push(another);
            }
            Err(error) => break error,
        }
    };
    assert_unavailable(refused);

    retry("a request on an open connection", async || {
        match visit(&site, &key).await {
            Visit::Counted => Ok(()),
            Visit::Gone => panic!("a session that was not ended is gone"),
            Visit::NotCounted(error) | Visit::Unknown(error) => Err(error),
        }
    })
    .await;
    drop(crowd);
    let late = retry("a store that is opened later", async || {
        let late = sessions(Ok(open(&url, &name).await?)).await;
        late.ping().await.map(|()| late)
    })
    .await;
    assert!(
        late.open(&key)
            .await
            .expect("the store is connected")
            .is_some()
    );
}
