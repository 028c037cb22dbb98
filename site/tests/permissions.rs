//! Permissions of pages, and the CSRF check of forms.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod common;

use axum::http::{Method, Request};
use common::{
    Site,
    visitor::{Visitor, main, target},
};
use http_body_util::Full;

const COPY: &str = "a2f73175-924d-4524-ac9a-e0b94e759058";

/// Returns three lists: the pages for all members, the pages for clerks and librarians, and the
/// pages for librarians.
fn pages() -> [Vec<String>; 3] {
    let member = [
        "/catalog/mybooks/",
        "/accounts/password_change/",
        "/accounts/password_change/done/",
    ];
    let clerk = [
        "/catalog/borrowed/".to_owned(),
        format!("/catalog/book/{COPY}/renew/"),
    ];
    let mut librarian = Vec::new();
    for noun in ["author", "book", "genre", "language"] {
        librarian.push(format!("/catalog/{noun}/create/"));
        librarian.push(format!("/catalog/{noun}/1/update/"));
        librarian.push(format!("/catalog/{noun}/1/delete/"));
    }
    librarian.push("/catalog/bookinstance/create/".to_owned());
    librarian.push(format!("/catalog/bookinstance/{COPY}/update/"));
    librarian.push(format!("/catalog/bookinstance/{COPY}/delete/"));
    [
        member.map(str::to_owned).to_vec(),
        clerk.to_vec(),
        librarian,
    ]
}

