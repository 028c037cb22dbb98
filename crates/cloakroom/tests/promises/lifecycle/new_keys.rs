//! Logins and new keys.

use std::time::Duration;

use cloakroom::{ErrorKind, Expiry, Owner, Session};
use cloakroom_testkit::wrap::{Call, When};

use crate::site::{Site, Visitor, kind, set_cookie};

#[tokio::test]
async fn log_in_moves_the_session_to_a_new_key_and_the_old_key_opens_nothing() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let before = guest.clone();

    guest.visit(|session| session.log_in("ada")).await.unwrap();

    assert_eq!(site.spy.take(), [Call::Load, Call::Rename]);
    assert_ne!(guest.cookie, before.cookie);
    let (_, session) = guest.open().await;
    assert_eq!(session.owner(), Some(Owner::from("ada")));
    assert_eq!(
        session.get("n").unwrap(),
        Some(1),
        "the items from before the login stay"
    );
    assert_eq!(before.reads("n").await, None);
}

#[tokio::test]
async fn log_in_of_the_same_user_gives_a_new_key_too() {
    let site = Site::new();
    let mut ada = site.guest().await;
    ada.visit(|session| session.log_in("ada")).await.unwrap();
    let before = ada.clone();

    ada.visit(|session| session.log_in("ada")).await.unwrap();

    assert_ne!(ada.cookie, before.cookie);
    assert_eq!(ada.reads("n").await, Some(1));
    assert_eq!(before.reads("n").await, None);
}

#[tokio::test]
async fn log_in_of_another_user_removes_the_data_of_the_first_user() {
    let site = Site::new();
    let mut browser = site.guest().await;
    browser
        .visit(|session| session.log_in("ada"))
        .await
        .unwrap();

    browser
        .visit(|session| {
            session.log_in("grace")?;
            session.set("mine", 7)
        })
        .await
        .unwrap();

    assert_eq!(browser.reads("n").await, None);
    assert_eq!(browser.reads("mine").await, Some(7));
    assert_eq!(site.sessions.owned_by(&"ada".into()).await.unwrap(), []);
}

#[tokio::test]
async fn the_edits_of_a_request_survive_its_login_in_either_order() {
    for login_first in [true, false] {
        let site = Site::new();
        let mut browser = ada(&site).await;
        let log_in = |session: &Session, now: bool| match now {
            true => session.log_in("bob"),
            false => Ok(()),
        };
        let handler = |session: &Session| {
            log_in(session, login_first)?;
            session.set("mine", 7)?;
            session.set_expiry(Expiry::BrowserClose)?;
            session.set_label("bob's phone")?;
            session.set_default("count", 10)?;
            session.update("count", |n: &mut u64| *n += 1)?;
            session.discard("mine")?;
            session.set("mine", 8)?;
            log_in(session, !login_first)
        };
        let handle = browser.request();
        let session = handle.open().await.unwrap();
        handler(&session).unwrap();
        let headers = browser.finish(&handle).await.unwrap();

        assert!(!set_cookie(&headers).unwrap().contains("Max-Age"));
        let (_, stored) = browser.open().await;
        for session in [session, stored] {
            assert_eq!(session.owner(), Some("bob".into()));
            assert_eq!(session.expiry(), Expiry::BrowserClose);
            assert_eq!(session.label().as_deref(), Some("bob's phone"));
            assert_eq!(session.get("mine").unwrap(), Some(8));
            assert_eq!(session.get("count").unwrap(), Some(11));
            assert_eq!(session.len(), 2, "nothing of ada's: {:?}", session.names());
        }
    }
}

#[tokio::test]
async fn an_update_before_a_login_runs_again_on_the_session_that_the_login_emptied() {
    let site = Site::new();
    let mut browser = ada(&site).await;

    let (handle, session) = browser.open().await;
    assert_eq!(session.update("n", |n: &mut u64| *n += 1).unwrap(), 2);
    session.log_in("bob").unwrap();
    assert_eq!(session.get("n").unwrap(), Some(1));
    browser.finish(&handle).await.unwrap();

    assert_eq!(browser.reads("n").await, Some(1));
}

#[tokio::test]
async fn set_default_before_a_login_applies_to_the_session_that_the_login_emptied() {
    let site = Site::new();
    let mut browser = ada(&site).await;

    let (handle, session) = browser.open().await;
    assert_eq!(session.set_default("n", 7).unwrap(), 1);
    assert!(!session.is_modified());
    session.log_in("bob").unwrap();
    assert_eq!(session.get("n").unwrap(), Some(7));
    browser.finish(&handle).await.unwrap();

    assert_eq!(browser.reads("n").await, Some(7));
}

#[tokio::test]
async fn a_default_for_an_item_that_is_set_costs_no_store_call() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let headers = guest
        .visit(|session| session.set_default("n", 7).map(drop))
        .await
        .unwrap();

    assert_eq!(set_cookie(&headers), None);
    assert_eq!(site.spy.take(), [Call::Load]);
}

