//! The list of copies, and the page of a copy.

mod common;

use axum::http::StatusCode;
use common::Site;

/// The page of a copy that the user bela has on loan.
const COPY_ON_LOAN: &str = "/catalog/bookinstance/a2f73175-924d-4524-ac9a-e0b94e759058";

#[tokio::test]
async fn every_copy_is_listed_once_with_one_status() {
    let site = Site::new().await;
    let mut items = Vec::new();
    for page in 1..=25 {
        items.extend(
            site.get(&format!("/catalog/bookinstances/?page={page}"))
                .await
                .items(),
        );
    }
    assert_eq!(items.len(), 250);
    let with = |words: &str| items.iter().filter(|item| item.contains(words)).count();
    assert_eq!(with("(Available)"), 123);
    assert_eq!(with("(On loan): "), 77);
    assert_eq!(with("(Maintenance)"), 30);
    assert_eq!(with("(Reserved)"), 20);
}

#[tokio::test]
async fn only_loans_are_shown_as_overdue() {
    let site = Site::new().await;
    let overdue = site
        .number(
            "SELECT COUNT(*) FROM catalog_bookinstance \
             WHERE status = 'o' AND due_back < date('now')",
        )
        .await;
    let mut seen = Vec::new();
    for page in 1..=25 {
        let items = site
            .get(&format!("/catalog/bookinstances/?page={page}"))
            .await
            .items();
        seen.extend(items.into_iter().filter(|item| item.contains("overdue")));
    }
    assert_eq!(seen.len() as i64, overdue);
    assert!(
        seen.iter().all(|item| item.contains("(On loan): ")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn borrowers_are_not_shown_to_anonymous_visitors() {
    let site = Site::new().await;
    assert!(!site.get(COPY_ON_LOAN).await.body.contains("bela"));
    for page in 1..=25 {
        let body = site
            .get(&format!("/catalog/bookinstances/?page={page}"))
            .await
            .body;
        assert!(!body.contains("bela") && !body.contains("chidi"));
    }
}

#[tokio::test]
async fn a_copy_shows_its_book_and_its_status() {
    let site = Site::new().await;
    site.sql(
        "UPDATE catalog_bookinstance SET due_back = '2020-09-03' \
         WHERE id = 'a2f73175924d4524ac9ae0b94e759058'",
    )
    .await;
    let answer = site.get(COPY_ON_LOAN).await;
    assert_eq!(
        answer.element("title"),
        "Sense and Sensibility, copy a2f73175 – Local Library"
    );
    assert_eq!(answer.element("h1"), "Sense and Sensibility");
    let main = answer.main();
    for part in [
        "Austen, Jane",
        "Status: On loan overdue",
        "Due back: Sept. 3, 2020",
        "Imprint: Fieldgate Press, 1993",
        "All copies",
    ] {
        assert!(main.contains(part), "{part} in {main}");
    }
    assert!(
        answer
            .body
            .contains(r#"<a href="/catalog/book/1">All copies</a>"#)
    );
}

#[tokio::test]
async fn a_copy_on_the_shelf_has_no_due_date() {
    let site = Site::new().await;
    site.sql(
        "UPDATE catalog_bookinstance SET status = 'a', due_back = '2020-09-03' \
         WHERE id = 'a2f73175924d4524ac9ae0b94e759058'",
    )
    .await;
    let main = site.get(COPY_ON_LOAN).await.main();
    assert!(
        main.contains("Status: Available") && !main.contains("2020") && !main.contains("overdue"),
        "{main}"
    );
}

#[tokio::test]
async fn a_copy_without_a_book_has_a_page() {
    let site = Site::new().await;
    site.sql(
        "UPDATE catalog_bookinstance SET book_id = NULL, status = '' \
         WHERE id = 'a2f73175924d4524ac9ae0b94e759058'",
    )
    .await;
    let answer = site.get(COPY_ON_LOAN).await;
    assert_eq!(answer.element("h1"), "Unknown book");
    assert!(answer.main().contains("Status: Status unknown"));
    assert_eq!(
        site.get("/catalog/bookinstances/").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_library_without_copies_shows_a_message() {
    let answer = Site::empty().await.get("/catalog/bookinstances/").await;
    assert!(
        answer
            .main()
            .contains("There are no book copies available.")
    );
}

#[tokio::test]
async fn a_copy_is_found_by_its_lower_case_hyphenated_id_only() {
    let site = Site::new().await;
    for id in [
        "A2F73175-924D-4524-AC9A-E0B94E759058",
        "a2f73175924d4524ac9ae0b94e759058",
        "a2f73175-924d-4524-ac9a-e0b94e759059",
        "a2f73175-924d-4524-ac9a-e0b94e759058/",
        "1",
        "%ff",
    ] {
        let answer = site.get(&format!("/catalog/bookinstance/{id}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
    }
}
