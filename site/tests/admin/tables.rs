use super::COPY;
use crate::common::{
    Site,
    visitor::{Visitor, main, target},
};

/// Returns the fields of the form of author 40, who has no books. In the form's table of books, one
/// row is filled in.
fn with_book<'a>(title: &'a str, isbn: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("first_name", "Ada"),
        ("last_name", "Lovelace"),
        ("date_of_birth", "1815-12-10"),
        ("date_of_death", "1852-11-27"),
        ("book_set-TOTAL_FORMS", "3"),
        ("book_set-INITIAL_FORMS", "0"),
        ("book_set-0-title", ""),
        ("book_set-1-title", title),
        ("book_set-1-summary", "Notes."),
        ("book_set-1-isbn", isbn),
        ("book_set-1-genre", "1"),
        ("book_set-1-language", "1"),
    ]
}

const CHANGE: &str = "/admin/catalog/author/40/change/";

/// Adds a book to author 40 and returns the id of the book.
async fn added_book(site: &Site, librarian: &Visitor) -> i64 {
    let page = librarian
        .send(CHANGE, &with_book("Notes", "9780306406157"))
        .await;
    assert_eq!(target(&page), "/admin/catalog/author/", "{}", main(&page));
    site.number("SELECT id FROM catalog_book WHERE author_id = 40")
        .await
}

#[tokio::test]
async fn an_author_has_a_table_of_books_with_three_empty_rows() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let page = librarian.get("/admin/catalog/author/1/change/").await;
    let html = page.text();
    assert!(html.contains("name=\"book_set-TOTAL_FORMS\" value=\"9\""));
    assert!(html.contains("name=\"book_set-INITIAL_FORMS\" value=\"6\""));
    for field in ["title", "summary", "isbn", "genre", "language"] {
        assert!(
            html.contains(&format!("name=\"book_set-8-{field}\"")),
            "{field}"
        );
    }
    assert!(html.contains("name=\"book_set-0-title\" id=\"id_book_set-0-title\" value=\"Emma\""));
    assert!(!html.contains("book_set-0-author"));
    let page = librarian.get("/admin/catalog/author/add/").await;
    assert!(
        page.text()
            .contains("name=\"book_set-TOTAL_FORMS\" value=\"3\"")
    );
    let page = librarian.get("/admin/catalog/book/1/change/").await;
    assert!(page.text().contains("name=\"bookinstance_set-0-imprint\""));
    assert!(main(&page).contains(COPY));
}

#[tokio::test]
async fn a_row_of_the_table_adds_changes_and_deletes_a_book() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let id = added_book(&site, &librarian).await.to_string();
    let log = "SELECT change_message FROM django_admin_log ORDER BY id DESC LIMIT 1";
    assert_eq!(
        site.text(log).await.as_deref(),
        Some(r#"[{"added":{"name":"book","object":"Notes"}}]"#)
    );

    let mut fields = with_book("Notes on the Engine", "9780306406157");
    fields.push(("book_set-1-id", &id));
    let page = librarian.send(CHANGE, &fields).await;
    assert_eq!(target(&page), "/admin/catalog/author/", "{}", main(&page));
    let title = site
        .text("SELECT title FROM catalog_book WHERE author_id = 40")
        .await;
    assert_eq!(title.as_deref(), Some("Notes on the Engine"));
    assert_eq!(site.number("SELECT COUNT(*) FROM catalog_book").await, 93);

    fields.push(("book_set-1-DELETE", "on"));
    librarian.send(CHANGE, &fields).await;
    assert_eq!(site.number("SELECT COUNT(*) FROM catalog_book").await, 92);
    assert_eq!(
        site.number("SELECT COUNT(*) FROM catalog_book_genre WHERE book_id = 93")
            .await,
        0
    );
}

#[tokio::test]
async fn nothing_is_saved_if_one_row_is_invalid() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    for (title, isbn, error) in [
        ("Notes", "123", "Enter a valid 13-digit ISBN."),
        ("", "9780306406157", "This field is required."),
        (
            "Notes",
            "9786600010007",
            "Book with this ISBN already exists.",
        ),
    ] {
        let mut fields = with_book(title, isbn);
        fields[0].1 = "Augusta";
        let page = librarian.send(CHANGE, &fields).await;
        assert_eq!(page.status, 200);
        assert!(main(&page).contains(error), "{error}");
        assert!(page.text().contains(&format!(
            "id=\"error_book_set-1-{}\"",
            match title {
                "" => "title",
                _ => "isbn",
            }
        )));
        assert!(page.text().contains(&format!("value=\"{isbn}\"")));
        let name = site
            .text("SELECT first_name FROM catalog_author WHERE id = 40")
            .await;
        assert_eq!(name.as_deref(), Some("Ada"));
    }
}

