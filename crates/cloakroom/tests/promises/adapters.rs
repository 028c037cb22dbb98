//! The tower layer and the axum extractors, as a browser sees them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use cloakroom::store::MemoryStore;
use cloakroom::tower::RequestInfo;
use cloakroom::{
    Cookie, Error, ErrorKind, Owner, Result, Session, SessionHandle, SessionKey, SessionTag,
    Sessions,
};
use cloakroom_testkit::Browser;
use cloakroom_testkit::wrap::{Call, When};
use http::{HeaderMap, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};

use crate::site::Site;

#[tokio::test]
async fn each_browser_has_its_own_counter() {
    let site = Site::new();
    let (one, other) = (browser(&site), browser(&site));

    for visit in 1..=3 {
        assert_eq!(one.get("/").await.text(), visit.to_string());
    }
    assert_eq!(other.get("/").await.text(), "1");
    assert_eq!(one.dropped(), [""; 0]);
}

#[tokio::test]
async fn a_route_that_does_not_open_the_session_adds_no_header_and_calls_no_store() {
    let site = Site::new();
    let browser = browser(&site);
    browser.get("/").await;
    site.spy.take();

    let page = browser.get("/static").await;

    assert_eq!(page.text(), "untouched");
    assert!(page.header("vary").is_none() && page.header("set-cookie").is_none());
    assert_eq!(site.spy.calls(), []);
}

#[tokio::test]
async fn a_key_outside_of_the_cookie_is_ignored() {
    let site = Site::new();
    let key = site.guest().await.cookie.unwrap();
    let key = key.split_once('=').unwrap().1.to_owned();
    let pair = format!("__Host-session={key}");
    let requests = [
        Request::get(format!("/?{pair}")),
        Request::get(format!("/?session={key}")),
        Request::post("/").header("content-type", "application/x-www-form-urlencoded"),
        Request::get("/").header("x-session", &key),
        Request::get("/").header("authorization", format!("Bearer {key}")),
        Request::get("/").header("set-cookie", &pair),
        Request::get("/").header("cookie2", &pair),
    ];
    let service = site
        .sessions
        .layer()
        .layer(service_fn(async |request: Request| {
            let session = SessionHandle::of(request.extensions())?.open().await?;
            Ok::<_, Error>(Response::new(Body::from(session.is_new().to_string())))
        }));
    for request in requests {
        let request = request.body(Body::from(pair.clone())).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();

        let body = axum::body::to_bytes(response.into_body(), 100).await;
        assert_eq!(body.unwrap(), "true");
        assert_eq!(site.spy.take(), [], "the key is not looked up");
    }
}

#[tokio::test]
async fn an_optional_session_exists_only_if_the_browser_has_one() {
    let site = Site::new();
    let browser = browser(&site);

    let page = browser.get("/optional").await;
    assert_eq!(
        (page.text(), page.header("vary")),
        ("stranger", Some("Cookie"))
    );
    assert_eq!(site.spy.calls(), []);
    browser.get("/").await;

    assert_eq!(browser.get("/optional").await.text(), "guest");
}

#[tokio::test]
async fn a_middleware_and_the_handler_share_one_session() {
    let site = Site::new();
    let app = Router::new()
        .route("/", get(count))
        .layer(from_fn(
            async |handle: SessionHandle, request: Request, next: Next| {
                handle.open().await?.set("num_visits", 10)?;
                Ok::<Response, Error>(next.run(request).await)
            },
        ))
        .layer(site.sessions.layer());

    assert_eq!(Browser::https(app).get("/").await.text(), "11");
    assert_eq!(site.spy.calls(), [Call::Create]);
}

#[tokio::test]
async fn a_failed_load_is_a_503_with_retry_after_and_keeps_the_cookie() {
    let site = Site::new();
    let browser = browser(&site);
    browser.get("/").await;
    let cookie = browser.cookies();
    site.flaky
        .fail_next(Call::Load, When::Before, ErrorKind::Unavailable);

    let page = browser.get("/").await;

    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.header("retry-after"), Some("2"));
    assert!(page.header("set-cookie").is_none());
    assert_eq!(
        page.text(),
        "This page cannot be shown at the moment. Please try again in a few seconds.\n"
    );
    assert_eq!(browser.cookies().len(), cookie.len());
    assert_eq!(
        browser.get("/").await.text(),
        "2",
        "the refused visit was not counted"
    );
}

#[tokio::test]
async fn a_failed_save_is_a_503_and_replaces_the_handlers_page() {
    let site = Site::new();
    let browser = browser(&site);
    browser.get("/").await;
    site.flaky
        .fail_every(1, Call::Save, When::Before, ErrorKind::Unavailable);

    let page = browser.get("/").await;

    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.header("retry-after"), Some("2"));
    assert!(page.header("set-cookie").is_none());
    assert!(page.header("x-handler").is_none() && !page.text().contains('2'));
}

