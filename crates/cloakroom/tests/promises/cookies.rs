//! Which cookie opens a session if the browser sends several cookies with one name, or cookies with
//! former names.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use cloakroom::store::MemoryStore;
use cloakroom::{
    Backend, Cookie, CookieBackend, Error, ErrorKind, SameSite, Session, SessionKey, Sessions,
    SessionsBuilder,
};
use cloakroom_testkit::wrap::{Call, When};
use cloakroom_testkit::{Browser, HandClock};

use crate::site::{Site, Visitor, kind, removes_the_cookie, stored};

#[tokio::test]
async fn of_several_cookies_the_only_one_with_a_live_session_is_used() {
    let site = Site::new();
    let (dead, alive) = (ended(&site).await, site.guest().await);

    for both in [joined(&[&dead, &alive]), joined(&[&alive, &dead])] {
        let mut visitor = sending(&site, both);
        visitor.visit(increment).await.unwrap();

        let [_, others @ ..] = &*site.spy.take() else {
            panic!("the store was called");
        };
        assert_eq!(others, [Call::Load, Call::Save]);
    }
    assert_eq!(alive.reads("n").await, Some(3));
}

#[tokio::test]
async fn malformed_and_equal_cookies_beside_a_key_cost_no_extra_load() {
    let site = Site::new();
    let guest = site.guest().await;
    let sent = guest.cookie.clone().unwrap();
    let visitor = sending(&site, format!("__Host-session=x; {sent}; {sent}"));

    assert_eq!(visitor.reads("n").await, Some(1));
    assert_eq!(site.spy.take(), [Call::Load]);
}

