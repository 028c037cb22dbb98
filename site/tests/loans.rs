//! Loans: lists, renewal and return.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod common;

use common::{
    Site,
    visitor::{main, target},
};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};

/// The id of a copy that the user bela has on loan. The id of bela is 5.
const COPY: &str = "a2f73175-924d-4524-ac9a-e0b94e759058";
/// The path of the form that renews the loan of this copy.
const RENEW: &str = "/catalog/book/a2f73175-924d-4524-ac9a-e0b94e759058/renew/";
/// The query for the status, the due date and the borrower of this copy.
const STORED: &str = "\
    SELECT status || ' ' || COALESCE(due_back, '-') || ' ' || COALESCE(borrower_id, '-') \
    FROM catalog_bookinstance WHERE id = 'a2f73175924d4524ac9ae0b94e759058'";
/// The statement that changes the status of this copy.
const SET_STATUS: &str = "\
    UPDATE catalog_bookinstance SET status = ? WHERE id = 'a2f73175924d4524ac9ae0b94e759058'";

/// Returns the date that is `days` days after today.
fn in_days(days: i32) -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date() + days.days()
}

#[tokio::test]
async fn readers_see_their_loans_and_which_are_overdue() {
    let site = Site::new().await;
    let member = site.visitor("member").await;
    let page = member.get("/catalog/mybooks/").await;
    let words = main(&page);
    assert!(
        words.starts_with("Borrowed books ") && words.contains("Page 1 of 2."),
        "{words}"
    );
    assert_eq!(words.matches("overdue").count(), 4);
    assert_eq!(
        site.number(
            "SELECT COUNT(*) FROM catalog_bookinstance WHERE borrower_id = 1 AND status = 'o'"
        )
        .await,
        14
    );
    let newcomer = site.visitor("newcomer").await;
    assert!(
        main(&newcomer.get("/catalog/mybooks/").await).contains("There are no books borrowed.")
    );
}

#[tokio::test]
async fn clerks_see_all_loans_with_their_borrowers() {
    let site = Site::new().await;
    let clerk = site.visitor("clerk").await;
    let words = main(&clerk.get("/catalog/borrowed/").await);
    assert!(
        words.contains("Page 1 of 8.")
            && words.contains("Jane Eyre (")
            && words.contains("- member - Renew"),
        "{words}"
    );
    let copies = main(&clerk.get("/catalog/bookinstances/?page=last").await);
    assert!(copies.contains("Renew"), "{copies}");
    site.sql("UPDATE catalog_bookinstance SET status = 'r' WHERE status = 'o'")
        .await;
    assert!(main(&clerk.get("/catalog/borrowed/").await).contains("There are no books borrowed."));
}

#[tokio::test]
async fn a_loan_can_be_renewed_for_up_to_four_weeks() {
    let site = Site::new().await;
    let clerk = site.visitor("clerk").await;
    let page = clerk.get(RENEW).await;
    let (today, last) = (in_days(0), in_days(28));
    let input = format!(
        "type=\"date\" name=\"renewal_date\" id=\"id_renewal_date\" value=\"{}\" \
         min=\"{today}\" max=\"{last}\" required",
        in_days(21)
    );
    assert!(page.text().contains(&input), "{}", page.text());
    let words = main(&page);
    for part in [
        "Sense and Sensibility",
        "Borrower: bela",
        "Enter a date between now and 4 weeks (default 3).",
    ] {
        assert!(words.contains(part), "{part} in {words}");
    }
    let before = site.text(STORED).await.unwrap();
    for (date, message) in [
        (in_days(-1).to_string(), "Invalid date - renewal in past"),
        (
            in_days(29).to_string(),
            "Invalid date - renewal more than 4 weeks ahead",
        ),
        ("soon".to_owned(), "Enter a valid date."),
        (" ".to_owned(), "Enter a valid date."),
        (String::new(), "This field is required."),
    ] {
        let page = clerk.send(RENEW, &[("renewal_date", &date)]).await;
        assert_eq!(page.status, 200);
        assert!(
            main(&page).contains(message),
            "{message} in {}",
            main(&page)
        );
        assert_eq!(main(&page).matches(message).count(), 1);
    }
    assert_eq!(site.text(STORED).await.unwrap(), before);
    for date in [in_days(0), in_days(28)] {
        let typed = date.strftime("%m/%d/%Y").to_string();
        assert_eq!(
            target(&clerk.send(RENEW, &[("renewal_date", &typed)]).await),
            "/catalog/borrowed/"
        );
        assert_eq!(
            site.text(STORED).await.unwrap(),
            format!("o {date} 5"),
            "only the due date changes"
        );
    }
    assert!(
        clerk
            .words("/catalog/borrowed/")
            .await
            .contains("Sense and Sensibility was renewed: it is due on")
    );
}

#[tokio::test]
async fn only_copies_on_loan_can_be_renewed() {
    let site = Site::new().await;
    let clerk = site.visitor("clerk").await;
    for status in ["a", "d", "r"] {
        let update = sqlx::query(SET_STATUS).bind(status);
        update.execute(site.application.db()).await.unwrap();
        let before = site.text(STORED).await;
        assert_eq!(clerk.get(RENEW).await.status, 409);
        let page = clerk
            .send(RENEW, &[("renewal_date", &in_days(7).to_string())])
            .await;
        assert_eq!(page.status, 409);
        assert!(main(&page).contains("This copy is not on loan"));
        assert_eq!(site.text(STORED).await, before);
        assert!(
            !clerk
                .words(&format!("/catalog/bookinstance/{COPY}"))
                .await
                .contains("Renew")
        );
    }
}

#[tokio::test]
async fn a_copy_is_returned_to_the_shelf() {
    let site = Site::new().await;
    let clerk = site.visitor("clerk").await;
    let path = format!("/catalog/bookinstance/{COPY}/return/");
    assert_eq!(clerk.get(&path).await.status, 405);
    for _ in 0..2 {
        assert_eq!(target(&clerk.send(&path, &[]).await), "/catalog/borrowed/");
        assert_eq!(site.text(STORED).await.unwrap(), "a - -");
    }
    assert!(
        clerk
            .words("/catalog/borrowed/")
            .await
            .contains("Sense and Sensibility was returned.")
    );
    site.sql("UPDATE catalog_bookinstance SET status = 'd'")
        .await;
    assert_eq!(clerk.send(&path, &[]).await.status, 409);
    assert_eq!(
        clerk
            .send(
                "/catalog/bookinstance/00000000-0000-4000-8000-000000000000/return/",
                &[]
            )
            .await
            .status,
        404
    );
    let member = site.visitor("member").await;
    assert_eq!(member.send(&path, &[]).await.status, 403);
}
