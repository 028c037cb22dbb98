//! Requests with the old key of a session that has moved to a new key. The store has a
//! [tombstone](cloakroom::store::Tombstone) at the old key.

use std::time::Duration;

use cloakroom::store::{Draft, Meta, SaveId, Store};
use cloakroom::{Cookie, ErrorKind, Session, SessionKey, Sessions};
use cloakroom_testkit::wrap::{Call, When};
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};

use crate::site::{
    Site, Visitor, acknowledged_headers, kind, removes_the_cookie, set_cookie, stored,
};

#[tokio::test]
async fn a_read_with_the_old_key_is_empty_and_sets_no_cookie() {
    let site = Site::new();
    let (late, _) = logged_in(&site).await;

    let handle = late.request();
    assert!(handle.open_existing().await.unwrap().is_none());
    let session = handle.open().await.unwrap();
    assert!(session.is_new() && session.is_empty());
    assert_eq!((session.owner(), session.label()), (None, None));
    let headers = late.clone().finish(&handle).await.unwrap();

    assert_eq!(set_cookie(&headers), None);
    assert_eq!(site.spy.take(), [Call::Load]);
}

#[tokio::test]
async fn an_edit_with_the_old_key_is_refused_and_sets_no_cookie() {
    let edits: [fn(&Session) -> cloakroom::Result<()>; 4] = [
        |session| session.set("n", 9),
        |session| session.update("n", |n: &mut u64| *n += 1).map(drop),
        |session| session.set_default("n", 9).map(drop),
        |session| {
            session.set("n", 9)?;
            session.cycle_key()
        },
    ];
    for edit in edits {
        let site = Site::new();
        let (late, ada) = logged_in(&site).await;

        for saves_now in [false, true] {
            let (handle, session) = late.open().await;
            edit(&session).unwrap();
            if saves_now {
                assert_eq!(kind(session.save().await), ErrorKind::Interrupted);
            }
            let outcome = site.sessions.finish(&handle, StatusCode::OK).await;
            if !saves_now {
                assert_eq!(kind(outcome), ErrorKind::Interrupted);
            }
            assert_eq!(set_cookie(&acknowledged_headers(&handle)), None);
        }

        assert_eq!(ada.reads("n").await, Some(1));
        assert_eq!(stored(&site.memory).await, 1);
    }
}

