//! The style sheet and pictures.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod common;

use axum::http::{Method, StatusCode};
use common::Site;

/// Returns the URLs under `/static/` that the home page uses.
async fn addresses(site: &Site) -> Vec<String> {
    let body = site.get("/catalog/").await.body;
    let parts = body.split('"').filter(|part| part.starts_with("/static/"));
    parts.map(str::to_owned).collect()
}

#[tokio::test]
async fn files_are_cached_forever_under_a_url_with_a_hash() {
    let site = Site::new().await;
    let addresses = addresses(&site).await;
    assert_eq!(addresses.len(), 3);
    for address in addresses {
        let answer = site.get(&address).await;
        assert_eq!(answer.status, StatusCode::OK, "{address}");
        assert_eq!(
            answer.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        let content_type = if address.ends_with(".css") {
            "text/css; charset=utf-8"
        } else {
            "image/svg+xml"
        };
        assert_eq!(answer.header("content-type"), content_type);
        assert!(
            !answer.body.contains("url(") && !answer.body.contains("@import"),
            "{address} loads another file"
        );
    }
}

#[tokio::test]
async fn files_accept_get_and_head_only() {
    let site = Site::new().await;
    for address in addresses(&site).await {
        assert_eq!(site.ask(Method::HEAD, &address).await.body, "");
        let answer = site.ask(Method::POST, &address).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.header("allow"), "GET, HEAD");
    }
}

#[tokio::test]
async fn paths_without_a_hash_and_paths_out_of_the_folder_are_not_found() {
    let site = Site::new().await;
    for path in [
        "/static/",
        "/static",
        "/static/site.css",
        "/static/../Cargo.toml",
        "/static/..%2fCargo.toml",
        "/static/%2e%2e/Cargo.toml",
        "/static/%2fetc%2fpasswd",
        "/static//etc/passwd",
        "/static/..%5cCargo.toml",
    ] {
        assert_eq!(site.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
