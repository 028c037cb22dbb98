//! The page on which users list and end their own sessions.

use crate::common::{Site, visitor::target};

#[tokio::test]
async fn users_list_and_end_their_own_sessions() {
    let site = Site::new().await;
    let (one, other) = (site.visitor("member").await, site.visitor("member").await);
    let another_user = site.visitor("reader2").await;
    let page = one.get("/accounts/sessions/").await;
    assert_eq!(page.text().matches("name=\"tag\"").count(), 2);
    assert_eq!(page.text().matches("this browser").count(), 1);
    let tags: Vec<_> = page.text().split("name=\"tag\" value=\"").skip(1).collect();
    let tags: Vec<_> = tags
        .iter()
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    for tag in &tags {
        another_user
            .send("/accounts/sessions/end/", &[("tag", tag)])
            .await;
    }
    assert_eq!(
        other.get("/catalog/mybooks/").await.status,
        200,
        "another user cannot end the sessions of the member"
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
            .contains("All other browsers were logged out.")
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
async fn if_the_store_cannot_list_sessions_the_page_explains_how_to_log_out_everywhere() {
    let site = Site::with(&["--sessions", "cookie:"]).await;
    let member = site.visitor("member").await;
    assert!(
        member
            .words("/accounts/sessions/")
            .await
            .contains("change your password")
    );
}
