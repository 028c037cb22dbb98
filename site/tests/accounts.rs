//! Logging in and out, passwords, and the browsers in which one is logged in.

// A helper of tests may panic as a test does.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{Extension, extract::ConnectInfo};
use cloakroom_django_auth::Passwords;
use cloakroom_testkit::Browser;
use common::{
    Site,
    visitor::{PASSWORD, Visitor, main, target},
};

const MISMATCH: &str = "Your username and password didn't match. Please try again.";

#[tokio::test]
async fn a_login_keeps_what_the_browser_had_under_a_new_key_and_writes_when_it_was() {
    let site = Site::new().await;
    site.set_password("member", PASSWORD).await;
    let member = site.stranger();
    member.get("/catalog/").await;
    let before = member.browser.cookie("sessionid").unwrap().value;
    let token_before = member.token().await;

    assert_eq!(target(&member.log_in("member", PASSWORD).await), "/");

    assert_ne!(member.browser.cookie("sessionid").unwrap().value, before);
    let home = member.words("/catalog/").await;
    assert!(
        home.contains("2 times") && home.contains("member My borrowed"),
        "{home}"
    );
    assert!(
        site.text("SELECT last_login FROM auth_user WHERE username = 'member'")
            .await
            .is_some()
    );
    assert_eq!(
        site.number("SELECT COUNT(*) FROM cloakroom_session").await,
        1
    );
    let stale = format!("csrfmiddlewaretoken={token_before}");
    assert_eq!(
        member.browser.post("/accounts/logout/", stale).await.status,
        403
    );
}

#[tokio::test]
async fn every_failure_looks_the_same() {
    let site = Site::new().await;
    site.set_password("member", PASSWORD).await;
    site.set_password("gone", PASSWORD).await;
    let long = "x".repeat(200_000);
    for (username, password) in [
        ("member", "wrong"),
        ("nobody", PASSWORD),
        ("gone", PASSWORD),
        ("MEMBER", PASSWORD),
        ("", ""),
        ("member", ""),
        ("member", long.as_str()),
        (long.as_str(), PASSWORD),
        ("member\0", PASSWORD),
    ] {
        let stranger = site.stranger();
        let page = stranger.log_in(username, password).await;
        assert_eq!(page.status, 200);
        assert!(main(&page).contains(MISMATCH), "{username:.20}");
        assert!(
            password.is_empty() || !page.text().contains(password),
            "{username:.20}"
        );
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert!(stranger.browser.cookie("sessionid").is_none());
    }
    assert_eq!(
        target(&site.stranger().log_in(" member ", PASSWORD).await),
        "/"
    );
}

#[tokio::test]
async fn an_outdated_hash_is_replaced_at_login() {
    let site = Site::new().await;
    let outdated = Passwords::new().iterations(2).encode(PASSWORD).unwrap();
    let update = sqlx::query("UPDATE auth_user SET password = ? WHERE username = 'member'");
    let update = update.bind(outdated).execute(site.application.db());
    update.await.unwrap();
    let member = site.stranger();
    assert_eq!(member.log_in("member", PASSWORD).await.status, 302);
    let hash = site
        .text("SELECT password FROM auth_user WHERE username = 'member'")
        .await;
    assert!(hash.unwrap().starts_with("pbkdf2_sha256$1$"));
    assert!(member.words("/catalog/").await.contains("My borrowed"));
}

#[tokio::test]
async fn a_login_leads_on_to_pages_of_this_site_only() {
    let site = Site::new().await;
    site.set_password("member", PASSWORD).await;
    for (next, expected) in [
        ("/catalog/books/?page=2", "/catalog/books/?page=2"),
        (
            "http://localhost:8000/catalog/",
            "http://localhost:8000/catalog/",
        ),
        (
            "https://localhost:8000/catalog/",
            "https://localhost:8000/catalog/",
        ),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/x\r\nset-cookie: a=b", "/"),
        ("", "/"),
    ] {
        let fields = [
            ("username", "member"),
            ("password", PASSWORD),
            ("next", next),
        ];
        let page = site
            .stranger()
            .send("/accounts/login/?next=/ignored/", &fields)
            .await;
        assert_eq!(target(&page), expected, "{next}");
        assert_eq!(
            page.headers.get_all("set-cookie").iter().count(),
            2,
            "{next}"
        );
    }
    let fields = [("username", "member"), ("password", PASSWORD)];
    let page = site
        .stranger()
        .send("/accounts/login/?next=/catalog/mybooks/", &fields)
        .await;
    assert_eq!(target(&page), "/catalog/mybooks/");
}

