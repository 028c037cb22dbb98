//! Login and logout.

use cloakroom_django::auth::Passwords;

use crate::common::{
    Site, text,
    visitor::{PASSWORD, main, target},
};

const MISMATCH: &str = "Your username and password didn't match. Please try again.";

#[tokio::test]
async fn a_login_keeps_the_session_items_under_a_new_key_and_records_the_time() {
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
    assert_eq!(site.stored_sessions().await, 1);
    // A login also changes the CSRF token.
    let stale = format!("csrfmiddlewaretoken={token_before}");
    assert_eq!(
        member.browser.post("/accounts/logout/", stale).await.status,
        403
    );
}

#[tokio::test]
async fn every_failed_login_looks_the_same() {
    let site = Site::new().await;
    site.set_password("member", PASSWORD).await;
    // `gone` is an inactive user.
    site.set_password("gone", PASSWORD).await;
    let long = "x".repeat(200_000);
    for (username, password) in [
        ("member", "wrong"),
        ("unknown", PASSWORD),
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
        "/",
        "spaces around the name are ignored"
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
async fn a_login_redirects_to_pages_of_this_site_only() {
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
            "only the session cookie and the CSRF cookie: {next}"
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
async fn a_login_leads_back_to_every_page_except_login_and_logout() {
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
async fn a_login_as_another_user_ends_the_session_of_the_first_user() {
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
    assert_eq!(site.stored_sessions().await, 1);
}

#[tokio::test]
async fn a_second_login_of_the_same_user_changes_the_key() {
    let site = Site::new().await;
    let member = site.visitor("member").await;
    let before = member.browser.cookie("sessionid").unwrap().value;
    member.log_in("member", PASSWORD).await;
    assert_ne!(member.browser.cookie("sessionid").unwrap().value, before);
}

#[tokio::test]
async fn a_logout_ends_the_session_of_this_browser_only() {
    let site = Site::new().await;
    let (one, other) = (site.visitor("member").await, site.visitor("member").await);
    one.get("/catalog/").await;

    let page = one.send("/accounts/logout/?next=//evil.example", &[]).await;

    assert_eq!(page.status, 200);
    assert!(main(&page).contains("Logged out!"));
    assert!(text(page.text()).contains("Login"));
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
async fn a_login_is_suspended_while_the_user_is_inactive_and_ends_if_the_password_changes() {
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
    assert_eq!(site.stored_sessions().await, 0);
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
        // Only the home page sets the session cookie. To a response that sets the cookie, Cloakroom
        // adds `cache-control: private`, unless it already has `no-store`, which is stricter.
        let mut cookies = page.headers.get_all("set-cookie").iter();
        let sets_cookie = cookies.any(|cookie| cookie.as_bytes().starts_with(b"sessionid="));
        assert_eq!(sets_cookie, path == "/catalog/", "{path}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(page.header("vary"), Some("Cookie"), "{path}");
    }
}

#[tokio::test]
async fn logins_to_an_account_are_slowed_down_after_many_failures() {
    let site = Site::new().await;
    site.set_password("member", PASSWORD).await;
    for _ in 0..10 {
        site.stranger().log_in("member", "wrong").await;
    }
    let failures =
        "SELECT failures FROM locallibrary_failed_login WHERE subject = 'account member'";
    assert_eq!(site.number(failures).await, 10);
    // Allow the next try in an hour. Until then, even the right password is refused.
    site.sql("UPDATE locallibrary_failed_login SET next_at = last_at + 3600000")
        .await;
    let page = site.stranger().log_in("member", PASSWORD).await;
    assert!(main(&page).contains(MISMATCH));
    site.set_password("reader2", PASSWORD).await;
    assert_eq!(
        site.stranger().log_in("reader2", PASSWORD).await.status,
        302,
        "other accounts are not affected"
    );
    // Allow the next try now. A successful login deletes the count of failures.
    site.sql("UPDATE locallibrary_failed_login SET next_at = 0")
        .await;
    assert_eq!(site.stranger().log_in("member", PASSWORD).await.status, 302);
    assert_eq!(
        site.number("SELECT COUNT(*) FROM locallibrary_failed_login")
            .await,
        0
    );
}