#[tokio::test]
async fn pages_open_only_for_roles_with_the_permission() {
    let site = Site::new().await;
    let pages = pages();
    for (username, may) in [
        ("newcomer", [true, false, false]),
        ("clerk", [true, true, false]),
        ("librarian", [true, true, true]),
        ("admin", [true, true, true]),
    ] {
        let visitor = site.visitor(username).await;
        for (pages, may) in pages.iter().zip(may) {
            for path in pages {
                let expected = if may { 200 } else { 403 };
                assert_eq!(
                    visitor.get(path).await.status,
                    expected,
                    "{username} {path}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_login_is_checked_before_the_permission_and_both_before_the_record() {
    let site = Site::new().await;
    let (stranger, member) = (site.stranger(), site.visitor("newcomer").await);
    let librarian = site.visitor("librarian").await;
    for path in [
        "/catalog/author/999/update/",
        "/catalog/book/00000000-0000-4000-8000-000000000000/renew/",
    ] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            let request = Request::builder().method(method).uri(path);
            let page = stranger
                .browser
                .send(request.body(Full::default()).unwrap())
                .await;
            assert_eq!(page.status, 302);
            assert_eq!(
                page.header("location").unwrap(),
                format!("/accounts/login/?next={path}")
            );
        }
        let page = stranger.send(path, &[]).await;
        assert_eq!(
            page.header("location").unwrap(),
            format!("/accounts/login/?next={path}")
        );
        assert_eq!(member.get(path).await.status, 403);
        assert_eq!(member.send(path, &[]).await.status, 403);
        assert_eq!(librarian.get(path).await.status, 404);
        assert_eq!(librarian.send(path, &[]).await.status, 404);
        assert_eq!(
            librarian.browser.post(path, "").await.status,
            403,
            "a form without a CSRF token is refused"
        );
    }
    let page = stranger.get("/catalog/borrowed/?page=2&x=%C3%A9").await;
    assert_eq!(
        target(&page),
        "/accounts/login/?next=/catalog/borrowed/%3Fpage%3D2%26x%3D%25C3%25A9"
    );
}

#[tokio::test]
async fn every_visitor_gets_a_404_for_a_malformed_id() {
    let site = Site::new().await;
    let visitors = [
        site.stranger(),
        site.visitor("newcomer").await,
        site.visitor("librarian").await,
    ];
    for visitor in &visitors {
        for path in [
            "/catalog/author/abc/update/",
            "/catalog/book/-1/delete/",
            "/catalog/genre/1.5/update/",
            "/catalog/book/00000000-0000-4000-8000-000000000000/update/",
            "/catalog/book/1/renew/",
            "/catalog/bookinstance/00000000000040008000000000000000/update/",
            "/catalog/bookinstance/ABCDEF00-0000-4000-8000-000000000000/delete/",
        ] {
            assert_eq!(visitor.get(path).await.status, 404, "{path}");
            assert_eq!(visitor.send(path, &[]).await.status, 404, "{path}");
        }
    }
    // An id that is too large for the database is still well-formed, so the login and the
    // permission are checked first.
    let path = "/catalog/author/99999999999999999999/update/";
    let statuses = [302, 403, 404];
    for (visitor, status) in visitors.iter().zip(statuses) {
        assert_eq!(visitor.get(path).await.status, status);
    }
}

#[tokio::test]
async fn a_revoked_permission_takes_effect_at_once() {
    let site = Site::new().await;
    let clerk = site.visitor("clerk").await;
    assert_eq!(clerk.get("/catalog/borrowed/").await.status, 200);
    site.sql("DELETE FROM auth_group_permissions").await;
    assert_eq!(clerk.get("/catalog/borrowed/").await.status, 403);
}

#[tokio::test]
async fn links_are_shown_only_to_users_with_the_permission() {
    let site = Site::new().await;
    for (username, borrowed, create) in [
        ("newcomer", false, false),
        ("clerk", true, false),
        ("librarian", true, true),
    ] {
        let visitor = site.visitor(username).await;
        let words = visitor.words("/catalog/").await;
        assert_eq!(words.contains("All borrowed"), borrowed, "{username}");
        for link in [
            "Create genre",
            "Create language",
            "Create author",
            "Create book",
            "Create copy of book",
        ] {
            assert_eq!(words.contains(link), create, "{username} {link}");
        }
        // An author with books cannot be deleted, so the link to delete is not shown to any user.
        let author = visitor.words("/catalog/author/1").await;
        assert_eq!(
            (
                author.contains("Update author"),
                author.contains("Delete author")
            ),
            (create, false)
        );
        let copy = visitor
            .words(&format!("/catalog/bookinstance/{COPY}"))
            .await;
        assert_eq!(
            (
                copy.contains("Mark as returned"),
                copy.contains("Delete copy")
            ),
            (borrowed, create)
        );
        let copies = visitor.words("/catalog/bookinstances/?page=last").await;
        assert_eq!(copies.contains("chidi"), borrowed, "{username}: {copies}");
    }
}

#[tokio::test]
async fn a_form_without_the_csrf_token_of_its_browser_is_refused() {
    let site = Site::new().await;
    let (one, other) = (site.stranger(), site.stranger());
    let foreign = other.token().await;
    let own = one.token().await;
    assert_ne!(
        own,
        one.token().await,
        "the token is masked differently each time"
    );
    let post = async |visitor: &Visitor, body: String, headers: &[(&str, &str)]| {
        let mut request = Request::post("/catalog/preferences/")
            .header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        visitor
            .browser
            .send(request.body(Full::from(body)).unwrap())
            .await
    };
    for token in ["", "x", &foreign, &own[1..], &"é".repeat(64)] {
        let page = post(
            &one,
            format!("per_page=20&csrfmiddlewaretoken={token}"),
            &[],
        )
        .await;
        assert_eq!(page.status, 403, "{token}");
        assert!(
            page.text()
                .contains("<h1>That form could not be accepted</h1>")
        );
    }
    let good = format!("per_page=20&csrfmiddlewaretoken={own}");
    for origin in ["http://evil.example", "null", "https://localhost:8000", ""] {
        assert_eq!(
            post(&one, good.clone(), &[("origin", origin)]).await.status,
            403,
            "{origin}"
        );
    }
    assert_eq!(
        post(&site.stranger(), good.clone(), &[]).await.status,
        403,
        "a token without its cookie is refused"
    );
    let query = format!("/catalog/preferences/?csrfmiddlewaretoken={own}");
    assert_eq!(
        one.browser.post(&query, "per_page=20").await.status,
        403,
        "a token in the URL is refused"
    );
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let request = Request::builder()
            .method(method)
            .uri("/catalog/preferences/");
        assert_eq!(
            one.browser
                .send(request.body(Full::default()).unwrap())
                .await
                .status,
            403
        );
    }
    assert!(
        one.browser.cookie("sessionid").is_none(),
        "nothing was stored"
    );
    assert_eq!(
        post(&one, good.clone(), &[]).await.status,
        302,
        "the token of an older page stays valid"
    );
    assert_eq!(
        post(&one, "per_page=20".to_owned(), &[("x-csrftoken", &own)])
            .await
            .status,
        302
    );
}

#[tokio::test]
async fn the_csrf_cookie_is_set_by_pages_with_forms() {
    let site = Site::new().await;
    let stranger = site.stranger();
    let page = stranger.get("/accounts/login/").await;
    let cookie = page.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("csrftoken=")
            && cookie.contains("Max-Age=31449600; Path=/; SameSite=Lax")
    );
    assert!(
        !cookie.contains("HttpOnly") && !cookie.contains("Secure") && !cookie.contains("Domain")
    );
    let page = stranger.get("/catalog").await;
    assert!(page.header("set-cookie").is_none());
}

