//! Requests that only read their session, and requests that do not open it.

use cloakroom::ErrorKind;
use cloakroom::store::SaveId;
use cloakroom::store::Store;
use cloakroom_testkit::wrap::{Call, When};

use crate::site::{Site, set_cookie};

#[tokio::test]
async fn an_untouched_session_makes_no_store_call_and_sets_no_header() {
    let site = Site::new();
    let mut guest = site.guest().await;
    site.flaky
        .fail_every(1, Call::Load, When::Before, ErrorKind::Unavailable);

    let handle = guest.request();
    let headers = guest.finish(&handle).await.unwrap();

    assert!(headers.is_empty());
    assert_eq!(site.spy.calls(), []);
}

#[tokio::test]
async fn a_read_loads_once_and_varies_on_the_cookie() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (handle, session) = guest.open().await;
    assert_eq!(session.get("n").unwrap(), Some(1));
    assert!(handle.open().await.unwrap().contains("n"));
    let headers = guest.finish(&handle).await.unwrap();

    assert_eq!(headers["vary"], "Cookie");
    assert_eq!(headers.len(), 1);
    assert_eq!(site.spy.calls(), [Call::Load]);
}

#[tokio::test]
async fn a_read_without_a_cookie_leaves_no_entry_and_no_cookie() {
    let site = Site::new();
    let mut stranger = site.visitor();

    let headers = stranger
        .visit(|session| session.get::<u64>("n").map(drop))
        .await
        .unwrap();

    assert_eq!(headers["vary"], "Cookie");
    assert_eq!(set_cookie(&headers), None);
    assert_eq!(site.spy.calls(), []);
}

#[tokio::test]
async fn an_unknown_key_is_never_adopted_and_its_cookie_is_left_alone() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let forged = format!("__Host-session={}", "A".repeat(43));
    guest.cookie = Some(forged.clone());

    let headers = guest
        .visit(|session| session.get::<u64>("n").map(drop))
        .await
        .unwrap();
    assert_eq!(set_cookie(&headers), None);

    guest.visit(|session| session.set("n", 2)).await.unwrap();
    assert_ne!(guest.cookie, Some(forged));
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn an_expired_key_is_never_adopted() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let before = guest.clone();
    site.clock
        .advance(std::time::Duration::from_secs(14 * 24 * 60 * 60));

    guest.visit(|session| session.set("n", 2)).await.unwrap();

    assert_ne!(guest.cookie, before.cookie);
    assert_eq!(
        (guest.reads("n").await, before.reads("n").await),
        (Some(2), None)
    );
}

#[tokio::test]
async fn a_corrupt_entry_is_no_session_and_the_next_write_gets_a_new_key() {
    let site = Site::new();
    let mut guest = site.guest().await;
    damage_entry(&site).await;
    let before = guest.cookie.clone();

    let headers = guest
        .visit(|session| session.get::<u64>("n").map(drop))
        .await
        .unwrap();
    assert_eq!(set_cookie(&headers), None);
    assert_eq!(guest.reads("n").await, None);

    guest.visit(|session| session.set("n", 2)).await.unwrap();
    assert_ne!(guest.cookie, before);
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn an_entry_that_the_store_cannot_read_is_no_session_and_a_write_gets_a_new_key() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let before = guest.cookie.clone();
    site.flaky
        .fail_next(Call::Load, When::Before, ErrorKind::Corrupt);

    guest.visit(|session| session.set("n", 2)).await.unwrap();

    assert_ne!(guest.cookie, before);
    assert_eq!(guest.reads("n").await, Some(2));
}

/// Overwrites the only entry of the store with bytes that cannot be decoded.
async fn damage_entry(site: &Site) {
    use cloakroom::store::Draft;

    let store_key = site
        .spy
        .find(&[])
        .await
        .unwrap()
        .expect("there is one entry");
    let entry = site.spy.load(&store_key).await.unwrap().unwrap();
    let damaged = Draft::new(
        bytes::Bytes::from_static(b"\xff nonsense"),
        entry.meta,
        SaveId::random().unwrap(),
    );
    let outcome = site
        .spy
        .save(&store_key, &entry.version, &damaged)
        .await
        .unwrap();
    assert_ne!(outcome, cloakroom::store::Outcome::Stale);
    site.spy.take();
}
