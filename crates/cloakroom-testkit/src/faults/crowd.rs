use cloakroom::Result;
use cloakroom::store::Store;

use super::faults::{Visit, answered, sessions, unavailable, visit, visitor};
use super::server::TestServer;
use crate::unique_name;

/// While others hold every connection that the server takes, whoever wants one more is told that it is unavailable, and
/// whoever has one goes on. When the others have left, it is taken.
pub async fn a_server_without_free_connections_is_unavailable_until_it_has_some<S: Store>(
    mut server: impl TestServer,
    open: impl AsyncFn(&str, &str) -> Result<S>,
) {
    let Some(url) = server.start() else { return };
    let name = unique_name();
    let site = sessions(open(&url, &name).await).await;
    let key = answered("a session", async || visitor(&site).await).await;

    let mut crowd = Vec::new();
    let refused = loop {
        assert!(
            crowd.len() <= server.max_connections(),
            "the server takes more connections than it was told to"
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
    unavailable(refused);

    answered("whoever has a connection goes on", async || {
        match visit(&site, &key).await {
            Visit::Counted => Ok(()),
            Visit::Gone => panic!("a session that nobody has ended is gone"),
            Visit::NotCounted(error) | Visit::Unknown(error) => Err(error),
        }
    })
    .await;
    drop(crowd);
    let late = answered("whoever comes late", async || {
        let late = sessions(Ok(open(&url, &name).await?)).await;
        late.ping().await.map(|()| late)
    })
    .await;
    assert!(
        late.open(&key)
            .await
            .expect("it has a connection")
            .is_some()
    );
}
