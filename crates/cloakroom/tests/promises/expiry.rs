//! Expiry: the clock of the server decides when a session ends, not the expiry of the cookie.

use std::time::{Duration, SystemTime};

use cloakroom::store::{MemoryStore, from_millis};
use cloakroom::{CachedBackend, Clock, ErrorKind, Expiry, Session, Sessions, SessionsBuilder};
use cloakroom_testkit::wrap::{Call, When};
use http::StatusCode;

use crate::site::{Site, removes_the_cookie, set_cookie};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn idle_sessions_end_and_every_change_extends_them() {
    let site = Site::with(|builder| builder.max_age(10 * MINUTE));
    let mut guest = site.guest().await;

    for _ in 0..5 {
        site.clock.advance(9 * MINUTE);
        guest.visit(|session| session.set("n", 1)).await.unwrap();
    }
    site.clock.advance(10 * MINUTE - Duration::from_millis(1));
    assert_eq!(guest.reads("n").await, Some(1));
    site.clock.advance(Duration::from_millis(1));
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn reading_does_not_extend_a_session_by_default() {
    let site = Site::with(|builder| builder.max_age(10 * MINUTE));
    let guest = site.guest().await;

    site.clock.advance(9 * MINUTE);
    assert_eq!(guest.reads("n").await, Some(1));
    site.clock.advance(MINUTE);

    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn sliding_on_access_touches_once_per_threshold_and_sends_the_cookie_again() {
    let site = Site::with(|builder| builder.max_age(10 * MINUTE).slide_on_access(MINUTE));
    let mut guest = site.guest().await;
    let read = |session: &Session| session.get::<u64>("n").map(drop);

    let headers = guest.visit(read).await.unwrap();
    assert_eq!(set_cookie(&headers), None);
    site.clock.advance(MINUTE);
    let headers = guest.visit(read).await.unwrap();
    assert!(set_cookie(&headers).unwrap().contains("Max-Age=600;"));
    let headers = guest.visit(read).await.unwrap();
    assert_eq!(set_cookie(&headers), None);

    assert_eq!(
        site.spy.take(),
        [Call::Load, Call::Load, Call::Touch, Call::Load]
    );
    site.clock.advance(10 * MINUTE - Duration::from_millis(1));
    assert_eq!(guest.reads("n").await, Some(1));
}

#[test]
fn a_threshold_as_long_as_the_idle_time_or_the_lifetime_is_refused() {
    let threshold = |threshold: Duration| {
        let builder = Sessions::builder(MemoryStore::new()).slide_on_access(threshold);
        builder.max_age(10 * MINUTE)
    };
    let second = Duration::from_secs(1);
    for refused in [
        threshold(10 * MINUTE),
        threshold(DAY),
        threshold(5 * MINUTE).max_lifetime(5 * MINUTE),
    ] {
        let error = refused.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let shown = error.to_string();
        assert!(
            shown.contains("`slide_on_access` must be shorter"),
            "{shown}"
        );
    }
    assert!(threshold(10 * MINUTE - second).build().is_ok());
    assert!(threshold(Duration::ZERO).build().is_ok());
}

#[test]
fn a_cache_ttl_of_zero_or_as_long_as_the_life_of_sessions_is_refused() {
    let built = |ttl: Duration, configure: fn(SessionsBuilder) -> SessionsBuilder| {
        let cached = CachedBackend::new(MemoryStore::new(), MemoryStore::new()).unwrap();
        configure(Sessions::builder(cached.ttl(ttl))).build()
    };
    let second = Duration::from_secs(1);
    for refused in [
        built(MINUTE, |builder| builder.max_age(MINUTE)),
        built(MINUTE, |builder| builder.max_lifetime(MINUTE)),
        built(15 * DAY, |builder| builder),
        built(Duration::ZERO, |builder| builder),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("`ttl`"), "{error}");
    }
    assert!(built(MINUTE - second, |builder| builder.max_age(MINUTE)).is_ok());
}

#[test]
fn a_tombstone_age_must_be_between_10_seconds_and_an_hour() {
    let built = |age| {
        Sessions::builder(MemoryStore::new())
            .tombstone_age(age)
            .build()
    };
    let (second, millisecond) = (Duration::from_secs(1), Duration::from_millis(1));
    for age in [
        Duration::ZERO,
        10 * second - millisecond,
        HOUR + millisecond,
    ] {
        let error = built(age).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("`tombstone_age`"), "{error}");
    }
    for age in [10 * second, HOUR] {
        assert!(built(age).is_ok());
    }
}

