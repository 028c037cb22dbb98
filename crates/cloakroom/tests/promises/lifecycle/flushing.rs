//! Logouts.

use cloakroom::ErrorKind;
use cloakroom_testkit::wrap::{Call, When};
use http::StatusCode;

use crate::site::{Site, acknowledged_headers, kind, removes_the_cookie, set_cookie, stored};

#[tokio::test]
async fn flush_deletes_the_entry_and_removes_the_cookie_with_its_attributes() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let before = guest.clone();

    let headers = guest.visit(|session| session.flush()).await.unwrap();

    assert_eq!(site.spy.take(), [Call::Load, Call::Delete]);
    assert_eq!(
        set_cookie(&headers),
        Some(
            "__Host-session=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; \
             HttpOnly; SameSite=Lax; Secure"
        )
    );
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(before.reads("n").await, None);
}

#[tokio::test]
async fn flush_is_carried_out_even_after_a_5xx() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let before = guest.clone();

    let (handle, session) = guest.open().await;
    session.flush().unwrap();
    session.set("n", 2).unwrap();
    let headers = guest
        .finish_with(&handle, StatusCode::INTERNAL_SERVER_ERROR)
        .await
        .unwrap();

    assert!(removes_the_cookie(&headers));
    assert_eq!(site.spy.take(), [Call::Load, Call::Delete]);
    assert_eq!(before.reads("n").await, None);
}

#[tokio::test]
async fn a_logout_needs_no_room_in_a_full_store() {
    for has_moved in [false, true] {
        let site = Site::new();
        let mut guest = site.guest().await;
        guest.visit(|session| session.log_in("ada")).await.unwrap();
        let mut tab = guest.clone();
        let (handle, session) = guest.open().await;
        session.flush().unwrap();
        if has_moved {
            tab.visit(|session| session.cycle_key()).await.unwrap();
        }
        for call in [Call::Save, Call::Create, Call::Rename, Call::Touch] {
            site.flaky
                .fail_every(1, call, When::Before, ErrorKind::Full);
        }

        let headers = guest.finish(&handle).await.unwrap();

        assert!(removes_the_cookie(&headers));
        assert_eq!(tab.reads("n").await, None, "has moved: {has_moved}");
        assert_eq!(stored(&site.memory).await, 0);
    }
}

#[tokio::test]
async fn a_flush_that_the_store_refuses_is_an_error_and_keeps_the_cookie() {
    let site = Site::new();
    let mut guest = site.guest().await;
    site.flaky
        .fail_next(Call::Delete, When::Before, ErrorKind::Unavailable);

    let (handle, session) = guest.open().await;
    session.flush().unwrap();
    let outcome = guest.finish(&handle).await;

    assert_eq!(kind(outcome), ErrorKind::Unavailable);
    assert_eq!(set_cookie(&acknowledged_headers(&handle)), None);
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_flush_whose_answer_is_lost_is_found_to_have_taken_effect() {
    let site = Site::new();
    let mut guest = site.guest().await;
    site.flaky
        .fail_next(Call::Delete, When::After, ErrorKind::Unavailable);

    let headers = guest.visit(|session| session.flush()).await.unwrap();

    assert!(removes_the_cookie(&headers));
}

#[tokio::test]
async fn flush_without_a_session_sets_no_cookie() {
    let site = Site::new();

    let headers = site
        .visitor()
        .visit(|session| session.flush())
        .await
        .unwrap();

    assert_eq!(set_cookie(&headers), None);
    assert_eq!(site.spy.calls(), []);
}

#[tokio::test]
async fn a_write_after_a_flush_begins_a_new_session_under_a_new_key() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let before = guest.clone();

    guest
        .visit(|session| {
            session.flush()?;
            session.set("flash", 5)
        })
        .await
        .unwrap();

    assert_eq!(site.spy.take(), [Call::Load, Call::Delete, Call::Create]);
    assert_ne!(guest.cookie, before.cookie);
    assert_eq!(guest.reads("flash").await, Some(5));
    assert_eq!(guest.reads("n").await, None);
    assert_eq!(before.reads("flash").await, None);
}
