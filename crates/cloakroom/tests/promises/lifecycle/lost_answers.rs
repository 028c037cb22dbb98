//! Store calls whose answer is lost. Some of the calls took effect, and some did not.

use cloakroom::{ErrorKind, Session};
use cloakroom_testkit::wrap::{Call, When};
use http::StatusCode;

use crate::site::{Site, kind, set_cookie};

#[tokio::test]
async fn a_save_whose_answer_is_lost_is_found_to_have_taken_effect_and_is_not_repeated() {
    let site = Site::new();
    let mut guest = site.guest().await;
    site.flaky
        .fail_next(Call::Save, When::After, ErrorKind::Unavailable);

    let headers = guest
        .visit(|session| session.update("n", |n: &mut u64| *n += 1).map(drop))
        .await
        .unwrap();

    assert!(set_cookie(&headers).is_some());
    assert_eq!(site.spy.take(), [Call::Load, Call::Save, Call::Load]);
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn a_save_that_never_arrived_is_sent_again() {
    let site = Site::new();
    let mut guest = site.guest().await;
    site.flaky
        .fail_next(Call::Save, When::Before, ErrorKind::Unavailable);

    guest
        .visit(|session| session.update("n", |n: &mut u64| *n += 1).map(drop))
        .await
        .unwrap();

    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn a_save_whose_answer_is_lost_before_another_request_saves_fails_and_is_not_repeated() {
    let site = Site::new();
    let guest = site.guest().await;
    let increment = |session: &Session| session.update("n", |n: &mut u64| *n += 1).map(drop);

    let (slow, session) = guest.open().await;
    increment(&session).unwrap();
    site.flaky
        .fail_next(Call::Save, When::After, ErrorKind::Unavailable);
    site.gate.close(When::Before, Call::Load);
    let sessions = site.sessions.clone();
    let finishing = tokio::spawn(async move { sessions.finish(&slow, StatusCode::OK).await });
    site.gate.reached(When::Before, Call::Load, 1).await;
    site.on_another_server(&guest)
        .visit(increment)
        .await
        .unwrap();
    site.gate.open(When::Before, Call::Load);

    assert_eq!(kind(finishing.await.unwrap()), ErrorKind::Unavailable);
    assert_eq!(guest.reads("n").await, Some(3));
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_found_to_have_taken_effect() {
    let site = Site::new();
    let mut stranger = site.visitor();
    site.flaky
        .fail_next(Call::Create, When::After, ErrorKind::Timeout);

    stranger.visit(|session| session.set("n", 1)).await.unwrap();

    assert_eq!(stranger.reads("n").await, Some(1));
    assert_eq!(site.spy.count(Call::Create), 1);
}

#[tokio::test]
async fn a_rename_whose_answer_is_lost_is_found_to_have_taken_effect() {
    for when in [When::Before, When::After] {
        let site = Site::new();
        let mut guest = site.guest().await;
        let before = guest.clone();
        site.flaky.fail_next(Call::Rename, when, ErrorKind::Timeout);

        guest.visit(|session| session.log_in("ada")).await.unwrap();

        assert_eq!(guest.reads("n").await, Some(1), "{when:?}");
        assert_eq!(before.reads("n").await, None);
        assert_eq!(
            site.sessions.owned_by(&"ada".into()).await.unwrap().len(),
            1
        );
    }
}
