//! The list of authors, and the page of an author.

mod common;

use axum::http::StatusCode;
use common::Site;

#[tokio::test]
async fn authors_are_listed_by_name_with_their_dates() {
    let site = Site::new().await;
    let answer = site.get("/catalog/authors/").await;
    assert_eq!(answer.element("title"), "Authors – Local Library");
    let items = answer.items();
    assert_eq!(items.len(), 10);
    assert_eq!(items[1], "Austen, Jane (Dec. 16, 1775 - July 18, 1817)");
    assert_eq!(items[5], "Cervantes, Miguel de (died April 22, 1616)");
    assert!(answer.main().contains("Page 1 of 4."));
}

#[tokio::test]
async fn an_author_without_dates_has_no_empty_parentheses() {
    let site = Site::new().await;
    let mut items = Vec::new();
    for page in 1..=4 {
        items.extend(
            site.get(&format!("/catalog/authors/?page={page}"))
                .await
                .items(),
        );
    }
    assert_eq!(items.len(), 40);
    assert!(items.contains(&"Murasaki, Shikibu".to_owned()));
    assert!(items.contains(&"Ishiguro, Kazuo (born Nov. 8, 1954)".to_owned()));
}

#[tokio::test]
async fn a_library_without_authors_shows_a_message() {
    let answer = Site::empty().await.get("/catalog/authors/").await;
    assert!(answer.main().contains("There are no authors available."));
}

#[tokio::test]
async fn the_page_of_an_author_shows_dates_and_books_with_the_number_of_copies() {
    let answer = Site::new().await.get("/catalog/author/1").await;
    assert_eq!(answer.element("title"), "Austen, Jane – Local Library");
    assert_eq!(answer.element("h1"), "Austen, Jane");
    assert!(answer.main().contains("Dec. 16, 1775 – July 18, 1817"));
    let items = answer.items();
    assert_eq!(items.len(), 6);
    assert!(
        items[5].starts_with("Sense and Sensibility (4) copies After their father's death"),
        "{}",
        items[5]
    );
}

#[tokio::test]
async fn an_author_without_books_shows_a_message() {
    let answer = Site::new().await.get("/catalog/author/40").await;
    assert_eq!(answer.element("h1"), "Lovelace, Ada");
    assert!(answer.main().contains("This author has no books."));
}

#[tokio::test]
async fn an_unknown_author_is_not_found() {
    let site = Site::new().await;
    for id in ["0", "41", "x", "1/"] {
        let answer = site.get(&format!("/catalog/author/{id}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
    }
}
