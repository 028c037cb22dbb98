//! Redirects, refused requests, errors, and the headers that all responses have.

mod common;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use common::Site;

/// A CSRF token. A request that has it in the cookie and in a header passes the CSRF check.
const CSRF_TOKEN: &str = "abcdefghijklmnopqrstuvwxyzABCDEF";

const READ_ONLY_PAGES: [&str; 3] = ["/catalog/", "/catalog/books/", "/catalog/book/1"];

#[tokio::test]
async fn a_missing_slash_is_added_and_the_query_kept() {
    let site = Site::new().await;
    for (path, target) in [
        ("/catalog", "/catalog/"),
        ("/catalog/books", "/catalog/books/"),
        ("/catalog/books?page=2", "/catalog/books/?page=2"),
        ("/catalog/authors?x=%0d%0a", "/catalog/authors/?x=%0d%0a"),
        ("/catalog/genres", "/catalog/genres/"),
        ("/catalog/languages", "/catalog/languages/"),
        ("/catalog/bookinstances", "/catalog/bookinstances/"),
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY, "{path}");
        assert_eq!(answer.header("location"), target);
    }
}

#[tokio::test]
async fn an_unknown_address_gets_a_page_of_the_site() {
    let answer = Site::new().await.get("/catalog/nothing/").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.element("title"), "Page not found – Local Library");
    assert_eq!(answer.element("h1"), "Page not found");
    assert!(
        answer
            .body
            .contains(r#"<a href="/catalog/">Go to the home page</a>"#)
    );
}

#[tokio::test]
async fn read_only_pages_refuse_other_methods_and_list_the_allowed_ones() {
    let site = Site::new().await;
    let unknown = Method::from_bytes(b"BREW").unwrap();
    for path in READ_ONLY_PAGES {
        for method in [
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::TRACE,
            unknown.clone(),
        ] {
            let request = Request::builder()
                .method(method.clone())
                .uri(path)
                .header("cookie", format!("csrftoken={CSRF_TOKEN}"))
                .header("x-csrftoken", CSRF_TOKEN);
            let answer = site.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(
                answer.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
            assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
            assert_eq!(answer.element("h1"), "This address cannot be used that way");
        }
    }
}

#[tokio::test]
async fn options_lists_the_methods_of_a_page() {
    let site = Site::new().await;
    for path in READ_ONLY_PAGES {
        let answer = site.ask(Method::OPTIONS, path).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    }
}

#[tokio::test]
async fn head_is_answered_like_get_but_without_a_body() {
    let site = Site::new().await;
    for path in [
        "/catalog/books/",
        "/catalog/book/1",
        "/catalog/book/999",
        "/nothing",
    ] {
        let (get, head) = (site.get(path).await, site.ask(Method::HEAD, path).await);
        assert_eq!(get.status, head.status, "{path}");
        assert_eq!(
            get.header("content-type"),
            head.header("content-type"),
            "{path}"
        );
        assert_eq!(head.body, "", "{path}");
    }
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    let site = Site::new().await;
    for path in [
        "/",
        "/catalog/",
        "/catalog/book/1",
        "/catalog/books",
        "/nothing",
        "/static/nothing",
    ] {
        let answer = site.get(path).await;
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'self'") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
    }
}

#[tokio::test]
async fn malformed_input_never_causes_a_server_error() {
    let site = Site::new().await;
    let long = format!("/catalog/books/?page={}", "9".repeat(4000));
    let deep = "/catalog/".repeat(400);
    for path in [
        "//evil.example/x",
        "//evil.example/catalog/books",
        "///",
        "/catalog//books/",
        "/%2f%2fevil.example",
        "/catalog/%00",
        "/catalog/%ff%fe/",
        "/catalog/book/%c3%28",
        "/catalog/book/%ED%A0%80",
        "/catalog/books/?page=%ff",
        "/catalog/books/?page=%",
        "/catalog/books/?%00=%00",
        "/catalog/books/?page[]=1&page=",
        "/static/%ff",
        "/static/%00",
        "/catalog/books/?&&&===",
        long.as_str(),
        deep.as_str(),
    ] {
        let answer = site.get(path).await;
        assert!(
            !answer.status.is_server_error(),
            "{path}: {}",
            answer.status
        );
        assert!(!answer.header("location").contains("evil"), "{path}");
    }
}

#[tokio::test]
async fn a_request_for_another_host_is_refused() {
    let site = Site::new().await;
    let port = site.application.address().port();
    let ask = async |host: &[u8]| {
        let request = Request::get("/catalog/")
            .header("host", host)
            .body(Body::empty())
            .unwrap();
        site.send(request).await
    };
    for host in [
        "localhost",
        "LOCALHOST:80",
        "[::1]:8000",
        &format!("127.0.0.1:{port}"),
    ] {
        assert_eq!(ask(host.as_bytes()).await.status, StatusCode::OK, "{host}");
    }
    for host in [
        &b"evil.example"[..],
        b"localhost.evil.example",
        b"evil.example:80",
        b"",
        b"\xff",
        b"a@localhost",
    ] {
        let answer = ask(host).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{host:?}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    }
    let request = Request::get("http://evil.example/catalog/")
        .body(Body::empty())
        .unwrap();
    assert_eq!(site.send(request).await.status, StatusCode::BAD_REQUEST);
    for hosts in [["localhost", "evil.example"], ["evil.example", "localhost"]] {
        let request = Request::get("/catalog/").header("host", hosts[0]);
        let request = request.header("host", hosts[1]).body(Body::empty());
        let answer = site.send(request.unwrap()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{hosts:?}");
    }
}

#[tokio::test]
async fn a_server_error_shows_no_internals() {
    let site = Site::new().await;
    site.application.db().close().await;
    let answer = site.get("/catalog/books/").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.element("h1"), "Something went wrong here");
    assert!(!answer.body.to_lowercase().contains("pool") && !answer.body.contains("sql"));
}
