//! A user's sessions: listing them, and revoking one of them, all but one, or all.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::{MemoryStore, Store};
use cloakroom::{
    CachedBackend, CookieBackend, ErrorKind, Expiry, OverLimit, Owner, Session, Sessions,
};
use cloakroom_testkit::HandClock;
use cloakroom_testkit::conformance::{draft, store_key};
use cloakroom_testkit::wrap::{Call, When};
use tokio::task::JoinSet;

use crate::site::{Site, Visitor, kind, stored};

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
    let site = Site::new();
    let mut phone = logged_in(&site, "ada").await;
    site.gate.close(When::After, Call::RevokeOwned);
    let sessions = site.sessions.clone();
    let ending = tokio::spawn(async move { sessions.revoke_all(&ada()).await });
    site.gate.reached(When::After, Call::RevokeOwned, 1).await;

    phone.visit(Session::cycle_key).await.unwrap();
    site.gate.open(When::After, Call::RevokeOwned);

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

#[tokio::test]
async fn a_user_with_thousands_of_sessions_is_logged_out_in_a_few_batches() {
    let site = Site::new();
    let this = crowd(&site, 2_500).await;
    let kept = tag(&this).await;
    site.spy.take();

    let ended = site.sessions.revoke_others(&ada(), &kept).await.unwrap();

    assert_eq!(ended, 2_500);
    let batches = [Call::RevokeOwned; 4].to_vec();
    assert_eq!(site.spy.take(), [vec![Call::Find], batches].concat());
    assert_eq!(owner(&this).await, Some(ada()));
    assert_eq!(site.sessions.revoke_all(&ada()).await.unwrap(), 1);
}

#[tokio::test]
async fn ending_one_of_thousands_of_sessions_takes_as_many_calls_as_ending_the_only_one() {
    for others in [0, 2_500] {
        let site = Site::new();
        let this = crowd(&site, others).await;
        let tag = tag(&this).await;
        site.spy.take();

        assert!(site.sessions.revoke(&ada(), &tag).await.unwrap());
        let calls = [Call::Find, Call::Load, Call::Save, Call::Delete];
        assert_eq!(site.spy.take(), calls);
        assert_eq!(owner(&this).await, None);

        let mut this = logged_in(&site, "ada").await;
        site.spy.take();
        this.visit(Session::flush).await.unwrap();
        assert_eq!(site.spy.take(), calls[1..]);
        let left = site.sessions.owned_by(&ada()).await.unwrap();
        assert_eq!(left.len() as u64, others);
    }
}

#[tokio::test]
async fn a_session_that_moves_while_it_is_ended_is_ended_under_its_new_key() {
    for moves in [1, 2, 3] {
        let site = Site::new();
        // The new key may be anywhere in the list of ada's sessions.
        let mut phone = crowd(&site, 1_500).await;
        let tag = tag(&phone).await;
        site.gate.close(When::Before, Call::Save);
        let sessions = site.sessions.clone();
        let ending = tokio::spawn(async move { sessions.revoke(&ada(), &tag).await });
        site.gate.reached(When::Before, Call::Save, 1).await;

        for _ in 0..moves {
            phone.visit(Session::cycle_key).await.unwrap();
        }
        site.gate.open(When::Before, Call::Save);

        assert!(ending.await.unwrap().unwrap());
        assert_eq!(owner(&phone).await, None, "{moves} moves");
        let left = site.sessions.owned_by(&ada()).await.unwrap();
        assert_eq!(left.len(), 1_500);
    }
}

#[tokio::test]
async fn a_logout_does_not_end_the_session_of_a_login_at_the_same_moment() {
    for user in ["ada", "grace"] {
        let site = Site::new();
        let mut browser = logged_in(&site, "ada").await;
        let mut other_tab = browser.clone();
        site.clock.advance(Duration::from_secs(1));
        let (logout, session) = other_tab.open().await;
        session.flush().unwrap();
        browser.visit(|session| session.log_in(user)).await.unwrap();

        other_tab.finish(&logout).await.unwrap();

        assert_eq!(owner(&browser).await, Some(user.into()));
    }
}

#[tokio::test]
async fn a_logout_that_keeps_losing_to_saves_deletes_the_session() {
    let site = Site::new();
    let mut phone = logged_in(&site, "ada").await;
    site.flaky.stale_next(Call::Save, 100);

    phone.visit(Session::flush).await.unwrap();

    assert_eq!(stored(&site.memory).await, 0);
}

#[tokio::test]
async fn a_logout_whose_store_call_fails_is_done_or_can_be_repeated() {
    for (call, when) in [
        (Call::Save, When::Before),
        (Call::Save, When::After),
        (Call::Delete, When::Before),
        (Call::Delete, When::After),
    ] {
        let site = Site::new();
        let mut phone = logged_in(&site, "ada").await;
        site.flaky.fail_every(1, call, when, ErrorKind::Unavailable);
        let outcome = phone.visit(Session::flush).await;
        site.flaky.heal();

        if outcome.is_err() {
            phone.visit(Session::flush).await.unwrap();
        }
        // An expired entry may stay until it is swept.
        let left = site.sessions.owned_by(&ada()).await.unwrap();
        assert_eq!(left, [], "{call:?} {when:?}");
    }
}