#[tokio::test]
async fn an_interrupted_request_is_answered_with_400() {
    let site = Site::new();
    let browser = browser(&site);
    browser.get("/").await;
    site.gate.close(When::Before, Call::Save);

    let tab = browser.clone();
    let slow = tokio::spawn(async move { tab.get("/").await });
    site.gate.reached(When::Before, Call::Save, 1).await;
    browser.get("/logout").await;
    site.gate.open(When::Before, Call::Save);
    let page = slow.await.unwrap();

    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.header("set-cookie").is_none());
    assert!(site.memory.is_empty());
}

#[tokio::test]
async fn on_error_answers_every_session_error() {
    let site = Site::new();
    let app = routes().layer(
        site.sessions
            .layer()
            .on_error(|error: &Error, _: &RequestInfo| {
                let status = error.kind().status();
                (status, format!("custom page for {:?}", error.kind())).into_response()
            }),
    );
    let browser = Browser::https(app);
    browser.get("/").await;

    let page = browser.get("/wrong-type").await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(page.text(), "custom page for BadValue");
    site.flaky
        .fail_next(Call::Load, When::Before, ErrorKind::Unavailable);
    let page = browser.get("/").await;
    assert_eq!(page.text(), "custom page for Unavailable");
    assert_eq!(page.header("retry-after"), Some("2"));
    site.flaky
        .fail_every(1, Call::Save, When::Before, ErrorKind::Full);
    assert_eq!(browser.get("/").await.text(), "custom page for Full");
}

#[tokio::test]
async fn a_key_saved_before_an_error_reaches_the_browser() {
    let site = Site::new();
    let browser = browser(&site);
    browser.get("/").await;
    site.flaky
        .fail_every(1, Call::Save, When::Before, ErrorKind::Unavailable);

    let page = browser.get("/cycle-then-write").await;
    site.flaky.heal();

    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        browser.get("/").await.text(),
        "2",
        "the browser has the new key"
    );
}

#[tokio::test]
async fn a_handler_without_a_layer_gets_an_error_that_says_what_to_do() {
    let parts = &mut Request::new(Body::empty()).into_parts().0;
    let error = <Session as axum::extract::FromRequestParts<()>>::from_request_parts(parts, &());

    let error = error.await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("`.layer(sessions.layer())`"),
        "{error}"
    );
}

#[tokio::test]
async fn several_layers_with_different_cookies_and_stores_work_in_one_app() {
    let (visitors, staff) = (Site::new(), MemoryStore::new());
    let staff = Sessions::builder(staff)
        .cookie(Cookie::new("__Host-staff"))
        .build()
        .unwrap();
    let app = Router::new()
        .route("/staff", get(count))
        .route(
            "/both",
            get(async |inner: Session, handle: SessionHandle| {
                let outer = handle
                    .named("__Host-session")
                    .expect("the outer layer")
                    .open()
                    .await?;
                let visits = (
                    inner.get::<u64>("num_visits")?,
                    outer.get::<u64>("num_visits")?,
                );
                outer.set("seen_by_staff", true)?;
                assert!(handle.named("__Host-other").is_none());
                Ok::<_, Error>(format!("{visits:?}"))
            }),
        )
        .layer(staff.layer())
        .route("/", get(count))
        .layer(visitors.sessions.layer());
    let browser = Browser::https(app);

    assert_eq!(browser.get("/").await.text(), "1");
    assert_eq!(browser.get("/").await.text(), "2");
    assert_eq!(browser.get("/staff").await.text(), "1");
    assert_eq!(browser.get("/both").await.text(), "(Some(1), Some(2))");
    assert_eq!(browser.cookies().len(), 2);
    assert_eq!(
        visitors.spy.count(Call::Save),
        2,
        "the handler in the inner layer saved the outer session"
    );
}