#[tokio::test]
async fn every_page_is_the_way_back_from_the_login_but_those_that_lead_in_and_out() {
    let site = Site::new().await;
    site.set_password("member", PASSWORD).await;
    for (path, expected) in [
        ("/catalog/books/", "/catalog/books/"),
        ("/nosuch/", "/nosuch/"),
        ("/accounts/password_reset/", "/accounts/password_reset/"),
        (
            "/accounts/password_reset/done/",
            "/accounts/password_reset/done/",
        ),
        ("/accounts/reset/done/", "/accounts/reset/done/"),
        ("/accounts/reset/MQ/x-y/", "/accounts/reset/MQ/x-y/"),
        ("/accounts/login/", "/"),
        ("/accounts/logout/", "/"),
    ] {
        let stranger = site.stranger();
        let link = format!("/accounts/login/?next={path}");
        let page = stranger.get(path).await;
        assert!(page.text().contains(&format!("href=\"{link}\"")), "{path}");

        let page = stranger.get(&link).await;
        let next = if expected == "/" { "" } else { expected };
        let field = format!("name=\"next\" value=\"{next}\"");
        assert!(page.text().contains(&field), "{path}");
        let fields = [("username", "member"), ("password", PASSWORD)];
        assert_eq!(target(&stranger.send(&link, &fields).await), expected);
    }
}

#[tokio::test]
async fn another_user_in_the_same_browser_finds_nothing_of_the_first() {
    let site = Site::new().await;
    let browser = site.visitor("member").await;
    browser.get("/catalog/").await;
    browser.get("/catalog/").await;
    site.set_password("reader2", PASSWORD).await;
    browser.log_in("reader2", PASSWORD).await;
    let home = browser.words("/catalog/").await;
    assert!(
        home.contains("1 time.") && home.contains("reader2"),
        "{home}"
    );
    assert_eq!(
        site.number("SELECT COUNT(*) FROM cloakroom_session").await,
        1
    );
}

#[tokio::test]
async fn a_login_of_the_same_user_gives_a_new_key() {
    let site = Site::new().await;
    let member = site.visitor("member").await;
    let before = member.browser.cookie("sessionid").unwrap().value;
    member.log_in("member", PASSWORD).await;
    assert_ne!(member.browser.cookie("sessionid").unwrap().value, before);
}

#[tokio::test]
async fn a_logout_ends_this_browser_and_no_other() {
    let site = Site::new().await;
    let (one, other) = (site.visitor("member").await, site.visitor("member").await);
    one.get("/catalog/").await;

    let page = one.send("/accounts/logout/?next=//evil.example", &[]).await;

    assert_eq!(page.status, 200);
    assert!(main(&page).contains("Logged out!"));
    assert!(common::text(page.text()).contains("Login"));
    assert!(one.browser.cookie("sessionid").is_none());
    assert!(one.words("/catalog/").await.contains("1 time."));
    assert!(other.words("/catalog/").await.contains("My borrowed"));
    assert_eq!(
        site.stranger().send("/accounts/logout/", &[]).await.status,
        200
    );
    assert_eq!(other.get("/accounts/logout/").await.status, 405);
    assert_eq!(
        other.browser.post("/accounts/logout/", "").await.status,
        403
    );
    let page = other.get("/accounts/logout/").await;
    assert_eq!(page.header("allow"), Some("POST, OPTIONS"));
}

#[tokio::test]
async fn whoever_is_deactivated_or_senseless_is_out_at_the_next_request() {
    let site = Site::new().await;
    let member = site.visitor("member").await;
    site.sql("UPDATE auth_user SET is_active = 0 WHERE username = 'member'")
        .await;
    assert!(target(&member.get("/catalog/mybooks/").await).starts_with("/accounts/login/"));
    site.sql("UPDATE auth_user SET is_active = 1 WHERE username = 'member'")
        .await;
    assert_eq!(member.get("/catalog/mybooks/").await.status, 200);
    site.set_password("member", "Another-lantern-8").await;
    assert!(target(&member.get("/catalog/mybooks/").await).starts_with("/accounts/login/"));
    assert_eq!(
        site.number("SELECT COUNT(*) FROM cloakroom_session").await,
        0
    );
}

