//! A browser that runs no scripts.

use super::{
    remembered::use_and_delete_session_items,
    tools::{Setup, Site},
};

#[test]
fn the_site_works_without_javascript() {
    const SCRIPT: &str = "data:text/html,<title>off</title><script>document.title = 'on'</script>";
    let Some(site) = Site::open() else { return };
    let usual = site.browser();
    usual.open_anywhere(SCRIPT);
    assert_eq!(usual.title(), "on");
    let visitor = site.browser_with(Setup {
        is_without_javascript: true,
    });
    visitor.open_anywhere(SCRIPT);
    assert_eq!(visitor.title(), "off");

    use_and_delete_session_items(&visitor);

    visitor.follow("Login");
    visitor.log_in("member");
    visitor.sees("What this site remembers");
    visitor.press("Log out");
    visitor.reads("Logged out!");
}
