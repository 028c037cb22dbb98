//! Requests that write to their session, alone or concurrently with another request.

use cloakroom::{CacheControl, ErrorKind};
use cloakroom_testkit::wrap::Call;
use http::StatusCode;

use crate::site::{Site, acknowledged_headers, kind, set_cookie};

#[tokio::test]
async fn a_create_sets_the_cookie_and_excludes_shared_caches() {
    let site = Site::new();
    let mut stranger = site.visitor();

    let headers = stranger.visit(|session| session.set("n", 1)).await.unwrap();

    assert_eq!(headers["vary"], "Cookie");
    assert_eq!(headers["cache-control"], "private");
    assert!(set_cookie(&headers).unwrap().starts_with("__Host-session="));
    assert_eq!(site.spy.take(), [Call::Create]);
    assert_eq!(stranger.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_create_tries_another_key_after_a_collision_and_fails_after_eight() {
    let site = Site::new();
    site.flaky.stale_next(Call::Create, 7);
    site.visitor()
        .visit(|session| session.set("n", 1))
        .await
        .unwrap();
    assert_eq!(site.spy.take(), [Call::Create; 8]);

    site.flaky.stale_next(Call::Create, 8);
    let outcome = site.visitor().visit(|session| session.set("n", 1)).await;
    assert_eq!(kind(outcome), ErrorKind::Conflict);
}

#[tokio::test]
async fn set_and_remove_without_a_session_leaves_nothing() {
    let site = Site::new();
    let mut stranger = site.visitor();

    let headers = stranger
        .visit(|session| {
            session.set("n", 1)?;
            assert_eq!(session.remove("n")?, Some(1));
            Ok(())
        })
        .await
        .unwrap();

    assert_eq!(set_cookie(&headers), None);
    assert_eq!(site.spy.calls(), []);
}

#[tokio::test]
async fn a_write_saves_and_sends_the_cookie_again_with_the_same_key() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let before = guest.cookie.clone();

    let headers = guest.visit(|session| session.set("n", 2)).await.unwrap();

    assert!(set_cookie(&headers).unwrap().contains("Max-Age=1209600;"));
    assert_eq!(guest.cookie, before);
    assert_eq!(site.spy.take(), [Call::Load, Call::Save]);
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn a_conflict_reloads_and_replays_so_that_the_edits_of_both_requests_are_saved() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (slow, session) = guest.open().await;
    session.update("n", |n: &mut u64| *n += 10).unwrap();
    session.set("slow", 1).unwrap();
    guest
        .visit(|session| {
            session.set("fast", 1)?;
            session.update("n", |n: &mut u64| *n += 100).map(drop)
        })
        .await
        .unwrap();
    site.spy.take();
    guest.finish(&slow).await.unwrap();

    assert_eq!(site.spy.take(), [Call::Save, Call::Load, Call::Save]);
    assert_eq!(guest.reads("n").await, Some(111));
    assert_eq!(guest.reads("slow").await, Some(1));
    assert_eq!(guest.reads("fast").await, Some(1));
}

#[tokio::test]
async fn a_conflict_over_the_type_of_an_updated_item_saves_nothing() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (slow, session) = guest.open().await;
    session.set("other", 5).unwrap();
    session.update("n", |n: &mut u64| *n += 1).unwrap();
    guest
        .visit(|session| session.set("n", "one"))
        .await
        .unwrap();
    let outcome = guest.finish(&slow).await;

    assert_eq!(kind(outcome), ErrorKind::BadValue);
    let (_, session) = guest.open().await;
    assert_eq!(session.get::<String>("n").unwrap().as_deref(), Some("one"));
    assert!(!session.contains("other"));
}

#[tokio::test]
async fn a_write_after_a_logout_is_an_error_and_creates_nothing() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (slow, session) = guest.open().await;
    session.set("n", 2).unwrap();
    let mut tab = guest.clone();
    tab.visit(|session| session.flush()).await.unwrap();
    let outcome = guest.finish(&slow).await;

    assert_eq!(kind(outcome), ErrorKind::Interrupted);
    assert_eq!(ErrorKind::Interrupted.status(), StatusCode::BAD_REQUEST);
    assert_eq!(set_cookie(&acknowledged_headers(&slow)), None);
    assert_eq!(guest.reads("n").await, None);
    assert_eq!(site.spy.count(Call::Create), 0);
}

#[tokio::test]
async fn a_write_under_a_replaced_key_is_an_error_and_changes_nothing() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (slow, session) = guest.open().await;
    session.set("n", 2).unwrap();
    let mut tab = guest.clone();
    tab.visit(|session| session.cycle_key()).await.unwrap();

    assert_eq!(kind(guest.finish(&slow).await), ErrorKind::Interrupted);
    assert_eq!(tab.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_write_after_the_expiry_is_an_error_and_restores_nothing() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (slow, session) = guest.open().await;
    session.set("n", 2).unwrap();
    site.clock
        .advance(std::time::Duration::from_secs(14 * 24 * 60 * 60));

    assert_eq!(kind(guest.finish(&slow).await), ErrorKind::Interrupted);
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn a_site_may_keep_its_own_cache_control() {
    let site = Site::with(|builder| builder.cache_control(CacheControl::Unchanged));

    let headers = site
        .visitor()
        .visit(|session| session.set("n", 1))
        .await
        .unwrap();

    assert!(set_cookie(&headers).is_some());
    assert!(!headers.contains_key("cache-control"));
}
