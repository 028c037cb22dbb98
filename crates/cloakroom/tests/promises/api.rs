//! The public API, as handlers and adapters use it.

use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use cloakroom::store::{MemoryStore, Store};
use cloakroom::tower::RequestInfo;
use cloakroom::{
    CacheControl, Clock, Completion, Cookie, Error, ErrorKind, Expiry, HandlerError, Item, Owner,
    Session, SessionHandle, Sessions,
};
use cloakroom_testkit::wrap::{Call, Spy, When};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::site::{Site, Visitor, kind, set_cookie};

const THEME: Item<String> = Item::new("theme");
const CART: Item<Vec<u32>> = Item::new("cart");
const VISITS: Item<u64> = Item::new("num_visits");

#[tokio::test]
async fn an_item_can_be_set_to_a_value_a_reference_or_a_borrowed_form() {
    let session = Site::new().sessions.new_session();
    let cart = vec![7, 9];

    session.set(THEME, "dark").unwrap();
    session.set(THEME, String::from("light")).unwrap();
    session.set(CART, &cart).unwrap();
    session.set(CART, &cart[..1]).unwrap();
    session.set(VISITS, 3).unwrap();
    let visits = Some(4);
    session.set(VISITS, visits.as_ref().unwrap()).unwrap();
    session.set("anything", &cart).unwrap();
    session.set(String::from("more"), "text").unwrap();

    assert_eq!(session.get(THEME).unwrap().as_deref(), Some("light"));
    assert_eq!(session.get(CART).unwrap(), Some(vec![7]));
    assert_eq!(session.get(VISITS).unwrap(), Some(4));
    assert_eq!(session.get("anything").unwrap(), Some(cart));
}

#[tokio::test]
async fn every_method_accepts_the_same_kinds_of_names() {
    let session = Site::new().sessions.new_session();
    session.set(VISITS, 1).unwrap();
    let owned = String::from("num_visits");

    assert!(session.contains(VISITS) && session.contains("num_visits"));
    assert!(session.contains(&owned) && session.contains(owned.clone()));
    let value = session.value(VISITS).unwrap();
    session.set_value(Item::<u64>::new("copy"), value).unwrap();
    assert_eq!(session.get(Item::<u64>::new("copy")).unwrap(), Some(1));
    assert!(session.discard(VISITS).unwrap() && !session.discard(&owned).unwrap());
}

#[tokio::test]
async fn an_owner_is_a_number_or_text() {
    let session = Site::new().sessions.new_session();
    let id = String::from("ada");

    session.log_in(7).unwrap();
    assert_eq!(session.owner(), Some(Owner::from("7")));
    session.log_in(7_u16).unwrap();
    session.log_in(u128::MAX).unwrap();
    session.log_in(&id).unwrap();
    assert_eq!(session.owner(), Some(Owner::from("ada")));
}

#[tokio::test]
async fn a_uuid_names_a_user_in_lower_case_with_hyphens() {
    let session = Site::new().sessions.new_session();

    session
        .log_in(uuid::uuid!("67E55044-10B1-426F-9247-BB680E5FE0C8"))
        .unwrap();

    let owner = Owner::from("67e55044-10b1-426f-9247-bb680e5fe0c8");
    assert_eq!(session.owner(), Some(owner));
}

#[tokio::test]
async fn update_or_reset_replaces_a_value_of_another_type_even_when_replayed() {
    let site = Site::new();
    let mut guest = site.guest().await;
    guest.visit(|s| s.set("recent", "old")).await.unwrap();
    let (handle, session) = guest.open().await;
    let mut other = guest.clone();
    other.visit(|s| s.set("recent", "other")).await.unwrap();

    assert!(
        session
            .update("recent", |ids: &mut Vec<u64>| ids.push(7))
            .is_err()
    );
    let ids = session.update_or_reset("recent", |ids: &mut Vec<u64>| ids.push(7));
    assert_eq!(ids.unwrap(), [7]);
    guest.finish(&handle).await.unwrap();

    let (_, session) = guest.open().await;
    assert_eq!(session.get("recent").unwrap(), Some(vec![7_u64]));
}

