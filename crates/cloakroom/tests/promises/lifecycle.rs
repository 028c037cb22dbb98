//! The life of a request, a test for each row of the table in ARCHITECTURE.md.

use crate::house::{House, kind, removes_the_cookie, set_cookie, told};
use cloakroom::store::Store;
use cloakroom::{ErrorKind, Owner, Session};
use cloakroom_testkit::wrap::{Call, When};
use http::StatusCode;

#[tokio::test]
async fn untouched_makes_no_store_call_and_sets_no_header() {
    let house = House::new();
    let mut guest = house.guest().await;
    house
        .flaky
        .fail_every(1, Call::Load, When::Before, ErrorKind::Unavailable);

    let handle = guest.request();
    let headers = guest.finish(&handle).await.unwrap();

    assert!(headers.is_empty());
    assert_eq!(house.spy.calls(), []);
}

#[tokio::test]
async fn read_loads_once_and_varies_on_the_cookie() {
    let house = House::new();
    let mut guest = house.guest().await;

    let (handle, session) = guest.open().await;
    assert_eq!(session.get("n").unwrap(), Some(1));
    assert!(handle.open().await.unwrap().contains("n"));
    let headers = guest.finish(&handle).await.unwrap();

    assert_eq!(headers["vary"], "Cookie");
    assert_eq!(headers.len(), 1);
    assert_eq!(house.spy.calls(), [Call::Load]);
}

#[tokio::test]
async fn read_by_a_stranger_leaves_no_entry_and_no_cookie() {
    let house = House::new();
    let mut stranger = house.visitor();

    let headers = stranger
        .visit(|session| session.get::<u64>("n").map(drop))
        .await
        .unwrap();

    assert_eq!(headers["vary"], "Cookie");
    assert_eq!(set_cookie(&headers), None);
    assert_eq!(house.spy.calls(), []);
}

#[tokio::test]
async fn create_sets_the_cookie_and_keeps_the_response_out_of_caches() {
    let house = House::new();
    let mut stranger = house.visitor();

    let headers = stranger.visit(|session| session.set("n", 1)).await.unwrap();

    assert_eq!(headers["vary"], "Cookie");
    assert_eq!(headers["cache-control"], "no-store");
    assert!(set_cookie(&headers).unwrap().starts_with("__Host-session="));
    assert_eq!(house.spy.take(), [Call::Create]);
    assert_eq!(stranger.reads("n").await, Some(1));
}

#[tokio::test]
async fn create_tries_another_key_after_a_collision_and_gives_up_after_eight() {
    let house = House::new();
    house.flaky.stale_next(Call::Create, 7);
    house
        .visitor()
        .visit(|session| session.set("n", 1))
        .await
        .unwrap();
    assert_eq!(house.spy.take(), [Call::Create; 8]);

    house.flaky.stale_next(Call::Create, 8);
    let outcome = house.visitor().visit(|session| session.set("n", 1)).await;
    assert_eq!(kind(outcome), ErrorKind::Conflict);
}

#[tokio::test]
async fn set_and_remove_without_a_session_leaves_nothing() {
    let house = House::new();
    let mut stranger = house.visitor();

    let headers = stranger
        .visit(|session| {
            session.set("n", 1)?;
            assert_eq!(session.remove("n")?, Some(1));
            Ok(())
        })
        .await
        .unwrap();

    assert_eq!(set_cookie(&headers), None);
    assert_eq!(house.spy.calls(), []);
}

