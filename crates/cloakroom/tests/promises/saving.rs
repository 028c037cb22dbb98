//! Calls of `save` that fail, or that overlap with other calls of the same request.

use std::time::Duration;

use cloakroom::{ErrorKind, Expiry, Result, Session, limits};
use cloakroom_testkit::wrap::{Call, When};
use http::StatusCode;
use tokio::task::JoinHandle;

use crate::site::{Site, acknowledged_headers, kind, removes_the_cookie, set_cookie};

#[tokio::test]
async fn a_save_concurrent_with_finish_drops_no_edits() {
    let site = Site::new();
    let guest = site.guest().await;
    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    let (saved, finished) = tokio::join!(
        session.save(),
        site.sessions.finish(&handle, StatusCode::OK)
    );
    assert!(finished.is_ok() && saved.is_ok());
    assert_eq!(
        guest.reads("n").await,
        Some(2),
        "the edit is saved, as both calls reported"
    );
}

#[tokio::test]
async fn finishing_twice_drops_no_edits() {
    let site = Site::new();
    let guest = site.guest().await;
    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    let (one, two) = tokio::join!(
        site.sessions.finish(&handle, StatusCode::OK),
        site.sessions.finish(&handle, StatusCode::OK)
    );
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn saving_again_after_a_failure_does_not_report_success_without_saving() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    site.flaky
        .fail_every(1, Call::Save, When::Before, ErrorKind::Unavailable);
    assert!(session.save().await.is_err());
    site.flaky.heal();
    let again = session.save().await;
    let finished = guest.finish(&handle).await;
    let n = guest.reads("n").await;
    assert!(
        again.is_err() || n == Some(2),
        "{again:?} {finished:?} {n:?}"
    );
}

#[tokio::test]
async fn the_response_waits_for_an_unawaited_save_and_sets_its_cookie() {
    let site = Site::new();
    let mut stranger = site.visitor();
    let (handle, session) = stranger.open().await;
    session.set("n", 1).unwrap();
    site.gate.close(When::After, Call::Create);
    let save = saving(&session);
    site.gate.reached(When::After, Call::Create, 1).await;
    save.abort();
    let _ = save.await;
    let (headers, ()) = tokio::join!(stranger.finish(&handle), async {
        settle().await;
        site.gate.open(When::After, Call::Create);
    });
    assert!(
        set_cookie(&headers.unwrap()).is_some(),
        "the browser gets the key of the created entry"
    );
}

#[tokio::test]
async fn the_response_waits_for_an_unawaited_login_and_sets_its_cookie() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let (handle, session) = guest.open().await;
    session.log_in("ada").unwrap();
    site.gate.close(When::After, Call::Rename);
    let save = saving(&session);
    site.gate.reached(When::After, Call::Rename, 1).await;
    let (finished, ()) = tokio::join!(guest.finish(&handle), async {
        settle().await;
        site.gate.open(When::After, Call::Rename);
    });
    finished.unwrap();
    let _ = save.await;
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn the_response_is_an_error_if_an_unawaited_save_fails() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    site.gate.close(When::Before, Call::Save);
    site.flaky
        .fail_every(1, Call::Save, When::Before, ErrorKind::Unavailable);
    let save = saving(&session);
    site.gate.reached(When::Before, Call::Save, 1).await;
    save.abort();
    let _ = save.await;
    let (finished, ()) = tokio::join!(guest.finish(&handle), async {
        settle().await;
        site.gate.open(When::Before, Call::Save);
    });
    settle().await;
    assert!(finished.is_err(), "n is {:?}", guest.reads("n").await);
}

#[tokio::test]
async fn a_logout_is_carried_out_even_if_a_later_edit_is_too_large() {
    let site = Site::with(|builder| builder.max_size(100 + limits::OWNER_BYTES));
    let mut guest = site.guest().await;
    let (handle, session) = guest.open().await;
    session.flush().unwrap();
    session.set("big", "x".repeat(200)).unwrap();
    let finished = guest.finish(&handle).await;
    assert_eq!(guest.reads("n").await, None, "{finished:?}");
}

#[tokio::test]
async fn a_session_that_is_too_large_to_save_accepts_no_more_edits() {
    let site = Site::with(|builder| builder.max_size(100 + limits::OWNER_BYTES));
    let guest = site.guest().await;
    let (_handle, session) = guest.open().await;
    session.set("big", "x".repeat(200)).unwrap();
    assert_eq!(kind(session.save().await), ErrorKind::TooLarge);
    assert_eq!(kind(session.set("m", 2)), ErrorKind::Finished);
}

#[tokio::test]
async fn the_cookie_is_removed_after_a_logout_even_if_the_new_session_cannot_be_created() {
    let site = Site::new();
    let guest = site.guest().await;
    let (handle, session) = guest.open().await;
    session.flush().unwrap();
    session.set("flash", 1).unwrap();
    site.flaky
        .fail_every(1, Call::Create, When::Before, ErrorKind::Unavailable);
    assert!(site.sessions.finish(&handle, StatusCode::OK).await.is_err());
    assert!(site.memory.is_empty(), "the logout deleted the entry");
    assert!(removes_the_cookie(&acknowledged_headers(&handle)));
}

