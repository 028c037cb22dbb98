//! Sessions that are kept in the cookie: their secrecy, their limits and their missing guarantees.

use std::time::Duration;

use cloakroom::{Cookie, CookieBackend, ErrorKind, Expiry, Session, Sessions, limits};
use cloakroom_testkit::HandClock;
use data_encoding::BASE64URL_NOPAD;

use crate::site::{Visitor, kind, removes_the_cookie, set_cookie};

const SECRET: [u8; 32] = [7; 32];
const OTHER_SECRET: [u8; 32] = [8; 32];
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

#[tokio::test]
async fn every_write_seals_the_session_in_a_new_cookie() {
    let mut visitor = with_secret(&SECRET);
    assert_eq!(visitor.reads("n").await, None);

    visitor.visit(|session| session.set("n", 1)).await.unwrap();
    let before = visitor.cookie.clone();
    visitor
        .visit(|session| session.update("n", |n: &mut u64| *n += 1).map(drop))
        .await
        .unwrap();

    assert_ne!(visitor.cookie, before);
    assert_eq!(visitor.reads("n").await, Some(2));
}

#[tokio::test]
async fn owner_label_and_expiry_are_in_the_cookie() {
    let mut visitor = with_secret(&SECRET);
    visitor
        .visit(|session| {
            session.log_in("ada")?;
            session.set_label("a phone")?;
            session.set_expiry(Expiry::Idle(Duration::from_secs(60)))
        })
        .await
        .unwrap();

    let (_, session) = visitor.open().await;
    assert_eq!(session.owner(), Some("ada".into()));
    assert_eq!(session.label().as_deref(), Some("a phone"));
    assert_eq!(session.expiry(), Expiry::Idle(Duration::from_secs(60)));
}

#[tokio::test]
async fn the_sealed_expiry_is_enforced_on_the_server() {
    let clock = HandClock::new();
    let mut visitor = with_backend(CookieBackend::new(&SECRET).unwrap(), &clock);
    visitor.visit(|session| session.set("n", 1)).await.unwrap();

    clock.advance(DEFAULT_MAX_AGE - Duration::from_millis(1));
    assert_eq!(visitor.reads("n").await, Some(1));
    clock.advance(Duration::from_millis(1));
    assert_eq!(visitor.reads("n").await, None);
}

#[tokio::test]
async fn a_cookie_with_any_bit_changed_opens_nothing() {
    let mut visitor = with_secret(&SECRET);
    visitor.visit(|session| session.set("n", 1)).await.unwrap();
    let sealed = value(&visitor);

    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(reads(&visitor, &changed).await, None, "bit {bit}");
    }
    for len in 0..sealed.len() {
        assert_eq!(reads(&visitor, &sealed[..len]).await, None, "cut to {len}");
    }
    assert_eq!(reads(&visitor, &sealed).await, Some(1));
}

#[tokio::test]
async fn the_cookie_does_not_reveal_its_contents() {
    let mut visitor = with_secret(&SECRET);
    visitor
        .visit(|session| session.set("password hint", "the dog's name"))
        .await
        .unwrap();

    let sealed = value(&visitor);
    for text in ["password", "dog", "items"] {
        assert!(
            !sealed
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        );
    }
}

#[tokio::test]
async fn a_fallback_opens_the_cookie_but_another_secret_does_not() {
    let mut visitor = with_secret(&SECRET);
    visitor.visit(|session| session.set("n", 1)).await.unwrap();
    let sealed = value(&visitor);

    assert_eq!(reads(&with_secret(&OTHER_SECRET), &sealed).await, None);
    let rotated = CookieBackend::new(&OTHER_SECRET)
        .unwrap()
        .fallback(&SECRET)
        .unwrap();
    let mut rotated = with_backend(rotated, &HandClock::new());
    rotated.cookie = visitor.cookie.clone();
    assert_eq!(rotated.reads("n").await, Some(1));

    rotated.visit(|session| session.set("n", 2)).await.unwrap();
    assert_eq!(
        reads(&with_secret(&OTHER_SECRET), &value(&rotated)).await,
        Some(2),
        "the write seals the session with the new secret"
    );
}

