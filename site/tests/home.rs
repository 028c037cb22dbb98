//! The home page.

mod common;

use axum::http::{Method, StatusCode};
use common::Site;

#[tokio::test]
async fn the_root_leads_to_the_catalogue() {
    let answer = Site::new().await.get("/").await;
    assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY);
    assert_eq!(answer.header("location"), "/catalog/");
}

#[tokio::test]
async fn the_home_page_shows_the_numbers_of_books_copies_authors_and_genres() {
    let answer = Site::new().await.get("/catalog/").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.element("title"), "Home – Local Library");
    assert_eq!(answer.element("h1"), "Local Library Home");
    let main = answer.main();
    for count in [
        "Books: 92",
        "Copies: 250",
        "Copies available: 123",
        "Authors: 40",
        "Genres: 24",
    ] {
        assert!(main.contains(count), "{count} in {main}");
    }
}

#[tokio::test]
async fn the_numbers_of_an_empty_library_are_zero() {
    let site = Site::empty().await;
    let main = site.get("/catalog/").await.main();
    for count in [
        "Books: 0",
        "Copies: 0",
        "Copies available: 0",
        "Authors: 0",
        "Genres: 0",
    ] {
        assert!(main.contains(count), "{count} in {main}");
    }
}

#[tokio::test]
async fn the_first_visit_is_counted_in_the_singular() {
    let main = Site::new().await.get("/catalog/").await.main();
    assert!(
        main.contains("You have visited this page 1 time."),
        "{main}"
    );
}

#[tokio::test]
async fn head_returns_the_headers_of_the_page_but_no_body() {
    let answer = Site::new().await.ask(Method::HEAD, "/catalog/").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.body, "");
}

#[tokio::test]
async fn every_page_has_landmarks_a_skip_link_and_one_heading() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    for path in [
        "/catalog/",
        "/catalog/books/",
        "/catalog/book/1",
        "/catalog/authors/",
        "/catalog/author/1",
        "/catalog/genres/",
        "/catalog/genre/1",
        "/catalog/languages/",
        "/catalog/language/1",
        "/catalog/bookinstances/",
        "/catalog/bookinstance/a2f73175-924d-4524-ac9a-e0b94e759058",
        "/catalog/search/?q=emma",
        "/catalog/preferences/",
        "/catalog/remembered/",
        "/catalog/mybooks/",
        "/catalog/borrowed/",
        "/catalog/book/a2f73175-924d-4524-ac9a-e0b94e759058/renew/",
        "/catalog/book/create/",
        "/catalog/author/1/delete/",
        "/accounts/password_change/",
        "/accounts/password_reset/",
        "/accounts/sessions/",
        "/nothing",
    ] {
        let page = librarian.get(path).await;
        let body = page.text();
        let count = |what: &str| body.matches(what).count();
        assert!(
            body.starts_with("<!doctype html>\n<html lang=\"en\">"),
            "{path}"
        );
        assert_eq!(
            (count("<main"), count("<h1"), count("<title>")),
            (1, 1, 1),
            "{path}"
        );
        assert!(
            count("<nav") >= 1 && count("name=\"viewport\"") == 1,
            "{path}"
        );
        let first_link = &body[body.find("<a ").unwrap()..];
        assert!(
            first_link.starts_with("<a class=\"skip\" href=\"#content\""),
            "{path}"
        );
        let mut ids: Vec<_> = body
            .split(" id=\"")
            .skip(1)
            .map(|rest| rest.split('"').next())
            .collect();
        ids.sort_unstable();
        let all = ids.len();
        ids.dedup();
        assert!(
            ids.len() == all && ids.contains(&Some("content")),
            "{path}: {ids:?}"
        );
        let main = &body[body.find("<main").unwrap()..];
        for unwanted in [
            "None",
            "Null",
            "href=\"\"",
            "()",
            "style=",
            "<script",
            "http://",
            "https://",
        ] {
            assert!(!main.contains(unwanted), "{unwanted} on {path}");
        }
        assert!(body.len() < 50_000, "{path}");
    }
}

#[tokio::test]
async fn links_lead_to_existing_pages() {
    let site = Site::new().await;
    let mut seen = vec!["/catalog/".to_owned()];
    let mut next = 0;
    // Follow the first 60 links. Among these are links to every kind of page.
    while next < seen.len().min(60) {
        let path = seen[next].clone();
        next += 1;
        let answer = site.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        if !answer.header("content-type").starts_with("text/html") {
            continue;
        }
        for attribute in ["href=\"", "src=\""] {
            for link in answer.body.split(attribute).skip(1) {
                let link = link.split('"').next().unwrap();
                let link = match link {
                    link if link.starts_with('#') => continue,
                    link if link.starts_with('?') => {
                        format!("{}{link}", path.split('?').next().unwrap())
                    }
                    link => link.to_owned(),
                };
                if !seen.contains(&link) {
                    seen.push(link);
                }
            }
        }
    }
}