#[tokio::test]
async fn urlencoded_and_multipart_forms_are_accepted_within_limits() {
    let site = Site::new().await;
    let stranger = site.stranger();
    let token = stranger.token().await;
    let multipart = async |body: String| {
        let request = Request::post("/catalog/preferences/")
            .header("content-type", "multipart/form-data; boundary=xyz");
        stranger
            .browser
            .send(request.body(Full::from(body)).unwrap())
            .await
    };
    let part = |name: &str, value: &str| {
        format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let token_part = part("csrfmiddlewaretoken", &token);
    let page = multipart(format!("{token_part}{}--xyz--\r\n", part("per_page", "20"))).await;
    assert_eq!(page.status, 302);
    assert!(
        stranger
            .words("/catalog/books/")
            .await
            .contains("Page 1 of 5.")
    );
    assert_eq!(
        multipart(token_part.clone()).await.status,
        400,
        "an incomplete body is refused"
    );

    // A form may have at most 1,000 fields, including the token, and at most 2.5 MiB.
    let start = format!("csrfmiddlewaretoken={token}");
    let fields = |n: usize| format!("{start}{}", "&a=1".repeat(n));
    assert_eq!(
        stranger
            .browser
            .post("/catalog/preferences/", fields(999))
            .await
            .status,
        200
    );
    assert_eq!(
        stranger
            .browser
            .post("/catalog/preferences/", fields(1000))
            .await
            .status,
        400
    );
    let large = format!("{start}&a={}", "x".repeat(2_621_440));
    let page = stranger.browser.post("/catalog/preferences/", large).await;
    assert_eq!(page.status, 400);
    assert!(main(&page).contains("could not be understood"));
}

/// Published keys are in tutorials and examples, so anyone can forge cookies with them.
#[tokio::test]
async fn published_secret_keys_are_accepted_on_loopback_only() {
    use clap::Parser;
    use locallibrary::{Application, Config};

    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/x.sqlite3", folder.path().display());
    let start = async |flags: &[&str]| {
        let all = ["locallibrary", "--database-url", &database];
        Application::build(Config::parse_from(all.iter().chain(flags)))
            .await
            .err()
            .map(|error| error.to_string())
    };
    let tutorial = "django-insecure-&psk#na5l=p3q8_a+-$4w1f^lt3lx1c@d*p4x$ymm_rn7pwb87";
    for key in [tutorial, "Changeme", "django-insecure-anything-else"] {
        for [bind, base_url] in [
            ["0.0.0.0:0", "http://localhost"],
            ["127.0.0.1:0", "https://library.example"],
        ] {
            let refusal = start(&["--secret-key", key, "--bind", bind, "--base-url", base_url])
                .await
                .unwrap();
            assert!(
                refusal.contains("published") && !refusal.contains(key),
                "{refusal}"
            );
        }
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "no file was created"
    );
    assert_eq!(
        start(&["--secret-key", tutorial, "--bind", "127.0.0.1:0"]).await,
        None
    );
    assert!(
        start(&["--secret-key", "", "--bind", "127.0.0.1:0"])
            .await
            .unwrap()
            .contains("it is empty")
    );
}