#[tokio::test]
async fn pages_for_a_user_are_kept_out_of_caches() {
    let site = Site::new().await;
    let member = site.visitor("member").await;
    for path in [
        "/catalog/",
        "/catalog/books/",
        "/catalog/mybooks/",
        "/nothing",
    ] {
        let page = member.get(path).await;
        let cache = page.header("cache-control").unwrap();
        assert!(
            cache.contains("no-store") || cache.contains("private"),
            "{path}: {cache}"
        );
        assert_eq!(page.header("vary"), Some("Cookie"), "{path}");
    }
}

#[tokio::test]
async fn a_password_is_changed_and_all_other_browsers_are_out() {
    let site = Site::new().await;
    let (member, other) = (site.visitor("member").await, site.visitor("member").await);
    let before = member.browser.cookie("sessionid").unwrap().value;
    let change = async |old: &str, one: &str, two: &str| {
        let fields = [
            ("old_password", old),
            ("new_password1", one),
            ("new_password2", two),
        ];
        member.send("/accounts/password_change/", &fields).await
    };
    for (old, one, two, message) in [
        (
            "wrong",
            "Heron-ladder-4",
            "Heron-ladder-4",
            "Your old password was entered incorrectly. Please enter it again.",
        ),
        (
            PASSWORD,
            "Heron-ladder-4",
            "Heron-ladder-5",
            "The two password fields didn’t match.",
        ),
        (
            PASSWORD,
            "short-7",
            "short-7",
            "This password is too short. It must contain at least 8 characters.",
        ),
        (
            PASSWORD,
            "password",
            "password",
            "This password is too common.",
        ),
        (
            PASSWORD,
            "8463950274",
            "8463950274",
            "This password is entirely numeric.",
        ),
        (
            PASSWORD,
            "member77",
            "member77",
            "The password is too similar to the username.",
        ),
        (
            PASSWORD,
            "okafor77",
            "okafor77",
            "The password is too similar to the last name.",
        ),
        ("", "", "", "This field is required."),
    ] {
        let page = change(old, one, two).await;
        assert_eq!(page.status, 200);
        assert!(
            main(&page).contains(message),
            "{message} in {}",
            main(&page)
        );
        assert!(page.text().contains("aria-invalid=\"true\""));
        let shown = page.text().split("type=\"password\"").skip(1);
        assert!(
            shown
                .map(|rest| rest.split('>').next().unwrap())
                .all(|input| !input.contains("value"))
        );
    }
    let page = change(PASSWORD, "Heron-ladder-4", "Heron-ladder-4").await;
    assert_eq!(target(&page), "/accounts/password_change/done/");
    assert_eq!(
        member.get("/accounts/password_change/done/").await.status,
        200
    );
    assert_ne!(member.browser.cookie("sessionid").unwrap().value, before);
    assert!(target(&other.get("/catalog/mybooks/").await).starts_with("/accounts/login/"));
    assert_eq!(
        site.stranger()
            .log_in("member", "Heron-ladder-4")
            .await
            .status,
        302
    );
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_with_the_link_of_a_mail() {
    let folder = tempfile::tempdir().unwrap();
    let mail = format!("file:{}", folder.path().display());
    let site = Site::with(&["--mail", &mail]).await;
    let logged_in = site.visitor("member").await;
    let stranger = site.stranger();
    for (email, message) in [
        ("", "This field is required."),
        ("nonsense", "Enter a valid email address."),
    ] {
        let page = stranger
            .send("/accounts/password_reset/", &[("email", email)])
            .await;
        assert!(main(&page).contains(message), "{email}");
    }
    for email in [
        "nobody@example.org",
        "gone@example.org",
        "MEMBER@example.org",
    ] {
        let page = stranger
            .send("/accounts/password_reset/", &[("email", email)])
            .await;
        assert_eq!(target(&page), "/accounts/password_reset/done/");
    }
    let mails = mails(folder.path(), 1).await;
    let mail = &mails[0];
    assert!(
        mail.starts_with("To: member@example.org\nSubject: Password reset on localhost:8000\n"),
        "{mail}"
    );
    let link = mail.split("http://localhost:8000").nth(1).unwrap();
    let link = link.split_whitespace().next().unwrap();

    let page = stranger.get(link).await;
    let form = target(&page).to_owned();
    assert!(form.ends_with("/set-password/"), "{form}");
    let reset = async |one: &str, two: &str| {
        stranger
            .send(&form, &[("new_password1", one), ("new_password2", two)])
            .await
    };
    assert!(main(&stranger.get(&form).await).contains("New password"));
    assert!(
        main(&reset("12345678", "12345678").await).contains("This password is entirely numeric.")
    );
    assert_eq!(
        target(&reset("Heron-ladder-4", "Heron-ladder-4").await),
        "/accounts/reset/done/"
    );

    assert!(main(&stranger.get("/accounts/reset/done/").await).contains("Log in"));
    assert!(
        target(&stranger.get("/catalog/mybooks/").await).starts_with("/accounts/login/"),
        "not logged in"
    );
    assert!(target(&logged_in.get("/catalog/mybooks/").await).starts_with("/accounts/login/"));
    for link in [
        link,
        form.as_str(),
        "/accounts/reset/x/y-z/",
        "/accounts/reset/MQ/set-password/",
    ] {
        let page = site.stranger().get(link).await;
        assert_eq!(page.status, 200);
        assert!(main(&page).contains("invalid") && !page.text().contains("new_password1"));
    }
    assert_eq!(
        site.stranger()
            .log_in("member", "Heron-ladder-4")
            .await
            .status,
        302
    );
}

/// The mails in the folder, once there are as many: nobody waits for mails but tests.
async fn mails(folder: &std::path::Path, count: usize) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path());
        let mails: Vec<_> = files
            .filter(|file| file.extension().is_some_and(|ending| ending == "txt"))
            .collect();
        match mails.len() {
            found if found < count && Instant::now() < deadline => tokio::task::yield_now().await,
            found => {
                assert_eq!(found, count, "mails");
                let texts = mails.iter().map(std::fs::read_to_string);
                return texts.map(Result::unwrap).collect();
            }
        }
    }
}