#[tokio::test]
async fn neither_of_two_live_cookies_is_used_and_reading_changes_neither() {
    let site = Site::new();
    let (one, other) = (site.guest().await, site.guest().await);
    let mut browser = sending(&site, joined(&[&one, &other]));

    let headers = browser
        .visit(|session| session.get::<u64>("n").map(|n| assert_eq!(n, None)))
        .await
        .unwrap();

    assert!(!headers.contains_key("set-cookie"));
    assert_eq!(one.reads("n").await, Some(1));
    assert_eq!(other.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_login_with_two_live_cookies_ends_both_so_that_the_next_request_is_logged_in() {
    let site = Site::new();
    let (old, planted) = (site.guest().await, site.guest().await);
    let mut browser = sending(&site, joined(&[&planted, &old]));

    browser
        .visit(|session| session.log_in("ada"))
        .await
        .unwrap();

    assert_eq!(
        site.memory.len(),
        1,
        "the login ended both earlier sessions"
    );
    // The response replaced one of the two earlier cookies. Which one depends on their attributes,
    // so the browser may still send either.
    for left in [&old, &planted] {
        let next = sending(&site, joined(&[left, &browser]));
        assert_eq!(next.open().await.1.owner(), Some("ada".into()));
    }
}

#[tokio::test]
async fn a_logout_with_two_live_cookies_ends_both() {
    let site = Site::new();
    let (one, other) = (site.guest().await, site.guest().await);
    let mut browser = sending(&site, joined(&[&one, &other]));

    let headers = browser.visit(Session::flush).await.unwrap();

    assert!(removes_the_cookie(&headers));
    assert!(site.memory.is_empty());
}

#[tokio::test]
async fn more_than_four_keys_are_not_loaded() {
    let site = Site::new();
    let guest = site.guest().await;
    let mut keys = Vec::new();
    for _ in 0..4 {
        keys.push(ended(&site).await);
    }
    site.spy.take();

    let four = sending(&site, joined(&[&keys[0], &keys[1], &keys[2], &guest]));
    assert_eq!(four.reads("n").await, Some(1));
    assert_eq!(site.spy.take(), [Call::Load; 4]);

    keys.push(guest);
    let five: Vec<&Visitor> = keys.iter().collect();
    assert_eq!(sending(&site, joined(&five)).reads("n").await, None);
    assert_eq!(site.spy.take(), []);
}

#[tokio::test]
async fn a_key_opens_nothing_under_another_cookie_name() {
    let site = Site::new();
    let guest = site.guest().await;
    let staff = with_cookie(&site, Cookie::new("__Host-staff"));
    let key = guest.cookie.as_deref().unwrap().split_once('=').unwrap().1;

    let thief = Visitor {
        cookie: Some(format!("__Host-staff={key}")),
        sessions: staff,
    };
    assert_eq!(thief.reads("n").await, None);
    let key = SessionKey::new(key);
    assert!(thief.sessions.open(&key).await.unwrap().is_none());
    assert!(site.sessions.open(&key).await.unwrap().is_some());
}

#[test]
fn over_plain_http_the_default_cookie_has_a_name_that_other_frameworks_do_not_use() {
    let taken = [
        "session",
        "sessionid",
        "sid",
        "id",
        "connect.sid",
        "JSESSIONID",
        "PHPSESSID",
    ];
    let cookie = Cookie::default().plain_http();
    assert!(!taken.contains(&cookie.name()), "{}", cookie.name());
    assert!(
        Sessions::builder(MemoryStore::new())
            .cookie(cookie)
            .build()
            .is_ok()
    );
    assert_eq!(Cookie::new("__Host-shop").plain_http().name(), "shop");
    assert_eq!(Cookie::new("session").plain_http().name(), "session");
}

#[tokio::test]
async fn opening_fails_if_the_store_fails_for_one_of_several_cookies() {
    let site = Site::new();
    let (one, other) = (site.guest().await, site.guest().await);
    let browser = sending(&site, joined(&[&one, &other]));
    site.flaky
        .fail_every(2, Call::Load, When::Before, ErrorKind::Unavailable);

    let handle = browser.request();
    assert_eq!(kind(handle.open().await), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn several_cookies_are_loaded_within_one_time_limit() {
    let site = Site::new();
    let (one, other) = (site.guest().await, site.guest().await);
    let handle = sending(&site, joined(&[&one, &other])).request();
    site.gate.close(When::Before, Call::Load);
    let begun = tokio::time::Instant::now();

    let opening = tokio::spawn(async move { handle.open().await });
    tokio::time::sleep(Duration::from_secs(3)).await;
    site.gate.let_one_pass(When::Before, Call::Load);

    assert_eq!(kind(opening.await.unwrap()), ErrorKind::Timeout);
    assert_eq!(site.spy.take(), [Call::Load; 2]);
    let limit = "the limit of 5 s is for both cookies together";
    assert!(begun.elapsed() < Duration::from_secs(6), "{limit}");
}

/// Every way in which a site can change its cookie: a description, the cookie before the change,
/// and the cookie after the change. The first four keep the name and the namespace of the cookie.
/// The fifth changes the name, and the sixth the namespace.
fn changes() -> [(&'static str, Cookie, Cookie); 6] {
    let secure = || Cookie::new("__Secure-sid");
    [
        ("to host only", secure().domain("library.example"), secure()),
        ("to a domain", secure(), secure().domain("library.example")),
        ("to another path", secure().path("/members"), secure()),
        (
            "to a partitioned cookie",
            Cookie::default().same_site(SameSite::None),
            Cookie::default()
                .same_site(SameSite::None)
                .partitioned(true),
        ),
        (
            "to another name",
            Cookie::new("sid").domain("library.example"),
            Cookie::default(),
        ),
        (
            "to another namespace",
            secure(),
            secure().namespace("members"),
        ),
    ]
}

#[tokio::test]
async fn a_former_cookie_opens_its_session_and_is_removed_by_the_next_set_cookie() {
    for (change, old, new) in changes() {
        for path in ["/write", "/login", "/slide"] {
            for changed in [Changed::in_a_store(), Changed::in_the_cookie()] {
                let browser = changed
                    .browser(&old, &new.clone().formerly(old.clone()))
                    .await;
                assert_eq!(browser.get("/members/read").await.text(), "1", "{change}");
                assert_eq!(
                    browser.cookies().len(),
                    1,
                    "{change}: reading changes nothing"
                );

                if path == "/slide" {
                    changed.clock.advance(A_WEEK);
                    browser.get("/members/read").await;
                } else {
                    let page = browser.get(&format!("/members{path}")).await;
                    assert!(page.status.is_success(), "{change} {path}");
                }

                let [cookie] = &*browser.cookies() else {
                    panic!("{change} {path}: {:?}", browser.cookies());
                };
                let attributes = new.attributes();
                assert_eq!(cookie.name, new.name(), "{change} {path}");
                assert_eq!(cookie.host_only, attributes.domain.is_none());
                assert_eq!(cookie.path, attributes.path);
                assert_eq!(cookie.partitioned, attributes.partitioned);
                assert_eq!(browser.get("/members/read").await.text(), "1");
                assert_eq!(browser.dropped(), [""; 0]);

                browser.get("/members/logout").await;
                assert!(browser.cookies().is_empty(), "{change} {path}");
                assert_eq!(stored(&changed.memory).await, 0, "{change} {path}");
            }
        }
    }
}

#[tokio::test]
async fn without_a_declaration_a_former_name_or_namespace_opens_nothing() {
    for (change, old, new) in changes().into_iter().skip(4) {
        let changed = Changed::in_a_store();
        let browser = changed.browser(&old, &new).await;
        assert_eq!(browser.get("/members/read").await.text(), "0", "{change}");
    }
}

#[tokio::test]
async fn an_undeclared_change_of_an_attribute_locks_no_visitor_out() {
    for (change, old, new) in changes().into_iter().take(4) {
        let changed = Changed::in_a_store();
        let browser = changed.browser(&old, &new).await;

        browser.get("/members/login").await;

        assert_eq!(
            browser.cookies().len(),
            2,
            "{change}: the browser sends both cookies"
        );
        assert_eq!(browser.get("/members/read").await.text(), "1", "{change}");
        assert_eq!(stored(&changed.memory).await, 1, "{change}");
    }
}

#[tokio::test]
async fn saving_moves_a_session_out_of_a_former_namespace_but_touching_does_not() {
    let site = Site::new();
    let old = Cookie::new("__Host-old");
    let mut before = Visitor {
        sessions: with_cookie(&site, old.clone()),
        cookie: None,
    };
    before.visit(|session| session.set("n", 1)).await.unwrap();
    let new = Sessions::builder(site.spy.clone())
        .clock(site.clock.clone())
        .cookie(Cookie::default().formerly(old))
        .slide_on_access(A_WEEK)
        .sweep(None);
    let mut visitor = Visitor {
        sessions: new.build().unwrap(),
        cookie: before.cookie.clone(),
    };
    let key = SessionKey::new(before.cookie.as_deref().unwrap().split_once('=').unwrap().1);
    assert!(visitor.sessions.open(&key).await.unwrap().is_some());
    site.spy.take();

    site.clock.advance(A_WEEK);
    visitor.visit(|_| Ok(())).await.unwrap();
    assert_eq!(site.spy.take(), [Call::Load, Call::Touch]);
    visitor.cookie = Some(format!("__Host-session={}", key.reveal()));
    assert_eq!(visitor.reads("n").await, Some(1));
    assert_eq!(site.spy.take(), [Call::Load, Call::Load]);

    visitor.visit(increment).await.unwrap();
    assert_eq!(site.spy.take(), [Call::Load, Call::Load, Call::Rename]);
    assert_ne!(
        visitor.cookie,
        Some(format!("__Host-session={}", key.reveal()))
    );
    assert_eq!(before.reads("n").await, None, "the old key opens nothing");
    site.spy.take();

    visitor.visit(increment).await.unwrap();
    assert_eq!(visitor.reads("n").await, Some(3));
    assert_eq!(site.spy.take(), [Call::Load, Call::Save, Call::Load]);
}

#[tokio::test]
async fn a_key_of_the_current_namespace_opens_nothing_under_a_former_name() {
    for backend in [Changed::in_a_store(), Changed::in_the_cookie()] {
        let cookie = Cookie::default().formerly(Cookie::new("sid"));
        let sessions = backend.sessions(&cookie);
        let mut attacker = Visitor {
            sessions,
            cookie: None,
        };
        attacker.visit(|session| session.set("n", 1)).await.unwrap();
        let planted = attacker.cookie.unwrap().replace("__Host-session", "sid");
        let victim = Visitor {
            cookie: Some(planted),
            sessions: attacker.sessions,
        };
        assert_eq!(victim.reads("n").await, None);
    }
}

#[tokio::test]
async fn a_request_without_former_cookies_removes_no_cookie() {
    let (_, old, new) = changes()[4].clone();
    let changed = Changed::in_a_store();
    let mut visitor = Visitor {
        sessions: changed.sessions(&new.formerly(old)),
        cookie: None,
    };
    for _ in 0..2 {
        let headers = visitor.visit(|session| session.set("n", 1)).await.unwrap();
        assert_eq!(headers.get_all("set-cookie").iter().count(), 1);
    }
}

/// A site that changes its cookie.
struct Changed {
    backend: Backend,
    memory: Arc<MemoryStore>,
    clock: HandClock,
}

impl Changed {
    fn in_a_store() -> Self {
        let memory = Arc::new(MemoryStore::new());
        Self {
            backend: Arc::clone(&memory).into(),
            memory,
            clock: HandClock::new(),
        }
    }

    fn in_the_cookie() -> Self {
        Self {
            backend: CookieBackend::new(&[7; 32]).unwrap().into(),
            ..Self::in_a_store()
        }
    }

    fn sessions(&self, cookie: &Cookie) -> Sessions {
        let builder: SessionsBuilder = Sessions::builder(self.backend.clone());
        let builder = builder.clock(self.clock.clone()).cookie(cookie.clone());
        builder.slide_on_access(A_WEEK).sweep(None).build().unwrap()
    }

    /// Returns a browser that got the cookie `old` before the change, and that calls the site after
    /// the change, when the site's cookie is `new`.
    async fn browser(&self, old: &Cookie, new: &Cookie) -> Browser<Router> {
        let app = Router::new()
            .route(
                "/members/read",
                get(async |session: Session| Ok::<_, Error>(session.get_or("n", 0)?.to_string())),
            )
            .route(
                "/members/write",
                get(async |session: Session| session.set("other", 1)),
            )
            .route(
                "/members/login",
                get(async |session: Session| session.log_in("ada")),
            )
            .route(
                "/members/logout",
                get(async |session: Session| session.flush()),
            )
            .layer(self.sessions(new).layer());
        let browser = Browser::https(app).clock(&self.clock);
        let mut before = Visitor {
            sessions: self.sessions(old),
            cookie: None,
        };
        let headers = before.visit(|session| session.set("n", 1)).await.unwrap();
        browser.receive(headers["set-cookie"].to_str().unwrap());
        assert_eq!(browser.dropped(), [""; 0]);
        browser
    }
}

const A_WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn increment(session: &Session) -> cloakroom::Result<()> {
    session.update("n", |n: &mut u64| *n += 1).map(drop)
}

/// Returns a visitor whose session has been ended on the server.
async fn ended(site: &Site) -> Visitor {
    let guest = site.guest().await;
    guest.clone().visit(Session::flush).await.unwrap();
    site.spy.take();
    guest
}

fn sending(site: &Site, cookie: String) -> Visitor {
    Visitor {
        cookie: Some(cookie),
        ..site.visitor()
    }
}

fn joined(visitors: &[&Visitor]) -> String {
    let sent: Vec<&str> = visitors
        .iter()
        .map(|visitor| visitor.cookie.as_deref().unwrap())
        .collect();
    sent.join("; ")
}

/// Returns a `Sessions` value that uses the store of `site` and another cookie.
fn with_cookie(site: &Site, cookie: Cookie) -> Sessions {
    Sessions::builder(site.spy.clone())
        .clock(site.clock.clone())
        .cookie(cookie)
        .sweep(None)
        .build()
        .unwrap()
}
