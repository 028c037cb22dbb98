//! Authors: labels and limits of the form, names, and URLs.

use super::{NEW_AUTHOR, entries, error, label, link, title_and_heading};
use crate::common::{
    Site,
    visitor::{main, target},
};

#[tokio::test]
async fn an_authors_first_name_has_its_label() {
    let site = Site::new().await;
    let page = site.visitor("librarian").await.get(NEW_AUTHOR).await;
    assert_eq!(label(&page, "first_name"), "First name");
}

#[tokio::test]
async fn an_authors_last_name_has_its_label() {
    let site = Site::new().await;
    let page = site.visitor("librarian").await.get(NEW_AUTHOR).await;
    assert_eq!(label(&page, "last_name"), "Last name");
}

#[tokio::test]
async fn an_authors_date_of_birth_has_its_label() {
    let site = Site::new().await;
    let page = site.visitor("librarian").await.get(NEW_AUTHOR).await;
    // Labels of this site also show which fields are optional.
    assert_eq!(label(&page, "date_of_birth"), "Date of birth (optional)");
}

#[tokio::test]
async fn an_authors_date_of_death_has_the_label_died() {
    let site = Site::new().await;
    let page = site.visitor("librarian").await.get(NEW_AUTHOR).await;
    assert_eq!(label(&page, "date_of_death"), "Died (optional)");
}

/// Asserts that `field` accepts a hundred characters and refuses one more.
async fn accepts_a_hundred_characters(field: &str, other: &str) {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    // The limit counts characters and not bytes: `é` is one character with two bytes.
    let (hundred, more) = ("é".repeat(100), "é".repeat(101));
    let page = librarian
        .send(NEW_AUTHOR, &[(field, &more), (other, "Writer")])
        .await;
    assert_eq!(
        error(&page, field),
        "Ensure this value has at most 100 characters (it has 101)."
    );
    assert_eq!(site.number("SELECT COUNT(*) FROM catalog_author").await, 40);
    let page = librarian
        .send(NEW_AUTHOR, &[(field, &hundred), (other, "Writer")])
        .await;
    let author = librarian.get(target(&page)).await;
    assert!(main(&author).contains(&hundred), "{}", main(&author));
}

#[tokio::test]
async fn an_authors_first_name_has_up_to_a_hundred_characters() {
    accepts_a_hundred_characters("first_name", "last_name").await;
}

#[tokio::test]
async fn an_authors_last_name_has_up_to_a_hundred_characters() {
    accepts_a_hundred_characters("last_name", "first_name").await;
}

#[tokio::test]
async fn an_author_is_displayed_with_the_last_name_first() {
    let site = Site::new().await;
    let visitor = site.stranger();
    let authors = entries(&visitor.get("/catalog/authors/").await);
    assert!(authors[1].starts_with("Austen, Jane ("), "{authors:?}");
    let book = visitor.get("/catalog/book/1").await;
    assert!(main(&book).contains("Austen, Jane"), "{}", main(&book));
    let (_, heading) = title_and_heading(&visitor.get("/catalog/author/1").await);
    assert_eq!(heading, "Austen, Jane");
}

#[tokio::test]
async fn the_url_of_an_author_contains_their_id() {
    let site = Site::new().await;
    let visitor = site.stranger();
    let list = visitor.get("/catalog/authors/").await;
    assert_eq!(link(&list, "Austen, Jane"), "/catalog/author/1");
    let author = visitor.get("/catalog/author/1").await;
    assert_eq!(title_and_heading(&author).1, "Austen, Jane");
}
