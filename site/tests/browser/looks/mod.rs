//! Accessibility and layout of every page, on desktop and phone, light and dark.

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
    look.at_pages(PUBLIC);

    stranger.open("/accounts/login/");
    stranger.press("Log in");
    stranger.sees("Your username and password");
    look.at("login-failed");
    stranger.open("/accounts/password_reset/");
    stranger.press("Send the link");
    stranger.sees("This field is required.");
    look.at("reset-wrong");
    stranger.fill("email", "member@example.org");
    stranger.press("Send the link");
    stranger.reads("Check your mailbox");
    stranger.open(&site.mailed_link());
    stranger.reads("Set a new password");
    look.at("reset-set");
    stranger.press("Dismiss the welcome");
    stranger.sees_not("Welcome!");
    stranger.open("/catalog/preferences/");
    stranger.press("Save preferences");
    stranger.sees("Your preferences were saved.");
    look.at("preferences-saved");
    stranger.open("/catalog/remembered/");
    look.at("remembered-all");
    look.finds_nothing();
}

#[test]
fn every_page_is_accessible_to_a_member() {
    let (Some(site), Some(axe)) = (Site::open(), axe()) else {
        return;
    };
    let member = site.browser_of("member");
    let mut look = Look::new(&member, "member", &axe);
    look.at_pages(PUBLIC);
    look.at_pages(MEMBERS);

    let newcomer = site.browser_of("newcomer");
    let mut new_look = Look::new(&newcomer, "newcomer", &axe);
    new_look.at_pages(&[("loans-none", "/catalog/mybooks/")]);
    new_look.finds_nothing();

    member.press("Log out");
    member.reads("Logged out!");
    look.at("logged-out");
    look.finds_nothing();
}

#[test]
fn every_page_is_accessible_to_a_librarian() {
    let (Some(site), Some(axe)) = (Site::open(), axe()) else {
        return;
    };
    let librarian = site.browser_of("librarian");
    let mut look = Look::new(&librarian, "librarian", &axe);
    look.at_pages(PUBLIC);
    look.at_pages(MEMBERS);
    look.finds_nothing();
}

#[test]
fn every_form_for_librarians_is_accessible() {
    let (Some(site), Some(axe)) = (Site::open(), axe()) else {
        return;
    };
    let librarian = site.browser_of("librarian");
    let mut look = Look::new(&librarian, "librarian", &axe);
    look.at_pages(LIBRARIANS);

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
        look.at(&format!("{noun}-wrong"));
    }
    librarian.open("/catalog/genre/create/");
    librarian.fill("name", "Travel");
    librarian.press("Create genre");
    librarian.sees("The genre Travel was added.");
    look.at("genre-added");
    look.finds_nothing();
}

#[test]
fn every_page_of_the_staff_area_is_accessible() {
    let (Some(site), Some(axe)) = (Site::open(), axe()) else {
        return;
    };
    let admin = site.browser_of("admin");
    // Its pages are larger: lists have a hundred rows, and each row of copies has the id three
    // times.
    let mut look = Look::new(&admin, "admin", &axe).up_to_bytes(64_000);
    look.at_pages(STAFF);

    admin.open("/admin/auth/user/add/");
    admin.press("Save");
    admin.sees("This field is required.");
    look.at("user-wrong");
    look.finds_nothing();
}
