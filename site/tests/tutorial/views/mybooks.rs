//! The list of a reader's loans.

use crate::{
    common::{
        Site,
        visitor::{main, target},
    },
    entries, title_and_heading,
};

const MY_BOOKS: &str = "/catalog/mybooks/";

const ADD_BOOKS: &str = "\
    INSERT INTO catalog_book (id, title, summary, isbn) \
    VALUES (1, 'Villette', '', '1'), (2, 'Shirley', '', '2')";

/// Adds thirty copies, none of which is on loan yet. Copies with an odd id are of Villette and have
/// the borrower `member`. Copies with an even id are of Shirley and have the borrower `reader2`.
/// Each copy is due on a different day of January 9000. The order of the due dates is not the order
/// of the ids.
const ADD_COPIES: &str = "\
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 30) \
    INSERT INTO catalog_bookinstance (id, imprint, status, due_back, book_id, borrower_id) \
    SELECT printf('%08x000040008000000000000000', n), 'Smith, Elder & Co., 1853', 'd', \
    printf('9000-01-%02d', n * 7 % 30 + 1), 2 - n % 2, auth_user.id \
    FROM number JOIN auth_user ON username = iif(n % 2, 'member', 'reader2')";

const LEND_TEN: &str = "\
    UPDATE catalog_bookinstance SET status = 'o' \
    WHERE id IN (SELECT id FROM catalog_bookinstance ORDER BY id LIMIT 10)";

const LEND_ALL: &str = "UPDATE catalog_bookinstance SET status = 'o'";

/// Creates a library with the two books and their thirty copies.
async fn thirty_copies() -> Site {
    let site = Site::empty().await;
    site.sql(ADD_BOOKS).await;
    site.sql(ADD_COPIES).await;
    site
}

/// Returns the entries of the member's loans that are due on these days of January 9000.
fn loan_entries(days: impl IntoIterator<Item = u8>) -> Vec<String> {
    let days = days.into_iter();
    days.map(|day| format!("Villette (Jan. {day}, 9000)"))
        .collect()
}

#[tokio::test]
async fn the_list_of_loans_requires_a_login() {
    let site = thirty_copies().await;
    let page = site.stranger().get(MY_BOOKS).await;
    assert_eq!(target(&page), "/accounts/login/?next=/catalog/mybooks/");
}

#[tokio::test]
async fn the_list_of_loans_shows_its_title_and_the_user() {
    let site = thirty_copies().await;
    let page = site.visitor("member").await.get(MY_BOOKS).await;
    assert_eq!(page.status, 200);
    let (title, heading) = title_and_heading(&page);
    assert_eq!(title, "Borrowed books – Local Library");
    assert_eq!(heading, "Borrowed books");
    assert!(
        page.text()
            .contains("<span class=\"username\">member</span>")
    );
}

#[tokio::test]
async fn readers_see_their_own_loans_only() {
    let site = thirty_copies().await;
    let member = site.visitor("member").await;
    let page = member.get(MY_BOOKS).await;
    assert!(main(&page).contains("There are no books borrowed."));
    site.sql(LEND_TEN).await;
    let page = member.get(MY_BOOKS).await;
    assert_eq!(entries(&page), loan_entries([4, 6, 8, 20, 22]));
}

#[tokio::test]
async fn a_page_has_ten_loans() {
    let site = thirty_copies().await;
    site.sql(LEND_ALL).await;
    let member = site.visitor("member").await;
    let page = member.get(MY_BOOKS).await;
    assert_eq!(entries(&page).len(), 10);
    assert!(main(&page).contains("Page 1 of 2."));
    assert_eq!(
        entries(&member.get("/catalog/mybooks/?page=2").await).len(),
        5
    );
}

#[tokio::test]
async fn loans_are_listed_by_due_date() {
    let site = thirty_copies().await;
    site.sql(LEND_ALL).await;
    let page = site.visitor("member").await.get(MY_BOOKS).await;
    assert_eq!(entries(&page), loan_entries((2..=20).step_by(2)));
}
