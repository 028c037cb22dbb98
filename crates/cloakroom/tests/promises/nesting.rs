//! Nested session layers: of the same `Sessions`, and of different `Sessions` whose cookies share a
//! name.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cloakroom::store::MemoryStore;
use cloakroom::tower::RequestInfo;
use cloakroom::{Completion, Cookie, Error, ErrorKind, Session, SessionHandle, Sessions};
use cloakroom_testkit::wrap::Call;
use cloakroom_testkit::{Browser, Log};
use http::{HeaderMap, StatusCode};

use crate::site::{Site, kind, stored};

#[tokio::test]
async fn two_layers_of_the_same_sessions_act_as_one() {
    let site = Site::new();
    let app = routes()
        .layer(site.sessions.layer())
        .layer(from_fn(
            async |session: Session, request: Request, next: Next| {
                let counts = request.uri().path() == "/count";
                let response = next.run(request).await;
                if counts {
                    session.update("between", |n: &mut u64| *n += 1)?;
                }
                Ok::<Response, Error>(response)
            },
        ))
        .layer(site.sessions.layer());
    let browser = Browser::https(app);

    assert_eq!(browser.get("/count").await.text(), "1");
    let page = browser.get("/login").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.headers.get_all("set-cookie").iter().count(), 1);
    assert_eq!(browser.get("/count").await.text(), "2");
    assert_eq!(browser.get("/between").await.text(), "2");
    assert_eq!(
        site.spy.take(),
        [
            Call::Create,
            Call::Load,
            Call::Rename,
            Call::Load,
            Call::Save,
            Call::Load,
        ]
    );
    browser.get("/logout").await;
    assert!(browser.cookies().is_empty());
    assert_eq!(stored(&site.memory).await, 0);
}

#[tokio::test]
async fn an_untouched_request_passes_through_both_layers() {
    let site = Site::new();
    let app = routes()
        .layer(site.sessions.layer())
        .layer(site.sessions.layer());
    let browser = Browser::https(app);
    browser.get("/count").await;
    site.spy.take();

    let page = browser.get("/untouched").await;

    assert!(page.header("vary").is_none() && page.header("set-cookie").is_none());
    assert_eq!(site.spy.take(), []);
}

#[tokio::test]
async fn a_handler_that_fails_inside_both_layers_saves_nothing_whatever_the_inner_layer_answers() {
    let site = Site::new();
    let app = routes()
        .layer(
            site.sessions
                .layer()
                .on_error(|_: &Error, _: &RequestInfo| StatusCode::ACCEPTED.into_response()),
        )
        .layer(site.sessions.layer());

    let page = Browser::https(app).get("/fails-halfway").await;

    assert_eq!(page.status, StatusCode::ACCEPTED);
    assert!(site.memory.is_empty());
}

#[tokio::test]
async fn two_layers_of_the_same_sessions_act_as_one_even_around_other_sessions() {
    let (site, shop) = (Site::new(), MemoryStore::new());
    let shop = Sessions::builder(shop)
        .cookie(Cookie::new("__Host-shop"))
        .build()
        .unwrap();
    let app = routes()
        .layer(site.sessions.layer())
        .layer(shop.layer())
        .layer(site.sessions.layer());
    let browser = Browser::https(app);

    assert_eq!(browser.get("/count").await.text(), "1");
    assert_eq!(browser.get("/count").await.text(), "2");
    assert_eq!(browser.get("/names").await.text(), "true true false");
    assert!(browser.cookie("__Host-shop").is_none());
    assert_eq!(site.memory.len(), 1);
}

#[tokio::test]
async fn two_layers_of_different_sessions_with_one_cookie_name_are_a_logged_config_error() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (site, other) = (Site::new(), Sessions::new(MemoryStore::new()));
    let browser = Browser::https(routes().layer(site.sessions.layer()).layer(other.layer()));

    for path in ["/count", "/optional", "/login", "/logout"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert!(page.header("set-cookie").is_none(), "{path}");
    }
    assert!(browser.get("/untouched").await.status.is_success());
    assert!(site.memory.is_empty());
    let message = "two session layers with different `Sessions` accept the same cookie, which is \
                   `__Host-session`";
    assert!(log.text().contains(message), "{}", log.text());
}

#[tokio::test]
async fn two_layers_of_different_sessions_with_one_former_cookie_name_are_a_config_error() {
    let cookie = || Cookie::new("__Host-a").formerly(Cookie::new("sid"));
    let site = Site::with(|builder| builder.cookie(cookie()));
    for other in [Cookie::new("sid"), cookie().named("__Host-b"), cookie()] {
        let other = Sessions::builder(MemoryStore::new()).cookie(other);
        let other = other.build().unwrap();
        for (outer, inner) in [(&other, &site.sessions), (&site.sessions, &other)] {
            let inner = inner.begin_from([], Some(outer.begin(&HeaderMap::new())));
            assert_eq!(kind(inner.open().await), ErrorKind::Config);
            assert_eq!(kind(inner.open_existing().await), ErrorKind::Config);
            let effects = inner.acknowledged();
            assert!(!effects.varies_on_cookie() && effects.set_cookies().count() == 0);
        }
    }
}

#[tokio::test]
async fn an_adapter_may_finish_the_inner_handle_of_the_same_sessions_first() {
    let site = Site::new();
    let outer = site.sessions.begin(&HeaderMap::new());
    let inner = site.sessions.begin_from([], Some(outer.clone()));
    inner.open().await.unwrap().set("n", 1).unwrap();

    let effects = site.sessions.finish(&inner, StatusCode::OK).await.unwrap();
    assert_eq!(effects.set_cookies().count(), 0);
    outer.open().await.unwrap().set("n", 2).unwrap();
    let effects = site.sessions.finish(&outer, StatusCode::OK).await.unwrap();
    assert_eq!(effects.set_cookies().count(), 1);
    assert_eq!(site.spy.take(), [Call::Create]);

    let outer = site.sessions.begin(&HeaderMap::new());
    let inner = site.sessions.begin_from([], Some(outer.clone()));
    inner.open().await.unwrap().set("n", 1).unwrap();
    let _ = site.sessions.finish(&inner, Completion::Error).await;
    let effects = site.sessions.finish(&outer, StatusCode::OK).await.unwrap();
    assert_eq!(
        effects.set_cookies().count(),
        0,
        "nothing is saved, because the request failed inside the inner layer"
    );
}

fn routes() -> Router {
    Router::new()
        .route(
            "/count",
            get(async |session: Session| {
                let visits = session.update("visits", |n: &mut u64| *n += 1)?;
                Ok::<_, Error>(visits.to_string())
            }),
        )
        .route(
            "/between",
            get(async |session: Session| {
                let between = session.get_or("between", 0_u64)?;
                Ok::<_, Error>(between.to_string())
            }),
        )
        .route(
            "/names",
            get(async |handle: SessionHandle| {
                let names = ["__Host-session", "__Host-shop", "other"];
                names
                    .map(|name| handle.named(name).is_some().to_string())
                    .join(" ")
            }),
        )
        .route(
            "/fails-halfway",
            get(async |session: Session| {
                session.set("half", 1)?;
                Err::<(), _>(Error::new(ErrorKind::BadValue, "the handler failed"))
            }),
        )
        .route(
            "/optional",
            get(async |session: Option<Session>| session.is_some().to_string()),
        )
        .route(
            "/login",
            get(async |session: Session| session.log_in("ada")),
        )
        .route("/logout", get(async |session: Session| session.flush()))
        .route("/untouched", get(async || "untouched"))
}
