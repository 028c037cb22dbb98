//! The session of a visitor who never logs in.

use super::tools::{Browser, Site};

#[test]
fn an_anonymous_visitor_uses_and_deletes_the_session_items() {
    let Some(site) = Site::open() else { return };
    use_and_delete_session_items(&site.browser());
}

/// The steps of the test above. The test in `without_javascript.rs` repeats these steps in a
/// browser that runs no scripts.
pub(crate) fn use_and_delete_session_items(stranger: &Browser<'_>) {
    stranger.open("/catalog/remembered/");
    stranger.sees("This site remembers nothing about you.");
    stranger.sees("Welcome! This site keeps a cookie");
    stranger.press("Dismiss the welcome");
    stranger.sees_not("Welcome! This site keeps a cookie");
    assert_eq!(stranger.path(), "/catalog/remembered/");

    stranger.follow("Preferences");
    stranger.choose("per_page", "5");
    stranger.choose("colour_scheme", "Dark");
    stranger.press("Save preferences");
    stranger.sees("Your preferences were saved.");
    let dark = "rgb(20, 24, 26)";
    let background = stranger.evaluate("getComputedStyle(document.body).backgroundColor");
    assert_eq!(background, dark);
    stranger.follow("All books");
    stranger.sees("Page 1 of 19.");

    stranger.search("austen emma");
    stranger.sees("1 result for “austen emma”");
    stranger.follow("Emma");
    stranger.sees_heading("Emma");

    stranger.follow("What this site remembers");
    stranger.sees_heading("What this site remembers");
    for item in [
        "Results per page",
        "Colours",
        "Dismissed notices",
        "Books seen last",
    ] {
        stranger.sees(item);
    }
    assert!(stranger.cookies().contains(&"sessionid".to_owned()));

    stranger.press("Forget the results per page");
    stranger.sees_not("Results per page");
    stranger.sees("Colours");
    stranger.press("Forget everything");
    stranger.sees("This site remembers nothing about you.");
    stranger.sees("Welcome! This site keeps a cookie");
    assert!(!stranger.cookies().contains(&"sessionid".to_owned()));
}
