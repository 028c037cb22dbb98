//! The pages of genres and languages.

mod common;

use axum::http::StatusCode;
use common::Site;

#[tokio::test]
async fn genres_and_languages_are_listed_by_name() {
    let site = Site::new().await;
    let genres = site.get("/catalog/genres/").await;
    assert_eq!(genres.element("title"), "Genres – Local Library");
    assert_eq!(
        genres.items()[..3],
        ["Adventure", "Children's literature", "Comedy"]
    );
    assert!(genres.main().contains("Page 1 of 3."));
    let languages = site.get("/catalog/languages/").await;
    assert_eq!(languages.element("title"), "Languages – Local Library");
    assert_eq!(languages.items()[..3], ["English", "Esperanto", "French"]);
    assert!(languages.main().contains("Page 1 of 2."));
}

#[tokio::test]
async fn a_genre_lists_its_books_with_authors_in_pages() {
    let site = Site::new().await;
    let total = site
        .number("SELECT COUNT(*) FROM catalog_book_genre WHERE genre_id = 1")
        .await;
    let answer = site.get("/catalog/genre/1").await;
    assert_eq!(answer.element("title"), "Adventure, genre – Local Library");
    assert_eq!(answer.element("h1"), "Adventure");
    assert_eq!(answer.items().len(), 10);
    assert!(
        answer.items()[0].ends_with("(Twain, Mark)"),
        "{:?}",
        answer.items()
    );
    let rest = site.get("/catalog/genre/1?page=2").await;
    assert_eq!(rest.items().len() as i64, total - 10);
    assert_eq!(
        site.get("/catalog/genre/1?page=3").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_language_lists_its_books_in_pages() {
    let site = Site::new().await;
    let answer = site.get("/catalog/language/1?page=last").await;
    assert_eq!(answer.element("h1"), "English");
    assert_eq!(answer.items().len(), 5);
    assert!(answer.main().contains("Page 6 of 6."));
}

#[tokio::test]
async fn an_unused_genre_or_language_shows_a_message() {
    let site = Site::new().await;
    let western = site.get("/catalog/genre/24").await;
    assert_eq!(western.element("h1"), "Western");
    assert!(western.main().contains("There are no books in this genre."));
    let esperanto = site.get("/catalog/language/12").await;
    assert_eq!(esperanto.element("h1"), "Esperanto");
    assert!(
        esperanto
            .main()
            .contains("There are no books in this language.")
    );
}

#[tokio::test]
async fn a_library_without_genres_or_languages_shows_a_message() {
    let site = Site::empty().await;
    assert!(
        site.get("/catalog/genres/")
            .await
            .main()
            .contains("There are no genres available.")
    );
    assert!(
        site.get("/catalog/languages/")
            .await
            .main()
            .contains("There are no languages available.")
    );
}

#[tokio::test]
async fn unknown_genres_and_languages_are_not_found() {
    let site = Site::new().await;
    for path in [
        "/catalog/genre/25",
        "/catalog/genre/x",
        "/catalog/language/13",
        "/catalog/language/1/",
    ] {
        assert_eq!(site.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
