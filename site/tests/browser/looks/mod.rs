//! Accessibility and layout of every page, at the widths of a desktop and a phone, in light and
//! dark colours. The script axe-core checks the accessibility.

mod look;
mod pages;

use look::Look;
use pages::{LIBRARIANS, MEMBERS, PUBLIC, STAFF};

use super::tools::{Site, axe};

#[test]
fn every_page_is_accessible_to_an_anonymous_visitor() {
    let (Some(site), Some(axe)) = (Site::open(), axe()) else {
        return;
    };
    let stranger = site.browser();
    let mut look = Look::new(&stranger, "stranger", &axe);
    look.check_pages(PUBLIC);

    stranger.open("/accounts/login/");
    stranger.press("Log in");
    stranger.sees("Your username and password");
    look.check_page("login-failed");
    stranger.open("/accounts/password_reset/");
    stranger.press("Send the link");
    stranger.sees("This field is required.");
    look.check_page("reset-wrong");
    stranger.fill("email", "member@example.org");
    stranger.press("Send the link");
    stranger.sees_heading("Check your mailbox");
    stranger.open(&site.mailed_link());
    stranger.sees_heading("Set a new password");
    look.check_page("reset-set");
    stranger.press("Dismiss the welcome");
    stranger.sees_not("Welcome!");
    stranger.open("/catalog/preferences/");
    stranger.press("Save preferences");
    stranger.sees("Your preferences were saved.");
    look.check_page("preferences-saved");
    stranger.open("/catalog/remembered/");
    look.check_page("remembered-all");
    look.assert_no_problems();
}

#[test]
fn every_page_is_accessible_to_a_member() {
    let (Some(site), Some(axe)) = (Site::open(), axe()) else {
        return;
    };
    let member = site.browser_of("member");
    let mut look = Look::new(&member, "member", &axe);
    look.check_pages(PUBLIC);
    look.check_pages(MEMBERS);

    let newcomer = site.browser_of("newcomer");
    let mut new_look = Look::new(&newcomer, "newcomer", &axe);
    new_look.check_pages(&[("loans-none", "/catalog/mybooks/")]);
    new_look.assert_no_problems();

    member.press("Log out");
    member.sees_heading("Logged out!");
    look.check_page("logged-out");
    look.assert_no_problems();
}

#[test]
fn every_page_is_accessible_to_a_librarian() {
    let (Some(site), Some(axe)) = (Site::open(), axe()) else {
        return;
    };
    let librarian = site.browser_of("librarian");
    let mut look = Look::new(&librarian, "librarian", &axe);
    look.check_pages(PUBLIC);
    look.check_pages(MEMBERS);
    look.assert_no_problems();
}

#[test]
fn every_form_for_librarians_is_accessible() {
    let (Some(site), Some(axe)) = (Site::open(), axe()) else {
        return;
    };
    let librarian = site.browser_of("librarian");
    let mut look = Look::new(&librarian, "librarian", &axe);
    look.check_pages(LIBRARIANS);

    for (noun, button) in [
        ("author", "Create author"),
        ("book", "Create book"),
        ("genre", "Create genre"),
        ("language", "Create language"),
        ("bookinstance", "Create copy"),
    ] {
        librarian.open(&format!("/catalog/{noun}/create/"));
        librarian.press(button);
        librarian.sees("Nothing was saved yet");
        look.check_page(&format!("{noun}-wrong"));
    }
    librarian.open("/catalog/genre/create/");
    librarian.fill("name", "Travel");
    librarian.press("Create genre");
    librarian.sees("The genre Travel was added.");
    look.check_page("genre-added");
    look.assert_no_problems();
}

#[test]
fn every_page_of_the_staff_area_is_accessible() {
    let (Some(site), Some(axe)) = (Site::open(), axe()) else {
        return;
    };
    let admin = site.browser_of("admin");
    // The pages of the staff area may be larger, because a list has a hundred rows, and each row in
    // the list of copies contains the id of the copy three times.
    let mut look = Look::new(&admin, "admin", &axe).with_max_bytes(64_000);
    look.check_pages(STAFF);

    admin.open("/admin/auth/user/add/");
    admin.press("Save");
    admin.sees("This field is required.");
    look.check_page("user-wrong");
    look.assert_no_problems();
}
