//! Users who know their password change it. Users who have forgotten their password reset it with
//! the link in a mail.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{Extension, extract::ConnectInfo};
use cloakroom_testkit::Browser;

use crate::common::{
    Site,
    visitor::{PASSWORD, Visitor, main, target},
};

#[tokio::test]
async fn a_password_change_logs_out_all_other_browsers() {
    let site = Site::new().await;
    let (member, other) = (site.visitor("member").await, site.visitor("member").await);
    let before = member.browser.cookie("sessionid").unwrap().value;
    let change = async |old: &str, one: &str, two: &str| {
        let fields = [
            ("old_password", old),
            ("new_password1", one),
            ("new_password2", two),
        ];
        member.send("/accounts/password_change/", &fields).await
    };
    for (old, one, two, message) in [
        (
            "wrong",
            "Heron-ladder-4",
            "Heron-ladder-4",
            "Your old password was entered incorrectly. Please enter it again.",
        ),
        (
            PASSWORD,
            "Heron-ladder-4",
            "Heron-ladder-5",
            "The two password fields didn’t match.",
        ),
        (
            PASSWORD,
            "short-7",
            "short-7",
            "This password is too short. It must contain at least 8 characters.",
        ),
        (
            PASSWORD,
            "password",
            "password",
            "This password is too common.",
        ),
        (
            PASSWORD,
            "8463950274",
            "8463950274",
            "This password is entirely numeric.",
        ),
        (
            PASSWORD,
            "member77",
            "member77",
            "The password is too similar to the username.",
        ),
        (
            PASSWORD,
            "okafor77",
            "okafor77",
            "The password is too similar to the last name.",
        ),
        ("", "", "", "This field is required."),
    ] {
        let page = change(old, one, two).await;
        assert_eq!(page.status, 200);
        assert!(
            main(&page).contains(message),
            "{message} in {}",
            main(&page)
        );
        assert!(page.text().contains("aria-invalid=\"true\""));
        let shown = page.text().split("type=\"password\"").skip(1);
        assert!(
            shown
                .map(|rest| rest.split('>').next().unwrap())
                .all(|input| !input.contains("value"))
        );
    }
    let page = change(PASSWORD, "Heron-ladder-4", "Heron-ladder-4").await;
    assert_eq!(target(&page), "/accounts/password_change/done/");
    assert_eq!(
        member.get("/accounts/password_change/done/").await.status,
        200
    );
    assert_ne!(member.browser.cookie("sessionid").unwrap().value, before);
    assert!(target(&other.get("/catalog/mybooks/").await).starts_with("/accounts/login/"));
    assert_eq!(
        site.stranger()
            .log_in("member", "Heron-ladder-4")
            .await
            .status,
        302
    );
}

#[tokio::test]
async fn a_forgotten_password_is_reset_with_the_link_in_a_mail() {
    let folder = tempfile::tempdir().unwrap();
    let mail = format!("file:{}", folder.path().display());
    let site = Site::with(&["--mail", &mail]).await;
    let logged_in = site.visitor("member").await;
    let stranger = site.stranger();
    for (email, message) in [
        ("", "This field is required."),
        ("nonsense", "Enter a valid email address."),
    ] {
        let page = stranger
            .send("/accounts/password_reset/", &[("email", email)])
            .await;
        assert!(main(&page).contains(message), "{email}");
    }
    for email in [
        "unknown@example.org",
        "gone@example.org",
        "MEMBER@example.org",
    ] {
        let page = stranger
            .send("/accounts/password_reset/", &[("email", email)])
            .await;
        assert_eq!(target(&page), "/accounts/password_reset/done/");
    }
    let mails = mails(folder.path(), 1).await;
    let mail = &mails[0];
    assert!(
        mail.starts_with("To: member@example.org\nSubject: Password reset on localhost:8000\n"),
        "{mail}"
    );
    let link = mail.split("http://localhost:8000").nth(1).unwrap();
    let link = link.split_whitespace().next().unwrap();

    let page = stranger.get(link).await;
    let form = target(&page).to_owned();
    assert!(form.ends_with("/set-password/"), "{form}");
    let reset = async |one: &str, two: &str| {
        stranger
            .send(&form, &[("new_password1", one), ("new_password2", two)])
            .await
    };
    assert!(main(&stranger.get(&form).await).contains("New password"));
    assert!(
        main(&reset("12345678", "12345678").await).contains("This password is entirely numeric.")
    );
    assert_eq!(
        target(&reset("Heron-ladder-4", "Heron-ladder-4").await),
        "/accounts/reset/done/"
    );

    assert!(main(&stranger.get("/accounts/reset/done/").await).contains("Log in"));
    assert!(
        target(&stranger.get("/catalog/mybooks/").await).starts_with("/accounts/login/"),
        "a reset does not log the visitor in"
    );
    assert!(target(&logged_in.get("/catalog/mybooks/").await).starts_with("/accounts/login/"));
    for link in [
        link,
        form.as_str(),
        "/accounts/reset/x/y-z/",
        "/accounts/reset/MQ/set-password/",
    ] {
        let page = site.stranger().get(link).await;
        assert_eq!(page.status, 200);
        assert!(main(&page).contains("invalid") && !page.text().contains("new_password1"));
    }
    assert_eq!(
        site.stranger()
            .log_in("member", "Heron-ladder-4")
            .await
            .status,
        302
    );
}

