//! Parallel requests of one visitor.

use std::sync::Arc;

use cloakroom::{ErrorKind, Session};
use cloakroom_testkit::wrap::{Call, When};
use http::StatusCode;
use tokio::task::JoinSet;

use crate::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_parallel_increments_of_one_session_all_count() {
    let site = Site::new();
    let guest = site.guest().await;
    // All requests load before the first of them saves, which is the worst case.
    site.gate.close(When::Before, Call::Save);

    let mut requests = JoinSet::new();
    for _ in 0..1_000 {
        let mut visitor = guest.clone();
        requests.spawn(async move {
            visitor
                .visit(|session| session.update("n", |n: &mut u64| *n += 1).map(drop))
                .await
                .unwrap();
        });
    }
    site.gate.reached(When::Before, Call::Save, 1_000).await;
    site.gate.open(When::Before, Call::Save);
    requests.join_all().await;

    assert_eq!(guest.reads("n").await, Some(1_001));
    let saves = site.spy.count(Call::Save);
    assert!(
        saves <= 2_000,
        "in the queue, each commit succeeds at its second try at the latest: {saves}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_of_different_items_never_collide() {
    let site = Site::new();
    let guest = site.guest().await;

    let mut requests = JoinSet::new();
    for nth in 0..100_u64 {
        let mut visitor = guest.clone();
        requests.spawn(async move {
            visitor
                .visit(|session| session.set(format!("item {nth}"), nth))
                .await
                .unwrap();
        });
    }
    requests.join_all().await;

    let (_, session) = guest.open().await;
    assert_eq!(session.len(), 101);
    assert_eq!(session.get("item 42").unwrap(), Some(42_u64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_store_lose_no_edit() {
    let site = Site::new();
    let guest = site.guest().await;
    let other = site.on_another_server(&guest);

    let mut requests = JoinSet::new();
    for server in [&guest, &other] {
        for _ in 0..200 {
            let mut visitor = server.clone();
            requests.spawn(async move {
                visitor
                    .visit(|session| session.update("n", |n: &mut u64| *n += 1).map(drop))
                    .await
                    .unwrap();
            });
        }
    }
    requests.join_all().await;

    assert_eq!(guest.reads("n").await, Some(401));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_wins_over_requests_in_progress() {
    let site = Site::new();
    let guest = site.guest().await;
    site.gate.close(When::Before, Call::Save);
    site.gate.close(When::Before, Call::Rename);

    let mut requests = JoinSet::new();
    for nth in 0..50 {
        let mut visitor = guest.clone();
        requests.spawn(async move {
            let outcome = visitor
                .visit(|session| match nth % 2 {
                    0 => session.set("n", 2),
                    _ => session.cycle_key(),
                })
                .await;
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Interrupted);
        });
    }
    site.gate.reached(When::Before, Call::Save, 25).await;
    site.gate.reached(When::Before, Call::Rename, 25).await;
    guest.clone().visit(Session::flush).await.unwrap();
    site.gate.open(When::Before, Call::Save);
    site.gate.open(When::Before, Call::Rename);
    requests.join_all().await;

    assert!(site.memory.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_parallel_logins_gets_a_session_under_a_new_key() {
    let site = Site::new();
    let guest = site.guest().await;
    site.gate.close(When::Before, Call::Rename);

    let mut logins = JoinSet::new();
    for _ in 0..10 {
        let mut visitor = guest.clone();
        logins.spawn(async move {
            visitor
                .visit(|session| session.log_in("ada"))
                .await
                .unwrap();
            visitor
        });
    }
    site.gate.reached(When::Before, Call::Rename, 10).await;
    site.gate.open(When::Before, Call::Rename);
    let browsers = logins.join_all().await;

    assert_eq!(guest.reads("n").await, None);
    let mut with_the_items = 0;
    for browser in &browsers {
        let (_, session) = browser.open().await;
        assert_eq!(session.owner(), Some("ada".into()));
        with_the_items += session.len();
    }
    assert_eq!(
        with_the_items, 1,
        "one login moved the session, and the others created empty ones"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clones_of_a_session_can_be_edited_and_saved_concurrently() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let (handle, session) = guest.open().await;

    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let session = session.clone();
        tasks.spawn(async move {
            session.update("n", |n: &mut u64| *n += 1).unwrap();
            session.save().await.unwrap();
        });
    }
    tasks.join_all().await;
    guest.finish(&handle).await.unwrap();

    assert_eq!(guest.reads("n").await, Some(51));
}

#[tokio::test]
async fn concurrent_opens_in_one_request_load_once() {
    let site = Site::new();
    let guest = site.guest().await;
    let handle = Arc::new(guest.request());

    let mut opens = JoinSet::new();
    for _ in 0..10 {
        let handle = Arc::clone(&handle);
        opens.spawn(async move { handle.open().await.unwrap().set("n", 2).unwrap() });
    }
    opens.join_all().await;
    guest
        .sessions
        .finish(&handle, StatusCode::OK)
        .await
        .unwrap();

    assert_eq!(site.spy.take(), [Call::Load, Call::Save]);
}

#[tokio::test(start_paused = true)]
async fn endless_conflicts_are_an_error_after_a_bounded_number_of_tries() {
    let site = Site::new();
    let mut guest = site.guest().await;
    site.flaky.stale_next(Call::Save, usize::MAX);

    let outcome = guest.visit(|session| session.set("n", 2)).await;

    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(
        ErrorKind::Conflict.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}
