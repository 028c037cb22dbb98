//! New sessions of visitors who are not logged in: how long they last until their cookie comes
//! back, and how many of them a client may begin.

use std::net::IpAddr;
use std::time::Duration;

use cloakroom::{Error, ErrorKind, Expiry, Session, SessionHandle, Sessions};
use cloakroom_testkit::wrap::{Call, When};
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};

use crate::site::{
    Site, Visitor, acknowledged_headers, kind, removes_the_cookie, set_cookie, stored,
};

#[tokio::test]
async fn a_session_whose_cookie_never_comes_back_ends_early() {
    let site = site();
    let guest = site.guest().await;

    site.clock.advance(HOUR);

    assert_eq!(guest.reads("n").await, None);
    site.sessions.sweep(9).await.unwrap();
    assert_eq!(stored(&site.memory).await, 0);
}

#[tokio::test]
async fn a_session_whose_cookie_comes_back_lasts_as_long_as_any_other() {
    let read = |session: &Session| session.get::<u64>("n").map(drop);
    let write = |session: &Session| session.set("n", 1);
    type Handler = fn(&Session) -> cloakroom::Result<()>;
    for (handler, call) in [(read as Handler, Call::Touch), (write, Call::Save)] {
        let site = site();
        let mut guest = site.guest().await;
        site.clock.advance(HOUR - SECOND);

        guest.visit(handler).await.unwrap();
        assert_eq!(site.spy.take(), [Call::Load, call]);

        site.clock.advance(TWO_WEEKS - SECOND);
        assert_eq!(guest.reads("n").await, Some(1));
        site.clock.advance(SECOND);
        assert_eq!(guest.reads("n").await, None);
    }
}

#[tokio::test]
async fn the_cookie_is_sent_once_with_the_full_lifetime() {
    let site = site();
    let mut guest = site.visitor();
    let first = guest.visit(|session| session.set("n", 1)).await.unwrap();
    assert!(set_cookie(&first).unwrap().contains("Max-Age=1209600"));

    for calls in [&[Call::Load, Call::Touch][..], &[Call::Load]] {
        site.spy.take();
        let next = guest
            .visit(|session| session.get::<u64>("n").map(drop))
            .await;
        assert_eq!(set_cookie(&next.unwrap()), None);
        assert_eq!(site.spy.take(), calls);
    }
}

