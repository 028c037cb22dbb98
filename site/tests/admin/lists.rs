use super::rows;
use crate::common::{
    Site,
    visitor::{main, target},
};

#[tokio::test]
async fn lists_show_columns_a_total_and_linked_rows() {
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    for (path, columns, total, first) in [
        (
            "catalog/author",
            "Choose Last name First name Date of birth Died",
            "40 authors",
            "Alcott Louisa May Nov. 29, 1832 March 6, 1888",
        ),
        (
            "catalog/book",
            "Choose Title Author Genre",
            "92 books",
            "A Christmas Carol Dickens, Charles ",
        ),
        ("catalog/genre", "Choose Genre", "24 genres", "Adventure"),
        (
            "catalog/language",
            "Choose Language",
            "12 languages",
            "English",
        ),
        (
            "auth/group",
            "Choose Group Members",
            "3 groups",
            "Desk Clerks 1",
        ),
        (
            "auth/user",
            "Choose Username Email address First name Last name Staff status",
            "11 users",
            "admin admin@example.org – – Yes",
        ),
    ] {
        let page = admin.get(&format!("/admin/{path}/")).await;
        let head = page.text().split("<thead>").nth(1).unwrap();
        let head = crate::common::text(head.split("</thead>").next().unwrap());
        assert_eq!(head, columns);
        assert!(main(&page).contains(total), "{path}");
        let rows = rows(&page);
        assert!(rows[0].starts_with(first), "{}", rows[0]);
        assert!(
            page.text()
                .contains(&format!("<a href=\"/admin/{path}/1/change/\">"))
        );
    }
}

#[tokio::test]
async fn copies_are_listed_by_due_date_a_hundred_to_a_page() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let page = librarian.get("/admin/catalog/bookinstance/").await;
    assert!(main(&page).contains("250 book instances"));
    assert!(main(&page).contains("Page 1 of 3."));
    assert_eq!(rows(&page).len(), 100);
    let last = librarian.get("/admin/catalog/bookinstance/?page=3").await;
    assert_eq!(rows(&last).len(), 50);
    assert!(last.text().contains("href=\"?page=2\""));
    let loan = rows(&last).into_iter().find(|row| row.contains("On loan"));
    let loan = loan.unwrap();
    // The row shows the due date with its year.
    assert!(loan.contains(", 20"), "{loan}");
}

#[tokio::test]
async fn pages_with_long_lists_or_large_forms_stay_small() {
    const MAX_BYTES: usize = 50_000;
    const MAX_BYTES_WITH_STYLE: usize = 64_000;
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    let start = admin.get("/admin/").await;
    let mut style = 0;
    for link in start.text().split("<link ").skip(1) {
        let href = link.split("href=\"").nth(1).unwrap();
        let file = admin.get(href.split('"').next().unwrap()).await;
        style += file.text().len();
    }
    for path in [
        "/admin/",
        "/admin/catalog/author/",
        "/admin/catalog/book/",
        "/admin/catalog/bookinstance/",
        "/admin/catalog/bookinstance/?page=2",
        "/admin/catalog/bookinstance/?due_back__isnull=True",
        "/admin/catalog/bookinstance/?status__exact=a",
        "/admin/auth/user/",
        "/admin/auth/group/1/change/",
        // These records have the largest tables of related records.
        "/admin/catalog/author/1/change/",
        "/admin/catalog/book/92/change/",
    ] {
        let page = admin.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        let bytes = page.text().len();
        assert!(
            bytes < MAX_BYTES && bytes + style < MAX_BYTES_WITH_STYLE,
            "{path}: {bytes} bytes, and {style} bytes of style sheets"
        );
    }
}