#[tokio::test]
async fn a_new_author_and_a_book_are_added_together() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let page = librarian
        .send(
            "/admin/catalog/author/add/",
            &with_book("Notes", "9780306406157"),
        )
        .await;
    assert_eq!(target(&page), "/admin/catalog/author/");
    let books = "SELECT COUNT(*) FROM catalog_book WHERE author_id = 41 AND title = 'Notes'";
    assert_eq!(site.number(books).await, 1);
}

#[tokio::test]
async fn unchanged_rows_are_not_validated() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    // Store values that the form would refuse. An older database may contain such values.
    let id = added_book(&site, &librarian).await.to_string();
    site.sql("UPDATE catalog_book SET isbn = '123', language_id = NULL WHERE author_id = 40")
        .await;
    let mut fields = with_book("Notes", "123");
    fields.retain(|(name, _)| *name != "book_set-1-language");
    fields[0].1 = "Augusta";
    fields.push(("book_set-1-id", &id));
    let page = librarian.send(CHANGE, &fields).await;
    assert_eq!(target(&page), "/admin/catalog/author/", "{}", main(&page));
}

#[tokio::test]
async fn a_book_with_copies_or_of_another_author_is_not_deleted() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let mut fields = with_book("Sense and Sensibility", "9786600010007");
    fields.push(("book_set-1-id", "1"));
    fields.push(("book_set-1-DELETE", "on"));
    let page = librarian.send(CHANGE, &fields).await;
    assert_eq!(page.status, 409);

    let page = librarian
        .send("/admin/catalog/author/1/change/", &fields)
        .await;
    assert!(main(&page).contains("This cannot be deleted while it has copies."));
    let author = site
        .number("SELECT author_id FROM catalog_book WHERE id = 1")
        .await;
    assert_eq!(author, 1);
}

#[tokio::test]
async fn copies_in_the_table_of_a_book_follow_the_rules_of_loans() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let fields = |status, borrower| {
        [
            ("title", "Sense and Sensibility"),
            ("author", "1"),
            ("summary", "Two sisters."),
            ("isbn", "9786600010007"),
            ("genre", "1"),
            ("language", "1"),
            ("bookinstance_set-TOTAL_FORMS", "2"),
            ("bookinstance_set-INITIAL_FORMS", "1"),
            ("bookinstance_set-0-id", COPY),
            ("bookinstance_set-0-imprint", "Kite, 2001"),
            ("bookinstance_set-0-due_back", "2030-01-01"),
            ("bookinstance_set-0-borrower", borrower),
            ("bookinstance_set-0-status", status),
            ("bookinstance_set-1-imprint", ""),
            ("bookinstance_set-1-status", "d"),
        ]
    };
    let change = "/admin/catalog/book/1/change/";
    let page = librarian.send(change, &fields("o", "")).await;
    assert!(main(&page).contains("A copy on loan needs a borrower."));
    let page = librarian.send(change, &fields("o", "2")).await;
    assert_eq!(target(&page), "/admin/catalog/book/", "{}", main(&page));
    let lent = "SELECT COUNT(*) FROM catalog_bookinstance \
                WHERE id = 'a2f73175924d4524ac9ae0b94e759058' \
                AND borrower_id = 2 AND due_back = '2030-01-01' AND book_id = 1";
    assert_eq!(site.number(lent).await, 1);
    assert_eq!(
        site.number("SELECT COUNT(*) FROM catalog_bookinstance")
            .await,
        250
    );
}

#[tokio::test]
async fn malformed_rows_are_ignored_or_refused() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    for (total, status) in [
        ("99999999999999999999", 302),
        ("1000000", 200),
        ("-1", 302),
        ("x", 302),
        ("", 302),
    ] {
        let mut fields = with_book("\0", "nonsense");
        // Replace the values of `book_set-TOTAL_FORMS` and `book_set-1-isbn`.
        fields[4].1 = total;
        fields[9].1 = "\u{fffd}";
        let page = librarian.send(CHANGE, &fields).await;
        assert_eq!(page.status, status, "{total}");
        if status == 200 {
            assert!(main(&page).contains("Null characters are not allowed."));
            assert_eq!(page.text().matches("-title\" id=").count(), 2);
        }
    }
    for id in ["0", "x", "99999999999999999999", "\0"] {
        let mut fields = with_book("Notes", "9780306406157");
        fields.push(("book_set-1-id", id));
        assert_eq!(librarian.send(CHANGE, &fields).await.status, 409);
    }
    assert_eq!(site.number("SELECT COUNT(*) FROM catalog_book").await, 92);
}
