//! The session layer among the layers of `tower`, `tower-http` and axum, in every order.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::response::IntoResponse;
use bytes::Bytes;
use cloakroom::store::MemoryStore;
use cloakroom::tower::RequestInfo;
use cloakroom::{Cookie, Error, ErrorKind, Session, SessionHandle, Sessions};
use cloakroom_testkit::wrap::{Call, When};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use tower::limit::ConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::timeout::TimeoutLayer;
use tower::util::{BoxCloneSyncService, MapResponse};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::trace::TraceLayer;

use crate::site::{Site, Visitor};

type BoxError = Box<dyn StdError + Send + Sync>;
type Stack = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

const VISITORS: &str = "__Host-session";
const STAFF: &str = "__Host-staff";

#[tokio::test(start_paused = true)]
async fn in_every_order_of_layers_only_the_logout_of_a_failed_request_is_carried_out() {
    let layers = [
        Kind::Visitors,
        Kind::Staff,
        Kind::Timeout,
        Kind::Shed,
        Kind::CatchPanic,
        Kind::HandleError,
    ];
    let mut orders = 0;
    for order in permutations(&layers) {
        orders += 1;
        for ending in [
            Ending::Hangs,
            Ending::Panics,
            Ending::Fails,
            Ending::ServerError,
            Ending::Shed,
            Ending::HangsUp,
        ] {
            for flushed in [VISITORS, STAFF] {
                check(&order, ending, flushed).await;
            }
        }
    }
    assert_eq!(orders, 720);
}

async fn check(order: &[Kind], ending: Ending, flushed: &'static str) {
    let case = format!("{order:?}, {ending:?}, {flushed} is flushed");
    let sites = Sites::new();
    let (visitor, member) = (sites.visitors.guest().await, sites.staff.guest().await);
    let escaped = Escaped::default();
    let editing = Editing {
        flushed,
        escaped: Arc::clone(&escaped),
    };
    let stack = sites.stack(order, ending, &editing);

    let busy = (ending == Ending::Shed).then(|| {
        let request = Request::get("/hang").body(Body::empty()).unwrap();
        tokio::spawn(stack.clone().oneshot(request))
    });
    tokio::task::yield_now().await;
    let request = tokio::spawn(stack.oneshot(request_of_both(&visitor, &member)));
    if ending == Ending::HangsUp {
        settle().await;
        request.abort();
    }
    match request.await {
        Ok(Ok(response)) => assert!(response.status().is_server_error(), "{case}"),
        Ok(Err(_)) => {}
        Err(error) => assert!(error.is_cancelled(), "{case}"),
    }
    settle().await;
    if let Some(busy) = busy {
        busy.abort();
    }

    for (guest, name, kind) in [
        (visitor, VISITORS, Kind::Visitors),
        (member, STAFF, Kind::Staff),
    ] {
        // If the layer `Shed` refused the request, only the layers around `Shed` have seen it.
        let is_reached = ending != Ending::Shed
            || order.iter().position(|at| *at == kind)
                < order.iter().position(|at| *at == Kind::Shed);
        let kept = (!is_reached || name != flushed).then_some(1);
        assert_eq!(guest.reads("n").await, kept, "{case}: {name}");
    }
    for session in escaped.lock().unwrap().drain(..) {
        let late = session.set("late", 1).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::Finished, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_answered_with_5xx_inside_the_session_layer_removes_the_cookie_after_a_logout() {
    let sites = Sites::new();
    let guest = sites.visitors.guest().await;
    let editing = Editing::of(VISITORS);
    let order = [Kind::Visitors, Kind::HandleError, Kind::Timeout];
    let stack = sites.stack(&order, Ending::Hangs, &editing);

    let response = stack.oneshot(request_of(&guest)).await.unwrap();

    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(crate::site::removes_the_cookie(response.headers()));
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test(start_paused = true)]
async fn the_edits_before_a_timeout_answered_with_4xx_inside_the_session_layer_are_saved() {
    let sites = Sites::new();
    let guest = sites.visitors.guest().await;
    let handler = handler(Ending::Hangs, Editing::of(STAFF));
    let service = ServiceBuilder::new()
        .layer(sites.visitors.sessions.layer())
        .layer(HandleErrorLayer::new(async |_: BoxError| {
            StatusCode::REQUEST_TIMEOUT
        }))
        .layer(TimeoutLayer::new(Duration::from_secs(1)))
        .service(handler);

    let response = service.oneshot(request_of(&guest)).await.unwrap();

    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn a_session_accepts_no_more_edits_if_the_service_panics_before_it_returns_a_future() {
    let site = Site::new();
    let guest = site.guest().await;
    let escaped = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&escaped);
    let mut service = site
        .sessions
        .layer()
        .layer(service_fn(move |request: Request<Body>| {
            *seen.lock().unwrap() = SessionHandle::of(request.extensions()).ok();
            if request.method() == http::Method::GET {
                std::panic::resume_unwind(Box::new("a panic"));
            }
            std::future::ready(Ok::<_, Infallible>(Response::new(Body::empty())))
        }));

    let call = std::panic::AssertUnwindSafe(|| drop(service.call(request_of(&guest))));
    assert!(std::panic::catch_unwind(call).is_err());

    let handle = escaped.lock().unwrap().take().unwrap();
    let late = handle.open().await.unwrap().set("n", 2).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Finished);
}

#[tokio::test]
async fn the_outer_session_is_not_saved_if_the_inner_session_layer_answers_an_error() {
    let sites = Sites::new();
    let (visitor, member) = (sites.visitors.guest().await, sites.staff.guest().await);
    let to_sorry = |_: &Error, _: &RequestInfo| {
        (StatusCode::SEE_OTHER, [(header::LOCATION, "/sorry")]).into_response()
    };
    let service = ServiceBuilder::new()
        .layer(sites.visitors.sessions.layer())
        .layer(sites.staff.sessions.layer().on_error(to_sorry))
        .service(service_fn(async |request: Request<Body>| {
            let handle = SessionHandle::of(request.extensions()).unwrap();
            for name in [VISITORS, STAFF] {
                let session = handle.named(name).unwrap().open().await.unwrap();
                session.set("n", 2).unwrap();
            }
            let halfway = Error::new(ErrorKind::BadValue, "reading an item");
            match request.uri().path() {
                "/handler" => Ok::<_, Infallible>(halfway.into_response()),
                _ => Ok("saved".into_response()),
            }
        }));

    // The handler failed.
    let mut request = request_of_both(&visitor, &member);
    *request.uri_mut() = "/handler".parse().unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()[header::LOCATION], "/sorry");
    assert_eq!(visitor.reads("n").await, Some(1));
    assert_eq!(member.reads("n").await, Some(1));

    // The inner session could not be saved.
    let flaky = &sites.staff.flaky;
    flaky.fail_every(1, Call::Save, When::Before, ErrorKind::Unavailable);
    let request = request_of_both(&visitor, &member);
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(visitor.reads("n").await, Some(1));
}