#[tokio::test]
async fn a_visitor_who_reads_every_minute_is_never_logged_out() {
    // The threshold is shorter than the idle time of the site, which is 10 minutes, but longer than
    // half of that time. For some sessions, it is longer than their whole idle time of 2 minutes.
    let threshold = 9 * MINUTE + Duration::from_secs(59);
    for expiry in [
        Expiry::Policy,
        Expiry::BrowserClose,
        Expiry::Idle(10 * MINUTE),
        Expiry::Idle(2 * MINUTE),
        Expiry::BrowserCloseOrIdle(2 * MINUTE),
    ] {
        let site = Site::with(|builder| builder.max_age(10 * MINUTE).slide_on_access(threshold));
        let mut guest = site.guest().await;
        guest.visit(|s| s.set_expiry(expiry)).await.unwrap();
        for _ in 0..100 {
            site.clock.advance(MINUTE);
            guest.visit(|s| s.get::<u64>("n").map(drop)).await.unwrap();
        }
        assert_eq!(guest.reads("n").await, Some(1), "{expiry:?}");
    }
}

#[tokio::test]
async fn a_session_slides_after_half_of_its_idle_time_if_the_threshold_is_longer() {
    let site = Site::with(|builder| builder.max_age(DAY).slide_on_access(9 * MINUTE));
    let mut guest = site.guest().await;
    let idle = Expiry::Idle(10 * MINUTE);
    guest.visit(|s| s.set_expiry(idle)).await.unwrap();
    let read = |session: &Session| session.get::<u64>("n").map(drop);

    site.clock.advance(5 * MINUTE - Duration::from_millis(1));
    let headers = guest.visit(read).await.unwrap();
    assert_eq!(set_cookie(&headers), None);
    site.clock.advance(Duration::from_millis(1));
    let headers = guest.visit(read).await.unwrap();
    assert!(set_cookie(&headers).unwrap().contains("Max-Age=600;"));
}

#[tokio::test]
async fn a_fixed_end_does_not_slide() {
    let site = Site::with(|builder| builder.slide_on_access(MINUTE));
    let mut guest = site.guest().await;
    let end = Expiry::At(site.clock.now() + 10 * MINUTE);
    guest.visit(|s| s.set_expiry(end)).await.unwrap();
    site.spy.take();

    site.clock.advance(9 * MINUTE);
    guest.visit(|s| s.get::<u64>("n").map(drop)).await.unwrap();
    assert_eq!(site.spy.take(), [Call::Load]);
}

#[tokio::test]
async fn a_failed_touch_does_not_fail_the_response() {
    use cloakroom::ErrorKind;
    use cloakroom_testkit::wrap::When;

    let site = Site::with(|builder| builder.max_age(10 * MINUTE).slide_on_access(MINUTE));
    let mut guest = site.guest().await;
    site.clock.advance(MINUTE);
    site.flaky
        .fail_next(Call::Touch, When::Before, ErrorKind::Unavailable);

    let headers = guest
        .visit(|session| session.get::<u64>("n").map(drop))
        .await
        .unwrap();

    assert_eq!(set_cookie(&headers), None);
}

#[tokio::test]
async fn a_touch_never_restores_a_session() {
    let site = Site::with(|builder| builder.max_age(10 * MINUTE).slide_on_access(MINUTE));
    let mut guest = site.guest().await;
    site.clock.advance(MINUTE);

    let (slow, _) = guest.open().await;
    guest.clone().visit(Session::flush).await.unwrap();
    let headers = guest.finish(&slow).await.unwrap();

    assert_eq!(set_cookie(&headers), None);
    assert!(site.memory.is_empty());
}

