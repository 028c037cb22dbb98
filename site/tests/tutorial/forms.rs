//! The form that renews a loan.

use jiff::ToSpan;

use super::{RENEW, between, error, input, label};
use crate::common::{Site, visitor::target};

#[tokio::test]
async fn a_renewal_until_yesterday_is_refused() {
    let site = Site::new().await;
    let (page, date) = site.visitor("clerk").await.renew(-1.day()).await;
    assert_ne!(error(&page, "renewal_date"), "");
    assert_ne!(site.due_back().await, date);
}

#[tokio::test]
async fn a_renewal_for_four_weeks_and_a_day_is_refused() {
    let site = Site::new().await;
    let (page, date) = site.visitor("clerk").await.renew(4.weeks().days(1)).await;
    assert_ne!(error(&page, "renewal_date"), "");
    assert_ne!(site.due_back().await, date);
}

#[tokio::test]
async fn a_loan_may_be_renewed_until_today() {
    let site = Site::new().await;
    let (page, date) = site.visitor("clerk").await.renew(0.days()).await;
    assert_eq!(target(&page), "/catalog/borrowed/");
    assert_eq!(site.due_back().await, date);
}

#[tokio::test]
async fn a_loan_may_be_renewed_for_four_whole_weeks() {
    let site = Site::new().await;
    let (page, date) = site.visitor("clerk").await.renew(4.weeks()).await;
    assert_eq!(target(&page), "/catalog/borrowed/");
    assert_eq!(site.due_back().await, date);
}

#[tokio::test]
async fn the_renewal_date_has_its_label() {
    let site = Site::new().await;
    let page = site.visitor("clerk").await.get(RENEW).await;
    assert_eq!(label(&page, "renewal_date"), "Renewal date");
}

#[tokio::test]
async fn the_form_explains_which_dates_are_allowed() {
    let site = Site::new().await;
    let page = site.visitor("clerk").await.get(RENEW).await;
    assert_eq!(
        between(&page, "id=\"help_renewal_date\">", "</p>"),
        "Enter a date between now and 4 weeks (default 3)."
    );
    // With this attribute, screen readers read the help text together with the field.
    assert!(input(&page, "renewal_date").contains("aria-describedby=\"help_renewal_date\""));
}
