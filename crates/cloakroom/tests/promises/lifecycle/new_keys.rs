//! Logins and new keys.

use cloakroom::Owner;
use cloakroom_testkit::wrap::Call;

use crate::site::Site;

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
async fn log_in_of_another_user_drops_the_data_of_the_first() {
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
async fn log_in_on_an_ended_session_creates_one_with_nothing_from_before() {
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
