//! A logout, with two tabs in one browser.

use super::tools::Site;

#[test]
fn a_logout_in_one_tab_holds_in_the_other() {
    let Some(site) = Site::open() else { return };
    let member = site.browser_of("member");
    member.open("/accounts/sessions/");
    member.reads("Where you are logged in");
    let first = member.tab();

    let second = member.new_tab();
    member.open("/catalog/mybooks/");
    member.reads("Borrowed books");
    assert_ne!(first, second);
    member.press("Log out");
    member.reads("Logged out!");

    // The buttons of the first tab no longer have an effect.
    member.turn_to(&first);
    member.press("Log out Chrome on Linux");
    member.sees("Please log in to see that page.");
    member.open("/catalog/mybooks/");
    member.sees("Please log in to see that page.");
    member.open("/catalog/");
    member.sees_not("Log out");
    member.sees("You have visited this page 1 time.");
}