#[tokio::test]
async fn the_layer_accepts_any_request_and_response_body() {
    let site = Site::new();
    // Neither body is `Default`, `Send` or `Sync`.
    struct Upload(std::rc::Rc<u8>);
    struct Download(#[expect(dead_code)] std::rc::Rc<u8>);
    impl http_body::Body for Download {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<std::result::Result<http_body::Frame<Bytes>, Infallible>>>
        {
            std::task::Poll::Ready(None)
        }
    }
    let service = site
        .sessions
        .layer()
        .on_error(|_: &Error, _: &RequestInfo| http::Response::new(Download(std::rc::Rc::new(0))))
        .layer(service_fn(async |request: http::Request<Upload>| {
            let handle = request
                .extensions()
                .get::<SessionHandle>()
                .expect("the layer adds a handle")
                .clone();
            let session = handle.open().await.expect("the store is up");
            session
                .set("n", *request.body().0)
                .expect("the request is not over");
            Ok::<_, Infallible>(http::Response::new(Download(std::rc::Rc::new(1))))
        }));

    let response = service
        .oneshot(http::Request::new(Upload(std::rc::Rc::new(7))))
        .await
        .unwrap();

    assert!(response.headers().contains_key("set-cookie"));
    assert_eq!(site.memory.len(), 1);
}

#[tokio::test]
async fn a_service_that_fails_commits_nothing() {
    let site = Site::new();
    let service = site
        .sessions
        .layer()
        .layer(service_fn(async |request: http::Request<()>| {
            let handle = request
                .extensions()
                .get::<SessionHandle>()
                .expect("the layer adds a handle")
                .clone();
            handle
                .open()
                .await
                .expect("the store is up")
                .set("n", 1)
                .expect("the request is not over");
            Err::<http::Response<String>, _>("the service is broken")
        }));

    let error = service.oneshot(http::Request::new(())).await.unwrap_err();

    assert_eq!(error, "the service is broken");
    assert_eq!(site.spy.calls(), []);
}

#[tokio::test]
async fn an_untouched_request_opens_no_session_and_calls_no_store() {
    let site = Site::new();
    let opened = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&opened);
    let service = site
        .sessions
        .layer()
        .layer(service_fn(move |request: http::Request<()>| {
            let handle = request
                .extensions()
                .get::<SessionHandle>()
                .expect("the layer adds a handle")
                .clone();
            seen.fetch_add(usize::from(handle.opened().is_some()), Ordering::Relaxed);
            async { Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::new()))) }
        }));
    let service = service.map_response(|response| response.map(|_| "dropped"));

    let mut request = http::Request::new(());
    let cookie = format!("__Host-session={}", "A".repeat(43));
    request
        .headers_mut()
        .insert("cookie", cookie.parse().unwrap());
    let response = service.oneshot(request).await.unwrap();

    assert!(response.headers().is_empty());
    assert_eq!(opened.load(Ordering::Relaxed), 0);
    assert_eq!(site.spy.calls(), []);
}

#[tokio::test]
async fn a_handler_that_fails_halfway_saves_nothing_whatever_the_site_answers() {
    use axum::response::IntoResponse;
    let site = Site::new();
    let app = Router::new()
        .route(
            "/",
            get(async |s: Session| {
                s.set("half", 1)?;
                s.set("w", 1)?;
                s.get::<String>("w").map(drop)
            }),
        )
        .layer(
            site.sessions
                .layer()
                .on_error(|_: &Error, _: &RequestInfo| {
                    (StatusCode::SEE_OTHER, [("location", "/sorry")]).into_response()
                }),
        );
    let page = Browser::https(app).get("/").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert!(site.memory.is_empty(), "no edit of the handler is saved");
}

#[tokio::test]
async fn an_optional_session_exists_after_a_login_in_the_same_request() {
    let site = Site::new();
    let v = site.visitor();
    let (handle, s) = v.open().await;
    s.log_in("ada").unwrap();
    assert!(
        handle.open_existing().await.unwrap().is_some(),
        "the login created a session"
    );
}

#[tokio::test]
async fn every_future_can_be_spawned() {
    fn assert_send<T: Send>(_: T) {}
    let site = Site::new();
    let s = site.sessions.clone();
    let h = site.visitor().request();
    let session = s.new_session();
    let o = Owner::from("a");
    let tag: SessionTag = "q83vEjRWeJCrze8S".parse().unwrap();
    let key = SessionKey::new("x");
    assert_send(s.finish(&h, StatusCode::OK));
    assert_send(s.open(&key));
    assert_send(s.open_tagged(&tag));
    assert_send(s.owned_by(&o));
    assert_send(s.revoke(&o, &tag));
    assert_send(s.revoke_others(&o, &tag));
    assert_send(s.revoke_all(&o));
    assert_send(s.sweep(1));
    assert_send(s.ping());
    assert_send(h.open());
    assert_send(h.open_existing());
    assert_send(session.save());
    let s2 = s.clone();
    tokio::spawn(async move {
        let o = Owner::from("a");
        let _ = s2.revoke_all(&o).await;
        let _ = s2.revoke_others(&o, &tag).await;
        let _ = s2.revoke(&o, &tag).await;
    })
    .await
    .unwrap();
}

fn browser(site: &Site) -> Browser<Router> {
    Browser::https(routes().layer(site.sessions.layer())).clock(&site.clock)
}

fn routes() -> Router {
    Router::new()
        .route("/", get(count))
        .route("/static", get(async || "untouched"))
        .route("/logout", get(async |session: Session| session.flush()))
        .route(
            "/optional",
            get(async |session: Option<Session>| match session {
                Some(_) => "guest",
                None => "stranger",
            }),
        )
        .route(
            "/wrong-type",
            get(async |session: Session| {
                session
                    .get::<String>("num_visits")
                    .map(Option::unwrap_or_default)
            }),
        )
        .route(
            "/cycle-then-write",
            get(async |session: Session| {
                session.cycle_key()?;
                session.save().await?;
                session.set("n", 1)
            }),
        )
}

async fn count(session: Session) -> Result<(HeaderMap, String)> {
    let visits = session.update("num_visits", |n: &mut u64| *n += 1)?;
    let headers = HeaderMap::from_iter([("x-handler".parse().unwrap(), "ran".parse().unwrap())]);
    Ok((headers, visits.to_string()))
}
