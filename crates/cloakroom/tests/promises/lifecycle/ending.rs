//! The end of a request, and clients that hang up before it.

use cloakroom::ErrorKind;
use cloakroom_testkit::wrap::{Call, When};
use http::StatusCode;

use crate::site::{Site, kind};

#[tokio::test]
async fn a_commit_that_has_begun_is_finished_if_the_client_hangs_up() {
    let site = Site::new();
    let guest = site.guest().await;
    site.gate.close(When::Before, Call::Save);

    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    let sessions = site.sessions.clone();
    let request = tokio::spawn(async move { sessions.finish(&handle, StatusCode::OK).await });
    site.gate.reached(When::Before, Call::Save, 1).await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    site.gate.close(When::After, Call::Save);
    site.gate.open(When::Before, Call::Save);
    site.gate.reached(When::After, Call::Save, 1).await;

    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn a_client_that_hangs_up_before_the_response_changes_nothing() {
    let site = Site::new();
    let guest = site.guest().await;

    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    drop((handle, session));

    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(site.spy.calls(), [Call::Load, Call::Load]);
}

#[tokio::test]
async fn writes_after_the_request_are_errors() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (handle, session) = guest.open().await;
    guest.finish(&handle).await.unwrap();

    assert_eq!(kind(session.set("n", 2)), ErrorKind::Finished);
    assert_eq!(
        kind(session.update("n", |n: &mut u64| *n += 1)),
        ErrorKind::Finished
    );
    assert_eq!(kind(session.remove::<u64>("n")), ErrorKind::Finished);
    assert_eq!(kind(session.clear()), ErrorKind::Finished);
    assert_eq!(kind(session.flush()), ErrorKind::Finished);
    assert_eq!(kind(session.log_in("ada")), ErrorKind::Finished);
    assert_eq!(kind(session.cycle_key()), ErrorKind::Finished);
    assert_eq!(session.get("n").unwrap(), Some(1), "reading still works");
}

#[tokio::test]
async fn writes_to_a_session_opened_after_the_request_are_errors() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let handle = guest.request();
    guest.finish(&handle).await.unwrap();
    let session = handle.open().await.unwrap();

    assert_eq!(kind(session.set("n", 2)), ErrorKind::Finished);
}