#[tokio::test]
async fn the_cookie_of_an_inner_session_survives_the_failure_of_the_outer_session() {
    let sites = Sites::new();
    let (visitor, mut member) = (sites.visitors.guest().await, sites.staff.guest().await);
    let service = ServiceBuilder::new()
        .layer(sites.visitors.sessions.layer())
        .layer(sites.staff.sessions.layer())
        .service(service_fn(async |request: Request<Body>| {
            let handle = SessionHandle::of(request.extensions()).unwrap();
            let outer = handle.named(VISITORS).unwrap().open().await.unwrap();
            outer.set("n", 2).unwrap();
            let inner = handle.open().await.unwrap();
            inner.log_in("ada").unwrap();
            let csrf = [(header::SET_COOKIE, "csrf=1")];
            Ok::<_, Infallible>((csrf, "saved").into_response())
        }));
    let flaky = &sites.visitors.flaky;
    flaky.fail_every(1, Call::Save, When::Before, ErrorKind::Unavailable);

    let request = request_of_both(&visitor, &member);
    let response = service.oneshot(request).await.unwrap();

    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let cookies: Vec<_> = response
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .collect();
    assert_eq!(cookies.len(), 1);
    let pair = cookies[0].to_str().unwrap().split(';').next().unwrap();
    member.cookie = Some(pair.to_owned());
    let (_, session) = member.open().await;
    assert!(session.owner().is_some(), "the browser has the new key");
}