#[tokio::test]
async fn filters_combine_and_are_kept_by_page_links() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let total = async |query: &str| {
        let page = librarian
            .get(&format!("/admin/catalog/bookinstance/?{query}"))
            .await;
        assert_eq!(page.status, 200, "{query}");
        let total = page.text().split("role=\"status\">").nth(1).unwrap();
        let (total, _) = total.split_once(' ').unwrap();
        total.parse::<i64>().unwrap()
    };
    for (query, status) in [("o", 77), ("a", 123), ("d", 30), ("r", 20), ("x", 0)] {
        assert_eq!(total(&format!("status__exact={query}")).await, status);
    }
    let without = site
        .number("SELECT COUNT(*) FROM catalog_bookinstance WHERE due_back IS NULL")
        .await;
    assert_eq!(total("due_back__isnull=True").await, without);
    assert_eq!(total("due_back__isnull=False").await, 250 - without);
    let both = site
        .number("SELECT COUNT(*) FROM catalog_bookinstance WHERE due_back IS NULL AND status = 'a'")
        .await;
    assert_eq!(total("due_back__isnull=True&status__exact=a").await, both);

    let page = librarian
        .get("/admin/catalog/bookinstance/?status__exact=a&q=%25&page=1")
        .await;
    assert!(main(&page).contains("There are no book instances like this."));
    let page = librarian
        .get("/admin/catalog/bookinstance/?status__exact=a")
        .await;
    assert!(
        page.text().contains("href=\"?status__exact=a&#38;page=2\""),
        "{}",
        page.text()
    );
    assert!(
        page.text()
            .contains("href=\"?status__exact=a&#38;due_back__isnull=True\"")
    );
    assert!(
        page.text()
            .contains("<a href=\"?status__exact=a\" aria-current=\"true\">Available</a>")
    );
}

#[tokio::test]
async fn the_due_date_filter_offers_spans_around_today() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let page = librarian.get("/admin/catalog/bookinstance/").await;
    for (label, count) in [
        ("Today", "date(due_back) = date('now')"),
        (
            "Past 7 days",
            "due_back BETWEEN date('now', '-7 days') AND date('now')",
        ),
        (
            "This month",
            "strftime('%Y-%m', due_back) = strftime('%Y-%m', 'now')",
        ),
        (
            "This year",
            "strftime('%Y', due_back) = strftime('%Y', 'now')",
        ),
    ] {
        let link = page
            .text()
            .split(&format!("\">{label}</a>"))
            .next()
            .unwrap();
        let link = link.rsplit("href=\"").next().unwrap().replace("&#38;", "&");
        let found = librarian
            .get(&format!("/admin/catalog/bookinstance/{link}"))
            .await;
        let sql = format!("SELECT COUNT(*) FROM catalog_bookinstance WHERE {count}");
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(site.application.db())
            .await
            .unwrap();
        assert!(
            main(&found).contains(&format!(" {count} book instance")),
            "{label} {count}"
        );
    }
}

#[tokio::test]
async fn users_are_searched_and_filtered() {
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    for (query, names) in [
        ("q=halloran", "librarian"),
        ("q=RUTH+example", "librarian"),
        ("is_staff__exact=1", "admin librarian"),
        ("is_superuser__exact=1", "admin"),
        ("is_active__exact=0", "gone"),
        ("groups__id__exact=2", "clerk"),
        ("is_staff__exact=1&is_superuser__exact=0", "librarian"),
        ("q=%27", "dora"),
        ("q=no-such-user", ""),
        ("groups__id__exact=x", ""),
    ] {
        let page = admin.get(&format!("/admin/auth/user/?{query}")).await;
        assert_eq!(page.status, 200);
        let rows = rows(&page);
        let names_found = rows.iter().filter_map(|row| row.split(' ').next());
        assert_eq!(names_found.collect::<Vec<_>>().join(" "), names, "{query}");
    }
}

#[tokio::test]
async fn a_malformed_query_still_returns_the_list() {
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    for query in [
        "q=%00",
        "q=%ff",
        "q=%25_%5C'%22",
        "status__exact=%00",
        "due_back__gte=x&due_back__lt=%27",
        "due_back__isnull=maybe",
        "_selected_action=1",
    ] {
        let page = admin
            .get(&format!("/admin/catalog/bookinstance/?{query}"))
            .await;
        assert_eq!(page.status, 200, "{query}");
    }
}

#[tokio::test]
async fn an_action_requires_selected_records() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    for fields in [
        &[("action", "delete_selected")][..],
        &[("action", "other"), ("_selected_action", "1")],
        &[("action", "delete_selected"), ("_selected_action", "x")],
    ] {
        let page = librarian.send("/admin/catalog/author/", fields).await;
        assert_eq!(target(&page), "/admin/catalog/author/");
        assert!(librarian.words("/admin/catalog/author/").await.contains(
            "Items must be selected in order to perform actions on them. \
             No items have been changed."
        ));
    }
}