/// What the site answers to whoever asks for a link to this address.
async fn ask_for_mail(visitor: &Visitor, email: &str) -> String {
    let page = visitor
        .send("/accounts/password_reset/", &[("email", email)])
        .await;
    target(&page).to_owned()
}

#[tokio::test]
async fn a_mailbox_gets_ten_links_until_a_quarter_of_an_hour_has_gone_by() {
    const DONE: &str = "/accounts/password_reset/done/";
    let folder = tempfile::tempdir().unwrap();
    let mail = format!("file:{}", folder.path().display());
    let site = Site::with(&["--mail", &mail]).await;
    // A known address and an unknown one look the same, also in the database.
    for email in ["member@example.org", "nobody@example.org"] {
        for _ in 0..9 {
            assert_eq!(ask_for_mail(&site.stranger(), email).await, DONE);
        }
        for _ in 0..3 {
            let other_case = email.to_uppercase();
            assert_eq!(ask_for_mail(&site.stranger(), &other_case).await, DONE);
        }
    }
    assert_eq!(
        site.number(
            "SELECT COUNT(*) FROM locallibrary_failed_login WHERE failures = 10 \
             AND subject IN ('mail to member@example.org', 'mail to nobody@example.org')"
        )
        .await,
        2
    );
    mails(folder.path(), 10).await;
    assert_eq!(
        ask_for_mail(&site.stranger(), "reader2@example.org").await,
        DONE,
        "others get theirs"
    );
    mails(folder.path(), 11).await;
    assert_eq!(
        site.visitor("member")
            .await
            .get("/catalog/mybooks/")
            .await
            .status,
        200,
        "a login is no matter of mails"
    );

    // What was refused did not put off the end of the quarter of an hour.
    site.sql("UPDATE locallibrary_failed_login SET last_at = last_at - 900000")
        .await;
    assert_eq!(
        ask_for_mail(&site.stranger(), "member@example.org").await,
        DONE
    );
    let mails = mails(folder.path(), 12).await;
    let to_member = mails
        .iter()
        .filter(|mail| mail.starts_with("To: member@example.org\n"));
    assert_eq!(to_member.count(), 11);
}