#[tokio::test]
async fn the_layer_answers_an_edit_with_the_old_key_with_400() {
    let site = Site::new();
    let (late, _) = logged_in(&site).await;
    let service = site
        .sessions
        .layer()
        .layer(service_fn(async |request: Request<()>| {
            let handle = cloakroom::SessionHandle::of(request.extensions())?;
            handle.open().await?.set("n", 9)?;
            Ok::<_, cloakroom::Error>(Response::new(String::new()))
        }));

    let request = Request::builder().header("cookie", late.cookie.unwrap());
    let response = service.oneshot(request.body(()).unwrap()).await.unwrap();

    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(!response.headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn the_old_key_is_unknown_once_the_tombstone_has_expired() {
    for (age, configured) in [(60, None), (10, Some(10)), (3_600, Some(3_600))] {
        let site = Site::with(|builder| match configured {
            Some(secs) => builder.tombstone_age(Duration::from_secs(secs)),
            None => builder,
        });
        let (mut late, ada) = logged_in(&site).await;
        let increment = |session: &Session| session.update("n", |n: &mut u64| *n += 1).map(drop);

        site.clock
            .advance(Duration::from_secs(age) - Duration::from_millis(1));
        assert_eq!(kind(late.visit(increment).await), ErrorKind::Interrupted);
        site.clock.advance(Duration::from_millis(1));
        let headers = late.visit(increment).await.unwrap();

        assert!(set_cookie(&headers).is_some());
        assert_eq!(late.reads("n").await, Some(1), "a new session");
        assert_eq!(ada.reads("n").await, Some(1));
    }
}

#[tokio::test]
async fn a_second_login_of_the_same_user_gets_a_copy_and_both_keys_stay_valid() {
    let site = Site::new();
    let (mut late, mut ada) = logged_in(&site).await;
    ada.visit(|session| session.set("m", 5)).await.unwrap();

    let headers = late
        .visit(|session| {
            session.log_in("ada")?;
            session.update("n", |n: &mut u64| *n += 10).map(drop)
        })
        .await
        .unwrap();

    assert!(set_cookie(&headers).is_some());
    assert_ne!(late.cookie, ada.cookie);
    for (visitor, n) in [(&late, 11), (&ada, 1)] {
        let (_, session) = visitor.open().await;
        assert_eq!(session.owner(), Some("ada".into()));
        assert_eq!(session.get("n").unwrap(), Some(n));
        assert_eq!(session.get("m").unwrap(), Some(5));
    }
    assert_eq!(
        site.sessions.owned_by(&"ada".into()).await.unwrap().len(),
        2
    );
}

#[tokio::test]
async fn two_logins_that_race_give_two_sessions_with_the_items() {
    let site = Site::new();
    let guest = site.guest().await;
    let (mut first, mut second) = (guest.clone(), guest);
    let (slow, session) = second.open().await;
    session.log_in("ada").unwrap();
    first.visit(|session| session.log_in("ada")).await.unwrap();

    second.finish(&slow).await.unwrap();

    assert_ne!(first.cookie, second.cookie);
    for visitor in [first, second] {
        assert_eq!(visitor.reads("n").await, Some(1));
    }
}

#[tokio::test]
async fn a_login_of_another_user_with_the_old_key_gets_no_items() {
    let site = Site::new();
    let (mut late, ada) = logged_in(&site).await;

    late.visit(|session| session.log_in("grace")).await.unwrap();

    let (_, session) = late.open().await;
    assert_eq!(session.owner(), Some("grace".into()));
    assert!(session.is_empty());
    assert_eq!(ada.reads("n").await, Some(1));
}

/// An attacker gives the victim a key, waits until the victim has logged in, and then uses the key.
#[tokio::test]
async fn a_planted_key_never_leads_into_the_logged_in_session() {
    let site = Site::new();
    let (mut attacker, victim) = logged_in(&site).await;

    assert_eq!(attacker.reads("n").await, None);
    assert!(attacker.visit(|session| session.set("n", 9)).await.is_err());
    let key = attacker.cookie.as_deref().unwrap().split_once('=').unwrap();
    let opened = site.sessions.open(&SessionKey::new(key.1)).await.unwrap();
    assert!(opened.is_none());
    let headers = attacker.visit(Session::flush).await.unwrap();
    assert!(removes_the_cookie(&headers));
    assert_eq!(
        victim.reads("n").await,
        Some(1),
        "the victim stays logged in"
    );

    let (mut attacker, victim) = logged_in(&site).await;
    attacker
        .visit(|session| session.log_in("mallory"))
        .await
        .unwrap();
    assert_eq!(attacker.reads("n").await, None);
    assert_eq!(victim.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_new_key_without_a_login_leaves_a_tombstone_that_gives_no_items_to_a_login() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let mut late = guest.clone();
    guest.visit(Session::cycle_key).await.unwrap();

    assert!(late.visit(|session| session.set("n", 9)).await.is_err());
    let mut later = late.clone();
    late.visit(|session| session.log_in("ada")).await.unwrap();
    assert_eq!(late.reads("n").await, None);
    assert_eq!(guest.reads("n").await, Some(1));

    guest.visit(|session| session.log_in("ada")).await.unwrap();
    later.visit(|session| session.log_in("ada")).await.unwrap();
    assert_eq!(later.reads("n").await, None);
}

#[tokio::test]
async fn a_late_login_gets_a_copy_of_the_latest_items_but_nothing_after_a_logout() {
    let site = Site::new();
    let (mut late, mut ada) = logged_in(&site).await;
    for n in 2..5 {
        ada.visit(|session| {
            session.set("n", n)?;
            session.cycle_key()
        })
        .await
        .unwrap();
    }
    late.visit(|session| session.log_in("ada")).await.unwrap();
    assert_eq!(late.reads("n").await, Some(4));

    let (mut late, mut ada) = logged_in(&site).await;
    ada.visit(Session::flush).await.unwrap();
    late.visit(|session| session.log_in("ada")).await.unwrap();
    assert_eq!(late.reads("n").await, None);

    let (mut late, mut ada) = logged_in(&site).await;
    ada.visit(|session| session.log_in("grace")).await.unwrap();
    late.visit(|session| session.log_in("ada")).await.unwrap();
    assert_eq!(late.reads("n").await, None);
}

#[tokio::test]
async fn after_a_flush_the_old_key_may_begin_a_new_session() {
    let site = Site::new();
    let (mut late, ada) = logged_in(&site).await;

    let headers = late
        .visit(|session| {
            session.flush()?;
            session.set("n", 9)
        })
        .await
        .unwrap();

    assert!(set_cookie(&headers).is_some());
    assert_eq!(late.reads("n").await, Some(9));
    assert_eq!(ada.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_login_whose_answer_was_lost_is_found_although_a_tombstone_is_at_the_old_key() {
    for when in [When::Before, When::After] {
        let site = Site::new();
        let mut guest = site.guest().await;
        let late = guest.clone();
        site.flaky
            .fail_next(Call::Rename, when, ErrorKind::Unavailable);

        guest.visit(|session| session.log_in("ada")).await.unwrap();

        assert_eq!(guest.reads("n").await, Some(1), "{when:?}");
        assert_eq!(late.reads("n").await, None, "{when:?}");
        let owned = site.sessions.owned_by(&"ada".into()).await.unwrap();
        assert_eq!(owned.len(), 1, "{when:?}");
    }
}

#[tokio::test]
async fn a_live_session_takes_precedence_over_a_tombstone_in_another_cookie() {
    let site = Site::new();
    let (late, ada) = logged_in(&site).await;
    let stale = late.cookie.unwrap();
    for cookies in [
        format!("{stale}; {}", ada.cookie.as_deref().unwrap()),
        format!("{}; {stale}", ada.cookie.as_deref().unwrap()),
    ] {
        let both = Visitor {
            cookie: Some(cookies),
            ..ada.clone()
        };
        assert_eq!(both.reads("n").await, Some(1));
    }

    let unknown = format!("__Host-session={}", "A".repeat(43));
    let mut without_a_session = Visitor {
        cookie: Some(format!("{stale}; {unknown}")),
        ..ada
    };
    let outcome = without_a_session.visit(|session| session.set("n", 9)).await;
    assert_eq!(kind(outcome), ErrorKind::Interrupted);
}

#[tokio::test]
async fn a_session_that_moves_to_another_namespace_leaves_a_tombstone() {
    let site = Site::new();
    let old = Cookie::new("__Host-old");
    let sessions = |cookie| {
        Sessions::builder(site.spy.clone())
            .clock(site.clock.clone())
            .cookie(cookie)
            .build()
            .unwrap()
    };
    let mut guest = Visitor {
        sessions: sessions(old.clone()),
        cookie: None,
    };
    guest.visit(|session| session.set("n", 1)).await.unwrap();
    guest.sessions = sessions(Cookie::default().formerly(old));
    let mut late = guest.clone();
    guest.visit(|session| session.set("n", 2)).await.unwrap();

    let outcome = late.visit(|session| session.set("n", 9)).await;
    assert_eq!(kind(outcome), ErrorKind::Interrupted);
}

#[tokio::test]
async fn a_tombstone_that_lasts_too_long_or_cannot_be_read_is_ignored() {
    let site = Site::new();
    let key = SessionKey::new(&"A".repeat(43));
    let guest = site.guest().await;
    let cookie = |key: &SessionKey| Some(format!("__Host-session={}", key.reveal()));
    let store_key = {
        use cloakroom::format::{DefaultFormat, Format};
        DefaultFormat::new().store_key("__Host-session", &key)
    };
    let now = cloakroom::Clock::now(&site.clock);
    let minutes = |n: u64| now + Duration::from_secs(60 * n);
    let valid = br#"{"moved_to":"AAAA"}"#;
    for (data, expires, is_used) in [
        (&valid[..], minutes(1), true),
        (valid, minutes(6), true),
        (valid, minutes(6) + Duration::from_millis(1), false),
        (valid, now, false),
        (br#"{"moved_to":"!"}"#, minutes(1), false),
        (br#"{"items":{}}"#, minutes(1), false),
        (b"", minutes(1), false),
    ] {
        site.memory.delete(&store_key).await.unwrap();
        let meta = Meta::tombstone(now, expires);
        let bytes = [&b"\x01"[..], data].concat();
        let tombstone = Draft::new(bytes.into(), meta, SaveId::new(7));
        let _ = site.memory.create(&store_key, &tombstone).await.unwrap();

        let mut late = Visitor {
            cookie: cookie(&key),
            ..guest.clone()
        };
        let outcome = late.visit(|session| session.set("n", 9)).await;
        let text = String::from_utf8_lossy(data);
        assert_eq!(outcome.is_err(), is_used, "{text} until {expires:?}");
    }
}

#[tokio::test]
async fn sessions_and_tombstones_are_never_decoded_as_each_other() {
    use cloakroom::format::{DefaultFormat, Format};

    let format = DefaultFormat::new();
    let tombstone = b"\x01{\"moved_to\":\"AAAA\",\"owner\":\"ada\"}";
    let session = b"\x01{\"items\":{\"n\":1}}";
    assert!(format.decode_tombstone(&tombstone[..].into()).is_ok());
    assert!(format.decode(&session[..].into()).is_ok());
    let error = format.decode(&tombstone[..].into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let error = format.decode_tombstone(&session[..].into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

/// Returns two visitors: one with the key from before a login as ada, and one with the key from
/// after the login. The session has the item `n = 1`.
async fn logged_in(site: &Site) -> (Visitor, Visitor) {
    let mut ada = site.guest().await;
    let late = ada.clone();
    ada.visit(|session| session.log_in("ada")).await.unwrap();
    site.spy.take();
    (late, ada)
}