#[tokio::test]
async fn a_logout_is_carried_out_after_a_failed_save() {
    let site = Site::new();
    let guest = site.guest().await;
    let (handle, session) = guest.open().await;
    session.set("a", 1).unwrap();
    site.gate.close(When::Before, Call::Save);
    site.flaky
        .fail_every(1, Call::Save, When::Before, ErrorKind::Unavailable);
    let save = saving(&session);
    site.gate.reached(When::Before, Call::Save, 1).await;
    session.flush().unwrap();
    session.set("flash", 1).unwrap();
    site.gate.open(When::Before, Call::Save);
    assert!(save.await.unwrap().is_err());
    let finished = site.sessions.finish(&handle, StatusCode::OK).await;
    assert_eq!(guest.reads("n").await, None, "{finished:?}");
}

#[tokio::test]
async fn flush_is_accepted_after_a_failed_save() {
    let site = Site::new();
    let guest = site.guest().await;
    let (_h, session) = guest.open().await;
    session.set("n", 2).unwrap();
    site.flaky
        .fail_every(1, Call::Save, When::Before, ErrorKind::Full);
    assert!(session.save().await.is_err());
    assert!(session.flush().is_ok(), "the visitor can still log out");
}

#[tokio::test]
async fn a_saved_key_that_was_replaced_in_the_meantime_is_not_sent() {
    let site = Site::new();
    let mut browser = site.guest().await;
    let (slow, session) = browser.open().await;
    session.set("m", 1).unwrap();
    session.save().await.unwrap();
    browser
        .visit(|session| session.log_in("ada"))
        .await
        .unwrap();
    session.set("m", 2).unwrap();
    assert_eq!(
        kind(site.sessions.finish(&slow, StatusCode::OK).await),
        ErrorKind::Interrupted
    );
    let headers = acknowledged_headers(&slow);
    assert_eq!(set_cookie(&headers).map(|_| "a revoked key"), None);
}

#[tokio::test]
async fn a_new_key_is_sent_even_if_a_later_update_fails_on_the_reloaded_data() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let (handle, session) = guest.open().await;
    guest
        .visit(|session| session.set("n", "text"))
        .await
        .unwrap();
    session.cycle_key().unwrap();
    site.gate.close(When::After, Call::Rename);
    let save = saving(&session);
    // The first try is stale, because another request has saved.
    site.gate.reached(When::After, Call::Rename, 1).await;
    site.gate.let_one_pass(When::After, Call::Rename);
    site.gate.reached(When::After, Call::Rename, 1).await;
    settle().await;
    session.update("n", |n: &mut u64| *n += 1).unwrap();
    site.gate.open(When::After, Call::Rename);
    let saved = save.await.unwrap();
    let finished = site.sessions.finish(&handle, StatusCode::OK).await;
    guest.take(handle.acknowledged());
    let (_, session) = guest.open().await;
    assert_eq!(
        session.get::<String>("n").unwrap().as_deref(),
        Some("text"),
        "{saved:?} {finished:?}"
    );
}

#[tokio::test]
async fn the_cookie_has_the_expiry_that_was_saved() {
    let site = Site::new();
    let mut guest = site.visitor();
    let (handle, session) = guest.open().await;
    session.set("n", 1).unwrap();
    session.set_expiry(Expiry::BrowserClose).unwrap();
    session.save().await.unwrap();
    session
        .set_expiry(Expiry::Idle(Duration::from_secs(600)))
        .unwrap();
    let headers = guest
        .finish_with(&handle, StatusCode::INTERNAL_SERVER_ERROR)
        .await
        .unwrap();
    assert!(
        !set_cookie(&headers).unwrap().contains("Max-Age"),
        "{headers:?} {}",
        set_cookie(&headers).unwrap()
    );
}

#[tokio::test]
async fn a_panicking_replay_in_a_concurrent_save_is_not_reported_as_saved() {
    let site = Site::new();
    let mut guest = site.guest().await;
    let (handle, session) = guest.open().await;
    guest.visit(|s| s.set("n", 5)).await.unwrap();
    session.set("kept", 1).unwrap();
    session
        .update("n", |n: &mut u64| {
            assert!(*n < 5, "in the caller's code");
            *n += 1
        })
        .unwrap();
    assert!(saving(&session).await.unwrap_err().is_panic());
    let finished = guest.finish(&handle).await;
    let kept = guest.reads("kept").await;
    assert!(
        finished.is_err() || kept == Some(1),
        "`finish` reported success, and kept = {kept:?}"
    );
}

#[tokio::test]
async fn a_5xx_does_not_discard_the_edits_of_a_waiting_save() {
    let site = Site::new();
    let guest = site.guest().await;
    let (handle, session) = guest.open().await;
    session.set("a", 1).unwrap();
    site.gate.close(When::Before, Call::Save);
    let first = saving(&session);
    site.gate.reached(When::Before, Call::Save, 1).await;
    session.set("n", 2).unwrap();
    let second = saving(&session);
    settle().await;
    let (finished, ()) = tokio::join!(
        site.sessions
            .finish(&handle, StatusCode::INTERNAL_SERVER_ERROR),
        async {
            settle().await;
            site.gate.open(When::Before, Call::Save);
        }
    );
    finished.unwrap();
    first.await.unwrap().unwrap();
    let second = second.await.unwrap();
    let n = guest.reads("n").await;
    assert!(second.is_err() || n == Some(2), "{second:?}, n = {n:?}");
}

fn saving(session: &Session) -> JoinHandle<Result<()>> {
    let session = session.clone();
    tokio::spawn(async move { session.save().await })
}

/// Lets all other tasks run until each of them waits.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
