//! The list of books, and the page of a book.

mod common;

use axum::http::StatusCode;
use common::Site;

#[tokio::test]
async fn books_are_listed_by_title_ten_to_a_page() {
    let site = Site::new().await;
    let answer = site.get("/catalog/books/").await;
    assert_eq!(answer.element("title"), "Books – Local Library");
    let items = answer.items();
    assert_eq!(items.len(), 10);
    assert_eq!(items[0], "A Christmas Carol (Dickens, Charles)");
    assert_eq!(
        items[4],
        "Alice's Adventures in Wonderland (Carroll, Lewis)"
    );
    assert_eq!(items[5], "Beowulf (Unknown author)");
    let main = answer.main();
    assert!(main.contains("Page 1 of 10.") && main.contains("next") && !main.contains("previous"));
}

#[tokio::test]
async fn the_pages_list_every_book_once() {
    let site = Site::new().await;
    let mut titles = Vec::new();
    for page in 1..=10 {
        titles.extend(
            site.get(&format!("/catalog/books/?page={page}"))
                .await
                .items(),
        );
    }
    assert_eq!(titles.len(), 92);
    titles.dedup();
    assert_eq!(titles.len(), 92);
}

#[tokio::test]
async fn the_last_page_can_be_requested_by_name() {
    let site = Site::new().await;
    let answer = site.get("/catalog/books/?page=last").await;
    assert_eq!(answer.element("title"), "Books, page 10 – Local Library");
    assert_eq!(answer.items().len(), 2);
    let main = answer.main();
    assert!(main.contains("Page 10 of 10.") && main.contains("previous") && !main.contains("next"));
}

#[tokio::test]
async fn pages_that_do_not_exist_are_not_found() {
    let site = Site::new().await;
    for page in [
        "0",
        "-1",
        "11",
        "two",
        "1.5",
        "%00",
        "%ff",
        "+1",
        "Last",
        &"9".repeat(400),
    ] {
        let answer = site.get(&format!("/catalog/books/?page={page}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{page}");
    }
    for page in ["", "1", "01"] {
        let answer = site.get(&format!("/catalog/books/?page={page}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}");
    }
}

#[tokio::test]
async fn a_library_without_books_shows_a_message() {
    let answer = Site::empty().await.get("/catalog/books/").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.main().contains("There are no books in the library."));
    assert!(!answer.main().contains("Page 1"));
}

#[tokio::test]
async fn titles_have_a_lang_attribute_with_their_language() {
    let body = Site::new().await.get("/catalog/language/10").await.body;
    assert!(body.contains(r#" lang="ja">こころ</a>"#), "{body}");
}

#[tokio::test]
async fn a_book_shows_its_details() {
    let answer = Site::new().await.get("/catalog/book/1").await;
    assert_eq!(
        answer.element("title"),
        "Sense and Sensibility – Local Library"
    );
    assert_eq!(answer.element("h1"), "Sense and Sensibility");
    let main = answer.main();
    for part in [
        "Austen, Jane",
        "After their father's death",
        "ISBN: 9786600010007",
        "Language: English",
        "Genre: Romance, Social fiction",
    ] {
        assert!(main.contains(part), "{part} in {main}");
    }
    assert!(
        answer
            .body
            .contains(r#"<a href="/catalog/author/1">Austen, Jane</a>"#)
    );
}

#[tokio::test]
async fn copies_of_a_book_are_listed_by_due_date_after_copies_without_a_due_date() {
    let site = Site::new().await;
    site.sql(
        "UPDATE catalog_bookinstance SET due_back = '2020-02-03' \
         WHERE id = 'def78437b9e94e469c209a9efa18f12c'",
    )
    .await;
    let items = site.get("/catalog/book/1").await.items();
    assert_eq!(items.len(), 4);
    assert_eq!(
        items[0],
        "Maintenance Two Herons, 2003 3de0527b-f371-4df6-83d5-1665c5731f9d"
    );
    assert_eq!(
        items[1],
        "On loan: Feb. 3, 2020, overdue Lantern Classics, 2019 def78437-b9e9-4e46-9c20-9a9efa18f12c"
    );
}

#[tokio::test]
async fn the_page_of_a_book_names_a_missing_author_a_missing_language_and_missing_copies() {
    let site = Site::new().await;
    site.sql("DELETE FROM catalog_bookinstance WHERE book_id = 92")
        .await;
    site.sql("DELETE FROM catalog_book_genre WHERE book_id = 92")
        .await;
    let main = site.get("/catalog/book/92").await.main();
    for part in [
        "Unknown author",
        "Language: Unknown",
        "The library has no copies of this book.",
    ] {
        assert!(main.contains(part), "{part} in {main}");
    }
}

#[tokio::test]
async fn html_in_values_is_escaped() {
    let site = Site::new().await;
    site.sql("UPDATE catalog_book SET title = '\"A\" & <b>', summary = '<b>bold</b>' WHERE id = 1")
        .await;
    let answer = site.get("/catalog/book/1").await;
    assert_eq!(answer.element("h1"), "\"A\" & <b>");
    assert!(answer.main().contains("<b>bold</b>"));
    assert!(!answer.body.contains("<b>"));
}

#[tokio::test]
async fn a_book_is_found_by_its_number_only() {
    let site = Site::new().await;
    assert_eq!(site.get("/catalog/book/0001").await.status, StatusCode::OK);
    let long = "9".repeat(400);
    for id in [
        "0",
        "93",
        "-1",
        "+1",
        "x",
        "1/",
        "1.0",
        "%00",
        "%ff",
        "1%20",
        "9223372036854775808",
        long.as_str(),
    ] {
        let answer = site.get(&format!("/catalog/book/{id}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
    }
}
