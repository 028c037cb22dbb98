//! The list of authors.

use crate::{
    common::{Site, visitor::main},
    entries, link, title_and_heading,
};

const AUTHORS: &str = "/catalog/authors/";

const ADD_THIRTEEN: &str = "\
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 13) \
    INSERT INTO catalog_author (first_name, last_name) \
    SELECT 'Acton', printf('Bell %02d', n) FROM number";

async fn thirteen_authors() -> Site {
    let site = Site::empty().await;
    site.sql(ADD_THIRTEEN).await;
    site
}

/// Returns the list entries of the authors whose last names end with these numbers.
fn author_entries(numbers: impl Iterator<Item = u8>) -> Vec<String> {
    numbers.map(|n| format!("Bell {n:02}, Acton")).collect()
}

#[tokio::test]
async fn the_list_of_authors_has_the_url_of_the_tutorial() {
    let site = thirteen_authors().await;
    assert_eq!(site.stranger().get(AUTHORS).await.status, 200);
}

#[tokio::test]
async fn the_navigation_leads_to_the_list_of_authors() {
    let site = thirteen_authors().await;
    let visitor = site.stranger();
    let home = visitor.get("/catalog/").await;
    let list = visitor.get(link(&home, "All authors")).await;
    assert_eq!(list.status, 200);
    assert_eq!(title_and_heading(&list).1, "Authors");
}

#[tokio::test]
async fn the_list_of_authors_has_its_title() {
    let site = thirteen_authors().await;
    let page = site.stranger().get(AUTHORS).await;
    // All pages of the original have the same title. Pages of this site have different titles,
    // which distinguish tabs and bookmarks.
    let (title, heading) = title_and_heading(&page);
    assert_eq!(title, "Authors – Local Library");
    assert_eq!(heading, "Authors");
}

#[tokio::test]
async fn a_page_has_ten_authors() {
    let site = thirteen_authors().await;
    let page = site.stranger().get(AUTHORS).await;
    assert_eq!(entries(&page), author_entries(1..=10));
    assert!(main(&page).contains("Page 1 of 2."));
}

#[tokio::test]
async fn the_remaining_authors_are_on_the_second_page() {
    let site = thirteen_authors().await;
    let page = site.stranger().get("/catalog/authors/?page=2").await;
    assert_eq!(entries(&page), author_entries(11..=13));
    assert!(main(&page).contains("Page 2 of 2."));
}