/// Waits until there are `count` mails in the folder, and returns them.
async fn mails(folder: &std::path::Path, count: usize) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path());
        let mails: Vec<_> = files
            .filter(|file| file.extension().is_some_and(|ending| ending == "txt"))
            .collect();
        match mails.len() {
            found if found < count && Instant::now() < deadline => tokio::task::yield_now().await,
            found => {
                assert_eq!(found, count, "number of mails");
                let texts = mails.iter().map(std::fs::read_to_string);
                return texts.map(Result::unwrap).collect();
            }
        }
    }
}

/// Requests a reset link for this mail address. Returns the target of the redirect.
async fn ask_for_mail(visitor: &Visitor, email: &str) -> String {
    let page = visitor
        .send("/accounts/password_reset/", &[("email", email)])
        .await;
    target(&page).to_owned()
}

#[tokio::test]
async fn a_mailbox_gets_at_most_ten_links_in_a_quarter_of_an_hour() {
    const DONE: &str = "/accounts/password_reset/done/";
    let folder = tempfile::tempdir().unwrap();
    let mail = format!("file:{}", folder.path().display());
    let site = Site::with(&["--mail", &mail]).await;
    // Mail addresses of users and unknown mail addresses are counted in the same way.
    for email in ["member@example.org", "unknown@example.org"] {
        for _ in 0..9 {
            assert_eq!(ask_for_mail(&site.stranger(), email).await, DONE);
        }
        for _ in 0..3 {
            let other_case = email.to_uppercase();
            assert_eq!(ask_for_mail(&site.stranger(), &other_case).await, DONE);
        }
    }
    assert_eq!(
        site.number(
            "SELECT COUNT(*) FROM locallibrary_failed_login WHERE failures = 10 \
             AND subject IN ('mail to member@example.org', 'mail to unknown@example.org')"
        )
        .await,
        2
    );
    mails(folder.path(), 10).await;
    assert_eq!(
        ask_for_mail(&site.stranger(), "reader2@example.org").await,
        DONE,
        "other mailboxes are not affected"
    );
    mails(folder.path(), 11).await;
    assert_eq!(
        site.visitor("member")
            .await
            .get("/catalog/mybooks/")
            .await
            .status,
        200,
        "logins are not affected"
    );

    // Move the time of the last counted request 15 minutes into the past, so that the count is
    // reset. The refused requests have not prolonged the wait.
    site.sql("UPDATE locallibrary_failed_login SET last_at = last_at - 900000")
        .await;
    assert_eq!(
        ask_for_mail(&site.stranger(), "member@example.org").await,
        DONE
    );
    let mails = mails(folder.path(), 12).await;
    let to_member = mails
        .iter()
        .filter(|mail| mail.starts_with("To: member@example.org\n"));
    assert_eq!(to_member.count(), 11);
}

#[tokio::test]
async fn an_ip_address_that_requests_too_many_mails_does_not_block_other_ip_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let mail = format!("file:{}", folder.path().display());
    let site = Site::with(&["--mail", &mail]).await;
    let from = |address: [u8; 4]| {
        let address = ConnectInfo(SocketAddr::from((address, 50_000)));
        let router = site.application.router().layer(Extension(address));
        Visitor {
            browser: Browser::http(router).at("http://localhost:8000"),
        }
    };
    // An IP address may request 50 mails.
    let stranger = from([192, 0, 2, 7]);
    for n in 0..50 {
        ask_for_mail(&stranger, &format!("unknown{n}@example.org")).await;
    }
    let counted = "SELECT COUNT(*) FROM locallibrary_failed_login WHERE subject LIKE 'mail to %'";
    assert_eq!(site.number(counted).await, 50);

    ask_for_mail(&stranger, "member@example.org").await;
    assert_eq!(site.number(counted).await, 50);

    ask_for_mail(&from([192, 0, 2, 8]), "member@example.org").await;
    assert_eq!(site.number(counted).await, 51);
    mails(folder.path(), 1).await;
}