#[tokio::test]
async fn revoking_all_sessions_drops_their_copies_in_a_shared_cache() {
    let (cache, origin) = (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
    let clock = HandClock::new();
    let server = || {
        let backend = CachedBackend::new(cache.clone(), origin.clone()).unwrap();
        let builder = Sessions::builder(backend).clock(clock.clone());
        builder.build().unwrap()
    };
    let (here, there) = (server(), server());
    let mut visitors = Vec::new();
    for _ in 0..5 {
        let mut visitor = Visitor {
            sessions: here.clone(),
            cookie: None,
        };
        let log_in = visitor.visit(|session| session.log_in("ada")).await;
        log_in.unwrap();
        assert_eq!(owner(&visitor).await, Some(ada()), "the cache has a copy");
        visitors.push(visitor);
    }

    assert_eq!(there.revoke_all(&ada()).await.unwrap(), 5);

    for visitor in &visitors {
        assert_eq!(owner(visitor).await, None);
    }
}

#[tokio::test]
async fn a_login_over_the_limit_ends_the_oldest_session() {
    let site = Site::with(|builder| builder.max_sessions(2, OverLimit::EndOldest));
    let grace = logged_in(&site, "grace").await;
    let mut visitors = Vec::new();
    for _ in 0..4 {
        site.clock.advance(Duration::from_secs(1));
        visitors.push(logged_in(&site, "ada").await);
    }

    for (n, expected) in [(0, None), (1, None), (2, Some(ada())), (3, Some(ada()))] {
        assert_eq!(owner(&visitors[n]).await, expected, "login {n}");
    }
    // Another login in one of the two sessions ends neither, and makes that session the newer one.
    site.clock.advance(Duration::from_secs(1));
    let log_in = visitors[2].visit(|session| session.log_in("ada")).await;
    log_in.unwrap();
    assert_eq!(owner(&visitors[3]).await, Some(ada()));
    site.clock.advance(Duration::from_secs(1));
    logged_in(&site, "ada").await;
    assert_eq!(owner(&visitors[2]).await, Some(ada()));
    assert_eq!(owner(&visitors[3]).await, None);
    assert_eq!(owner(&grace).await, Some("grace".into()));
}

#[tokio::test]
async fn of_simultaneous_logins_over_the_limit_one_keeps_its_session() {
    for seconds_apart in [0, 1] {
        let site = Site::with(|builder| builder.max_sessions(1, OverLimit::EndOldest));
        // No login lists the sessions of its user before all logins are saved.
        site.gate.close(When::Before, Call::OwnedBy);
        let mut logins = JoinSet::new();
        for _ in 0..3 {
            site.clock.advance(Duration::from_secs(seconds_apart));
            let mut visitor = site.visitor();
            logins.spawn(async move {
                visitor
                    .visit(|session| session.log_in("ada"))
                    .await
                    .unwrap();
                visitor
            });
            let waiting = logins.len();
            site.gate
                .reached(When::Before, Call::OwnedBy, waiting)
                .await;
        }
        site.gate.open(When::Before, Call::OwnedBy);

        let mut alive = 0;
        for visitor in logins.join_all().await {
            alive += usize::from(owner(&visitor).await.is_some());
        }
        assert_eq!(alive, 1, "{seconds_apart} seconds apart");
    }
}

#[tokio::test]
async fn a_login_over_the_limit_is_refused() {
    let site = Site::with(|builder| builder.max_sessions(2, OverLimit::RefuseLogin));
    let mut first = logged_in(&site, "ada").await;
    let second = logged_in(&site, "ada").await;

    let mut third = site.guest().await;
    let outcome = third.visit(|session| session.log_in("ada")).await;
    assert_eq!(kind(outcome), ErrorKind::TooManySessions);
    assert_eq!(ErrorKind::TooManySessions.status(), 403);
    assert_eq!(third.reads("n").await, Some(1), "its session stays");
    assert_eq!(owner(&second).await, Some(ada()));

    // The first two logins add no session of ada. The flush makes room for the third.
    let log_in = |user: &'static str| move |session: &Session| session.log_in(user);
    first.visit(log_in("ada")).await.unwrap();
    third.visit(log_in("grace")).await.unwrap();
    first.visit(Session::flush).await.unwrap();
    third.visit(log_in("ada")).await.unwrap();
    assert_eq!(owner(&third).await, Some(ada()));
}

#[tokio::test]
async fn expired_sessions_and_tombstones_do_not_count_towards_the_limit() {
    for over in [OverLimit::EndOldest, OverLimit::RefuseLogin] {
        let site = Site::with(|builder| builder.max_sessions(2, over));
        let kept = logged_in(&site, "ada").await;
        let mut expiring = site.guest().await;
        expiring
            .visit(|session| {
                session.set_expiry(Expiry::Idle(Duration::from_secs(60)))?;
                session.log_in("ada")
            })
            .await
            .unwrap();
        site.clock.advance(Duration::from_secs(61));

        for _ in 0..3 {
            let mut other = logged_in(&site, "ada").await;
            other.visit(Session::cycle_key).await.unwrap();
            assert_eq!(owner(&kept).await, Some(ada()), "{over:?}");
            other.visit(Session::flush).await.unwrap();
        }
    }
}

#[test]
fn a_limit_of_zero_or_on_a_store_without_owners_is_refused() {
    let zero = Sessions::builder(MemoryStore::new()).max_sessions(0, OverLimit::EndOldest);
    let cookie = CookieBackend::new(&[7; 32]).unwrap();
    let without_owners = Sessions::builder(cookie).max_sessions(2, OverLimit::EndOldest);

    for builder in [zero, without_owners] {
        assert_eq!(kind(builder.build()), ErrorKind::Config);
    }
}

/// Creates `others` sessions of ada, and returns a visitor who is logged in as ada in one more
/// session.
async fn crowd(site: &Site, others: u64) -> Visitor {
    for n in 0..others {
        let mut draft = draft(n);
        draft.meta.owner = Some(ada());
        let _ = site.memory.create(&store_key(n), &draft).await.unwrap();
    }
    logged_in(site, "ada").await
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
