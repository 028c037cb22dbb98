//! Sessions that a handler saves before it returns.

use cloakroom::ErrorKind;
use cloakroom_testkit::wrap::{Call, When};

use crate::site::{Site, kind, removes_the_cookie, set_cookie};

#[tokio::test]
async fn a_save_is_visible_to_other_requests_before_the_response() {
    let site = Site::new();
    let mut stranger = site.visitor();

    let (handle, session) = stranger.open().await;
    session.set("n", 1).unwrap();
    session.save().await.unwrap();
    let key = session.key().unwrap();
    let elsewhere = site.sessions.open(&key).await.unwrap().unwrap();
    assert_eq!(elsewhere.get("n").unwrap(), Some(1));
    session.set("m", 2).unwrap();
    stranger.finish(&handle).await.unwrap();

    assert_eq!(site.spy.take(), [Call::Create, Call::Load, Call::Save]);
    assert_eq!(
        (stranger.reads("n").await, stranger.reads("m").await),
        (Some(1), Some(2))
    );
}

#[tokio::test]
async fn edits_made_during_a_save_are_saved_next() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let (handle, session) = guest.open().await;
    // Another request saves first, so that the stored data differs from what the handler has seen.
    guest
        .visit(|session| session.set("other", 3))
        .await
        .unwrap();

    site.gate.close(When::Before, Call::Save);
    session.update("n", |n: &mut u64| *n += 1).unwrap();
    let saving = tokio::spawn({
        let session = session.clone();
        async move { session.save().await }
    });
    site.gate.reached(When::Before, Call::Save, 1).await;
    session.update("n", |n: &mut u64| *n += 10).unwrap();
    site.gate.open(When::Before, Call::Save);
    saving.await.unwrap().unwrap();

    assert_eq!(
        session.get("other").unwrap(),
        Some(3),
        "the handler sees what the other request saved"
    );
    assert_eq!(session.get("n").unwrap(), Some(12));
    guest.finish(&handle).await.unwrap();
    assert_eq!(guest.reads("n").await, Some(12));
}

#[tokio::test]
async fn edits_made_during_a_failing_save_are_not_reported_as_saved() {
    let site = Site::new();
    let mut guest = site.guest().await;
    site.flaky
        .fail_every(1, Call::Save, When::Before, ErrorKind::Full);
    site.gate.close(When::Before, Call::Save);

    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    let saving = tokio::spawn({
        let session = session.clone();
        async move { session.save().await }
    });
    site.gate.reached(When::Before, Call::Save, 1).await;
    session.set("n", 3).unwrap();
    site.gate.open(When::Before, Call::Save);

    assert_eq!(kind(saving.await.unwrap()), ErrorKind::Full);
    assert_eq!(kind(session.set("n", 4)), ErrorKind::Finished);
    assert_eq!(kind(guest.finish(&handle).await), ErrorKind::Full);
}

#[tokio::test]
async fn a_handler_can_answer_a_failed_save_itself() {
    let site = Site::new();
    let mut guest = site.guest().await;
    site.flaky
        .fail_every(1, Call::Save, When::Before, ErrorKind::Full);

    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    assert_eq!(kind(session.save().await), ErrorKind::Full);
    let headers = guest.finish(&handle).await.unwrap();

    assert_eq!(set_cookie(&headers), None);
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_flush_during_a_save_ends_the_saved_session() {
    let site = Site::new();
    let mut guest = site.guest().await;

    site.gate.close(When::After, Call::Rename);
    let (handle, session) = guest.open().await;
    session.cycle_key().unwrap();
    let saving = tokio::spawn({
        let session = session.clone();
        async move { session.save().await }
    });
    site.gate.reached(When::After, Call::Rename, 1).await;
    session.flush().unwrap();
    site.gate.open(When::After, Call::Rename);
    saving.await.unwrap().unwrap();
    let headers = guest.finish(&handle).await.unwrap();

    assert!(removes_the_cookie(&headers));
    assert!(site.memory.is_empty());
}