#[tokio::test]
async fn an_error_answer_keeps_the_headers_of_the_site_and_discards_those_of_the_replaced_page() {
    let kept = [
        ("access-control-allow-origin", "https://app.example"),
        ("access-control-allow-credentials", "true"),
        ("content-security-policy", "default-src 'self'"),
        ("strict-transport-security", "max-age=60"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("permissions-policy", "camera=()"),
        ("cross-origin-opener-policy", "same-origin"),
    ];
    let dropped = [
        ("content-encoding", "gzip"),
        ("content-language", "en"),
        ("content-length", "5"),
        ("content-disposition", "attachment"),
        ("content-range", "bytes 0-4/9"),
        ("etag", "\"1\""),
        ("last-modified", "Sun, 18 Jan 2026 00:00:00 GMT"),
        ("location", "/saved"),
        ("set-cookie", "csrf=1"),
        ("cache-control", "public, max-age=60"),
        ("cdn-cache-control", "public"),
        ("clear-site-data", "\"*\""),
        ("x-handler", "ran"),
    ];
    for ending in ["/fails", "/cannot-save"] {
        let site = Site::new();
        let flaky = &site.flaky;
        flaky.fail_every(1, Call::Create, When::Before, ErrorKind::Unavailable);
        let service = ServiceBuilder::new()
            .layer(site.sessions.layer())
            .map_response(move |mut response: Response<Body>| {
                let headers = response.headers_mut();
                for (name, value) in kept.iter().chain(&dropped) {
                    headers.insert(*name, HeaderValue::from_static(value));
                }
                headers.insert(header::VARY, HeaderValue::from_static("Origin"));
                response
            })
            .service(service_fn(async |request: Request<Body>| {
                let handle = SessionHandle::of(request.extensions()).unwrap();
                handle.open().await.unwrap().set("n", 1).unwrap();
                Ok::<_, Infallible>(match request.uri().path() {
                    "/fails" => {
                        Error::new(ErrorKind::Unavailable, "loading a session").into_response()
                    }
                    _ => "saved".into_response(),
                })
            }));

        let request = Request::get(ending).body(Body::empty()).unwrap();
        let response = service.oneshot(request).await.unwrap();

        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let headers = response.headers();
        for (name, value) in kept {
            assert_eq!(headers[name], value, "{ending}");
        }
        for (name, _) in dropped {
            assert!(!headers.contains_key(name), "{ending}: {name}");
        }
        assert_eq!(headers[header::VARY], "Origin, Cookie");
        assert_eq!(headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
        assert_eq!(headers[header::RETRY_AFTER], "2");
    }
}

#[tokio::test]
async fn a_header_that_on_error_sets_is_not_replaced_by_a_header_of_an_inner_layer() {
    let site = Site::new();
    let service = ServiceBuilder::new()
        .layer(
            site.sessions
                .layer()
                .on_error(|_: &Error, _: &RequestInfo| {
                    let headers = [
                        ("x-frame-options", "DENY"),
                        ("vary", "Accept"),
                        ("set-cookie", "seen=1"),
                    ];
                    (StatusCode::IM_A_TEAPOT, headers).into_response()
                }),
        )
        .service(service_fn(async |_: Request<Body>| {
            let mut response = Error::new(ErrorKind::Full, "saving a session").into_response();
            let headers = response.headers_mut();
            headers.insert("x-frame-options", HeaderValue::from_static("SAMEORIGIN"));
            headers.insert("vary", HeaderValue::from_static("Origin"));
            Ok::<_, Infallible>(response)
        }));

    let response = service.oneshot(Request::new(Body::empty())).await.unwrap();

    let headers = response.headers();
    assert_eq!(all(headers, "x-frame-options"), ["DENY"]);
    assert_eq!(all(headers, "vary"), ["Accept", "Origin"]);
    assert_eq!(all(headers, "set-cookie"), ["seen=1"]);
}

/// Applies `check!` to every order of the layers.
macro_rules! in_every_order {
    ($check:ident [$($order:tt)*] []) => { $check!($($order)*) };
    ($check:ident [$($order:tt)*] [$($left:tt)+]) => {
        in_every_order!(@next $check [$($order)*] [] [$($left)+])
    };
    (@next $check:ident [$($order:tt)*] [$($tried:tt)*] []) => {};
    (@next $check:ident [$($order:tt)*] [$($tried:tt)*] [$next:tt $($left:tt)*]) => {
        in_every_order!($check [$($order)* $next] [$($tried)* $($left)*]);
        in_every_order!(@next $check [$($order)*] [$($tried)* $next] [$($left)*]);
    };
}

#[test]
fn the_session_layer_compiles_in_every_order_with_the_layers_of_tower_http() {
    fn assert_service<S, B>(_: S)
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
    }

    let trace = TraceLayer::new_for_http();
    let compression = CompressionLayer::new();
    let limit = RequestBodyLimitLayer::new(1_000);
    let panics = CatchPanicLayer::new();
    let mut orders = 0;

    let sessions = Sessions::new(MemoryStore::new());
    let session = sessions.layer();
    macro_rules! around_axum_and_hyper {
        ($($layer:tt)*) => {{
            assert_service(
                ServiceBuilder::new()$(.layer($layer.clone()))*.service(Page(Body::default)),
            );
            assert_service(
                ServiceBuilder::new()
                    $(.layer($layer.clone()))*
                    .service(Page(Full::<Bytes>::default)),
            );
            orders += 1;
        }};
    }
    in_every_order!(around_axum_and_hyper [] [session trace compression limit panics]);

    let session = sessions
        .layer()
        .on_error(|_: &Error, _: &RequestInfo| StatusCode::IM_A_TEAPOT.into_response());
    in_every_order!(around_axum_and_hyper [] [session trace compression limit panics]);
    assert_eq!(orders, 2 * 120);
}

#[tokio::test]
async fn the_session_layer_sends_its_error_text_inside_and_outside_of_layers_of_tower_http() {
    let site = Site::new();
    let flaky = &site.flaky;
    flaky.fail_every(1, Call::Create, When::Before, ErrorKind::Unavailable);
    let session = site.sessions.layer();
    let page = service_fn(async |request: Request<Body>| {
        let handle = SessionHandle::of(request.extensions()).unwrap();
        handle.open().await.unwrap().set("n", 1).unwrap();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("saved")))
    });
    let text = "This page cannot be shown at the moment. Please try again in a few seconds.\n";
    macro_rules! answers {
        ($($layer:expr),*) => {{
            let service = ServiceBuilder::new()$(.layer($layer))*.service(page.clone());
            let response = service.oneshot(Request::new(Body::empty())).await.unwrap();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            let body = response.into_body().collect().await.unwrap_or_else(|_| panic!("a body"));
            assert_eq!(body.to_bytes(), text);
        }};
    }
    answers!(session.clone());
    answers!(session.clone(), CompressionLayer::new());
    answers!(session.clone(), TraceLayer::new_for_http());
    answers!(session.clone(), CatchPanicLayer::new());
    answers!(
        CompressionLayer::new(),
        session.clone(),
        TraceLayer::new_for_http()
    );
    answers!(CatchPanicLayer::new(), TraceLayer::new_for_http(), session);
}

