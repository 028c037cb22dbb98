//! The page that renews a loan.

use jiff::ToSpan;

use crate::{
    RENEW,
    common::{
        Site,
        visitor::{main, target},
    },
    error, input, title_and_heading, today,
};

const LEND_TO_CLERK: &str = "\
    UPDATE catalog_bookinstance \
    SET borrower_id = (SELECT id FROM auth_user WHERE username = 'clerk') \
    WHERE id = 'a2f73175924d4524ac9ae0b94e759058'";

#[tokio::test]
async fn a_renewal_requires_a_login() {
    let site = Site::new().await;
    let page = site.stranger().get(RENEW).await;
    assert_eq!(target(&page), format!("/accounts/login/?next={RENEW}"));
}

#[tokio::test]
async fn readers_may_not_renew_loans() {
    let site = Site::new().await;
    // The user bela has borrowed this copy, but only clerks and librarians may renew loans.
    assert_eq!(site.visitor("bela").await.get(RENEW).await.status, 403);
}

#[tokio::test]
async fn a_clerk_may_renew_a_loan_of_their_own() {
    let site = Site::new().await;
    site.sql(LEND_TO_CLERK).await;
    let page = site.visitor("clerk").await.get(RENEW).await;
    assert_eq!(page.status, 200);
    assert!(main(&page).contains("Borrower: clerk"));
}

#[tokio::test]
async fn a_clerk_may_renew_the_loan_of_another_user() {
    let site = Site::new().await;
    let page = site.visitor("clerk").await.get(RENEW).await;
    assert_eq!(page.status, 200);
    assert!(main(&page).contains("Borrower: bela"));
}

#[tokio::test]
async fn the_page_of_a_renewal_shows_the_title_of_the_book() {
    let site = Site::new().await;
    let page = site.visitor("clerk").await.get(RENEW).await;
    let (title, heading) = title_and_heading(&page);
    assert_eq!(title, "Renew Sense and Sensibility – Local Library");
    assert_eq!(heading, "Renew: Sense and Sensibility");
}

#[tokio::test]
async fn a_renewal_proposes_three_weeks() {
    let site = Site::new().await;
    let clerk = site.visitor("clerk").await;
    let (page, date) = today(async |today| (clerk.get(RENEW).await, today + 3.weeks())).await;
    let input = input(&page, "renewal_date");
    assert!(input.contains(&format!("value=\"{date}\"")), "{input}");
}

#[tokio::test]
async fn a_date_that_has_passed_is_refused_with_the_reason() {
    let site = Site::new().await;
    let (page, _) = site.visitor("clerk").await.renew(-1.week()).await;
    assert_eq!(page.status, 200);
    assert_eq!(
        error(&page, "renewal_date"),
        "Invalid date - renewal in past"
    );
}

#[tokio::test]
async fn a_date_too_far_ahead_is_refused_with_the_reason() {
    let site = Site::new().await;
    let (page, _) = site.visitor("clerk").await.renew(5.weeks()).await;
    assert_eq!(page.status, 200);
    assert_eq!(
        error(&page, "renewal_date"),
        "Invalid date - renewal more than 4 weeks ahead"
    );
}

#[tokio::test]
async fn a_renewal_leads_to_the_list_of_all_loans() {
    let site = Site::new().await;
    let clerk = site.visitor("clerk").await;
    let (page, _) = clerk.renew(2.weeks()).await;
    assert_eq!(target(&page), "/catalog/borrowed/");
    let list = clerk.get("/catalog/borrowed/").await;
    assert_eq!(title_and_heading(&list).1, "All Borrowed Books");
}

#[tokio::test]
async fn a_copy_that_the_library_does_not_have_is_not_found() {
    let site = Site::new().await;
    let unknown = "/catalog/book/00000000-0000-4000-8000-000000000000/renew/";
    assert_eq!(site.visitor("clerk").await.get(unknown).await.status, 404);
}
