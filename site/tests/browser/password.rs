//! A member who has lost their password.

use super::tools::Site;

#[test]
fn a_lost_password_is_reset_with_the_link_in_a_mail() {
    let Some(site) = Site::open() else { return };
    let member = site.browser();
    member.open("/accounts/login/");
    member.follow("Lost your password?");
    member.fill("email", "member@example.org");
    member.press("Send the link");
    member.sees_heading("Check your mailbox");

    member.open(&site.mailed_link());
    // The link redirects to an address without the token of the mail, so that the address bar does
    // not show the token.
    assert!(member.path().ends_with("/set-password/"));
    member.fill("new_password1", "Heron-ladder-4");
    member.fill("new_password2", "Heron-ladder-4");
    member.press("Set password");
    member.sees_heading("Your password has been set");

    member.follow("Log in");
    member.fill("username", "member");
    member.fill("password", "Heron-ladder-4");
    member.press("Log in");
    member.sees("Log out");
}
