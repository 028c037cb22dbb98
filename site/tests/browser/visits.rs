//! The counter on the home page.

use super::tools::Site;

#[test]
fn visits_are_counted_per_browser_across_reloads_and_a_restart() {
    let Some(site) = Site::open() else { return };
    let anna = site.browser();
    anna.open("/catalog/");
    anna.sees("You have visited this page 1 time.");
    anna.reload();
    anna.sees("You have visited this page 2 times.");
    anna.follow("All books");
    anna.sees_heading("Books");
    anna.follow("Home");
    anna.sees("You have visited this page 3 times.");

    let ben = site.browser();
    ben.open("/catalog/");
    ben.sees("You have visited this page 1 time.");

    site.restart();
    anna.open("/catalog/");
    anna.sees("You have visited this page 4 times.");
    ben.open("/catalog/");
    ben.sees("You have visited this page 2 times.");
}
