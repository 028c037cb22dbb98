//! Defects of released versions of other session libraries. Each test shows that Cloakroom does not
//! have the defect.

use axum::Router;
use axum::routing::get;
use cloakroom::store::{Outcome, Store};
use cloakroom::{Error, ErrorKind, Expiry, Session};
use cloakroom_testkit::Browser;
use cloakroom_testkit::wrap::{Call, When};
use http::StatusCode;

use crate::site::{Site, set_cookie, stored};

/// tower-sessions 0.15: an insert after a flush reuses the id of the flushed session.
#[tokio::test]
async fn a_session_begun_after_a_flush_gets_a_new_key() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let before = guest.cookie.clone();

    guest
        .visit(|session| session.flush().and_then(|()| session.set("flash", 1)))
        .await
        .unwrap();

    assert_ne!(guest.cookie, before);
}

/// tower-sessions 0.15 and most others: saving is an upsert, so a slow request undoes a logout.
#[tokio::test]
async fn a_logout_is_never_undone_by_a_slower_request() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (slow, session) = guest.open().await;
    session.set("n", 2).unwrap();
    guest.clone().visit(Session::flush).await.unwrap();
    let _ = guest.finish(&slow).await;

    assert!(site.memory.is_empty());
    assert_eq!(guest.reads("n").await, None);
}

/// tower-sessions 0.15, actix-session, pavex, Django: the last writer replaces the whole record.
#[tokio::test]
async fn parallel_writes_of_different_items_are_both_kept() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (slow, session) = guest.open().await;
    session.set("a", 1).unwrap();
    guest.visit(|session| session.set("b", 2)).await.unwrap();
    guest.finish(&slow).await.unwrap();

    assert_eq!(
        (guest.reads("a").await, guest.reads("b").await),
        (Some(1), Some(2))
    );
}

/// tower-sessions 0.15: `set_expiry` applies to one response only.
#[tokio::test]
async fn an_expiry_survives_the_next_change() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let hour = std::time::Duration::from_secs(3_600);

    guest
        .visit(|session| session.set_expiry(Expiry::Idle(hour)))
        .await
        .unwrap();
    let headers = guest.visit(|session| session.set("n", 2)).await.unwrap();

    assert!(set_cookie(&headers).unwrap().contains("Max-Age=3600;"));
}

/// tower-sessions 0.15: after `cycle_id` and a 5xx the browser has an id that no longer exists.
#[tokio::test]
async fn a_5xx_after_a_new_key_does_not_lose_the_session() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (handle, session) = guest.open().await;
    session.cycle_key().unwrap();
    guest
        .finish_with(&handle, StatusCode::INTERNAL_SERVER_ERROR)
        .await
        .unwrap();

    assert_eq!(guest.reads("n").await, Some(1));
}

/// tower-sessions 0.15, and every library at some time: the browser keeps a cookie that the server
/// meant to remove.
#[tokio::test]
async fn a_logout_removes_the_cookie_from_a_standards_compliant_browser() {
    let site = Site::new();
    let browser = browser(&site);
    browser.get("/").await;
    assert_eq!(browser.cookies().len(), 1);

    browser.get("/logout").await;

    assert_eq!(browser.dropped(), [""; 0]);
    assert_eq!(browser.cookies().len(), 0);
}

/// tower-sessions 0.15 and every other library: without `Vary`, a cache serves one visitor's page
/// to another.
#[tokio::test]
async fn a_page_that_read_the_session_varies_on_the_cookie() {
    let site = Site::new();

    assert_eq!(
        browser(&site).get("/peek").await.header("vary"),
        Some("Cookie")
    );
}

/// actix-session 0.11: only the first request persists an `update`, so a counter stays at 2.
#[tokio::test]
async fn an_update_is_persisted_by_every_request() {
    let site = Site::new();
    let browser = browser(&site);

    for visit in 1..=5 {
        assert_eq!(browser.get("/").await.text(), visit.to_string());
    }
}

/// actix-session 0.11: a stale request after a logout stores the old state under a fresh id.
#[tokio::test]
async fn a_stale_request_after_a_logout_creates_no_session() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (slow, session) = guest.open().await;
    session.set("n", 2).unwrap();
    guest.clone().visit(Session::flush).await.unwrap();
    let outcome = guest.finish(&slow).await;

    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(site.spy.count(Call::Create), 0);
}