#[tokio::test]
async fn whoever_asks_for_mails_to_many_is_not_heard_and_keeps_nobody_from_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let mail = format!("file:{}", folder.path().display());
    let site = Site::with(&["--mail", &mail]).await;
    let from = |address: [u8; 4]| {
        let address = ConnectInfo(SocketAddr::from((address, 50_000)));
        let router = site.application.router().layer(Extension(address));
        Visitor {
            browser: Browser::http(router).at("http://localhost:8000"),
        }
    };
    let stranger = from([192, 0, 2, 7]);
    for n in 0..50 {
        ask_for_mail(&stranger, &format!("nobody{n}@example.org")).await;
    }
    let counted = "SELECT COUNT(*) FROM locallibrary_failed_login WHERE subject LIKE 'mail to %'";
    assert_eq!(site.number(counted).await, 50);

    ask_for_mail(&stranger, "member@example.org").await;
    assert_eq!(site.number(counted).await, 50);

    ask_for_mail(&from([192, 0, 2, 8]), "member@example.org").await;
    assert_eq!(site.number(counted).await, 51);
    mails(folder.path(), 1).await;
}

#[tokio::test]
async fn after_many_failures_an_account_is_tried_only_now_and_then() {
    let site = Site::new().await;
    site.set_password("member", PASSWORD).await;
    for _ in 0..10 {
        site.stranger().log_in("member", "wrong").await;
    }
    let failures =
        "SELECT failures FROM locallibrary_failed_login WHERE subject = 'account member'";
    assert_eq!(site.number(failures).await, 10);
    // The next turn is an hour off: not even the right password is looked at.
    site.sql("UPDATE locallibrary_failed_login SET next_at = last_at + 3600000")
        .await;
    let page = site.stranger().log_in("member", PASSWORD).await;
    assert!(main(&page).contains(MISMATCH));
    site.set_password("reader2", PASSWORD).await;
    assert_eq!(
        site.stranger().log_in("reader2", PASSWORD).await.status,
        302,
        "others are not held up"
    );
    // Its turn has come, and a success makes it all forgotten.
    site.sql("UPDATE locallibrary_failed_login SET next_at = 0")
        .await;
    assert_eq!(site.stranger().log_in("member", PASSWORD).await.status, 302);
    assert_eq!(
        site.number("SELECT COUNT(*) FROM locallibrary_failed_login")
            .await,
        0
    );
}

#[tokio::test]
async fn users_see_where_they_are_logged_in_and_end_it() {
    let site = Site::new().await;
    let (one, other) = (site.visitor("member").await, site.visitor("member").await);
    let stranger = site.visitor("reader2").await;
    let page = one.get("/accounts/sessions/").await;
    assert_eq!(page.text().matches("name=\"tag\"").count(), 2);
    assert_eq!(page.text().matches("this browser").count(), 1);
    let tags: Vec<_> = page.text().split("name=\"tag\" value=\"").skip(1).collect();
    let tags: Vec<_> = tags
        .iter()
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    for tag in &tags {
        stranger
            .send("/accounts/sessions/end/", &[("tag", tag)])
            .await;
    }
    assert_eq!(
        other.get("/catalog/mybooks/").await.status,
        200,
        "only one's own"
    );
    assert_eq!(
        one.send("/accounts/sessions/end/", &[("tag", "nonsense")])
            .await
            .status,
        400
    );
    assert_eq!(
        target(&one.send("/accounts/sessions/end-others/", &[]).await),
        "/accounts/sessions/"
    );
    assert!(target(&other.get("/catalog/mybooks/").await).starts_with("/accounts/login/"));
    assert!(
        one.words("/accounts/sessions/")
            .await
            .contains("All other browsers are logged out.")
    );
    let tag = one.get("/accounts/sessions/").await;
    let tag = tag
        .text()
        .split("name=\"tag\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert_eq!(
        target(&one.send("/accounts/sessions/end/", &[("tag", tag)]).await),
        "/accounts/login/"
    );
    assert!(one.browser.cookie("sessionid").is_none());
}

#[tokio::test]
async fn where_sessions_have_no_owners_the_page_says_so() {
    let site = Site::with(&["--sessions", "cookie:"]).await;
    let member = site.visitor("member").await;
    assert!(
        member
            .words("/accounts/sessions/")
            .await
            .contains("change your password")
    );
}
