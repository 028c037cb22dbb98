//! A user's sessions: listing them, and revoking one, all others or all.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Owner, Session, Sessions};

use crate::site::{Site, Visitor};

#[tokio::test]
async fn listed_sessions_show_facts_and_tags_but_no_keys() {
    let site = Site::new();
    let mut phone = logged_in(&site, "ada").await;
    let _laptop = logged_in(&site, "ada").await;
    let _other = logged_in(&site, "grace").await;
    site.clock.advance(Duration::from_secs(60));
    phone
        .visit(|session| session.set_label("a phone"))
        .await
        .unwrap();

    let listed = site.sessions.owned_by(&ada()).await.unwrap();

    assert_eq!(listed.len(), 2);
    assert_eq!(
        listed[0].label.as_deref(),
        Some("a phone"),
        "the session with the latest activity comes first"
    );
    assert!(listed[0].touched > listed[1].touched && listed[0].created == listed[1].created);
    let (_, session) = phone.open().await;
    assert_eq!(Some(listed[0].tag), session.tag());
    assert!(!phone.cookie.unwrap().contains(&listed[0].tag.to_string()));
}

#[tokio::test]
async fn a_session_is_revoked_by_its_tag_but_only_for_its_owner() {
    let site = Site::new();
    let phone = logged_in(&site, "ada").await;
    let laptop = logged_in(&site, "ada").await;
    let tag = tag(&phone).await;

    assert!(!site.sessions.revoke(&"grace".into(), &tag).await.unwrap());
    assert!(site.sessions.revoke(&ada(), &tag).await.unwrap());
    assert!(!site.sessions.revoke(&ada(), &tag).await.unwrap());

    assert_eq!(owner(&phone).await, None);
    assert_eq!(owner(&laptop).await, Some(ada()));
}

#[tokio::test]
async fn revoke_others_ends_all_sessions_but_one() {
    let site = Site::new();
    let this = logged_in(&site, "ada").await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(logged_in(&site, "ada").await);
    }
    let grace = logged_in(&site, "grace").await;

    let ended = site
        .sessions
        .revoke_others(&ada(), &tag(&this).await)
        .await
        .unwrap();

    assert_eq!(ended, 3);
    assert_eq!(owner(&this).await, Some(ada()));
    for other in &others {
        assert_eq!(owner(other).await, None);
    }
    assert_eq!(site.sessions.revoke_all(&ada()).await.unwrap(), 1);
    assert_eq!(owner(&this).await, None);
    assert_eq!(owner(&grace).await, Some("grace".into()));
}

#[tokio::test]
async fn revoke_all_ends_a_session_that_gets_a_new_key_in_the_meantime() {
    use cloakroom_testkit::wrap::{Call, When};

    let site = Site::new();
    let mut phone = logged_in(&site, "ada").await;
    site.gate.close(When::After, Call::OwnedBy);
    let sessions = site.sessions.clone();
    let ending = tokio::spawn(async move { sessions.revoke_all(&ada()).await });
    site.gate.reached(When::After, Call::OwnedBy, 1).await;

    phone.visit(Session::cycle_key).await.unwrap();
    site.gate.open(When::After, Call::OwnedBy);

    assert!(ending.await.unwrap().is_ok());
    assert_eq!(owner(&phone).await, None);
}

#[tokio::test]
async fn expired_sessions_are_not_listed() {
    let site = Site::new();
    logged_in(&site, "ada").await;
    site.clock.advance(Duration::from_secs(14 * 24 * 60 * 60));

    assert_eq!(site.sessions.owned_by(&ada()).await.unwrap(), []);
}

#[tokio::test]
async fn sessions_on_different_stores_are_independent() {
    let (one, other) = (Site::new(), Site::new());
    let mut browser = logged_in(&one, "ada").await;

    let elsewhere: Sessions = other.sessions.clone();
    browser.sessions = elsewhere;

    assert_eq!(owner(&browser).await, None);
}

#[tokio::test]
async fn a_session_beyond_its_lifetime_is_not_listed() {
    let site = Site::new();
    let mut guest = site.guest().await;
    guest.visit(|s| s.log_in("ada")).await.unwrap();
    let shorter = Sessions::builder(Arc::clone(&site.memory))
        .clock(site.clock.clone())
        .sweep(None)
        .max_lifetime(Duration::from_secs(60))
        .build()
        .unwrap();
    site.clock.advance(Duration::from_secs(61));
    let there = Visitor {
        sessions: shorter.clone(),
        cookie: guest.cookie.clone(),
    };
    assert_eq!(there.reads("n").await, None);
    assert_eq!(shorter.owned_by(&Owner::from("ada")).await.unwrap(), []);
}

async fn logged_in(site: &Site, user: &str) -> Visitor {
    let mut visitor = site.visitor();
    visitor.visit(|session| session.log_in(user)).await.unwrap();
    visitor
}

async fn tag(visitor: &Visitor) -> cloakroom::SessionTag {
    visitor.open().await.1.tag().unwrap()
}

async fn owner(visitor: &Visitor) -> Option<Owner> {
    visitor.open().await.1.owner()
}

fn ada() -> Owner {
    "ada".into()
}
