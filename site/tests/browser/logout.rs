//! A logout, with two tabs in one browser.

use super::tools::Site;

#[test]
fn a_logout_in_one_tab_also_logs_out_the_other_tab() {
    let Some(site) = Site::open() else { return };
    let member = site.browser_of("member");
    member.open("/accounts/sessions/");
    member.sees_heading("Where you are logged in");
    let first = member.tab();

    let second = member.new_tab();
    member.open("/catalog/mybooks/");
    member.sees_heading("Borrowed books");
    assert_ne!(first, second);
    member.press("Log out");
    member.sees_heading("Logged out!");

    // The first tab still shows its buttons, but they only lead to the login page.
    member.switch_to_tab(&first);
    member.press("Log out Chrome on Linux");
    member.sees("Please log in to see that page.");
    member.open("/catalog/mybooks/");
    member.sees("Please log in to see that page.");
    member.open("/catalog/");
    member.sees_not("Log out");
    member.sees("You have visited this page 1 time.");
}
