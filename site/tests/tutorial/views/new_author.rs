//! The page that adds an author.

use crate::{
    NEW_AUTHOR,
    common::{
        Site,
        visitor::{Visitor, target},
    },
    input, title_and_heading,
};

const GRANT_ADD_AUTHOR: &str = "\
    INSERT INTO auth_user_user_permissions (user_id, permission_id) \
    SELECT auth_user.id, auth_permission.id FROM auth_user, auth_permission \
    WHERE username = 'newcomer' AND codename = 'add_author'";

/// Returns a logged-in user whose only permission is to add authors.
async fn archivist(site: &Site) -> Visitor {
    site.sql(GRANT_ADD_AUTHOR).await;
    site.visitor("newcomer").await
}

#[tokio::test]
async fn the_form_of_a_new_author_requires_a_login() {
    let site = Site::new().await;
    let page = site.stranger().get(NEW_AUTHOR).await;
    assert_eq!(target(&page), format!("/accounts/login/?next={NEW_AUTHOR}"));
}

#[tokio::test]
async fn readers_may_not_add_authors() {
    let site = Site::new().await;
    let page = site.visitor("newcomer").await.get(NEW_AUTHOR).await;
    assert_eq!(page.status, 403);
}

#[tokio::test]
async fn the_permission_to_add_authors_is_enough() {
    let site = Site::new().await;
    let page = archivist(&site).await.get(NEW_AUTHOR).await;
    assert_eq!(page.status, 200);
}

#[tokio::test]
async fn the_form_of_a_new_author_has_a_title_and_four_fields() {
    let site = Site::new().await;
    let page = archivist(&site).await.get(NEW_AUTHOR).await;
    let (title, heading) = title_and_heading(&page);
    assert_eq!(title, "Create author – Local Library");
    assert_eq!(heading, "Create author");
    for field in ["first_name", "last_name", "date_of_birth", "date_of_death"] {
        assert!(input(&page, field).contains(&format!("id=\"id_{field}\"")));
    }
}

#[tokio::test]
async fn the_date_of_death_is_empty_by_default() {
    let site = Site::new().await;
    let page = archivist(&site).await.get(NEW_AUTHOR).await;
    // The form of the original proposes a day in 2023, which is wrong for living authors.
    let input = input(&page, "date_of_death");
    assert!(input.contains("value=\"\""), "{input}");
}

#[tokio::test]
async fn adding_an_author_redirects_to_their_page() {
    let site = Site::new().await;
    let archivist = archivist(&site).await;
    let fields = [("first_name", "Elizabeth"), ("last_name", "Inchbald")];
    let page = archivist.send(NEW_AUTHOR, &fields).await;
    assert_eq!(target(&page), "/catalog/author/41");
    let author = archivist.get("/catalog/author/41").await;
    assert_eq!(title_and_heading(&author).1, "Inchbald, Elizabeth");
}
