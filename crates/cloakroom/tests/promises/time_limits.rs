//! How long a request waits for a store that is slow or does not answer.

use std::time::Duration;

use cloakroom::store::{MemoryStore, Store};
use cloakroom::{CachedBackend, Completion, ErrorKind, Session, Sessions, WriteThroughBackend};
use cloakroom_testkit::wrap::{Call, Gate, When};
use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::site::{Site, Visitor, freeze, kind, thaw};

#[tokio::test(start_paused = true)]
async fn a_page_that_opens_its_session_several_times_waits_once() {
    let site = Site::new();
    let guest = site.guest().await;
    freeze(&site.gate);
    let began = Instant::now();
    let handle = guest.request();

    let first = handle.open().await.unwrap_err();
    for _ in 0..3 {
        let next = handle.open().await.unwrap_err();
        assert_eq!(
            (next.kind(), next.to_string()),
            (first.kind(), first.to_string())
        );
    }
    assert!(handle.open_existing().await.is_err());
    guest
        .sessions
        .finish(&handle, StatusCode::OK)
        .await
        .unwrap();

    assert_eq!(first.kind(), ErrorKind::Timeout);
    assert_eq!(began.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_commit_waits_for_a_frozen_store_once() {
    type Handler = fn(&Session) -> cloakroom::Result<()>;
    let handlers: [(&str, Handler); 5] = [
        ("a write", |session| session.set("n", 2)),
        ("a login", |session| session.log_in("bob")),
        ("a new key", Session::cycle_key),
        ("a logout", Session::flush),
        ("a logout and a new session", |session| {
            session.flush()?;
            session.set("n", 2)
        }),
    ];
    for owner in [None, Some("ada")] {
        for (what, handler) in handlers {
            let site = Site::new();
            let mut guest = site.guest().await;
            if let Some(owner) = owner {
                guest.visit(|session| session.log_in(owner)).await.unwrap();
            }
            let (handle, session) = guest.open().await;
            handler(&session).unwrap();
            freeze(&site.gate);
            let began = Instant::now();

            let error = guest.finish(&handle).await.unwrap_err();

            assert_eq!(error.kind(), ErrorKind::Timeout, "{what}");
            assert_eq!(began.elapsed(), LIMIT, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_session_waits_for_a_frozen_store_once() {
    let site = Site::new();
    let mut guest = site.visitor();
    freeze(&site.gate);
    let began = Instant::now();

    let outcome = guest.visit(|session| session.set("n", 1)).await;

    assert_eq!(kind(outcome), ErrorKind::Timeout);
    assert_eq!(began.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_two_limits_at_most() {
    let site = Site::new();
    let mut guest = site.guest().await;
    guest.visit(|session| session.log_in("ada")).await.unwrap();
    for completion in [Completion::from(StatusCode::OK), Completion::Panicked] {
        let (handle, session) = guest.open().await;
        session.set("n", 2).unwrap();
        freeze(&site.gate);
        let began = Instant::now();

        let mut saves = JoinSet::new();
        for _ in 0..3 {
            let session = session.clone();
            saves.spawn(async move { session.save().await });
        }
        while let Some(saved) = saves.join_next().await {
            assert_eq!(kind(saved.unwrap()), ErrorKind::Timeout);
        }
        assert_eq!(kind(session.save().await), ErrorKind::Timeout);
        assert_eq!(began.elapsed(), LIMIT);
        session.flush().unwrap();
        assert_eq!(kind(session.save().await), ErrorKind::Timeout);
        assert_eq!(
            began.elapsed(),
            LIMIT,
            "the logout is sent when the handler is done"
        );
        let finished = guest.sessions.finish(&handle, completion).await;

        assert_eq!(kind(finished), ErrorKind::Timeout);
        assert_eq!(began.elapsed(), 2 * LIMIT);
        thaw(&site.gate);
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_time_in_which_a_request_waits_for_the_store_counts() {
    let site = Site::new();
    let guest = site.guest().await;
    let handle = guest.request();
    let session = slowly(&site.gate, Call::Load, 3, handle.open())
        .await
        .unwrap();
    for n in 0..100 {
        session.set("n", n).unwrap();
        session.save().await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    session.set("n", 100).unwrap();
    slowly(&site.gate, Call::Save, 1, session.save())
        .await
        .unwrap();

    session.set("n", 101).unwrap();
    let began = Instant::now();
    let saved = slowly(&site.gate, Call::Save, 3, session.save()).await;

    assert_eq!(kind(saved), ErrorKind::Timeout);
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    let mut next = guest.clone();
    assert!(
        slowly(&site.gate, Call::Load, 3, next.visit(|_| Ok(())))
            .await
            .is_ok(),
        "each request has its own limit"
    );
}

#[tokio::test(start_paused = true)]
async fn a_logout_is_carried_out_although_the_time_of_the_request_is_used_up() {
    for owner in [None, Some("ada")] {
        let site = Site::new();
        let mut guest = site.guest().await;
        if let Some(owner) = owner {
            guest.visit(|session| session.log_in(owner)).await.unwrap();
        }
        let before = guest.clone();
        let (handle, session) = guest.open().await;
        session.set("n", 2).unwrap();
        freeze(&site.gate);
        session.save().await.unwrap_err();
        session.flush().unwrap();
        thaw(&site.gate);

        guest.finish(&handle).await.unwrap();

        assert_eq!(before.reads("n").await, None);
        assert_eq!(guest.cookie, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_outside_of_a_request_has_a_new_limit_for_every_save() {
    let site = Site::new();
    let session = site.sessions.new_session();
    for n in 0..10 {
        session.set("n", n).unwrap();
        let call = if n == 0 { Call::Create } else { Call::Save };
        slowly(&site.gate, call, 4, session.save()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_was_created_too_late_for_its_request_is_deleted() {
    let site = Site::new();
    let mut guest = site.visitor();
    site.gate.close(When::After, Call::Create);

    let outcome = guest.visit(|session| session.set("n", 1)).await;
    assert_eq!(kind(outcome), ErrorKind::Timeout);
    tokio::time::sleep(LIMIT).await;

    assert!(site.memory.is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_frozen_tiers_cost_no_more_than_one_frozen_store() {
    for write_through in [false, true] {
        let (cache, origin) = (Gate::new(MemoryStore::new()), Gate::new(MemoryStore::new()));
        let sessions = match write_through {
            true => Sessions::new(WriteThroughBackend::new(cache.clone(), origin.clone()).unwrap()),
            false => Sessions::new(CachedBackend::new(cache.clone(), origin.clone()).unwrap()),
        };
        let mut guest = Visitor {
            sessions,
            cookie: None,
        };
        guest.visit(|session| session.set("n", 1)).await.unwrap();
        guest.visit(|session| session.log_in("ada")).await.unwrap();
        let (handle, session) = guest.open().await;
        session.set("n", 2).unwrap();
        freeze(&cache);
        freeze(&origin);
        let began = Instant::now();

        assert_eq!(
            kind(guest.request().open().await.map(drop)),
            ErrorKind::Timeout
        );
        assert!(began.elapsed() <= LIMIT + CACHE_LIMIT);
        let began = Instant::now();
        session.save().await.unwrap_err();
        assert!(
            began.elapsed() <= LIMIT + CACHE_LIMIT,
            "{:?}",
            began.elapsed()
        );
        session.flush().unwrap();
        guest.finish(&handle).await.unwrap_err();
        assert!(
            began.elapsed() <= 2 * (LIMIT + CACHE_LIMIT),
            "{:?}",
            began.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_behind_each_other_do_not_add_up_their_limits() {
    let site = Site::new();
    let guest = site.guest().await;
    let mut handles = Vec::new();
    for n in 0..20 {
        let (handle, session) = guest.open().await;
        session.set("n", n).unwrap();
        handles.push(handle);
    }
    // All commits except the first lose to the first, and wait in a line.
    site.gate.close(When::Before, Call::Load);
    let mut commits = JoinSet::new();
    let began = Instant::now();
    for handle in handles {
        let sessions = guest.sessions.clone();
        commits.spawn(async move { sessions.finish(&handle, StatusCode::OK).await });
    }

    let outcomes = commits.join_all().await;

    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(began.elapsed() <= 2 * LIMIT, "{:?}", began.elapsed());
    site.gate.open(When::Before, Call::Load);
    guest
        .clone()
        .visit(|session| session.set("n", 0))
        .await
        .unwrap();
}

/// Runs `calling` while each call of this kind takes `secs` seconds.
async fn slowly<S, T>(gate: &Gate<S>, call: Call, secs: u64, calling: impl Future<Output = T>) -> T
where
    S: Store,
{
    gate.close(When::Before, call);
    let opening = async {
        tokio::time::sleep(Duration::from_secs(secs)).await;
        gate.open(When::Before, call);
    };
    tokio::join!(calling, opening).0
}

/// The default limit.
const LIMIT: Duration = Duration::from_secs(5);

/// How long a request waits at most for a cache that does not answer.
const CACHE_LIMIT: Duration = Duration::from_millis(500);
