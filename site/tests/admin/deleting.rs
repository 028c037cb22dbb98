use super::COPY;
use crate::common::{
    Site,
    visitor::{main, target},
};

#[tokio::test]
async fn records_with_dependent_records_are_not_deleted() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    for (path, blocker) in [
        ("author/1", "Emma"),
        ("book/1", "a2f73175"),
        ("genre/1", "books that belong to it"),
        ("language/1", "books that belong to it"),
    ] {
        let path = format!("/admin/catalog/{path}/delete/");
        let page = librarian.get(&path).await;
        assert_eq!(page.status, 200);
        assert!(main(&page).contains("This cannot be deleted while there are"));
        assert!(main(&page).contains(blocker), "{}", main(&page));
        assert!(!page.text().contains("value=\"yes\""));
        let page = librarian.send(&path, &[("post", "yes")]).await;
        assert_eq!(page.status, 200);
    }
    // The query puts four counts into one number: authors (40), books (92), genres (24) and
    // languages (12).
    let counts = "SELECT (SELECT COUNT(*) FROM catalog_author) * 1000000 + \
               (SELECT COUNT(*) FROM catalog_book) * 10000 + \
               (SELECT COUNT(*) FROM catalog_genre) * 100 + \
               (SELECT COUNT(*) FROM catalog_language)";
    assert_eq!(site.number(counts).await, 40_922_412);
    assert_eq!(
        site.number("SELECT COUNT(*) FROM django_admin_log").await,
        0
    );
}

#[tokio::test]
async fn a_record_is_deleted_after_a_confirmation() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let copy = format!("/admin/catalog/bookinstance/{COPY}/");
    for (record, list) in [
        ("/admin/catalog/author/40/", "/admin/catalog/author/"),
        (copy.as_str(), "/admin/catalog/bookinstance/"),
    ] {
        let page = librarian.get(&format!("{record}delete/")).await;
        assert!(main(&page).contains("Are you sure?"));
        let page = librarian
            .send(&format!("{record}delete/"), &[("post", "yes")])
            .await;
        assert_eq!(target(&page), list);
        assert!(librarian.words(list).await.contains(" was deleted."));
        assert_eq!(librarian.get(&format!("{record}change/")).await.status, 404);
    }
}

#[tokio::test]
async fn deleting_a_book_deletes_its_links_to_genres() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let id = site
        .number("SELECT id FROM catalog_book WHERE title = 'Nostromo'")
        .await;
    let path = format!("/admin/catalog/book/{id}/delete/");
    assert!(main(&librarian.get(&path).await).contains("Nostromo in the genre "));
    let page = librarian.send(&path, &[("post", "yes")]).await;
    assert_eq!(target(&page), "/admin/catalog/book/");
    let orphans = "SELECT COUNT(*) FROM catalog_book_genre \
                   WHERE book_id NOT IN (SELECT id FROM catalog_book)";
    assert_eq!(site.number(orphans).await, 0);
}

#[tokio::test]
async fn several_records_are_deleted_together_or_not_at_all() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let list = "/admin/catalog/author/";
    librarian
        .send(
            "/admin/catalog/author/add/",
            &[("first_name", "No"), ("last_name", "Body")],
        )
        .await;
    let count = "SELECT COUNT(*) FROM catalog_author";
    let mut fields = vec![
        ("action", "delete_selected"),
        ("_selected_action", "40"),
        ("_selected_action", "1"),
        ("post", "yes"),
    ];
    let page = librarian.send(list, &fields).await;
    assert_eq!(page.status, 200);
    assert!(main(&page).contains("Delete 2 authors") && main(&page).contains("Emma"));
    assert_eq!(site.number(count).await, 41);

    fields[2].1 = "41";
    let page = librarian.send(list, &fields[..3]).await;
    assert!(main(&page).contains("Are you sure?"));
    assert!(
        page.text()
            .contains("name=\"_selected_action\" value=\"41\"")
    );
    assert_eq!(site.number(count).await, 41);
    assert_eq!(target(&librarian.send(list, &fields).await), list);
    assert_eq!(site.number(count).await, 39);
    let log = "SELECT COUNT(*) FROM django_admin_log WHERE action_flag = 3 AND change_message = ''";
    assert_eq!(site.number(log).await, 2);
    assert!(
        librarian
            .words(list)
            .await
            .contains("2 authors were deleted.")
    );
}

#[tokio::test]
async fn deleting_a_user_deletes_history_and_sessions_but_keeps_copies() {
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    let librarian = site.visitor("librarian").await;
    librarian
        .send("/admin/catalog/genre/add/", &[("name", "Fable")])
        .await;
    let page = admin.get("/admin/auth/user/9/delete/").await;
    let words = main(&page);
    assert!(
        words.contains("librarian in the group Librarians"),
        "{words}"
    );
    assert!(words.contains("Entries of librarian in the history: 1"));
    assert!(words.contains("librarian as the borrower of "));
    let page = admin
        .send("/admin/auth/user/9/delete/", &[("post", "yes")])
        .await;
    assert_eq!(target(&page), "/admin/auth/user/");
    assert_eq!(librarian.get("/admin/").await.status, 302);
    assert_eq!(
        site.number("SELECT COUNT(*) FROM catalog_bookinstance")
            .await,
        250
    );
    assert_eq!(
        site.number("SELECT COUNT(*) FROM catalog_bookinstance WHERE borrower_id = 9")
            .await,
        0
    );
    // The pragma returns one row for each broken foreign key.
    let broken = "SELECT COUNT(*) FROM pragma_foreign_key_check";
    assert_eq!(site.number(broken).await, 0);
}

#[tokio::test]
async fn deleting_a_group_deletes_its_memberships() {
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    let page = admin.get("/admin/auth/group/3/delete/").await;
    assert!(main(&page).contains("librarian in the group Librarians"));
    admin
        .send("/admin/auth/group/3/delete/", &[("post", "yes")])
        .await;
    assert_eq!(site.number("SELECT COUNT(*) FROM auth_group").await, 2);
    assert_eq!(
        site.number("SELECT COUNT(*) FROM pragma_foreign_key_check")
            .await,
        0
    );
}

#[tokio::test]
async fn users_cannot_delete_their_own_account() {
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    let page = admin.get("/admin/auth/user/10/delete/").await;
    assert!(main(&page).contains("You are logged in with this account"));
    let page = admin
        .send("/admin/auth/user/10/delete/", &[("post", "yes")])
        .await;
    assert_eq!(page.status, 200);
    assert_eq!(admin.get("/admin/").await.status, 200);
}