#[tokio::test]
async fn edits_from_before_a_login_survive_even_when_the_login_is_replayed() {
    let site = Site::new();
    let mut browser = ada(&site).await;
    let (slow, session) = browser.open().await;
    session.set("mine", 7).unwrap();
    session.set_expiry(Expiry::BrowserClose).unwrap();
    session.log_in("bob").unwrap();
    let mut tab = browser.clone();
    tab.visit(|session| session.set("hers", 3)).await.unwrap();
    browser.finish(&slow).await.unwrap();

    let (_, session) = browser.open().await;
    assert_eq!(session.owner(), Some("bob".into()));
    assert_eq!(session.names(), ["mine"]);
    assert_eq!(session.expiry(), Expiry::BrowserClose);
}

#[tokio::test]
async fn the_second_of_two_logins_in_one_request_removes_the_stored_data_but_keeps_the_edits() {
    let site = Site::new();
    let mut guest = site.guest().await;

    guest
        .visit(|session| {
            session.set("early", 1)?;
            session.log_in("ada")?;
            session.set("mine", 7)?;
            session.log_in("bob")
        })
        .await
        .unwrap();

    let (_, session) = guest.open().await;
    assert_eq!(session.owner(), Some("bob".into()));
    assert_eq!(session.names(), ["early", "mine"]);
}

#[tokio::test]
async fn an_edit_that_was_saved_before_the_login_belongs_to_the_first_user() {
    let site = Site::new();
    let mut browser = ada(&site).await;

    let (handle, session) = browser.open().await;
    session.set("hers", 3).unwrap();
    session.save().await.unwrap();
    session.set("mine", 7).unwrap();
    session.log_in("bob").unwrap();
    browser.finish(&handle).await.unwrap();

    assert_eq!(browser.open().await.1.names(), ["mine"]);
}

#[tokio::test]
async fn a_login_whose_earlier_update_cannot_run_again_changes_nothing() {
    let site = Site::new();
    let browser = ada(&site).await;
    let (_handle, session) = browser.open().await;
    let mean = |numbers: &mut Vec<f64>| {
        let sum: f64 = numbers.iter().sum();
        numbers.push(sum / numbers.len() as f64);
    };
    session.set("numbers", [1.0]).unwrap();
    session.save().await.unwrap();
    session.update("numbers", mean).unwrap();

    assert_eq!(kind(session.log_in("bob")), ErrorKind::BadValue);

    assert_eq!(session.owner(), Some("ada".into()));
    assert_eq!(session.get("numbers").unwrap(), Some(vec![1.0, 1.0]));
}

#[tokio::test]
async fn a_login_during_a_save_comes_after_the_edits_that_are_being_saved() {
    let site = Site::new();
    let mut browser = ada(&site).await;
    let (handle, session) = browser.open().await;
    session.set("hers", 3).unwrap();
    site.gate.close(When::Before, Call::Save);
    let saving = {
        let session = session.clone();
        tokio::spawn(async move { session.save().await })
    };
    site.gate.reached(When::Before, Call::Save, 1).await;
    session.log_in("bob").unwrap();
    session.set("mine", 7).unwrap();
    site.gate.open(When::Before, Call::Save);
    saving.await.unwrap().unwrap();
    browser.finish(&handle).await.unwrap();

    let (_, session) = browser.open().await;
    assert_eq!(session.owner(), Some("bob".into()));
    assert_eq!(session.names(), ["mine"]);
}

/// Returns the browser of the user `ada`, whose session has `n = 1` and its own expiry.
async fn ada(site: &Site) -> Visitor {
    let mut browser = site.guest().await;
    let hour = Duration::from_secs(60 * 60);
    browser
        .visit(|session| {
            session.log_in("ada")?;
            session.set_expiry(Expiry::Idle(hour))
        })
        .await
        .unwrap();
    browser
}

#[tokio::test]
async fn log_in_without_a_session_creates_one() {
    let site = Site::new();
    let mut stranger = site.visitor();

    stranger
        .visit(|session| session.log_in("ada"))
        .await
        .unwrap();

    let (_, session) = stranger.open().await;
    assert_eq!(session.owner(), Some(Owner::from("ada")));
}

#[tokio::test]
async fn log_in_on_an_ended_session_creates_a_session_without_the_old_data() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (slow, session) = guest.open().await;
    session.log_in("ada").unwrap();
    session.set("mine", 7).unwrap();
    let mut tab = guest.clone();
    tab.visit(|session| session.flush()).await.unwrap();
    guest.finish(&slow).await.unwrap();

    let (_, session) = guest.open().await;
    assert_eq!(session.owner(), Some(Owner::from("ada")));
    assert_eq!(session.names(), ["mine"]);
}

#[tokio::test]
async fn cycle_key_replays_after_a_conflict_and_moves_what_the_other_request_saved() {
    let site = Site::new();
    let mut guest = site.guest().await;

    let (slow, session) = guest.open().await;
    session.cycle_key().unwrap();
    guest.visit(|session| session.set("n", 2)).await.unwrap();
    let before = guest.clone();
    guest.finish(&slow).await.unwrap();

    assert_ne!(guest.cookie, before.cookie);
    assert_eq!(guest.reads("n").await, Some(2));
    assert_eq!(before.reads("n").await, None);
}