/// The kinds of layers in a stack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Visitors,
    Staff,
    Timeout,
    /// Refuses a request while another one is in progress. A middleware around this layer edits the
    /// sessions.
    Shed,
    CatchPanic,
    HandleError,
}

/// How the handler ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    /// The handler never ends, so the timeout ends the request.
    Hangs,
    Panics,
    Fails,
    ServerError,
    /// The handler does not run, because the layer `Shed` refuses the request.
    Shed,
    /// The handler never ends, and the browser hangs up before the timeout.
    HangsUp,
}

type Escaped = Arc<Mutex<Vec<Session>>>;

/// What the handler does with the sessions of a request: it edits every session, and then flushes
/// the session named `flushed`.
#[derive(Clone)]
struct Editing {
    flushed: &'static str,
    /// The opened sessions of a request. The test tries to edit them after the request has ended.
    escaped: Escaped,
}

impl Editing {
    fn of(flushed: &'static str) -> Self {
        Self {
            flushed,
            escaped: Escaped::default(),
        }
    }

    async fn edit(&self, handle: Option<SessionHandle>) {
        let Some(handle) = handle else {
            return;
        };
        for name in [VISITORS, STAFF] {
            let Some(handle) = handle.named(name) else {
                continue;
            };
            let session = handle.open().await.unwrap();
            session.set("n", 2).unwrap();
            if name == self.flushed {
                session.flush().unwrap();
            }
            self.escaped.lock().unwrap().push(session);
        }
    }
}

