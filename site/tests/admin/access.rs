use cloakroom_testkit::Page;

use super::COPY;
use crate::common::{
    Site,
    visitor::{PASSWORD, main, target},
};

const REFUSED: &str = "Please enter the correct username and password for a staff account. \
                       Note that both fields may be case-sensitive.";

/// Returns the paths of the staff area: first the pages of the catalogue, then the pages of
/// accounts and sessions.
fn pages() -> [Vec<String>; 2] {
    let mut catalogue = vec!["/admin/".to_owned(), "/admin/catalog/".to_owned()];
    for model in ["author", "book", "genre", "language"] {
        catalogue.push(format!("/admin/catalog/{model}/"));
        catalogue.push(format!("/admin/catalog/{model}/add/"));
        for page in ["change", "delete", "history"] {
            catalogue.push(format!("/admin/catalog/{model}/1/{page}/"));
        }
    }
    for page in ["change", "delete", "history"] {
        catalogue.push(format!("/admin/catalog/bookinstance/{COPY}/{page}/"));
    }
    let mut accounts = vec![
        "/admin/auth/".to_owned(),
        "/admin/auth/user/1/password/".to_owned(),
        "/admin/sessions/session/".to_owned(),
    ];
    for model in ["user", "group"] {
        accounts.push(format!("/admin/auth/{model}/"));
        accounts.push(format!("/admin/auth/{model}/add/"));
        for page in ["change", "delete", "history"] {
            accounts.push(format!("/admin/auth/{model}/1/{page}/"));
        }
    }
    [catalogue, accounts]
}

#[tokio::test]
async fn pages_open_only_for_users_with_the_permission() {
    let site = Site::new().await;
    let [catalogue, accounts] = pages();
    for (username, in_catalogue, in_accounts) in [
        ("member", 302, 302),
        ("clerk", 302, 302),
        ("librarian", 200, 403),
        ("admin", 200, 200),
    ] {
        let visitor = site.visitor(username).await;
        for (pages, status) in [(&catalogue, in_catalogue), (&accounts, in_accounts)] {
            for path in pages {
                let page = visitor.get(path).await;
                assert_eq!(page.status, status, "{username} {path}");
                if status == 302 {
                    assert_eq!(target(&page), format!("/admin/login/?next={path}"));
                }
            }
        }
    }
}

#[tokio::test]
async fn an_anonymous_visitor_of_the_staff_area_is_redirected_to_its_login_page() {
    let site = Site::new().await;
    let stranger = site.stranger();
    for path in [
        "/admin/catalog/author/999/change/",
        "/admin/nothing/at-all/",
    ] {
        let page = stranger.get(path).await;
        assert_eq!(target(&page), format!("/admin/login/?next={path}"));
    }
    let page = stranger
        .send("/admin/catalog/genre/add/", &[("name", "New")])
        .await;
    assert_eq!(
        target(&page),
        "/admin/login/?next=/admin/catalog/genre/add/"
    );
    assert_eq!(site.get("/admin").await.header("location"), "/admin/");
}

#[tokio::test]
async fn a_form_without_a_csrf_token_is_refused_before_other_checks() {
    let site = Site::new().await;
    for visitor in [site.stranger(), site.visitor("librarian").await] {
        let page = visitor
            .browser
            .post("/admin/auth/user/1/delete/", "post=yes")
            .await;
        assert_eq!(page.status, 403);
        assert!(main(&page).contains("That form could not be accepted"));
    }
}

#[tokio::test]
async fn unknown_pages_and_records_are_not_found() {
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    for path in [
        "/admin/nothing/",
        "/admin/catalog/nothing/",
        "/admin/auth/permission/",
        "/admin/catalog/author/999/change/",
        "/admin/catalog/author/x/change/",
        "/admin/catalog/author/-1/change/",
        "/admin/catalog/author/99999999999999999999/change/",
        "/admin/catalog/bookinstance/1/change/",
        "/admin/catalog/author/999/delete/",
        "/admin/catalog/author/999/history/",
        "/admin/auth/user/999/password/",
        "/admin/catalog/author/?page=2",
        "/admin/catalog/author/%ff/change/",
    ] {
        assert_eq!(admin.get(path).await.status, 404, "{path}");
    }
}

async fn log_in(site: &Site, username: &str, password: &str) -> Page {
    site.set_password(username, PASSWORD).await;
    let fields = [("username", username), ("password", password)];
    site.stranger()
        .send("/admin/login/?next=/admin/catalog/book/", &fields)
        .await
}