#[tokio::test]
async fn changes_do_not_extend_the_lifetime_but_a_login_restarts_it() {
    let site = Site::with(|builder| builder.max_age(DAY).max_lifetime(3 * DAY));
    let mut guest = site.guest().await;
    let change = |session: &Session| session.set("n", 1);

    site.clock.advance(DAY - MINUTE);
    guest.visit(|session| session.log_in("ada")).await.unwrap();
    for _ in 0..3 {
        site.clock.advance(DAY - MINUTE);
        guest.visit(change).await.unwrap();
    }
    site.clock.advance(2 * MINUTE);
    let headers = guest.visit(change).await.unwrap();
    assert!(set_cookie(&headers).unwrap().contains("Max-Age=60;"));
    site.clock.advance(MINUTE);

    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn a_shorter_lifetime_ends_older_sessions_too() {
    let site = Site::new();
    let guest = site.guest().await;
    site.clock.advance(2 * DAY);

    let strict = Sessions::builder(std::sync::Arc::clone(&site.memory))
        .clock(site.clock.clone())
        .max_lifetime(DAY);
    let mut guest = guest;
    guest.sessions = strict.build().unwrap();

    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn a_requested_expiry_survives_later_changes() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let month = Expiry::Idle(30 * DAY);

    guest
        .visit(|session| session.set_expiry(month))
        .await
        .unwrap();
    site.clock.advance(20 * DAY);
    let headers = guest.visit(|session| session.set("n", 2)).await.unwrap();

    assert!(set_cookie(&headers).unwrap().contains("Max-Age=2592000;"));
    let (_, session) = guest.open().await;
    assert_eq!(session.expiry(), month);
    site.clock.advance(20 * DAY);
    assert_eq!(guest.reads("n").await, Some(2));

    guest
        .visit(|session| session.set_expiry(Expiry::Policy))
        .await
        .unwrap();
    site.clock.advance(14 * DAY);
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn a_fixed_expiry_is_not_extended_by_activity() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let end = site.clock.now() + DAY;
    guest
        .visit(|session| session.set_expiry(Expiry::At(end)))
        .await
        .unwrap();
    site.clock.advance(DAY - MINUTE);
    let headers = guest.visit(|session| session.set("n", 2)).await.unwrap();
    assert!(set_cookie(&headers).unwrap().contains("Max-Age=60;"));
    site.clock.advance(MINUTE);

    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn browser_close_omits_the_expiry_of_the_cookie_and_uses_the_idle_time_on_the_server() {
    let site = Site::with(|builder| builder.max_age(10 * MINUTE));
    let mut guest = site.guest().await;

    let headers = guest
        .visit(|session| session.set_expiry(Expiry::BrowserClose))
        .await
        .unwrap();

    let cookie = set_cookie(&headers).unwrap();
    assert!(
        !cookie.contains("Max-Age") && !cookie.contains("Expires"),
        "{cookie}"
    );
    assert!(guest.open().await.1.expires_at_browser_close());
    site.clock.advance(10 * MINUTE);
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn browser_close_can_be_the_policy_of_the_site() {
    let site = Site::with(|builder| builder.expire_at_browser_close(true));
    let mut stranger = site.visitor();

    let headers = stranger.visit(|session| session.set("n", 1)).await.unwrap();
    assert!(!set_cookie(&headers).unwrap().contains("Max-Age"));
    let headers = stranger
        .visit(|session| session.set_expiry(Expiry::Idle(DAY)))
        .await
        .unwrap();
    assert!(set_cookie(&headers).unwrap().contains("Max-Age=86400;"));
}

#[tokio::test]
async fn an_expiry_in_the_past_ends_the_session() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let headers = guest
        .visit(|session| session.set_expiry(Expiry::At(SystemTime::UNIX_EPOCH)))
        .await
        .unwrap();

    assert!(removes_the_cookie(&headers));
    assert!(site.memory.is_empty());
}

#[tokio::test]
async fn expiry_age_and_date_assume_that_the_session_is_saved_now() {
    let site = Site::with(|builder| builder.max_age(DAY));
    let session = site.sessions.new_session();
    assert_eq!(session.expiry_age(), DAY);
    assert_eq!(session.expiry_date(), site.clock.now() + DAY);

    let end = site.clock.now() + MINUTE;
    session.set_expiry(Expiry::At(end)).unwrap();
    site.clock.advance(Duration::from_secs(10));
    assert_eq!(session.expiry_age(), Duration::from_secs(50));
}

#[tokio::test]
async fn no_duration_overflows() {
    let site = Site::with(|builder| {
        builder
            .max_age(Duration::MAX)
            .max_lifetime(Duration::MAX)
            .slide_on_access(Duration::MAX - Duration::from_nanos(1))
    });
    let mut guest = site.guest().await;
    for expiry in [
        Expiry::Idle(Duration::MAX),
        Expiry::Policy,
        Expiry::BrowserClose,
    ] {
        guest
            .visit(|session| session.set_expiry(expiry))
            .await
            .unwrap();
        let (_, session) = guest.open().await;
        assert!(session.expiry_age() > DAY);
    }
    let headers = guest
        .visit(|session| session.set_expiry(Expiry::At(from_millis(i64::MAX))))
        .await
        .unwrap();
    assert!(
        set_cookie(&headers).unwrap().contains("Max-Age=34560000;"),
        "the age of the cookie is limited to 400 days"
    );
    site.clock
        .set(SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799));
    assert_eq!(
        guest.reads("n").await,
        Some(1),
        "the session lasts until the end of the year 9999"
    );
}

#[tokio::test]
async fn a_clock_that_goes_backwards_causes_no_panic() {
    let site = Site::with(|builder| builder.slide_on_access(MINUTE));
    let mut guest = site.guest().await;
    site.clock.set(SystemTime::UNIX_EPOCH);

    guest
        .visit(|session| session.get::<u64>("n").map(drop))
        .await
        .unwrap();
    guest.visit(|session| session.set("n", 2)).await.unwrap();
}

#[tokio::test]
async fn an_idle_time_below_a_second_does_not_end_the_session_at_its_next_save() {
    let site = Site::new();
    let mut guest = site.visitor();
    guest
        .visit(|s| {
            s.set("n", 1)?;
            s.set_expiry(Expiry::Idle(Duration::from_millis(900)))
        })
        .await
        .unwrap();
    site.clock.advance(Duration::from_millis(100));
    let cookie = guest.cookie.clone();
    guest.visit(|s| s.set("n", 2)).await.unwrap();
    guest.cookie = cookie;
    assert_eq!(
        guest.reads("n").await,
        Some(2),
        "the session is alive and has the value of the second save"
    );
}

#[tokio::test]
async fn max_age_counts_from_the_save() {
    let site = Site::new();
    let mut guest = site.visitor();

    let (handle, session) = guest.open().await;
    session.set("n", 1).unwrap();
    session.save().await.unwrap();
    site.clock.advance(Duration::from_millis(1));
    let headers = guest.finish(&handle).await.unwrap();

    let cookie = set_cookie(&headers).unwrap();
    assert!(cookie.contains("Max-Age=1209600;"), "{cookie}");
}

#[tokio::test]
async fn save_every_request_touches_the_session_and_sends_the_cookie_each_time() {
    let site = Site::with(|builder| builder.save_every_request(true));
    let mut guest = site.guest().await;

    for _ in 0..20 {
        site.clock.advance(Duration::from_secs(24 * 60 * 60));
        let handle = guest.request();
        let headers = guest.finish(&handle).await.unwrap();
        assert!(set_cookie(&headers).is_some());
        assert_eq!(headers["vary"], "Cookie");
        assert_eq!(site.spy.take(), [Call::Load, Call::Touch]);
    }

    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn save_every_request_creates_no_session_and_fails_no_response() {
    let site = Site::with(|builder| builder.save_every_request(true));
    let mut stranger = site.visitor();
    let handle = stranger.request();
    assert!(stranger.finish(&handle).await.unwrap().is_empty());
    assert_eq!(site.spy.take(), []);

    let mut guest = site.guest().await;
    for call in [Call::Load, Call::Touch] {
        site.flaky
            .fail_next(call, When::Before, ErrorKind::Unavailable);
        let handle = guest.request();
        let headers = guest.finish(&handle).await.unwrap();
        assert!(set_cookie(&headers).is_none());
    }
    let handle = guest.request();
    let headers = guest
        .finish_with(&handle, StatusCode::INTERNAL_SERVER_ERROR)
        .await
        .unwrap();
    assert!(headers.is_empty());
}