#[tokio::test]
async fn a_session_reports_when_it_began_and_when_it_changed() {
    let site = Site::new();
    let began = site.clock.now();
    let mut guest = site.guest().await;
    site.clock.advance(Duration::from_secs(60));
    guest.visit(|s| s.set("n", 2)).await.unwrap();

    let (_, session) = guest.open().await;
    assert_eq!(session.created(), began);
    assert_eq!(session.last_change(), began + Duration::from_secs(60));
}

#[tokio::test]
async fn a_save_after_the_request_is_an_error() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let (handle, session) = guest.open().await;
    guest.finish(&handle).await.unwrap();

    assert_eq!(kind(session.save().await), ErrorKind::Finished);
}

#[tokio::test]
async fn browser_close_or_idle_ends_with_whichever_comes_first() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let hour = Duration::from_secs(60 * 60);
    let expiry = Expiry::BrowserCloseOrIdle(hour);

    let headers = guest.visit(|s| s.set_expiry(expiry)).await.unwrap();
    let cookie = set_cookie(&headers).unwrap();
    assert!(
        !cookie.contains("Max-Age"),
        "the cookie ends with the browser: {cookie}"
    );
    let (_, session) = guest.open().await;
    assert_eq!(session.expiry(), expiry);
    assert!(session.expires_at_browser_close());

    site.clock.advance(hour - Duration::from_secs(1));
    guest.visit(|s| s.set("n", 2)).await.unwrap();
    site.clock.advance(hour - Duration::from_secs(1));
    assert_eq!(guest.reads("n").await, Some(2));
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn only_one_of_parallel_requests_takes_the_item() {
    let site = Site::new();
    let mut guest = site.guest().await;
    guest.visit(|s| s.set("token", 7)).await.unwrap();
    let (_first, first) = guest.open().await;
    let (_second, second) = guest.open().await;
    second.set("other", 1).unwrap();

    let taken = (
        first.take::<u64>("token").await,
        second.take::<u64>("token").await,
    );
    assert_eq!((taken.0.unwrap(), taken.1.unwrap()), (Some(7), None));
    assert_eq!(guest.reads("token").await, None);
    assert_eq!(
        guest.reads("other").await,
        Some(1),
        "the other edits of the second request are saved"
    );
}

#[tokio::test]
async fn an_item_of_another_type_is_not_taken() {
    let site = Site::new();
    let mut guest = site.guest().await;
    guest.visit(|s| s.set("token", "text")).await.unwrap();
    let (_handle, session) = guest.open().await;

    let taken = session.take::<u64>("token").await;
    assert_eq!(kind(taken), ErrorKind::BadValue);
    assert!(guest.open().await.1.contains("token"));
}

#[tokio::test]
async fn take_is_unsupported_if_the_store_does_not_compare_versions() {
    let cookies = cloakroom::CookieBackend::new(&[7; 32]).unwrap();
    let session = Sessions::new(cookies).new_session();
    session.set("token", 7).unwrap();

    let taken = session.take::<u64>("token").await;
    assert_eq!(kind(taken), ErrorKind::Unsupported);
    assert!(session.contains("token"));
}

