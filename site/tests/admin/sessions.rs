use cloakroom_testkit::Page;

use crate::common::{
    Site,
    visitor::{PASSWORD, main, target},
};

const PAGE: &str = "/admin/sessions/session/";
const END: &str = "/admin/sessions/session/end/";

/// Returns the tags (public ids) of the sessions on the page.
fn tags(page: &Page) -> Vec<String> {
    let tags = page.text().split("name=\"tag\" value=\"").skip(1);
    tags.map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn live_sessions_are_listed_by_user_without_session_keys() {
    let site = Site::new().await;
    let member = site.visitor("member").await;
    let admin = site.visitor("admin").await;
    let page = admin.get(PAGE).await;
    let words = main(&page);
    assert!(words.contains("admin") && words.contains("member") && words.contains("this browser"));
    assert!(words.contains("An unknown device") && words.contains(" UTC"));
    assert_eq!(tags(&page).len(), 2);
    for visitor in [&member, &admin] {
        let key = visitor.browser.cookie("sessionid").unwrap().value;
        assert!(!page.text().contains(&key));
    }
    let page = admin.get(&format!("{PAGE}?q=MEMB")).await;
    assert_eq!(tags(&page).len(), 1);
    let page = admin.get(&format!("{PAGE}?q=unknown")).await;
    assert!(main(&page).contains("None of the users on this page is logged in anywhere."));
}

#[tokio::test]
async fn one_session_is_ended_and_the_others_stay() {
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    let (first, second) = (site.visitor("member").await, site.stranger());
    assert_eq!(second.log_in("member", PASSWORD).await.status, 302);
    let page = admin.get(&format!("{PAGE}?q=member")).await;
    let tags = tags(&page);
    assert_eq!(tags.len(), 2);
    let fields = [("owner", "1"), ("tag", tags[0].as_str())];
    assert_eq!(target(&admin.send(END, &fields).await), PAGE);
    assert!(admin.words(PAGE).await.contains("Sessions ended: 1."));
    let gets = [&first, &second].map(async |visitor| visitor.get("/catalog/mybooks/").await.status);
    let [first, second] = gets;
    let mut statuses = [first.await, second.await];
    statuses.sort_unstable();
    assert_eq!(
        statuses,
        [200, 302],
        "one of the two browsers is logged out"
    );
    admin.send(END, &fields).await;
    assert!(
        admin
            .words(PAGE)
            .await
            .contains("The session had already ended.")
    );
}

#[tokio::test]
async fn all_sessions_of_a_user_are_ended() {
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    let (first, second) = (site.visitor("member").await, site.stranger());
    second.log_in("member", PASSWORD).await;
    assert_eq!(target(&admin.send(END, &[("owner", "1")]).await), PAGE);
    assert!(admin.words(PAGE).await.contains("Sessions ended: 2."));
    for visitor in [first, second] {
        assert_eq!(visitor.get("/catalog/mybooks/").await.status, 302);
    }
}

#[tokio::test]
async fn ending_the_current_session_is_a_logout() {
    let site = Site::new().await;
    let (admin, other) = (site.visitor("admin").await, site.stranger());
    other.log_in("admin", PASSWORD).await;
    assert_eq!(
        target(&admin.send(END, &[("owner", "10")]).await),
        "/admin/login/"
    );
    for visitor in [&admin, &other] {
        assert_eq!(visitor.get("/admin/").await.status, 302);
    }
    assert!(admin.browser.cookie("sessionid").is_none());
}

#[tokio::test]
async fn ending_a_session_requires_the_permission_and_a_valid_form() {
    let site = Site::new().await;
    site.sql(
        "INSERT INTO auth_user_user_permissions (user_id, permission_id) \
         SELECT 9, id FROM auth_permission WHERE codename = 'view_session'",
    )
    .await;
    let member = site.visitor("member").await;
    let librarian = site.visitor("librarian").await;
    let page = librarian.get(PAGE).await;
    assert_eq!(page.status, 200);
    assert!(!page.text().contains(END));
    assert_eq!(librarian.send(END, &[("owner", "1")]).await.status, 403);
    assert_eq!(member.get("/catalog/mybooks/").await.status, 200);

    let admin = site.visitor("admin").await;
    for fields in [&[][..], &[("owner", "x")], &[("owner", "1"), ("tag", "!")]] {
        assert_eq!(admin.send(END, fields).await.status, 400);
    }
}

#[tokio::test]
async fn the_page_reports_that_the_store_cannot_list_or_end_sessions() {
    let site = Site::with(&["--sessions", "cookie:"]).await;
    let admin = site.visitor("admin").await;
    let page = admin.get(PAGE).await;
    assert_eq!(page.status, 200);
    assert!(main(&page).contains("sessions cannot be listed or ended here"));
    assert_eq!(target(&admin.send(END, &[("owner", "1")]).await), PAGE);
    assert!(admin.words(PAGE).await.contains("No session was ended"));
}
