//! A visitor who uses the keyboard only.

use super::tools::{Browser, Key, Site};

/// The number of key presses after which [`go_to`] gives up. Every page has fewer focusable
/// elements.
const MAX_STOPS: usize = 100;

#[test]
fn the_site_works_with_the_keyboard_and_the_focus_is_visible() {
    let Some(site) = Site::open() else { return };
    let visitor = site.browser();
    visitor.open("/catalog/");
    visitor.press_key(Key::Tab);
    assert_eq!(visitor.focus(), "Skip to the content");
    visitor.press_key(Key::Enter);
    go_to(&visitor, "See all books");
    assert_eq!(
        visitor.evaluate("document.activeElement.closest('main') !== null"),
        true
    );

    visitor.reload();
    go_to(&visitor, "Login");
    visitor.press_key(Key::Enter);
    visitor.sees_heading("Log in");
    go_to(&visitor, "username");
    visitor.type_text("member");
    go_to(&visitor, "password");
    visitor.type_text(site.password("member"));
    visitor.press_key(Key::Enter);
    visitor.sees("Log out");

    go_to(&visitor, "Preferences");
    visitor.press_key(Key::Enter);
    visitor.sees_heading("Preferences");
    go_to(&visitor, "per_page");
    // In a selection list, this selects the option that starts with 2.
    visitor.type_text("2");
    assert_eq!(visitor.value_of("per_page"), "20");
    go_to(&visitor, "Save preferences");
    visitor.press_key(Key::Enter);
    visitor.sees("Your preferences were saved.");

    go_to(&visitor, "Log out");
    visitor.press_key(Key::Enter);
    visitor.sees_heading("Logged out!");
}

/// Presses Tab until `stop` has the focus. Asserts that each focused element has an outline.
fn go_to(visitor: &Browser<'_>, stop: &str) {
    for _ in 0..MAX_STOPS {
        visitor.press_key(Key::Tab);
        let outline = visitor.evaluate("getComputedStyle(document.activeElement).outlineStyle");
        let focus = visitor.focus();
        assert_eq!(outline, "solid", "the outline of {focus:?}");
        if focus == stop {
            return;
        }
    }
    panic!("{stop:?} cannot be reached with the keyboard");
}