struct Sites {
    visitors: Site,
    staff: Site,
}

impl Sites {
    fn new() -> Self {
        Self {
            visitors: Site::new(),
            staff: Site::with(|builder| builder.cookie(Cookie::new(STAFF))),
        }
    }

    fn stack(&self, order: &[Kind], ending: Ending, editing: &Editing) -> Stack {
        let handler = handler(ending, editing.clone());
        let layers = order.iter().rev();
        layers.fold(handler, |inner, kind| self.wrap(*kind, inner, editing))
    }

    fn wrap(&self, kind: Kind, inner: Stack, editing: &Editing) -> Stack {
        match kind {
            Kind::Visitors => Stack::new(self.visitors.sessions.layer().layer(inner)),
            Kind::Staff => Stack::new(self.staff.sessions.layer().layer(inner)),
            Kind::Timeout => Stack::new(TimeoutLayer::new(Duration::from_secs(1)).layer(inner)),
            Kind::Shed => {
                let limited = ConcurrencyLimitLayer::new(1).layer(inner);
                let shed = Stack::new(LoadShedLayer::new().layer(limited));
                let editing = editing.clone();
                Stack::new(service_fn(move |request: Request<Body>| {
                    let (editing, shed) = (editing.clone(), shed.clone());
                    async move {
                        editing.edit(handle_to_edit(&request)).await;
                        shed.oneshot(request).await
                    }
                }))
            }
            Kind::CatchPanic => {
                let caught = CatchPanicLayer::new().layer(inner);
                Stack::new(MapResponse::new(caught, |response: Response<_>| {
                    response.map(Body::new)
                }))
            }
            Kind::HandleError => {
                let handled =
                    HandleErrorLayer::new(async |_: BoxError| StatusCode::GATEWAY_TIMEOUT);
                Stack::new(handled.layer(inner).map_err(BoxError::from))
            }
        }
    }
}

fn handler(ending: Ending, editing: Editing) -> Stack {
    Stack::new(service_fn(move |request: Request<Body>| {
        let editing = editing.clone();
        async move {
            editing.edit(handle_to_edit(&request)).await;
            match ending {
                Ending::Hangs | Ending::Shed | Ending::HangsUp => pending().await,
                // Panics without the message that `panic!` prints.
                Ending::Panics => std::panic::resume_unwind(Box::new("a panic")),
                Ending::Fails => Err("broken".into()),
                Ending::ServerError => Ok(StatusCode::BAD_GATEWAY.into_response()),
            }
        }
    }))
}

/// Returns the handle of the request, or `None` for the request that only keeps the service busy.
fn handle_to_edit(request: &Request<Body>) -> Option<SessionHandle> {
    let is_edited = request.uri().path() != "/hang";
    is_edited.then(|| SessionHandle::of(request.extensions()).ok())?
}

/// A service that accepts any request body.
#[derive(Clone)]
struct Page<B>(fn() -> B);

impl<R, B> Service<Request<R>> for Page<B> {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<R>) -> Self::Future {
        std::future::ready(Ok(Response::new((self.0)())))
    }
}

/// Lets every ready task run, and advances the time by less than any timeout.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn request_of(guest: &Visitor) -> Request<Body> {
    let cookie = guest.cookie.as_ref().unwrap();
    let request = Request::get("/").header(header::COOKIE, cookie);
    request.body(Body::empty()).unwrap()
}

fn request_of_both(visitor: &Visitor, member: &Visitor) -> Request<Body> {
    let mut request = request_of(visitor);
    let cookie = HeaderValue::from_str(member.cookie.as_ref().unwrap()).unwrap();
    request.headers_mut().append(header::COOKIE, cookie);
    request
}

fn all<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let lines = headers.get_all(name).iter();
    lines.map(|line| line.to_str().unwrap()).collect()
}

fn permutations(kinds: &[Kind]) -> Vec<Vec<Kind>> {
    if kinds.is_empty() {
        return vec![Vec::new()];
    }
    let mut orders = Vec::new();
    for (index, first) in kinds.iter().enumerate() {
        let mut rest = kinds.to_vec();
        rest.remove(index);
        for mut order in permutations(&rest) {
            order.insert(0, *first);
            orders.push(order);
        }
    }
    orders
}
