//! A book is lent, renewed and returned.

use jiff::{ToSpan, Zoned, civil::Date, tz::TimeZone};

use super::tools::{Browser, Site};

/// The page of an available copy of “Pride and Prejudice”.
const COPY: &str = "/catalog/bookinstance/b78276e7-4dda-4d13-9e76-bf6cf68846ff";

#[test]
fn a_member_sees_how_a_librarian_lends_renews_and_takes_back_a_copy() {
    let Some(site) = Site::open() else { return };
    let member = site.browser_of("newcomer");
    member.follow("My borrowed");
    member.sees("There are no books borrowed.");

    let librarian = site.browser_of("librarian");
    librarian.open(COPY);
    librarian.sees("Status: Available");
    librarian.follow("Update copy");
    librarian.choose("status", "On loan");
    librarian.press("Save");
    librarian.sees("A copy on loan needs a borrower.");
    librarian.sees("A copy on loan needs a due date.");
    let due = days_from_today(7);
    librarian.choose("borrower", "newcomer");
    set_date(&librarian, "due_back", due);
    librarian.press("Save");
    librarian.sees("Status: On loan");

    member.reload();
    member.follow("Pride and Prejudice");
    member.sees_heading("Pride and Prejudice");
    member.follow("My borrowed");
    member.sees(&day_and_year(due));

    librarian.follow("Renew");
    librarian.sees_heading("Renew: Pride and Prejudice");
    let later = days_from_today(20);
    set_date(&librarian, "renewal_date", later);
    librarian.press("Renew");
    librarian.sees_heading("All Borrowed Books");
    member.reload();
    member.sees(&day_and_year(later));

    librarian.open(COPY);
    librarian.press("Mark as returned");
    librarian.sees_heading("All Borrowed Books");
    member.reload();
    member.sees("There are no books borrowed.");
    librarian.open(COPY);
    librarian.sees("Status: Available");
}

fn days_from_today(days: i64) -> Date {
    Zoned::now().with_time_zone(TimeZone::UTC).date() + days.days()
}

/// Types a date in the American order: month, day, year.
fn set_date(librarian: &Browser<'_>, field: &str, date: Date) {
    librarian.fill(field, &date.strftime("%m%d%Y").to_string());
    assert_eq!(librarian.value_of(field), date.to_string());
}

/// Formats the day and the year of a date as pages show them.
fn day_and_year(date: Date) -> String {
    date.strftime(" %-d, %Y").to_string()
}
