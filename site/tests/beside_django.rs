//! The site with its sessions in Django's session table.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod common;

use axum::{body::Body, http::Request};
use clap::Parser;
use cloakroom_testkit::Browser;
use http_body_util::BodyExt;
use locallibrary::{Application, Config};
use tower::ServiceExt;

use common::{
    Site,
    visitor::{PASSWORD, Visitor, target},
};

const SESSIONS: &str = "SELECT COUNT(*) FROM django_session";

#[tokio::test]
async fn a_login_is_stored_in_djangos_table_until_the_logout() {
    let site = Site::with(&["--sessions", "django+db"]).await;
    site.set_password("member", PASSWORD).await;
    let member = site.stranger();
    member.get("/catalog/").await;
    let before = member.browser.cookie("sessionid").unwrap().value;

    assert_eq!(target(&member.log_in("member", PASSWORD).await), "/");

    let key = member.browser.cookie("sessionid").unwrap().value;
    assert_ne!(key, before);
    assert_eq!(key.len(), 32);
    let home = member.words("/catalog/").await;
    assert!(
        home.contains("2 times") && home.contains("member My borrowed"),
        "{home}"
    );
    assert_eq!(site.number(SESSIONS).await, 1);

    member.send("/accounts/logout/", &[]).await;
    assert_eq!(site.number(SESSIONS).await, 0);
}

#[tokio::test]
async fn the_removal_cookie_has_the_attributes_of_the_session_cookie() {
    for (base_url, attributes) in [
        ("http://localhost:8000", "SameSite=Lax"),
        ("https://localhost:8000", "SameSite=Lax; Secure"),
    ] {
        let site = Site::with(&["--sessions", "django+db", "--base-url", base_url]).await;
        let browser = Browser::http(site.application.router()).at(base_url);
        let visitor = Visitor { browser };
        visitor.get("/catalog/").await;
        let page = visitor.send("/accounts/logout/", &[]).await;
        let cookies = page.headers.get_all("set-cookie").iter();
        let removal = cookies
            .map(|cookie| cookie.to_str().unwrap())
            .find(|cookie| cookie.starts_with("sessionid=\"\""))
            .unwrap();
        assert!(
            removal.contains("HttpOnly; Max-Age=0; Path=/;"),
            "{removal}"
        );
        assert!(removal.ends_with(attributes), "{removal}");
        assert!(visitor.browser.cookie("sessionid").is_none());
    }
}

#[tokio::test]
async fn pages_work_with_a_store_that_cannot_list_sessions() {
    let site = Site::with(&["--sessions", "django+db"]).await;
    site.set_password("member", PASSWORD).await;
    let member = site.stranger();
    member.log_in("member", PASSWORD).await;

    assert_eq!(member.get("/accounts/sessions/").await.status, 200);
    let changed = [
        ("old_password", PASSWORD),
        ("new_password1", "Heron-ladder-4"),
        ("new_password2", "Heron-ladder-4"),
    ];
    member.send("/accounts/password_change/", &changed).await;
    assert!(member.words("/catalog/").await.contains("My borrowed"));
}

#[tokio::test]
async fn a_login_survives_a_new_secret_key() {
    let (old, new) = (
        "the-key-from-before".repeat(4),
        "the-key-of-today".repeat(4),
    );
    let flags = ["--sessions", "django+db", "--secret-key"];
    let site = Site::with(&[flags.as_slice(), &[&old]].concat()).await;
    site.set_password("member", PASSWORD).await;
    let member = site.stranger();
    member.log_in("member", PASSWORD).await;
    let key = member.browser.cookie("sessionid").unwrap().value;

    let database = format!("sqlite://{}", site.application.database().display());
    let here = [
        "locallibrary",
        "--bind",
        "127.0.0.1:0",
        "--database-url",
        &database,
    ];
    let after = [new.as_str(), "--secret-key-fallback", &old];
    let config = Config::parse_from([here.as_slice(), &flags, &after].concat());
    let application = Application::build(config).await.unwrap();
    let request = Request::get("/catalog/")
        .header("host", "localhost")
        .header("cookie", format!("sessionid={key}"));
    let request = request.body(Body::empty()).unwrap();
    let response = application.router().oneshot(request).await.unwrap();

    // The session contains a login hash, which depends on the secret key. The site replaces this
    // hash by one for the new secret key, and moves the session to a new session key.
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(!cookie.contains(&key));
    let page = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&page).contains("My borrowed"));
}