#[tokio::test]
async fn only_staff_can_use_the_staff_login() {
    let site = Site::new().await;
    let page = log_in(&site, "librarian", PASSWORD).await;
    assert_eq!(target(&page), "/admin/catalog/book/");
    for (username, password) in [
        ("librarian", "wrong"),
        ("member", PASSWORD),
        ("unknown", PASSWORD),
    ] {
        let page = log_in(&site, username, password).await;
        assert_eq!(page.status, 200);
        assert!(main(&page).contains(REFUSED), "{username}");
        assert!(!page.text().contains(PASSWORD));
        assert!(
            page.header("set-cookie")
                .is_none_or(|cookie| !cookie.starts_with("sessionid"))
        );
    }
}

#[tokio::test]
async fn a_staff_login_is_valid_on_all_pages_and_redirects_to_this_site_only() {
    let site = Site::new().await;
    site.set_password("librarian", PASSWORD).await;
    let visitor = site.stranger();
    let fields = [
        ("username", "librarian"),
        ("password", PASSWORD),
        ("next", "https://evil.example/"),
    ];
    assert_eq!(
        target(&visitor.send("/admin/login/", &fields).await),
        "/admin/"
    );
    assert_eq!(visitor.get("/catalog/mybooks/").await.status, 200);
    assert_eq!(
        target(&visitor.get("/admin/login/?next=/admin/catalog/").await),
        "/admin/catalog/"
    );
}

#[tokio::test]
async fn the_staff_start_page_shows_the_permitted_lists_and_only_the_users_own_actions() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    assert!(librarian.words("/catalog/").await.contains("Staff area"));
    let clerk = site.visitor("clerk").await;
    assert!(!clerk.words("/catalog/").await.contains("Staff area"));
    let page = librarian.get("/admin/").await;
    let words = main(&page);
    for word in ["Authors", "Book instances", "Books", "Genres", "Languages"] {
        assert!(words.contains(word), "{word}");
    }
    assert!(!words.contains("Users") && !words.contains("Live sessions"));
    assert!(page.text().contains("/admin/catalog/bookinstance/add/"));
    assert!(!words.contains("Fable"));

    librarian
        .send("/admin/catalog/genre/add/", &[("name", "Fable")])
        .await;
    let page = librarian.get("/admin/").await;
    assert!(main(&page).contains("Fable genre added"), "{}", main(&page));
    assert!(page.text().contains("/admin/catalog/genre/25/change/"));
    let admin = site.visitor("admin").await;
    let words = main(&admin.get("/admin/").await);
    assert!(words.contains("Users") && words.contains("Live sessions"));
    assert!(
        !words.contains("Fable"),
        "actions of other users are not listed"
    );
}

#[tokio::test]
async fn a_user_with_few_permissions_sees_few_pages_and_buttons() {
    let site = Site::new().await;
    site.sql("UPDATE auth_user SET is_staff = 1 WHERE username = 'clerk'")
        .await;
    let clerk = site.visitor("clerk").await;
    assert!(
        main(&clerk.get("/admin/").await).contains("has no permission to view or edit anything")
    );
    assert_eq!(clerk.get("/admin/catalog/author/").await.status, 403);

    site.sql(
        "INSERT INTO auth_group_permissions (group_id, permission_id) \
         SELECT 2, id FROM auth_permission WHERE codename = 'view_author'",
    )
    .await;
    let list = clerk.get("/admin/catalog/author/").await;
    assert!(!list.text().contains("_selected_action"));
    let page = clerk.get("/admin/catalog/author/1/change/").await;
    assert!(main(&page).contains("Dec. 16, 1775"));
    assert!(
        !main(&page).contains("Save") && !page.text().contains("/admin/catalog/author/1/delete/")
    );
    let fields = [("first_name", "J"), ("last_name", "A")];
    let page = clerk.send("/admin/catalog/author/1/change/", &fields).await;
    assert_eq!(page.status, 403);

    site.sql(
        "INSERT INTO auth_group_permissions (group_id, permission_id) \
         SELECT 2, id FROM auth_permission WHERE codename = 'add_genre'",
    )
    .await;
    let fields = [("name", "Fable"), ("_continue", "1")];
    let page = clerk.send("/admin/catalog/genre/add/", &fields).await;
    assert_eq!(
        target(&page),
        "/admin/",
        "users who may not view genres are sent to the start page"
    );
}

#[tokio::test]
async fn a_staff_page_has_no_overdue_notice_and_no_welcome_notice_and_is_never_cached() {
    let site = Site::new().await;
    site.sql("UPDATE auth_user SET is_staff = 1 WHERE username = 'member'")
        .await;
    let member = site.visitor("member").await;
    assert!(member.words("/catalog/").await.contains("overdue books"));
    let page = member.get("/admin/").await;
    assert!(!page.text().contains("overdue books") && !page.text().contains("keeps a cookie"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'none'"));
}