#[tokio::test]
async fn write_saves_and_sends_the_cookie_again_with_the_same_key() {
    let house = House::new();
    let mut guest = house.guest().await;
    let before = guest.cookie.clone();

    let headers = guest.visit(|session| session.set("n", 2)).await.unwrap();

    assert!(set_cookie(&headers).unwrap().contains("Max-Age=1209600;"));
    assert_eq!(guest.cookie, before);
    assert_eq!(house.spy.take(), [Call::Load, Call::Save]);
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn conflict_reloads_and_replays_so_that_both_requests_count() {
    let house = House::new();
    let mut guest = house.guest().await;

    let (slow, session) = guest.open().await;
    session.update("n", |n: &mut u64| *n += 10).unwrap();
    session.set("slow", 1).unwrap();
    guest
        .visit(|session| {
            session.set("fast", 1)?;
            session.update("n", |n: &mut u64| *n += 100).map(drop)
        })
        .await
        .unwrap();
    house.spy.take();
    guest.finish(&slow).await.unwrap();

    assert_eq!(house.spy.take(), [Call::Save, Call::Load, Call::Save]);
    assert_eq!(guest.reads("n").await, Some(111));
    assert_eq!(guest.reads("slow").await, Some(1));
    assert_eq!(guest.reads("fast").await, Some(1));
}

#[tokio::test]
async fn conflict_over_the_type_of_an_updated_item_saves_nothing() {
    let house = House::new();
    let mut guest = house.guest().await;

    let (slow, session) = guest.open().await;
    session.set("other", 5).unwrap();
    session.update("n", |n: &mut u64| *n += 1).unwrap();
    guest
        .visit(|session| session.set("n", "one"))
        .await
        .unwrap();
    let outcome = guest.finish(&slow).await;

    assert_eq!(kind(outcome), ErrorKind::BadValue);
    let (_, session) = guest.open().await;
    assert_eq!(session.get::<String>("n").unwrap().as_deref(), Some("one"));
    assert!(!session.contains("other"));
}

#[tokio::test]
async fn interrupted_by_a_logout_is_an_error_and_never_re_created() {
    let house = House::new();
    let mut guest = house.guest().await;

    let (slow, session) = guest.open().await;
    session.set("n", 2).unwrap();
    let mut tab = guest.clone();
    tab.visit(|session| session.flush()).await.unwrap();
    let outcome = guest.finish(&slow).await;

    assert_eq!(kind(outcome), ErrorKind::Interrupted);
    assert_eq!(ErrorKind::Interrupted.status(), StatusCode::BAD_REQUEST);
    assert_eq!(set_cookie(&told(&slow)), None);
    assert_eq!(guest.reads("n").await, None);
    assert_eq!(house.spy.count(Call::Create), 0);
}

#[tokio::test]
async fn interrupted_by_a_new_key_is_an_error_and_the_new_session_is_untouched() {
    let house = House::new();
    let mut guest = house.guest().await;

    let (slow, session) = guest.open().await;
    session.set("n", 2).unwrap();
    let mut tab = guest.clone();
    tab.visit(|session| session.cycle_key()).await.unwrap();

    assert_eq!(kind(guest.finish(&slow).await), ErrorKind::Interrupted);
    assert_eq!(tab.reads("n").await, Some(1));
}

#[tokio::test]
async fn interrupted_by_its_own_expiry_is_not_brought_back_by_its_save() {
    let house = House::new();
    let mut guest = house.guest().await;

    let (slow, session) = guest.open().await;
    session.set("n", 2).unwrap();
    house
        .clock
        .advance(std::time::Duration::from_secs(1_209_600));

    assert_eq!(kind(guest.finish(&slow).await), ErrorKind::Interrupted);
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn log_in_moves_the_session_to_a_new_key_in_one_step_and_the_old_key_is_dead() {
    let house = House::new();
    let mut guest = house.guest().await;
    let before = guest.clone();

    guest.visit(|session| session.log_in("ada")).await.unwrap();

    assert_eq!(house.spy.take(), [Call::Load, Call::Rename]);
    assert_ne!(guest.cookie, before.cookie);
    let (_, session) = guest.open().await;
    assert_eq!(session.owner(), Some(Owner::from("ada")));
    assert_eq!(
        session.get("n").unwrap(),
        Some(1),
        "the items of before the login stay"
    );
    assert_eq!(before.reads("n").await, None);
}

#[tokio::test]
async fn log_in_of_the_same_user_gives_a_new_key_too() {
    let house = House::new();
    let mut ada = house.guest().await;
    ada.visit(|session| session.log_in("ada")).await.unwrap();
    let before = ada.clone();

    ada.visit(|session| session.log_in("ada")).await.unwrap();

    assert_ne!(ada.cookie, before.cookie);
    assert_eq!(ada.reads("n").await, Some(1));
    assert_eq!(before.reads("n").await, None);
}

#[tokio::test]
async fn log_in_of_another_user_drops_what_the_first_one_left() {
    let house = House::new();
    let mut browser = house.guest().await;
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
    assert_eq!(house.sessions.owned_by(&"ada".into()).await.unwrap(), []);
}

#[tokio::test]
async fn log_in_without_a_session_begins_one() {
    let house = House::new();
    let mut stranger = house.visitor();

    stranger
        .visit(|session| session.log_in("ada"))
        .await
        .unwrap();

    let (_, session) = stranger.open().await;
    assert_eq!(session.owner(), Some(Owner::from("ada")));
}

#[tokio::test]
async fn log_in_on_a_session_that_ended_meanwhile_begins_one_with_nothing_from_before() {
    let house = House::new();
    let mut guest = house.guest().await;

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
    let house = House::new();
    let mut guest = house.guest().await;

    let (slow, session) = guest.open().await;
    session.cycle_key().unwrap();
    guest.visit(|session| session.set("n", 2)).await.unwrap();
    let before = guest.clone();
    guest.finish(&slow).await.unwrap();

    assert_ne!(guest.cookie, before.cookie);
    assert_eq!(guest.reads("n").await, Some(2));
    assert_eq!(before.reads("n").await, None);
}

#[tokio::test]
async fn flush_deletes_the_entry_and_removes_the_cookie_with_its_attributes() {
    let house = House::new();
    let mut guest = house.guest().await;
    let before = guest.clone();

    let headers = guest.visit(|session| session.flush()).await.unwrap();

    assert_eq!(house.spy.take(), [Call::Load, Call::Delete]);
    assert_eq!(
        set_cookie(&headers),
        Some(
            "__Host-session=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; \
             HttpOnly; SameSite=Lax; Secure"
        )
    );
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(before.reads("n").await, None);
}

#[tokio::test]
async fn flush_counts_when_the_handler_answers_5xx_too() {
    let house = House::new();
    let mut guest = house.guest().await;
    let before = guest.clone();

    let (handle, session) = guest.open().await;
    session.flush().unwrap();
    session.set("n", 2).unwrap();
    let headers = guest
        .finish_with(&handle, StatusCode::INTERNAL_SERVER_ERROR)
        .await
        .unwrap();

    assert!(removes_the_cookie(&headers));
    assert_eq!(house.spy.take(), [Call::Load, Call::Delete]);
    assert_eq!(before.reads("n").await, None);
}

#[tokio::test]
async fn flush_that_the_store_refuses_is_an_error_and_keeps_the_cookie() {
    let house = House::new();
    let mut guest = house.guest().await;
    house
        .flaky
        .fail_next(Call::Delete, When::Before, ErrorKind::Unavailable);

    let (handle, session) = guest.open().await;
    session.flush().unwrap();
    let outcome = guest.finish(&handle).await;

    assert_eq!(kind(outcome), ErrorKind::Unavailable);
    assert_eq!(set_cookie(&told(&handle)), None);
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn flush_whose_answer_got_lost_is_found_to_have_happened() {
    let house = House::new();
    let mut guest = house.guest().await;
    house
        .flaky
        .fail_next(Call::Delete, When::After, ErrorKind::Unavailable);

    let headers = guest.visit(|session| session.flush()).await.unwrap();

    assert!(removes_the_cookie(&headers));
}

#[tokio::test]
async fn flush_without_a_cookie_sends_none() {
    let house = House::new();

    let headers = house
        .visitor()
        .visit(|session| session.flush())
        .await
        .unwrap();

    assert_eq!(set_cookie(&headers), None);
    assert_eq!(house.spy.calls(), []);
}

#[tokio::test]
async fn flush_then_write_begins_a_new_session_under_a_new_key() {
    let house = House::new();
    let mut guest = house.guest().await;
    let before = guest.clone();

    guest
        .visit(|session| {
            session.flush()?;
            session.set("flash", 5)
        })
        .await
        .unwrap();

    assert_eq!(house.spy.take(), [Call::Load, Call::Delete, Call::Create]);
    assert_ne!(guest.cookie, before.cookie);
    assert_eq!(guest.reads("flash").await, Some(5));
    assert_eq!(guest.reads("n").await, None);
    assert_eq!(before.reads("flash").await, None);
}

#[tokio::test]
async fn unknown_key_is_never_adopted_and_its_cookie_is_left_alone() {
    let house = House::new();
    let mut guest = house.guest().await;
    let forged = format!("__Host-session={}", "A".repeat(43));
    guest.cookie = Some(forged.clone());

    let headers = guest
        .visit(|session| session.get::<u64>("n").map(drop))
        .await
        .unwrap();
    assert_eq!(set_cookie(&headers), None);

    guest.visit(|session| session.set("n", 2)).await.unwrap();
    assert_ne!(guest.cookie, Some(forged));
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn an_expired_key_is_never_adopted_either() {
    let house = House::new();
    let mut guest = house.guest().await;
    let before = guest.clone();
    house
        .clock
        .advance(std::time::Duration::from_secs(1_209_600));

    guest.visit(|session| session.set("n", 2)).await.unwrap();

    assert_ne!(guest.cookie, before.cookie);
    assert_eq!(
        (guest.reads("n").await, before.reads("n").await),
        (Some(2), None)
    );
}

#[tokio::test]
async fn a_site_may_keep_its_own_cache_control() {
    let house = House::with(|builder| builder.no_store(false));

    let headers = house
        .visitor()
        .visit(|session| session.set("n", 1))
        .await
        .unwrap();

    assert!(set_cookie(&headers).is_some());
    assert!(!headers.contains_key("cache-control"));
}

#[tokio::test]
async fn corrupt_entry_is_no_session_and_the_next_write_gets_a_new_key() {
    let house = House::new();
    let mut guest = house.guest().await;
    damage_all(&house).await;
    let before = guest.cookie.clone();

    let headers = guest
        .visit(|session| session.get::<u64>("n").map(drop))
        .await
        .unwrap();
    assert_eq!(set_cookie(&headers), None);
    assert_eq!(guest.reads("n").await, None);

    guest.visit(|session| session.set("n", 2)).await.unwrap();
    assert_ne!(guest.cookie, before);
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn corrupt_entry_that_the_store_itself_cannot_read_is_no_session_either() {
    let house = House::new();
    let mut guest = house.guest().await;
    let before = guest.cookie.clone();
    house
        .flaky
        .fail_next(Call::Load, When::Before, ErrorKind::Corrupt);

    guest.visit(|session| session.set("n", 2)).await.unwrap();

    assert_ne!(guest.cookie, before);
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn answered_5xx_saves_nothing_and_sets_no_cookie() {
    let house = House::new();
    let mut guest = house.guest().await;

    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    session.log_in("ada").unwrap();
    let headers = guest
        .finish_with(&handle, StatusCode::BAD_GATEWAY)
        .await
        .unwrap();

    assert_eq!(set_cookie(&headers), None);
    assert_eq!(headers["vary"], "Cookie");
    assert_eq!(house.spy.take(), [Call::Load]);
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn answered_5xx_tells_the_browser_what_was_saved_before() {
    let house = House::new();
    let mut guest = house.guest().await;

    let (handle, session) = guest.open().await;
    session.cycle_key().unwrap();
    session.save().await.unwrap();
    session.set("n", 2).unwrap();
    guest
        .finish_with(&handle, StatusCode::INTERNAL_SERVER_ERROR)
        .await
        .unwrap();

    assert_eq!(
        guest.reads("n").await,
        Some(1),
        "the new key reached the browser"
    );
}

#[tokio::test]
async fn store_down_on_load_is_an_error_and_the_next_request_is_fine() {
    let house = House::new();
    let mut guest = house.guest().await;
    house
        .flaky
        .fail_next(Call::Load, When::Before, ErrorKind::Unavailable);

    let outcome = guest.visit(|session| session.set("n", 2)).await;

    assert_eq!(kind(outcome), ErrorKind::Unavailable);
    assert_eq!(
        ErrorKind::Unavailable.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn store_slow_on_load_is_an_error_after_the_timeout() {
    let house = House::new();
    let guest = house.guest().await;
    house.gate.close(When::Before, Call::Load);

    let outcome = guest.request().open().await;

    assert_eq!(kind(outcome), ErrorKind::Timeout);
    assert_eq!(ErrorKind::Timeout.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn store_down_on_save_is_an_error_without_a_cookie_and_nothing_changed() {
    let house = House::new();
    let mut guest = house.guest().await;
    house
        .flaky
        .fail_every(1, Call::Save, When::Before, ErrorKind::Unavailable);

    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    let outcome = guest.finish(&handle).await;

    assert_eq!(kind(outcome), ErrorKind::Unavailable);
    assert_eq!(set_cookie(&told(&handle)), None);
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn store_slow_on_save_is_an_error_after_the_timeout() {
    let house = House::new();
    let mut guest = house.guest().await;
    house.gate.close(When::Before, Call::Save);

    let outcome = guest.visit(|session| session.set("n", 2)).await;

    assert_eq!(kind(outcome), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_save_whose_answer_got_lost_is_found_to_have_happened_and_not_done_twice() {
    let house = House::new();
    let mut guest = house.guest().await;
    house
        .flaky
        .fail_next(Call::Save, When::After, ErrorKind::Unavailable);

    let headers = guest
        .visit(|session| session.update("n", |n: &mut u64| *n += 1).map(drop))
        .await
        .unwrap();

    assert!(set_cookie(&headers).is_some());
    assert_eq!(house.spy.take(), [Call::Load, Call::Save, Call::Load]);
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn a_save_that_never_arrived_is_sent_again() {
    let house = House::new();
    let mut guest = house.guest().await;
    house
        .flaky
        .fail_next(Call::Save, When::Before, ErrorKind::Unavailable);

    guest
        .visit(|session| session.update("n", |n: &mut u64| *n += 1).map(drop))
        .await
        .unwrap();

    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn a_save_whose_answer_got_lost_under_another_save_is_an_error_and_never_done_twice() {
    let house = House::new();
    let guest = house.guest().await;
    let increment = |session: &Session| session.update("n", |n: &mut u64| *n += 1).map(drop);

    let (slow, session) = guest.open().await;
    increment(&session).unwrap();
    house
        .flaky
        .fail_next(Call::Save, When::After, ErrorKind::Unavailable);
    house.gate.close(When::Before, Call::Load);
    let sessions = house.sessions.clone();
    let finishing = tokio::spawn(async move { sessions.finish(&slow, StatusCode::OK).await });
    house.gate.reached(When::Before, Call::Load, 1).await;
    house
        .on_another_server(&guest)
        .visit(increment)
        .await
        .unwrap();
    house.gate.open(When::Before, Call::Load);

    assert_eq!(kind(finishing.await.unwrap()), ErrorKind::Unavailable);
    assert_eq!(guest.reads("n").await, Some(3));
}

#[tokio::test]
async fn a_create_whose_answer_got_lost_is_found_to_have_happened() {
    let house = House::new();
    let mut stranger = house.visitor();
    house
        .flaky
        .fail_next(Call::Create, When::After, ErrorKind::Timeout);

    stranger.visit(|session| session.set("n", 1)).await.unwrap();

    assert_eq!(stranger.reads("n").await, Some(1));
    assert_eq!(house.spy.count(Call::Create), 1);
}

#[tokio::test]
async fn a_move_whose_answer_got_lost_is_found_to_have_happened() {
    for when in [When::Before, When::After] {
        let house = House::new();
        let mut guest = house.guest().await;
        let before = guest.clone();
        house
            .flaky
            .fail_next(Call::Rename, when, ErrorKind::Timeout);

        guest.visit(|session| session.log_in("ada")).await.unwrap();

        assert_eq!(guest.reads("n").await, Some(1), "{when:?}");
        assert_eq!(before.reads("n").await, None);
        assert_eq!(
            house.sessions.owned_by(&"ada".into()).await.unwrap().len(),
            1
        );
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_during_the_commit_does_not_stop_it() {
    let house = House::new();
    let guest = house.guest().await;
    house.gate.close(When::Before, Call::Save);

    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    let sessions = house.sessions.clone();
    let request = tokio::spawn(async move { sessions.finish(&handle, StatusCode::OK).await });
    house.gate.reached(When::Before, Call::Save, 1).await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    house.gate.close(When::After, Call::Save);
    house.gate.open(When::Before, Call::Save);
    house.gate.reached(When::After, Call::Save, 1).await;

    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn a_client_that_hangs_up_before_the_response_changed_nothing() {
    let house = House::new();
    let guest = house.guest().await;

    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    drop((handle, session));

    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(house.spy.calls(), [Call::Load, Call::Load]);
}

#[tokio::test]
async fn writes_after_the_end_are_an_error_and_never_silence() {
    let house = House::new();
    let mut guest = house.guest().await;

    let (handle, session) = guest.open().await;
    guest.finish(&handle).await.unwrap();

    assert_eq!(kind(session.set("n", 2)), ErrorKind::Finished);
    assert_eq!(
        kind(session.update("n", |n: &mut u64| *n += 1)),
        ErrorKind::Finished
    );
    assert_eq!(kind(session.remove::<u64>("n")), ErrorKind::Finished);
    assert_eq!(kind(session.clear()), ErrorKind::Finished);
    assert_eq!(kind(session.flush()), ErrorKind::Finished);
    assert_eq!(kind(session.log_in("ada")), ErrorKind::Finished);
    assert_eq!(kind(session.cycle_key()), ErrorKind::Finished);
    assert_eq!(session.get("n").unwrap(), Some(1), "reading goes on");
}

#[tokio::test]
async fn writes_after_the_end_are_an_error_in_a_session_opened_after_the_end_too() {
    let house = House::new();
    let mut guest = house.guest().await;

    let handle = guest.request();
    guest.finish(&handle).await.unwrap();
    let session = handle.open().await.unwrap();

    assert_eq!(kind(session.set("n", 2)), ErrorKind::Finished);
}

#[tokio::test]
async fn save_now_is_seen_by_the_next_request_and_its_cookie_comes_with_the_response() {
    let house = House::new();
    let mut stranger = house.visitor();

    let (handle, session) = stranger.open().await;
    session.set("n", 1).unwrap();
    session.save().await.unwrap();
    let key = session.key().unwrap();
    let elsewhere = house.sessions.open(&key).await.unwrap().unwrap();
    assert_eq!(elsewhere.get("n").unwrap(), Some(1));
    session.set("m", 2).unwrap();
    stranger.finish(&handle).await.unwrap();

    assert_eq!(house.spy.take(), [Call::Create, Call::Load, Call::Save]);
    assert_eq!(
        (stranger.reads("n").await, stranger.reads("m").await),
        (Some(1), Some(2))
    );
}

#[tokio::test]
async fn edits_made_while_a_save_is_under_way_are_saved_next() {
    let house = House::new();
    let mut guest = house.guest().await;
    let (handle, session) = guest.open().await;
    // A conflict, so that what is stored differs from what the handler has seen.
    guest
        .visit(|session| session.set("other", 3))
        .await
        .unwrap();

    house.gate.close(When::Before, Call::Save);
    session.update("n", |n: &mut u64| *n += 1).unwrap();
    let saving = tokio::spawn({
        let session = session.clone();
        async move { session.save().await }
    });
    house.gate.reached(When::Before, Call::Save, 1).await;
    session.update("n", |n: &mut u64| *n += 10).unwrap();
    house.gate.open(When::Before, Call::Save);
    saving.await.unwrap().unwrap();

    assert_eq!(
        session.get("other").unwrap(),
        Some(3),
        "the handler sees what the save found"
    );
    assert_eq!(session.get("n").unwrap(), Some(12));
    guest.finish(&handle).await.unwrap();
    assert_eq!(guest.reads("n").await, Some(12));
}

#[tokio::test]
async fn edits_made_while_a_save_is_under_way_that_fails_are_not_answered_as_saved() {
    let house = House::new();
    let mut guest = house.guest().await;
    house
        .flaky
        .fail_every(1, Call::Save, When::Before, ErrorKind::Full);
    house.gate.close(When::Before, Call::Save);

    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    let saving = tokio::spawn({
        let session = session.clone();
        async move { session.save().await }
    });
    house.gate.reached(When::Before, Call::Save, 1).await;
    session.set("n", 3).unwrap();
    house.gate.open(When::Before, Call::Save);

    assert_eq!(kind(saving.await.unwrap()), ErrorKind::Full);
    assert_eq!(kind(session.set("n", 4)), ErrorKind::Finished);
    assert_eq!(kind(guest.finish(&handle).await), ErrorKind::Full);
}

#[tokio::test]
async fn a_handler_that_deals_with_a_failed_save_answers_in_its_own_way() {
    let house = House::new();
    let mut guest = house.guest().await;
    house
        .flaky
        .fail_every(1, Call::Save, When::Before, ErrorKind::Full);

    let (handle, session) = guest.open().await;
    session.set("n", 2).unwrap();
    assert_eq!(kind(session.save().await), ErrorKind::Full);
    let headers = guest.finish(&handle).await.unwrap();

    assert_eq!(set_cookie(&headers), None);
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_flush_while_a_save_is_under_way_ends_what_was_saved() {
    let house = House::new();
    let mut guest = house.guest().await;

    house.gate.close(When::After, Call::Rename);
    let (handle, session) = guest.open().await;
    session.cycle_key().unwrap();
    let saving = tokio::spawn({
        let session = session.clone();
        async move { session.save().await }
    });
    house.gate.reached(When::After, Call::Rename, 1).await;
    session.flush().unwrap();
    house.gate.open(When::After, Call::Rename);
    saving.await.unwrap().unwrap();
    let headers = guest.finish(&handle).await.unwrap();

    assert!(removes_the_cookie(&headers));
    assert!(house.memory.is_empty());
}

/// Writes nonsense over every entry of the owner-less store, as a bad disk would.
async fn damage_all(house: &House) {
    use cloakroom::store::{Draft, Version};

    let lookup = house
        .spy
        .find(&[])
        .await
        .unwrap()
        .expect("there is one entry");
    let entry = house.spy.load(&lookup).await.unwrap().unwrap();
    let damaged = Draft {
        data: bytes::Bytes::from_static(b"\xff nonsense"),
        meta: entry.meta,
        version: Version::random().unwrap(),
    };
    let outcome = house
        .spy
        .save(&lookup, &entry.version, &damaged)
        .await
        .unwrap();
    assert_ne!(outcome, cloakroom::store::Outcome::Stale);
    house.spy.take();
}