#[tokio::test]
async fn a_site_of_several_servers_replaces_its_secret_without_losing_a_visitor() {
    let clock = HandClock::new();
    let old = || CookieBackend::new(&SECRET).unwrap();
    let both = || old().fallback(&OTHER_SECRET).unwrap();
    let new = || {
        let new = CookieBackend::new(&OTHER_SECRET).unwrap();
        new.fallback(&SECRET).unwrap()
    };
    let mut servers = [(); 3].map(|()| with_backend(old(), &clock).sessions);
    let mut visitor = with_backend(old(), &clock);
    visitor.visit(|session| session.set("n", 0)).await.unwrap();
    let mut visits = 0;

    // Each server is restarted with the new secret as the fallback, and later as the current one.
    for step in [&both as &dyn Fn() -> CookieBackend, &new] {
        for restarted in 0..servers.len() {
            servers[restarted] = with_backend(step(), &clock).sessions;
            for server in &servers {
                visitor.sessions = server.clone();
                assert_eq!(visitor.reads("n").await, Some(visits));
                visits += 1;
                visitor
                    .visit(|session| session.set("n", visits))
                    .await
                    .unwrap();
            }
        }
    }
    let only_new = CookieBackend::new(&OTHER_SECRET).unwrap();
    visitor.sessions = with_backend(only_new, &clock).sessions;
    assert_eq!(visitor.reads("n").await, Some(visits));
}

#[tokio::test]
async fn a_late_page_that_extends_the_session_undoes_a_logout() {
    let clock = HandClock::new();
    let backend = CookieBackend::new(&SECRET).unwrap();
    let sessions = Sessions::builder(backend)
        .clock(clock.clone())
        .slide_on_access(Duration::from_secs(60));
    let mut visitor = Visitor {
        sessions: sessions.build().unwrap(),
        cookie: None,
    };
    visitor
        .visit(|session| session.log_in("ada"))
        .await
        .unwrap();
    clock.advance(Duration::from_secs(90));
    let (late, _) = visitor.open().await;

    visitor.visit(Session::flush).await.unwrap();
    assert_eq!(visitor.cookie, None);
    visitor.finish(&late).await.unwrap();

    assert!(
        visitor.cookie.is_some(),
        "the documented limit of this backend"
    );
}

#[tokio::test]
async fn a_cookie_is_valid_only_under_its_own_name() {
    let mut visitor = with_secret(&SECRET);
    visitor.visit(|session| session.set("n", 1)).await.unwrap();

    let staff = Sessions::builder(CookieBackend::new(&SECRET).unwrap())
        .cookie(Cookie::new("__Host-staff"))
        .clock(HandClock::new())
        .build()
        .unwrap();
    let cookie = visitor
        .cookie
        .unwrap()
        .replace("__Host-session", "__Host-staff");
    let staff = Visitor {
        sessions: staff,
        cookie: Some(cookie),
    };
    assert_eq!(staff.reads("n").await, None);
}