#[tokio::test]
async fn several_saves_of_the_first_request_do_not_extend_the_session() {
    let site = site();
    let mut guest = site.visitor();
    let (handle, session) = guest.open().await;
    for n in 0..3 {
        session.set("n", n).unwrap();
        session.save().await.unwrap();
        site.clock.advance(SECOND);
    }
    session.set("n", 3).unwrap();
    guest.finish(&handle).await.unwrap();

    site.clock.advance(HOUR);
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn a_session_that_begins_after_a_logout_ends_early_again() {
    let site = site();
    let mut guest = site.guest().await;
    guest
        .visit(|session| {
            session.flush()?;
            session.set("n", 2)
        })
        .await
        .unwrap();

    site.clock.advance(HOUR);
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn a_login_lasts_from_the_beginning() {
    let site = site();
    let mut new = site.visitor();
    new.visit(|session| session.log_in("ada")).await.unwrap();
    let mut returning = site.guest().await;
    returning
        .visit(|session| session.log_in("ada"))
        .await
        .unwrap();

    site.clock.advance(TWO_WEEKS - SECOND);
    for visitor in [new, returning] {
        assert!(visitor.open().await.1.owner().is_some());
    }
}

#[tokio::test]
async fn a_session_with_a_shorter_expiry_keeps_it() {
    let site = site();
    let mut guest = site.visitor();
    guest
        .visit(|session| {
            session.set("n", 1)?;
            session.set_expiry(Expiry::Idle(Duration::from_secs(60)))
        })
        .await
        .unwrap();
    site.spy.take();

    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(site.spy.take(), [Call::Load], "it is not touched");
    site.clock.advance(Duration::from_secs(60));
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn a_failed_touch_does_not_fail_the_page_and_is_made_up_for() {
    let site = site();
    let mut guest = site.guest().await;
    site.flaky
        .fail_next(Call::Touch, When::Before, ErrorKind::Unavailable);

    let read = |session: &Session| session.get::<u64>("n").map(drop);
    guest.visit(read).await.unwrap();
    guest.visit(read).await.unwrap();

    site.clock.advance(TWO_WEEKS - SECOND);
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_failed_request_does_not_confirm_the_session() {
    let site = site();
    let mut guest = site.guest().await;
    let (handle, _session) = guest.open().await;
    let failed = StatusCode::INTERNAL_SERVER_ERROR;
    guest.finish_with(&handle, failed).await.unwrap();
    assert_eq!(site.spy.take(), [Call::Load]);
}

#[tokio::test]
async fn a_client_that_begins_too_many_sessions_is_refused_until_the_time_is_over() {
    let site = limited();
    let mut known = from("192.0.2.1", &site).await.unwrap();
    from("192.0.2.1", &site).await.unwrap();

    for _ in 0..3 {
        let refused = from("192.0.2.1", &site).await;
        assert_eq!(kind(refused.map(drop)), ErrorKind::TooManyNewSessions);
    }
    assert_eq!(stored(&site.memory).await, 2);
    from("192.0.2.2", &site).await.unwrap();

    // Requests with a session, requests that only read, and logins are not refused.
    let handle = client(&known, "192.0.2.1");
    handle.open().await.unwrap().set("n", 2).unwrap();
    known.finish(&handle).await.unwrap();
    let mut new = site.visitor();
    let handle = client(&new, "192.0.2.1");
    assert!(handle.open().await.unwrap().is_empty());
    assert_eq!(set_cookie(&new.finish(&handle).await.unwrap()), None);
    let handle = client(&new, "192.0.2.1");
    handle.open().await.unwrap().log_in("ada").unwrap();
    new.finish(&handle).await.unwrap();

    site.clock.advance(HOUR);
    from("192.0.2.1", &site).await.unwrap();
}

#[tokio::test]
async fn sessions_without_a_known_client_are_not_limited() {
    let site = limited();
    for _ in 0..10 {
        site.visitor()
            .visit(|session| session.set("n", 1))
            .await
            .unwrap();
        let session = site.sessions.new_session();
        session.set("n", 1).unwrap();
        session.save().await.unwrap();
    }
    assert_eq!(stored(&site.memory).await, 20);
}

#[tokio::test]
async fn the_answer_to_a_refused_session_is_429_with_retry_after_and_without_a_cookie() {
    let site = limited();
    let handler = service_fn(async |request: Request<()>| {
        let handle = SessionHandle::of(request.extensions())?;
        handle.set_client([192, 0, 2, 1]);
        let session = handle.open().await?;
        session.set("n", 1)?;
        Ok::<_, Error>(Response::new(String::new()))
    });
    let service = site.sessions.layer().layer(handler);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let response = service.clone().oneshot(Request::new(())).await.unwrap();
        statuses.push(response.status().as_u16());
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(response.headers()["retry-after"], "3600");
            assert_eq!(set_cookie(response.headers()), None);
        }
    }
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn a_logout_is_carried_out_even_if_the_new_session_is_refused() {
    let site = limited();
    let mut guest = from("192.0.2.1", &site).await.unwrap();
    let before = guest.clone();
    from("192.0.2.1", &site).await.unwrap();
    let handle = client(&guest, "192.0.2.1");
    let session = handle.open().await.unwrap();
    session.flush().unwrap();
    session.set("n", 2).unwrap();

    let refused = guest.finish(&handle).await;

    assert_eq!(kind(refused), ErrorKind::TooManyNewSessions);
    assert!(removes_the_cookie(&acknowledged_headers(&handle)));
    assert_eq!(before.reads("n").await, None);
}

#[test]
fn a_limit_of_zero_is_refused() {
    for (max, per) in [(0, HOUR), (1, Duration::ZERO)] {
        let sessions = Sessions::builder(cloakroom::store::MemoryStore::new());
        let outcome = sessions.max_new_sessions(max, per).build();
        assert_eq!(kind(outcome), ErrorKind::Config);
    }
}

#[test]
fn the_option_needs_a_format_that_keeps_the_times() {
    let sessions = Sessions::builder(crate::formats::lines(cloakroom::store::MemoryStore::new()));
    let outcome = sessions.unconfirmed_age(HOUR).build();
    assert_eq!(kind(outcome), ErrorKind::Config);
    for age in [Duration::ZERO, Duration::from_millis(999), TWO_WEEKS] {
        let sessions = Sessions::builder(cloakroom::store::MemoryStore::new());
        assert_eq!(
            kind(sessions.unconfirmed_age(age).build()),
            ErrorKind::Config
        );
    }
}

/// Visits the site as a new visitor at `address`, who stores `n = 1`.
async fn from(address: &str, site: &Site) -> cloakroom::Result<Visitor> {
    let mut visitor = site.visitor();
    let handle = client(&visitor, address);
    handle.open().await?.set("n", 1)?;
    visitor.finish(&handle).await?;
    Ok(visitor)
}

/// Begins a request of `visitor` from this address.
fn client(visitor: &Visitor, address: &str) -> SessionHandle {
    let handle = visitor.request();
    handle.set_client(address.parse::<IpAddr>().unwrap());
    handle
}

/// Returns a site on which a client may begin two sessions an hour.
fn limited() -> Site {
    Site::with(|builder| builder.max_new_sessions(2, HOUR))
}

fn site() -> Site {
    Site::with(|builder| builder.unconfirmed_age(HOUR))
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const TWO_WEEKS: Duration = Duration::from_secs(14 * 24 * 60 * 60);
