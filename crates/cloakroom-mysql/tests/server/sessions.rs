//! Tests that two processes of a site can use the same session in MySQL.

use cloakroom::{Session, SessionKey, Sessions};
use http::{HeaderMap, StatusCode, header};
use tokio::task::JoinSet;

use crate::support::two_stores;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_parallel_increments_through_two_stores_are_all_saved() {
    let Some((one, other)) = two_stores().await else {
        return;
    };
    let processes = [Sessions::new(one), Sessions::new(other)];
    let key = request(&processes[0], &HeaderMap::new(), |session| {
        session.set("n", 0).unwrap()
    })
    .await;
    let key = key.expect("a new session sets the cookie");
    let mut headers = HeaderMap::new();
    let cookie = format!("__Host-session={}", key.reveal());
    headers.insert(header::COOKIE, cookie.parse().unwrap());

    let mut requests = JoinSet::new();
    for nth in 0..1_000 {
        let (sessions, headers) = (processes[nth % 2].clone(), headers.clone());
        requests.spawn(async move {
            request(&sessions, &headers, |session| {
                session.update("n", |n: &mut u64| *n += 1).unwrap();
            })
            .await;
        });
    }
    requests.join_all().await;

    let session = processes[0].open(&key).await.unwrap().unwrap();
    assert_eq!(session.get("n").unwrap(), Some(1_000));
}

/// Sends a request. Returns the key in the new cookie, if the response sets one.
async fn request(
    sessions: &Sessions,
    headers: &HeaderMap,
    handler: impl FnOnce(&Session),
) -> Option<SessionKey> {
    let handle = sessions.begin(headers);
    handler(&handle.open().await.unwrap());
    let effects = sessions.finish(&handle, StatusCode::OK).await.unwrap();
    let mut response = HeaderMap::new();
    effects.apply(&mut response);
    let cookie = response.get(header::SET_COOKIE)?.to_str().unwrap();
    let value = cookie.split([';', '=']).nth(1).unwrap();
    (!value.is_empty()).then(|| SessionKey::new(value))
}