/// axum_session 0.22: after an error on load, a blank session overwrites the stored one.
#[tokio::test]
async fn a_brief_failure_of_the_store_loses_no_data() {
    let site = Site::new();
    let browser = browser(&site);
    browser.get("/").await;
    site.flaky
        .fail_next(Call::Load, When::Before, ErrorKind::Unavailable);

    assert_eq!(
        browser.get("/").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(browser.get("/").await.text(), "2");
}

/// axum_session 0.22: an id that the client made up is adopted.
#[tokio::test]
async fn a_key_that_the_client_made_up_is_never_adopted() {
    let site = Site::new();
    let browser = browser(&site);
    let made_up = "A".repeat(43);
    browser.receive(&format!("__Host-session={made_up}; Secure; Path=/"));

    browser.get("/").await;

    assert_ne!(browser.cookie("__Host-session").unwrap().value, made_up);
}

/// axum_session 0.22: by default the cookie is neither `Secure` nor hard to guess.
#[tokio::test]
async fn the_default_cookie_has_every_protective_attribute() {
    let site = Site::new();
    let browser = browser(&site);

    let page = browser.get("/").await;

    let cookie = page.header("set-cookie").unwrap();
    for attribute in [
        "__Host-",
        "; Secure",
        "; HttpOnly",
        "; SameSite=Lax",
        "; Path=/",
    ] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
}

/// pavex_session 0.2: removing an item of a loaded session is not saved.
#[tokio::test]
async fn a_removal_is_saved() {
    let site = Site::new();
    let mut guest = site.guest().await;

    guest
        .visit(|session| session.remove::<u64>("n").map(drop))
        .await
        .unwrap();

    assert_eq!(guest.reads("n").await, None);
}

/// pavex_session 0.2: on PostgreSQL, `create` returns `Ok` although the id is taken.
#[tokio::test]
async fn a_create_on_a_taken_key_is_stale_and_another_key_is_drawn() {
    let site = Site::new();
    site.flaky.stale_next(Call::Create, 1);
    let guest = site.guest().await;

    assert_eq!(guest.reads("n").await, Some(1));
    let store_key = site.memory.find(&[]).await.unwrap().unwrap();
    let entry = site.memory.load(&store_key).await.unwrap().unwrap();
    let again =
        cloakroom::store::Draft::new(entry.data, entry.meta, entry.version.save_id().unwrap());
    assert_eq!(
        site.memory.create(&store_key, &again).await.unwrap(),
        Outcome::Stale
    );
}

/// cot 0.7: sessions in the database and in files never expire on the server.
#[tokio::test]
async fn an_expired_key_is_refused_even_if_the_store_keeps_the_entry() {
    let site = Site::new();
    let guest = site.guest().await;

    site.clock
        .advance(std::time::Duration::from_secs(14 * 86_400));

    assert_eq!(site.memory.len(), 1, "the store still has the entry");
    assert_eq!(guest.reads("n").await, None);
}

/// salvo-session 1.1: after `regenerate` the old id still works.
#[tokio::test]
async fn an_old_key_opens_nothing_once_there_is_a_new_one() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let old = guest.clone();

    guest.visit(Session::cycle_key).await.unwrap();

    assert_eq!(old.reads("n").await, None);
    assert_eq!(stored(&site.memory).await, 1);
}

/// salvo-session 1.1, Laravel: every visitor and every bot gets an entry and a cookie.
#[tokio::test]
async fn a_visitor_for_whom_nothing_is_stored_gets_neither_entry_nor_cookie() {
    let site = Site::new();
    let browser = browser(&site);

    for path in ["/peek", "/logout", "/nowhere"] {
        assert!(browser.get(path).await.header("set-cookie").is_none());
    }
    assert!(site.memory.is_empty());
}

fn browser(site: &Site) -> Browser<Router> {
    let app = Router::new()
        .route(
            "/",
            get(async |session: Session| {
                let visits = session.update("num_visits", |n: &mut u64| *n += 1)?;
                Ok::<_, Error>(visits.to_string())
            }),
        )
        .route(
            "/peek",
            get(async |session: Session| session.len().to_string()),
        )
        .route("/logout", get(async |session: Session| session.flush()))
        .layer(site.sessions.layer());
    Browser::https(app).clock(&site.clock)
}