#[tokio::test]
async fn an_adapter_can_pass_cookie_lines_and_read_effects_without_header_maps() {
    let site = Site::new();
    let guest = site.guest().await;
    let lines = [String::from("a=b"), guest.cookie.clone().unwrap()];
    let lines = lines.iter().map(|line| line.as_bytes());

    let others = Site::with(|builder| builder.cookie(Cookie::new("__Host-others")));
    let outer = others.sessions.begin(&HeaderMap::new());
    let handle = site.sessions.begin_from(lines, Some(outer));
    handle
        .open()
        .await
        .unwrap()
        .update("n", |n: &mut u64| *n += 1)
        .unwrap();
    let effects = site.sessions.finish(&handle, StatusCode::OK).await.unwrap();

    let cookies: Vec<_> = effects.set_cookies().collect();
    assert_eq!(cookies.len(), 1);
    assert!(
        cookies[0]
            .to_str()
            .unwrap()
            .starts_with(&guest.cookie.clone().unwrap())
    );
    assert!(effects.varies_on_cookie());
    assert_eq!(effects.cache_control(), CacheControl::Private);
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn only_the_logout_of_a_failed_request_is_carried_out() {
    for completion in [
        Completion::Error,
        Completion::Panicked,
        Completion::Dropped,
        StatusCode::BAD_GATEWAY.into(),
    ] {
        let site = Site::new();
        let guest = site.guest().await;
        let (edited, session) = guest.open().await;
        session.set("n", 2).unwrap();
        site.sessions.finish(&edited, completion).await.unwrap();
        assert_eq!(guest.reads("n").await, Some(1), "{completion:?}");

        let (flushed, session) = guest.open().await;
        session.flush().unwrap();
        site.sessions.finish(&flushed, completion).await.unwrap();
        assert_eq!(guest.reads("n").await, None, "{completion:?}");
    }
}

#[tokio::test]
async fn a_logout_is_carried_out_when_the_inner_service_fails() {
    let site = Site::new();
    let guest = site.guest().await;
    let service = site.sessions.layer().layer(service_fn(
        async |request: Request<()>| -> Result<Response<String>, &'static str> {
            let session = session_of(&request).await;
            session.set("n", 2).unwrap();
            session.flush().unwrap();
            Err("a timeout")
        },
    ));

    let answer = service.oneshot(request_of(&guest)).await;
    assert_eq!(answer.unwrap_err(), "a timeout");
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn edits_are_not_saved_when_the_inner_service_fails() {
    let site = Site::new();
    let guest = site.guest().await;
    let service = site.sessions.layer().layer(service_fn(
        async |request: Request<()>| -> Result<Response<String>, &'static str> {
            session_of(&request).await.set("n", 2).unwrap();
            Err("a timeout")
        },
    ));

    assert!(service.oneshot(request_of(&guest)).await.is_err());
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_logout_is_carried_out_when_the_browser_hangs_up() {
    let site = Site::new();
    let guest = site.guest().await;
    let (flushed, is_flushed) = tokio::sync::oneshot::channel();
    let flushed = std::sync::Mutex::new(Some(flushed));
    let service = site
        .sessions
        .layer()
        .layer(service_fn(move |request: Request<()>| {
            let flushed = flushed.lock().unwrap().take();
            async move {
                session_of(&request).await.flush().unwrap();
                flushed.unwrap().send(()).unwrap();
                pending::<()>().await;
                Ok::<_, Infallible>(Response::new(String::new()))
            }
        }));

    let request = tokio::spawn(service.oneshot(request_of(&guest)));
    is_flushed.await.unwrap();
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    for _ in 0..100 {
        if site.memory.is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn a_logout_during_the_first_save_is_carried_out_when_the_browser_hangs_up() {
    let site = Site::new();
    site.gate.close(When::After, Call::Create);
    let (flushed, is_flushed) = tokio::sync::oneshot::channel();
    let flushed = std::sync::Mutex::new(Some(flushed));
    let gate = site.gate.clone();
    let service = site
        .sessions
        .layer()
        .layer(service_fn(move |request: Request<()>| {
            let flushed = flushed.lock().unwrap().take();
            let gate = gate.clone();
            async move {
                let session = session_of(&request).await;
                session.set("n", 1).unwrap();
                let mut save = Box::pin(session.save());
                let polled = std::future::poll_fn(|cx| Poll::Ready(save.as_mut().poll(cx)));
                assert!(polled.await.is_pending());
                gate.reached(When::After, Call::Create, 1).await;
                session.flush().unwrap();
                flushed.unwrap().send(()).unwrap();
                pending::<()>().await;
                Ok::<_, Infallible>(Response::new(String::new()))
            }
        }));

    let request = Request::get("/").body(()).unwrap();
    let request = tokio::spawn(service.oneshot(request));
    is_flushed.await.unwrap();
    assert_eq!(site.memory.len(), 1);
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    site.gate.open(When::After, Call::Create);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(site.memory.is_empty());
}

#[tokio::test]
async fn edits_are_not_saved_when_the_browser_hangs_up() {
    let site = Site::new();
    let guest = site.guest().await;
    let mut service = site.sessions.layer().layer(service_fn(
        async |request: Request<()>| -> Result<Response<String>, Infallible> {
            session_of(&request).await.set("n", 2).unwrap();
            pending().await
        },
    ));

    let mut future = Box::pin(service.ready().await.unwrap().call(request_of(&guest)));
    for _ in 0..10 {
        let polled = std::future::poll_fn(|cx: &mut Context<'_>| {
            Poll::Ready(future.as_mut().poll(cx).is_ready())
        });
        assert!(!polled.await);
        tokio::task::yield_now().await;
    }
    drop(future);
    tokio::task::yield_now().await;
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn on_error_receives_the_method_the_uri_and_the_accept_header() {
    let site = Site::new();
    let service = site
        .sessions
        .layer()
        .on_error(|error: &Error, request: &RequestInfo| {
            let RequestInfo {
                method,
                uri,
                accept,
                ..
            } = request;
            Response::new(format!("{:?} {method} {uri} {accept:?}", error.kind()))
        })
        .layer(service_fn(
            |_: Request<()>| -> Ready<Result<_, Infallible>> {
                let mut response = Response::new(String::new());
                let error = Error::new(ErrorKind::Timeout, "loading a session");
                response.extensions_mut().insert(HandlerError::new(error));
                ready(Ok(response))
            },
        ));

    let request = Request::post("/books?page=2").header(header::ACCEPT, "application/json");
    let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(
        body,
        "Timeout POST /books?page=2 Some(\"application/json\")"
    );
}

#[tokio::test]
async fn a_request_without_a_session_layer_is_an_error_that_names_the_missing_layer() {
    let error = SessionHandle::of(&http::Extensions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("sessions.layer()"));
}

#[tokio::test]
async fn any_store_and_arc_delegate_the_optional_operations() {
    let memory = std::sync::Arc::new(MemoryStore::new());
    let sessions = Sessions::builder(std::sync::Arc::clone(&memory)).sweep(None);
    let sessions = sessions.build().unwrap();
    for _ in 0..3 {
        let session = sessions.new_session();
        session.log_in("ada").unwrap();
        session.save().await.unwrap();
    }
    let spy = Spy::new(memory);
    let store = cloakroom::store::AnyStore::new(std::sync::Arc::new(spy.clone()));

    let page = store.scan(None, 2).await.unwrap();
    let rest = store.scan(page.next.as_ref(), 2).await.unwrap();
    assert_eq!((page.entries.len(), rest.entries.len()), (2, 1));
    assert!(rest.next.is_none());
    let kept = &rest.entries[0].key;
    let touched = rest.entries[0].meta.touched + Duration::from_secs(9);
    let expires = touched + Duration::from_secs(9);
    let entry = store.load_and_touch(kept, touched, expires).await.unwrap();
    assert_eq!(entry.unwrap().meta.expires, expires);
    let revoked = store.revoke_owned(&"ada".into(), Some(kept), 10).await;
    assert_eq!(revoked.unwrap().len(), 2);
    let page = store.owned_by(&"ada".into(), None, 10).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.entries[0].key, *kept);
    assert_eq!(
        spy.take(),
        [
            Call::Scan,
            Call::Scan,
            Call::LoadAndTouch,
            Call::RevokeOwned,
            Call::OwnedBy
        ]
    );
}

#[tokio::test]
async fn load_and_touch_does_not_touch_expired_entries() {
    let memory = MemoryStore::new();
    let key = cloakroom::StoreKey::new(b"one");
    let times = [1_000, 1_000, 2_000].map(cloakroom::store::from_millis);
    let draft = cloakroom::store::Draft::new(
        bytes::Bytes::from_static(b"x"),
        cloakroom::store::Meta::new(times[0], times[1], times[2]),
        cloakroom::store::SaveId::new(1),
    );
    let _ = memory.create(&key, &draft).await.unwrap();

    let late = cloakroom::store::from_millis(9_000);
    let entry = memory.load_and_touch(&key, times[2], late).await.unwrap();
    assert_eq!(entry.unwrap().meta, draft.meta);
    let entry = memory.load_and_touch(&key, times[1], late).await.unwrap();
    assert_eq!(entry.unwrap().meta.expires, late);
    let none = cloakroom::StoreKey::new(b"none");
    assert!(
        memory
            .load_and_touch(&none, times[1], late)
            .await
            .unwrap()
            .is_none()
    );
}

fn request_of(visitor: &Visitor) -> Request<()> {
    let request = Request::get("/").header(header::COOKIE, visitor.cookie.clone().unwrap());
    request.body(()).unwrap()
}

async fn session_of(request: &Request<()>) -> Session {
    let handle = SessionHandle::of(request.extensions()).unwrap();
    handle.open().await.unwrap()
}
