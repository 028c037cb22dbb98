//! The visit counter: each browser has a separate number, and no visit is lost.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod common;

use axum::Router;
use axum::http::{Method, StatusCode};
use cloakroom_testkit::Browser;
use common::Site;
use http::Request;
use http_body_util::Full;
use tokio::task::JoinSet;

#[tokio::test]
async fn each_browser_has_its_own_count() {
    let site = Site::new().await;
    let (one, other) = (browser(&site), browser(&site));

    assert_eq!(visits(&one).await, "You have visited this page 1 time.");
    assert_eq!(visits(&one).await, "You have visited this page 2 times.");
    assert_eq!(visits(&other).await, "You have visited this page 1 time.");
    assert_eq!(one.dropped(), [""; 0], "no cookie is refused");
    assert_eq!(site.stored_sessions().await, 2);
}

#[tokio::test]
async fn the_cookie_has_djangos_name_and_lifetime_and_a_host_prefix_under_https() {
    let site = Site::new().await;
    let page = browser(&site).get("/catalog/").await;
    let cookie = session_cookie(&page);
    assert!(cookie.starts_with("sessionid=") && cookie.contains("; Max-Age=1209600; Expires="));
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax"), "{cookie}");
    assert_eq!(page.header("vary"), Some("Cookie"));
    assert_eq!(page.header("cache-control"), Some("private"));

    let site = Site::with(&["--base-url", "https://library.example"]).await;
    let page = Browser::https(site.application.router())
        .get("/catalog/")
        .await;
    let cookie = session_cookie(&page);
    assert!(cookie.starts_with("__Host-sessionid="));
    assert!(
        cookie.ends_with("; HttpOnly; SameSite=Lax; Secure"),
        "{cookie}"
    );
}

#[tokio::test]
async fn only_a_get_of_the_home_page_counts() {
    let site = Site::new().await;
    let browser = browser(&site);
    visits(&browser).await;

    for method in [Method::HEAD, Method::OPTIONS, Method::POST, Method::PUT] {
        let request = Request::builder().method(method).uri("/catalog/");
        browser.send(request.body(Full::default()).unwrap()).await;
    }
    browser.get("/catalog/books/").await;
    browser.get("/").await;

    assert_eq!(
        visits(&browser).await,
        "You have visited this page 2 times."
    );
}

#[tokio::test]
async fn other_pages_and_head_requests_start_no_session() {
    let site = Site::new().await;
    let stranger = browser(&site);

    for path in [
        "/",
        "/catalog",
        "/catalog/books/",
        "/catalog/author/1",
        "/catalog/search/?q=emma",
        "/catalog/preferences/",
        "/catalog/remembered/",
        "/catalog/mybooks/",
        "/accounts/login/",
        "/nothing",
    ] {
        stranger.get(path).await;
        assert!(stranger.cookie("sessionid").is_none(), "{path}");
    }
    for path in ["/catalog/", "/catalog/book/1"] {
        let head = Request::head(path).body(Full::default()).unwrap();
        stranger.send(head).await;
        assert!(stranger.cookie("sessionid").is_none(), "{path}");
    }
    assert_eq!(site.stored_sessions().await, 0);
}

#[tokio::test]
async fn a_session_key_from_the_client_is_never_adopted() {
    let site = Site::new().await;
    for junk in [
        "x",
        "null",
        "../../etc/passwd",
        &"A".repeat(43),
        &"k".repeat(32),
        &"junk".repeat(900),
    ] {
        let browser = browser(&site);
        browser.receive(&format!("sessionid={junk}; Path=/"));

        assert_eq!(visits(&browser).await, "You have visited this page 1 time.");
        assert_ne!(browser.cookie("sessionid").unwrap().value, junk);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_parallel_visits_of_one_browser_raise_its_counter_by_exactly_a_thousand() {
    let site = Site::new().await;
    let browser = browser(&site);
    visits(&browser).await;

    let mut tabs = JoinSet::new();
    for _ in 0..1_000 {
        let tab = browser.clone();
        tabs.spawn(async move { tab.get("/catalog/").await.status });
    }
    for status in tabs.join_all().await {
        assert_eq!(status, StatusCode::OK);
    }

    assert_eq!(
        visits(&browser).await,
        "You have visited this page 1002 times."
    );
}

#[tokio::test]
async fn a_failing_session_store_gives_an_error_page_and_counts_nothing() {
    let site = Site::new().await;
    let browser = browser(&site);
    visits(&browser).await;
    site.sql("ALTER TABLE cloakroom_session RENAME TO elsewhere")
        .await;

    let page = browser.get("/catalog/").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.header("retry-after"), Some("2"));
    assert!(
        page.text().contains("<h1>One moment, please</h1>"),
        "{}",
        page.text()
    );
    assert!(page.header("set-cookie").is_none(), "{page:?}");
    let stranger = self::browser(&site);
    for path in ["/catalog/books/", "/catalog/book/1"] {
        assert_eq!(stranger.get(path).await.status, StatusCode::OK, "{path}");
        assert_eq!(browser.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(
        browser.get("/catalog/books/").await.status,
        StatusCode::OK,
        "the catalogue still works"
    );

    site.sql("ALTER TABLE elsewhere RENAME TO cloakroom_session")
        .await;
    assert_eq!(
        visits(&browser).await,
        "You have visited this page 2 times."
    );
}

#[tokio::test]
async fn visits_are_counted_in_memory_in_the_cookie_in_another_database_and_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = format!(
        "sqlite://{}",
        folder.path().join("sessions.sqlite3").display()
    );
    let files = format!("file:{}", folder.path().join("sessions").display());
    for place in ["memory:", "cookie:", &elsewhere, &files] {
        let site = Site::with(&["--sessions", place]).await;
        let browser = browser(&site);

        visits(&browser).await;

        assert_eq!(
            visits(&browser).await,
            "You have visited this page 2 times.",
            "{place}"
        );
        let tables = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'cloakroom_session'";
        assert_eq!(site.number(tables).await, 0, "{place}");
    }
}

fn session_cookie(page: &cloakroom_testkit::Page) -> String {
    let cookies = page.headers.get_all("set-cookie").iter();
    let mut cookies = cookies.map(|cookie| cookie.to_str().unwrap());
    let cookie = cookies.find(|cookie| cookie.contains("sessionid="));
    cookie.unwrap().to_owned()
}

fn browser(site: &Site) -> Browser<Router> {
    Browser::http(site.application.router()).at("http://localhost:8000")
}

/// Loads the home page and returns its sentence about visits.
async fn visits(browser: &Browser<Router>) -> String {
    let page = browser.get("/catalog/").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let text = common::text(page.text());
    let start = text.find("You have visited").unwrap();
    let end = text[start..].find('.').unwrap();
    text[start..=start + end].to_owned()
}
