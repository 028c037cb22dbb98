//! A member with two browsers.

use super::tools::Site;

#[test]
fn a_member_ends_their_other_sessions() {
    let Some(site) = Site::open() else { return };
    let here = site.browser_of("member");
    let elsewhere = site.browser_of("member");
    elsewhere.open("/catalog/mybooks/");
    elsewhere.sees_heading("Borrowed books");

    here.follow("Where you are logged in");
    here.sees("Chrome on Linux this browser");
    here.press("Log out all other browsers");
    here.sees_not("Log out all other browsers");
    here.sees("Chrome on Linux this browser");

    elsewhere.reload();
    elsewhere.sees("Please log in to see that page.");
    here.open("/catalog/mybooks/");
    here.sees_heading("Borrowed books");
}
