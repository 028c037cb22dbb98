//! Handlers that answer 5xx, and stores that do not answer.

use cloakroom::ErrorKind;
use cloakroom_testkit::wrap::{Call, When};
use http::StatusCode;

use crate::site::{Site, acknowledged_headers, kind, set_cookie};

#[tokio::test]
async fn a_5xx_saves_nothing_and_sets_no_cookie() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    session.log_in("ada").unwrap();
    let headers = guest
        .finish_with(&handle, StatusCode::BAD_GATEWAY)
        .await
        .unwrap();

    assert_eq!(set_cookie(&headers), None);
    assert_eq!(headers["vary"], "Cookie");
    assert_eq!(site.spy.take(), [Call::Load]);
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_5xx_still_sends_the_key_that_was_saved_before() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (handle, session) = guest.open().await;
    session.cycle_key().unwrap();
    session.save().await.unwrap();
    session.set("n", 2).unwrap();
    guest
        .finish_with(&handle, StatusCode::INTERNAL_SERVER_ERROR)
        .await
        .unwrap();

    assert_eq!(
        guest.reads("n").await,
        Some(1),
        "the browser opens the session with its new key"
    );
}

#[tokio::test]
async fn a_failed_load_is_an_error_and_the_next_request_succeeds() {
    let site = Site::new();
    let mut guest = site.guest().await;
    site.flaky
        .fail_next(Call::Load, When::Before, ErrorKind::Unavailable);

    let outcome = guest.visit(|session| session.set("n", 2)).await;

    assert_eq!(kind(outcome), ErrorKind::Unavailable);
    assert_eq!(
        ErrorKind::Unavailable.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_load_is_an_error_after_the_timeout() {
    let site = Site::new();
    let guest = site.guest().await;
    site.gate.close(When::Before, Call::Load);

    let outcome = guest.request().open().await;

    assert_eq!(kind(outcome), ErrorKind::Timeout);
    assert_eq!(ErrorKind::Timeout.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_failed_save_is_an_error_that_sets_no_cookie_and_changes_nothing() {
    let site = Site::new();
    let mut guest = site.guest().await;
    site.flaky
        .fail_every(1, Call::Save, When::Before, ErrorKind::Unavailable);

    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    let outcome = guest.finish(&handle).await;

    assert_eq!(kind(outcome), ErrorKind::Unavailable);
    assert_eq!(set_cookie(&acknowledged_headers(&handle)), None);
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_save_is_an_error_after_the_timeout() {
    let site = Site::new();
    let mut guest = site.guest().await;
    site.gate.close(When::Before, Call::Save);

    let outcome = guest.visit(|session| session.set("n", 2)).await;

    assert_eq!(kind(outcome), ErrorKind::Timeout);
}
