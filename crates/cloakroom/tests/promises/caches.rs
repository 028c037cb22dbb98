//! The cache headers of responses: what browsers and shared caches may store.

use cloakroom::{CacheControl, Session};
use http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};

use crate::site::{Site, removes_the_cookie, set_cookie};

/// The header fields that certain shared caches prefer to `Cache-Control`.
const TARGETED: [&str; 6] = [
    "cdn-cache-control",
    "cloudflare-cdn-cache-control",
    "vercel-cdn-cache-control",
    "surrogate-control",
    "edge-control",
    "x-accel-expires",
];

#[tokio::test]
async fn no_header_field_lets_a_shared_cache_store_the_session_cookie() {
    let site = Site::new();
    for name in TARGETED {
        let headers = sent_by(&site, |s| s.set("n", 1), name, "public, max-age=60").await;
        assert!(headers.contains_key(SET_COOKIE));
        assert!(!headers.contains_key(name), "{name}");
        assert_eq!(headers[CACHE_CONTROL], "private", "{name}");
    }
    let headers = sent_by(&site, |s| s.set("n", 1), "cache-control", "s-maxage=9").await;
    assert_eq!(headers[CACHE_CONTROL], "private");
}

#[tokio::test]
async fn a_response_without_the_session_cookie_keeps_its_cache_headers() {
    let site = Site::new();
    for name in TARGETED {
        let headers = sent_by(&site, |_| Ok(()), name, "public, max-age=60").await;
        assert_eq!(headers[name], "public, max-age=60");
        assert!(!headers.contains_key(CACHE_CONTROL));
    }
}

#[tokio::test]
async fn a_save_allows_the_back_forward_cache_but_a_logout_forbids_storing() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let saved = guest.visit(|session| session.set("n", 2)).await.unwrap();
    assert_eq!(saved["cache-control"], "private");
    let logged_in = guest.visit(|session| session.log_in("ada")).await.unwrap();
    assert_eq!(logged_in["cache-control"], "private");

    let logged_out = guest.visit(|session| session.flush()).await.unwrap();
    assert!(removes_the_cookie(&logged_out));
    assert_eq!(logged_out["cache-control"], "no-store");
}

#[tokio::test]
async fn a_logout_forbids_storing_if_a_new_session_begins_or_the_request_fails() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let restarted = guest
        .visit(|session| {
            session.flush()?;
            session.set("n", 1)
        })
        .await
        .unwrap();
    assert!(set_cookie(&restarted).is_some() && !removes_the_cookie(&restarted));
    assert_eq!(restarted["cache-control"], "no-store");

    let (handle, session) = guest.open().await;
    session.flush().unwrap();
    let failed = guest.finish_with(&handle, StatusCode::BAD_GATEWAY).await;
    assert_eq!(failed.unwrap()["cache-control"], "no-store");
}

#[tokio::test]
async fn a_strict_site_forbids_storing_every_response_with_the_cookie() {
    let site = Site::with(|builder| builder.cache_control(CacheControl::NoStore));
    let headers = sent_by(&site, |s| s.set("n", 1), "cache-control", "private").await;
    assert_eq!(headers[CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn with_unchanged_cache_control_a_logout_adds_no_cache_header() {
    let site = Site::with(|builder| builder.cache_control(CacheControl::Unchanged));
    let headers = site.guest().await.visit(|session| session.flush()).await;
    assert!(!headers.unwrap().contains_key("cache-control"));
}

/// Returns the headers of a response whose handler ran `edit` and set the header `name: value`.
async fn sent_by(
    site: &Site,
    edit: fn(&Session) -> cloakroom::Result<()>,
    name: &'static str,
    value: &'static str,
) -> HeaderMap {
    let service = site
        .sessions
        .layer()
        .layer(service_fn(async |request: Request<()>| {
            let handle = cloakroom::SessionHandle::of(request.extensions())?;
            edit(&handle.open().await?)?;
            let mut response = Response::new(String::new());
            let headers = response.headers_mut();
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
            Ok::<_, cloakroom::Error>(response)
        }));
    let response = service.oneshot(Request::new(())).await.unwrap();
    response.headers().clone()
}
