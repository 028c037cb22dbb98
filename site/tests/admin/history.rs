use crate::common::{Site, visitor::main};

#[tokio::test]
async fn the_history_of_a_record_shows_who_did_what() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let history = "/admin/catalog/genre/25/history/";
    librarian
        .send("/admin/catalog/genre/add/", &[("name", "Fable")])
        .await;
    librarian
        .send("/admin/catalog/genre/25/change/", &[("name", "Fables")])
        .await;
    librarian
        .send("/admin/catalog/genre/25/change/", &[("name", "Fables")])
        .await;
    let page = librarian.get(history).await;
    let rows = super::rows(&page);
    for (row, words) in rows.iter().zip([
        "librarian No fields changed. Fables",
        "librarian Changed Name. Fables",
        "librarian Added. Fable",
    ]) {
        assert!(row.ends_with(words), "{row}");
    }
    assert_eq!(rows.len(), 3);
    let page = librarian.get("/admin/catalog/genre/1/history/").await;
    assert!(main(&page).contains("This record has no history"));
}

#[tokio::test]
async fn history_entries_have_the_format_of_django() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    librarian
        .send("/admin/catalog/genre/add/", &[("name", "Fable")])
        .await;
    librarian
        .send("/admin/catalog/genre/25/change/", &[("name", "Fables")])
        .await;
    librarian
        .send("/admin/catalog/genre/25/delete/", &[("post", "yes")])
        .await;
    let entries = "SELECT GROUP_CONCAT(l.action_flag || ' ' || l.object_id || ' ' || \
                   l.object_repr || ' ' || l.change_message || ' ' || t.model || ' ' || \
                   u.username, CHAR(10)) FROM \
                   (SELECT * FROM django_admin_log ORDER BY id) l \
                   JOIN django_content_type t ON t.id = l.content_type_id \
                   JOIN auth_user u ON u.id = l.user_id";
    assert_eq!(
        site.text(entries)
            .await
            .unwrap()
            .lines()
            .collect::<Vec<_>>(),
        [
            r#"1 25 Fable [{"added":{}}] genre librarian"#,
            r#"2 25 Fables [{"changed":{"fields":["Name"]}}] genre librarian"#,
            "3 25 Fables  genre librarian",
        ]
    );
}
