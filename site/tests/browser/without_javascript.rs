//! A browser that runs no scripts.

use super::{
    remembered::use_and_delete_session_items,
    tools::{Setup, Site},
};

#[test]
fn the_site_works_without_javascript() {
    /// A page with the title `on` if its script runs, or else `off`.
    const SCRIPT: &str = "data:text/html,<title>off</title><script>document.title = 'on'</script>";
    let Some(site) = Site::open() else { return };
    let with_scripts = site.browser();
    with_scripts.open_url(SCRIPT);
    assert_eq!(with_scripts.title(), "on");
    let visitor = site.browser_with(Setup {
        is_without_javascript: true,
    });
    visitor.open_url(SCRIPT);
    assert_eq!(visitor.title(), "off");

    use_and_delete_session_items(&visitor);

    visitor.follow("Login");
    visitor.log_in("member");
    visitor.sees("What this site remembers");
    visitor.press("Log out");
    visitor.sees_heading("Logged out!");
}