#[tokio::test]
async fn a_session_too_large_for_a_cookie_is_an_error() {
    let mut visitor = with_secret(&SECRET);
    visitor.visit(|session| session.set("n", 1)).await.unwrap();
    let max_size = visitor.sessions.guarantees().max_size.unwrap();
    let json = "\x01{\"items\":{\"n\":1,\"large\":\"\"}}".len();

    let fits = "x".repeat(max_size - json - limits::OWNER_BYTES);
    let headers = visitor
        .visit(|session| session.set("large", fits.as_str()))
        .await
        .unwrap();
    let pair = set_cookie(&headers).unwrap().split(';').next().unwrap();
    let reserved = limits::OWNER_BYTES * 4 / 3;
    assert!(
        (3_060..=3_072).contains(&(pair.len() + reserved)),
        "{}",
        pair.len()
    );

    let error = visitor
        .visit(|session| session.set("large", format!("{fits}x")))
        .await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(
        error.to_string().contains("or sessions in another store"),
        "{error}"
    );
    assert_eq!(visitor.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_cookie_of_any_allowed_size_can_be_configured() {
    for bytes in [512, 3_072, 4_096] {
        let backend = CookieBackend::new(&SECRET).unwrap();
        let backend = backend.max_cookie_bytes(bytes).unwrap();
        let sessions = Sessions::new(backend);
        let max_size = sessions.guarantees().max_size.unwrap();
        let session = sessions.new_session();
        session.log_in("ada").unwrap();
        let json = "\x01{\"items\":{\"large\":\"\"}}ada".len();
        session.set("large", "x".repeat(max_size - json)).unwrap();
        session.save().await.unwrap();

        let pair = "__Host-session=".len() + session.key().unwrap().reveal().len();
        assert!((bytes - 4..=bytes).contains(&pair), "{pair} of {bytes}");
        session.set("larger", "x".repeat(4)).unwrap();
        assert_eq!(kind(session.save().await), ErrorKind::TooLarge);
    }
    for bytes in [0, 511, 4_097] {
        let backend = CookieBackend::new(&SECRET).unwrap();
        let error = backend.max_cookie_bytes(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{bytes}");
    }
}

#[tokio::test]
async fn the_guarantees_exclude_what_a_cookie_cannot_promise() {
    let mut visitor = with_secret(&SECRET);
    visitor
        .visit(|session| session.log_in("ada"))
        .await
        .unwrap();
    let copy = visitor.clone();
    let guarantees = visitor.sessions.guarantees();
    assert!(!guarantees.compares && !guarantees.revokes && !guarantees.owners);

    let headers = visitor.visit(Session::flush).await.unwrap();

    assert!(removes_the_cookie(&headers));
    let (_, session) = copy.open().await;
    assert_eq!(
        session.owner(),
        Some("ada".into()),
        "a copy of the cookie outlives the logout"
    );
    let listed = visitor.sessions.owned_by(&"ada".into()).await;
    assert_eq!(kind(listed), ErrorKind::Unsupported);
    let tagged = visitor.sessions.open_tagged(&session.tag().unwrap()).await;
    assert_eq!(kind(tagged), ErrorKind::Unsupported);
}

#[tokio::test]
async fn sliding_seals_the_new_times() {
    let clock = HandClock::new();
    let sessions = Sessions::builder(CookieBackend::new(&SECRET).unwrap())
        .clock(clock.clone())
        .slide_on_access(Duration::from_secs(60));
    let mut visitor = Visitor {
        sessions: sessions.build().unwrap(),
        cookie: None,
    };
    visitor.visit(|session| session.set("n", 1)).await.unwrap();
    // One step of the clock is shorter than the idle time; all three together are longer.
    for _ in 0..3 {
        clock.advance(DEFAULT_MAX_AGE / 2);
        visitor
            .visit(|session| session.get::<u64>("n").map(drop))
            .await
            .unwrap();
    }

    assert_eq!(visitor.reads("n").await, Some(1));
}

#[test]
fn a_short_secret_is_refused_and_no_secret_is_shown() {
    let error = CookieBackend::new(b"open sesame").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let shown = format!("{error:?} {:?}", CookieBackend::new(&[b's'; 32]).unwrap());
    assert!(
        !shown.contains("open sesame") && !shown.contains("ssss"),
        "{shown}"
    );
}

fn with_secret(secret: &[u8]) -> Visitor {
    with_backend(CookieBackend::new(secret).unwrap(), &HandClock::new())
}

fn with_backend(backend: CookieBackend, clock: &HandClock) -> Visitor {
    let sessions = Sessions::builder(backend).clock(clock.clone());
    Visitor {
        sessions: sessions.build().unwrap(),
        cookie: None,
    }
}

/// Returns the sealed bytes in the visitor's cookie.
fn value(visitor: &Visitor) -> Vec<u8> {
    let cookie = visitor.cookie.as_deref().unwrap();
    let value = cookie.split_once('=').unwrap().1;
    BASE64URL_NOPAD.decode(value.as_bytes()).unwrap()
}

/// Returns the item `n` that the server reads for a browser with these bytes in its cookie.
async fn reads(visitor: &Visitor, sealed: &[u8]) -> Option<u64> {
    let mut visitor = visitor.clone();
    visitor.cookie = Some(format!("__Host-session={}", BASE64URL_NOPAD.encode(sealed)));
    visitor.reads("n").await
}
