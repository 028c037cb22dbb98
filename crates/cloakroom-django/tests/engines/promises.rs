//! Cloakroom's promises also hold in Django's formats, where the version of an entry is its data,
//! the store contains the session key itself, and Django writes to the same store.

use std::time::Duration;

use bytes::Bytes;
use cloakroom::store::MemoryStore;
use cloakroom::{
    Backend, CachedBackend, Clock, ErrorKind, Expiry, Result, SameSite, Session, SessionHandle,
    Sessions, SessionsBuilder,
};
use cloakroom_django::Settings;
use cloakroom_django::wire::signing::{SERVER_SALT, Signer};
use cloakroom_django::wire::{json, pickle};
use cloakroom_testkit::wrap::{Call, Flaky, Gate, Spy, When};
use cloakroom_testkit::{HandClock, Log};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};

use crate::rows::Rows;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_parallel_increment_through_two_servers_is_lost_even_with_equal_texts() {
    let clock = HandClock::new();
    let (table, cache) = (Rows::table(), Rows::cache());
    let engines = || {
        [
            settings().db(table.clone()),
            settings().cache(Rows::cache()),
            settings().cached_db(cache.clone(), Rows::table()),
        ]
    };
    // Both servers share one store. The clock stands still, so equal items have equal signed texts.
    for backend in engines() {
        let (one, other) = (site(backend.clone(), &clock), site(backend, &clock));
        let mut guest = Visitor::of(&one);
        guest.visit(|session| session.set("n", 0)).await.unwrap();
        let mut requests = JoinSet::new();
        for sessions in [&one, &other] {
            for _ in 0..100 {
                let mut visitor = guest.at(sessions);
                requests.spawn(async move { visitor.visit(increment).await.unwrap() });
            }
        }
        requests.join_all().await;
        assert_eq!(guest.reads("n").await, Some(200));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_one_of_parallel_requests_through_two_servers_takes_an_item() {
    let clock = HandClock::new();
    for backend in [
        settings().db(Rows::table()),
        settings().cache(Rows::cache()),
        settings().cached_db(Rows::cache(), Rows::table()),
    ] {
        let (one, other) = (site(backend.clone(), &clock), site(backend, &clock));
        let mut guest = Visitor::of(&one);
        guest.visit(|session| session.set("n", 7)).await.unwrap();
        let mut requests = JoinSet::new();
        for sessions in [&one, &other] {
            for _ in 0..20 {
                // Every request loads the session before the first one saves.
                let (handle, session) = guest.at(sessions).open().await;
                requests.spawn(async move {
                    let taken = session.take::<u64>("n").await.unwrap();
                    drop(handle);
                    taken
                });
            }
        }
        let mut taken = requests.join_all().await;
        taken.retain(Option::is_some);
        assert_eq!(taken, [Some(7)]);
        assert_eq!(guest.reads("n").await, None);
    }
    let sessions = site(settings().signed_cookies(), &clock);
    let session = sessions.new_session();
    session.set("n", 7).unwrap();
    let error = session.take::<u64>("n").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_is_final_while_other_requests_write() {
    let clock = HandClock::new();
    let (table, cache) = (Rows::table(), Rows::cache());
    let sessions = site(settings().cached_db(cache.clone(), table.clone()), &clock);
    let mut guest = Visitor::of(&sessions);
    guest.visit(|session| session.set("n", 0)).await.unwrap();

    let mut requests = JoinSet::new();
    for nth in 0..60 {
        let mut visitor = guest.clone();
        requests.spawn(async move {
            match nth {
                30 => visitor.visit(Session::flush).await.map(drop),
                _ => visitor.visit(increment_existing).await.map(drop),
            }
        });
    }
    for outcome in requests.join_all().await {
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::Interrupted);
        }
    }

    assert!(table.all().is_empty());
    assert!(cache.all().is_empty());
}

#[tokio::test]
async fn a_save_that_fails_before_or_after_the_write_is_an_error_and_is_not_repeated() {
    let clock = HandClock::new();
    let table = Rows::table();
    let flaky = Flaky::new(table.clone());
    let sessions = site(settings().db(flaky.clone()), &clock);
    let mut guest = Visitor::of(&sessions);
    guest.visit(|session| session.set("n", 0)).await.unwrap();

    for (when, n) in [(When::Before, 0), (When::After, 1)] {
        flaky.fail_next(Call::Save, when, ErrorKind::Unavailable);
        let outcome = guest.visit(increment).await;
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(guest.reads("n").await, Some(n));
    }
}

#[tokio::test]
async fn an_unchanged_text_does_not_prove_that_a_save_failed() {
    let clock = HandClock::new();
    let table = Rows::table();
    let flaky = Flaky::new(table.clone());
    let gate = Gate::new(flaky.clone());
    let sessions = site(settings().db(gate.clone()), &clock);
    let mut guest = Visitor::of(&sessions);
    guest.visit(|session| session.set("n", 0)).await.unwrap();

    flaky.fail_next(Call::Save, When::After, ErrorKind::Unavailable);
    gate.close(When::Before, Call::Load);
    gate.let_one_pass(When::Before, Call::Load);
    let mut writer = guest.clone();
    let writing = tokio::spawn(async move { writer.visit(increment).await });
    gate.reached(When::Before, Call::Load, 1).await;
    // The row is saved, but the answer is lost. Another request reverts the item in the same
    // second, so the row contains the old text again.
    let mut other = guest.at(&site(settings().db(table.clone()), &clock));
    other.visit(|session| session.set("n", 0)).await.unwrap();
    gate.open(When::Before, Call::Load);

    let outcome = writing.await.unwrap();
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(guest.reads("n").await, Some(0), "the save is not repeated");
}

#[tokio::test]
async fn a_rename_whose_answer_is_lost_is_an_error_and_leaves_no_session() {
    let clock = HandClock::new();
    let table = Rows::table();
    let flaky = Flaky::new(table.clone());
    let sessions = site(settings().db(flaky.clone()), &clock);
    let mut guest = Visitor::of(&sessions);
    guest.visit(|session| session.set("n", 0)).await.unwrap();

    flaky.fail_next(Call::Rename, When::After, ErrorKind::Unavailable);
    let outcome = guest.visit(|session| session.log_in("ada")).await;

    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(
        table.all().is_empty(),
        "the row is deleted, because no browser has its new key"
    );
}

#[tokio::test]
async fn a_late_cache_fill_leaves_no_copy_of_a_deleted_row() {
    let clock = HandClock::new();
    let (table, cache) = (Rows::table(), Rows::cache());
    let gate = Gate::new(table.clone());
    let sessions = site(settings().cached_db(cache.clone(), gate.clone()), &clock);
    let mut guest = Visitor::of(&sessions);
    guest.visit(|session| session.set("n", 1)).await.unwrap();
    assert_eq!(
        cache.all().len(),
        1,
        "the save also wrote the copy that Django reads"
    );
    cache.remove(guest.key());

    gate.close(When::After, Call::Load);
    let reader = guest.clone();
    let reading = tokio::spawn(async move { reader.reads("n").await });
    gate.reached(When::After, Call::Load, 1).await;
    // Django deletes the row, then the copy, which does not exist yet.
    table.remove(guest.key());
    cache.remove(guest.key());
    gate.open(When::After, Call::Load);

    assert_eq!(
        reading.await.unwrap(),
        Some(1),
        "the reader loaded the row before the delete"
    );
    assert!(cache.all().is_empty());
    assert_eq!(guest.reads("n").await, None);
}

#[tokio::test]
async fn a_copy_in_the_cache_lasts_for_the_remaining_seconds_of_its_row() {
    let clock = HandClock::new();
    let (table, cache) = (Rows::table(), Rows::cache());
    let sessions = site(settings().cached_db(cache.clone(), table.clone()), &clock);
    let mut guest = Visitor::of(&sessions);
    guest.visit(|session| session.set("n", 1)).await.unwrap();
    cache.remove(guest.key());
    clock.advance(Duration::from_millis(1_500));

    assert_eq!(guest.reads("n").await, Some(1));

    let copy = cache.get(guest.key()).unwrap();
    assert_eq!(copy.redis_ttl, 14 * 24 * 60 * 60 - 2);
}

#[tokio::test]
async fn a_copy_in_the_cache_serves_reads_but_not_writes() {
    let clock = HandClock::new();
    let (table, cache) = (Rows::table(), Rows::cache());
    let spy = Spy::new(table.clone());
    let sessions = site(settings().cached_db(cache.clone(), spy.clone()), &clock);
    let mut guest = Visitor::of(&sessions);
    guest.visit(|session| session.set("n", 1)).await.unwrap();
    spy.take();
    assert_eq!(guest.reads("n").await, Some(1));
    assert_eq!(spy.take(), []);

    // Django's admin changes the row, but not the copy.
    table.put(
        guest.key(),
        signed(b"{\"n\":5,\"m\":1}", &clock),
        clock.now() + TWO_WEEKS,
    );
    guest.visit(increment).await.unwrap();

    assert_eq!(guest.reads("n").await, Some(6));
    assert_eq!(guest.reads("m").await, Some(1));
}

#[tokio::test]
async fn a_value_without_a_json_form_survives_edits_of_other_items() {
    let clock = HandClock::new();
    let cache = Rows::cache();
    // {'n': 1, 't': (1, 2)}
    let with_tuple = Bytes::from_static(b"\x80\x04}(\x8c\x01nK\x01\x8c\x01tK\x01K\x02\x86u.");
    cache.put(KEY, with_tuple, clock.now() + TWO_WEEKS);
    let mut guest = Visitor::with(&site(settings().cache(cache.clone()), &clock), KEY);

    guest.visit(increment).await.unwrap();
    let outcome = guest
        .visit(|session| session.get::<Vec<u8>>("t").map(drop))
        .await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::BadValue);

    let items = pickle::read(&cache.get(KEY).unwrap().data).unwrap();
    assert_eq!(items.get("n").unwrap().get::<u64>().unwrap(), 2);
    assert!(items.get("t").unwrap().as_foreign().is_some());
}

#[tokio::test]
async fn a_nan_that_django_stored_is_kept_and_setting_one_is_refused() {
    let clock = HandClock::new();
    let table = Rows::table();
    let theirs = br#"{"n":1,"mean":NaN,"list":[1.5,-Infinity,1e+16]}"#;
    table.put(KEY, signed(theirs, &clock), clock.now() + TWO_WEEKS);
    let mut guest = Visitor::with(&site(settings().db(table.clone()), &clock), KEY);

    guest.visit(increment).await.unwrap();
    let (_, session) = guest.open().await;
    assert!(session.contains("mean"));
    for read in [
        session.get::<f64>("mean"),
        session.set("ours", f64::NAN).map(|()| None),
    ] {
        assert_eq!(read.unwrap_err().kind(), ErrorKind::BadValue);
    }

    let signed = table.get(KEY).unwrap().data;
    let signed = Signer::new(SECRET, SERVER_SALT).loads(&signed).unwrap();
    assert_eq!(
        signed.json,
        r#"{"n":2,"mean":NaN,"list":[1.5,-Infinity,1e+16]}"#
    );
}

#[tokio::test]
async fn an_unreadable_pickle_is_an_error_and_stays_unchanged() {
    let clock = HandClock::new();
    let cache = Rows::cache();
    // A persistent id: only the program that wrote the pickle can resolve it.
    let unreadable = Bytes::from_static(b"\x80\x04}\x8c\x01nK\x01Qs.");
    cache.put(KEY, unreadable.clone(), clock.now() + TWO_WEEKS);
    let mut guest = Visitor::with(&site(settings().cache(cache.clone()), &clock), KEY);

    let outcome = guest.visit(increment).await;

    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(cache.get(KEY).unwrap().data, unreadable);
}

#[tokio::test]
async fn a_corrupt_row_keeps_its_key_and_stays_until_a_save() {
    let clock = HandClock::new();
    let table = Rows::table();
    table.put(KEY, "e30:1vbVSP:forged", clock.now() + TWO_WEEKS);
    let mut guest = Visitor::with(&site(settings().db(table.clone()), &clock), KEY);

    let log = Log::default();
    let logging = tracing::subscriber::set_default(subscriber(&log));
    let response = guest
        .visit(|session| session.get::<u64>("n").map(drop))
        .await;
    drop(logging);
    assert!(set_cookie(&response.unwrap()).is_none());
    assert_eq!(table.get(KEY).unwrap().data, "e30:1vbVSP:forged");
    let log = log.text();
    assert!(
        log.contains("WARN django.security.SuspiciousSession"),
        "{log}"
    );
    assert!(log.contains("Session data corrupted"), "{log}");
    assert!(!log.contains(KEY) && !log.contains("forged"), "{log}");

    guest.visit(increment).await.unwrap();
    assert_eq!(guest.key(), KEY);
    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_signed_but_unreadable_row_is_read_as_empty_and_not_logged() {
    let clock = HandClock::new();
    let table = Rows::table();
    let signer = Signer::new(SECRET, SERVER_SALT);
    table.put(KEY, signer.sign("bm8ganNvbg", 0), clock.now() + TWO_WEEKS);
    let mut guest = Visitor::with(&site(settings().db(table.clone()), &clock), KEY);

    let log = Log::default();
    let logging = tracing::subscriber::set_default(subscriber(&log));
    guest.visit(increment).await.unwrap();
    drop(logging);

    assert!(!log.text().contains("WARN"), "{}", log.text());
    assert_eq!(guest.key(), KEY);
}

#[tokio::test]
async fn an_expiry_is_an_item_and_keeps_its_position() {
    let clock = HandClock::new();
    let table = Rows::table();
    table.put(
        KEY,
        signed(b"{\"a\":1,\"_session_expiry\":300,\"b\":2}", &clock),
        clock.now() + Duration::from_secs(300),
    );
    let mut guest = Visitor::with(&site(settings().db(table.clone()), &clock), KEY);

    let (handle, session) = guest.open().await;
    assert_eq!(session.expiry(), Expiry::Idle(Duration::from_secs(300)));
    assert_eq!(session.get("_session_expiry").unwrap(), Some(300));
    session
        .set_expiry(Expiry::Idle(Duration::from_secs(60)))
        .unwrap();
    session.set("b", 3).unwrap();
    let response = guest.finish(&handle).await.unwrap();
    assert!(set_cookie(&response).unwrap().contains("; Max-Age=60;"));
    assert_eq!(stored(&table), "{\"a\":1,\"_session_expiry\":60,\"b\":3}");
    assert_eq!(
        table.get(KEY).unwrap().expires,
        clock.now() + Duration::from_secs(60)
    );

    // A handler may set the item itself.
    guest
        .visit(|session| session.set("_session_expiry", 90))
        .await
        .unwrap();
    assert_eq!(
        table.get(KEY).unwrap().expires,
        clock.now() + Duration::from_secs(90)
    );
    guest
        .visit(|session| session.set_expiry(Expiry::Policy))
        .await
        .unwrap();
    assert_eq!(stored(&table), "{\"a\":1,\"b\":3}");
    let response = guest
        .visit(|session| session.set_expiry(Expiry::Policy))
        .await;
    assert!(
        set_cookie(&response.unwrap()).is_none(),
        "the policy already applies"
    );
}

#[tokio::test]
async fn an_unreadable_expiry_counts_as_the_sites_expiry_until_it_is_replaced() {
    let clock = HandClock::new();
    let table = Rows::table();
    table.put(
        KEY,
        signed(b"{\"_session_expiry\":\"soon\"}", &clock),
        clock.now() + TWO_WEEKS,
    );
    let mut guest = Visitor::with(&site(settings().db(table.clone()), &clock), KEY);

    guest.visit(increment).await.unwrap();
    assert_eq!(table.get(KEY).unwrap().expires, clock.now() + TWO_WEEKS);
    let minute = Expiry::Idle(Duration::from_secs(60));
    guest
        .visit(move |session| session.set_expiry(minute))
        .await
        .unwrap();
    assert_eq!(stored(&table), "{\"n\":1,\"_session_expiry\":60}");
}

#[tokio::test]
async fn a_negative_expiry_ends_the_session() {
    let clock = HandClock::new();
    let table = Rows::table();
    let mut guest = Visitor::of(&site(settings().db(table.clone()), &clock));
    guest.visit(increment).await.unwrap();

    let response = guest
        .visit(|session| session.set("_session_expiry", -10))
        .await;

    assert!(
        set_cookie(&response.unwrap())
            .unwrap()
            .starts_with("sessionid=\"\"")
    );
    assert!(table.all().is_empty());
}

#[tokio::test]
async fn a_login_gives_the_session_a_new_key_but_no_owner() {
    let clock = HandClock::new();
    let table = Rows::table();
    let mut guest = Visitor::of(&site(settings().db(table.clone()), &clock));
    guest.visit(increment).await.unwrap();
    let before = guest.key().to_owned();

    guest
        .visit(|session| {
            session.log_in("ada")?;
            session.set("_auth_user_id", "7")
        })
        .await
        .unwrap();

    assert_ne!(guest.key(), before);
    assert!(table.get(&before).is_none());
    let (_, session) = guest.open().await;
    assert_eq!(session.owner(), None);
    assert_eq!(session.get("n").unwrap(), Some(1));
    let outcome = session.set_label("a phone");
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unsupported);
    let owned = guest.sessions.owned_by(&"ada".into()).await;
    assert_eq!(owned.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_login_in_a_session_that_was_just_ended_is_saved_without_the_old_items() {
    let clock = HandClock::new();
    let table = Rows::table();
    let mut guest = Visitor::of(&site(settings().db(table.clone()), &clock));
    guest.visit(increment).await.unwrap();
    let (handle, session) = guest.open().await;
    session.log_in("ada").unwrap();
    session.set("_auth_user_id", "7").unwrap();
    guest.clone().visit(Session::flush).await.unwrap();

    guest.finish(&handle).await.unwrap();

    assert_eq!(guest.reads("n").await, None);
    assert_eq!(table.all().len(), 1);
}

#[test]
fn the_builder_refuses_options_that_djangos_formats_cannot_store() {
    let refused = |builder: SessionsBuilder| {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    let (table, cache) = (Rows::table(), Rows::cache());
    let settings = settings();
    let hour = Duration::from_secs(3_600);

    let lifetime = settings
        .sessions(settings.db(table.clone()))
        .max_lifetime(hour);
    assert!(refused(lifetime).contains("`max_lifetime`"));
    for backend in [
        settings.cache(cache.clone()),
        settings.cached_db(cache, table),
    ] {
        let sliding = settings.sessions(backend).slide_on_access(hour);
        assert!(refused(sliding).contains("`save_every_request`"));
    }
    let dropped = settings
        .clone()
        .session_cookie_samesite(SameSite::None)
        .sessions(settings.signed_cookies());
    assert!(refused(dropped).contains("`secure(true)`"));
    assert_eq!(Settings::new("").unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn reading_extends_a_row_once_per_threshold() {
    let clock = HandClock::new();
    let table = Rows::table();
    let spy = Spy::new(table.clone());
    let sessions = settings()
        .sessions(settings().db(spy.clone()))
        .slide_on_access(Duration::from_secs(60))
        .clock(clock.clone());
    let mut guest = Visitor::of(&sessions.build().unwrap());
    guest.visit(increment).await.unwrap();
    let text = table.get(guest.key()).unwrap().data;
    spy.take();

    let mut touches = 0;
    for _ in 0..12 {
        clock.advance(Duration::from_secs(30));
        guest.visit(|_| Ok(())).await.unwrap();
        touches += spy
            .take()
            .iter()
            .filter(|call| **call == Call::Touch)
            .count();
    }

    assert_eq!(touches, 6, "one per minute");
    let row = table.get(guest.key()).unwrap();
    assert_eq!(row.expires, clock.now() + TWO_WEEKS);
    assert_eq!(row.data, text, "the signed text is unchanged");
}

#[tokio::test]
async fn a_cookie_that_cannot_be_a_key_is_removed_even_if_the_session_is_not_opened() {
    let sessions = settings()
        .sessions(settings().db(Rows::table()))
        .build()
        .unwrap();
    let page = service_fn(|_: Request<()>| async {
        Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    });
    for (cookie, removed) in [("sessionid=short", true), ("sessionid=12345678", false)] {
        let request = Request::builder().header(header::COOKIE, cookie);
        let service = sessions.layer().layer(page);
        let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
        let headers = response.headers();
        assert_eq!(set_cookie(headers).is_some(), removed, "{cookie}");
        assert_eq!(headers.contains_key(header::VARY), removed, "{cookie}");
    }
}

#[tokio::test]
async fn the_removal_of_a_cookie_repeats_all_attributes_if_configured() {
    let settings = settings().session_cookie_secure(true);
    let (table, cache) = (Rows::table, Rows::cache);
    for (as_set, attributes) in [
        (false, "Max-Age=0; Path=/; SameSite=Lax"),
        (true, "HttpOnly; Max-Age=0; Path=/; SameSite=Lax; Secure"),
    ] {
        let settings = settings.clone().removal_as_set(as_set);
        for backend in [
            settings.db(table()),
            settings.cache(cache()),
            settings.cached_db(cache(), table()),
            settings.signed_cookies(),
        ] {
            let mut guest = Visitor::of(&site_of(&settings, backend, &HandClock::new()));
            guest.visit(increment).await.unwrap();
            let response = guest.visit(Session::flush).await.unwrap();
            assert_eq!(
                set_cookie(&response).unwrap(),
                format!("sessionid=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; {attributes}"),
            );
        }
    }
}

#[tokio::test]
async fn a_table_may_have_a_cache_in_this_process() {
    let clock = HandClock::new();
    let table = Rows::table();
    let backend = CachedBackend::new(MemoryStore::new(), settings().db(table.clone())).unwrap();
    let mut guest = Visitor::of(&site(backend, &clock));

    guest.visit(increment).await.unwrap();
    guest.visit(increment).await.unwrap();
    assert_eq!(guest.reads("n").await, Some(2));
    guest.visit(Session::flush).await.unwrap();
    assert!(table.all().is_empty());
}

#[tokio::test]
async fn a_signed_cookie_is_read_with_every_secret_and_signed_with_the_first() {
    let clock = HandClock::new();
    let old = Settings::new("an-old-secret").unwrap();
    let new = settings().secret_key_fallback("an-old-secret");
    let mut guest = Visitor::of(&site_of(&old, old.signed_cookies(), &clock));
    guest.visit(increment).await.unwrap();

    let sessions = site_of(&new, new.signed_cookies(), &clock);
    let mut guest = guest.at(&sessions);
    let response = guest
        .visit(|session| session.get::<u64>("n").map(drop))
        .await;
    assert!(
        set_cookie(&response.unwrap()).is_none(),
        "reading does not sign the cookie again"
    );
    guest.visit(increment).await.unwrap();

    let only_new = settings();
    let guest = guest.at(&site_of(&only_new, only_new.signed_cookies(), &clock));
    assert_eq!(guest.reads("n").await, Some(2));
}

#[tokio::test]
async fn a_signed_cookie_ends_when_it_is_older_than_session_cookie_age() {
    let clock = HandClock::new();
    let settings = settings().session_cookie_age(Duration::from_secs(60));
    let sessions = site_of(&settings, settings.signed_cookies(), &clock);
    let mut guest = Visitor::of(&sessions);
    guest.visit(increment).await.unwrap();

    clock.advance(Duration::from_secs(60));
    assert_eq!(guest.reads("n").await, Some(1));
    clock.advance(Duration::from_millis(1));
    let response = guest
        .visit(|session| session.get::<u64>("n").map(drop))
        .await;
    assert!(
        set_cookie(&response.unwrap())
            .unwrap()
            .starts_with("sessionid=\"\"")
    );
}

#[tokio::test]
async fn a_signed_cookie_that_a_browser_would_drop_is_an_error() {
    let clock = HandClock::new();
    let mut guest = Visitor::of(&site(settings().signed_cookies(), &clock));
    // Numbers that zlib cannot compress.
    let noise: Vec<u32> = (0..2_000)
        .map(|n: u32| n.wrapping_mul(2_654_435_761))
        .collect();

    let outcome = guest
        .visit(move |session| session.set("noise", &noise))
        .await;

    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn every_request_signs_the_cookie_again_if_configured() {
    let clock = HandClock::new();
    let settings = settings().session_save_every_request(true);
    let mut guest = Visitor::of(&site_of(&settings, settings.signed_cookies(), &clock));
    guest.visit(increment).await.unwrap();

    for _ in 0..20 {
        clock.advance(Duration::from_secs(24 * 60 * 60));
        let handle = guest.request();
        guest.finish(&handle).await.unwrap();
    }

    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_key_in_quotes_is_read_and_the_last_of_several_keys_counts() {
    let clock = HandClock::new();
    let table = Rows::table();
    table.put(
        "a b;c/d\u{e9}",
        signed(b"{\"n\":7}", &clock),
        clock.now() + TWO_WEEKS,
    );
    let sessions = site(settings().db(table), &clock);
    for cookie in [
        r#"sessionid="a b\073c/d\351""#,
        r#"sessionid=a key that is not there; sessionid="a b\073c/d\351""#,
    ] {
        let mut guest = Visitor::of(&sessions);
        guest.cookie = Some(cookie.to_owned());
        assert_eq!(guest.reads("n").await, Some(7), "{cookie}");
        // The response writes the key in quotes, and the next request sends it in quotes.
        guest.visit(increment).await.unwrap();
        assert_eq!(guest.reads("n").await, Some(8), "{cookie}");
        guest.visit(|session| session.set("n", 7)).await.unwrap();
    }
}

fn increment(session: &Session) -> Result<()> {
    session.update("n", |n: &mut u64| *n += 1).map(drop)
}

/// Increments the item, unless the session is new.
fn increment_existing(session: &Session) -> Result<()> {
    match session.is_new() {
        true => Ok(()),
        false => increment(session),
    }
}

fn settings() -> Settings {
    Settings::new(SECRET).unwrap()
}

fn site(backend: impl Into<Backend>, clock: &HandClock) -> Sessions {
    site_of(&settings(), backend, clock)
}

fn site_of(settings: &Settings, backend: impl Into<Backend>, clock: &HandClock) -> Sessions {
    let sessions = settings.sessions(backend).clock(clock.clone());
    sessions.build().unwrap()
}

fn signed(json: &[u8], clock: &HandClock) -> String {
    let since = clock.now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Signer::new(SECRET, SERVER_SALT).dumps(json, since.as_secs() as i64)
}

/// Returns the JSON of the items in the row at [`KEY`].
fn stored(table: &Rows) -> String {
    let data = table.get(KEY).unwrap().data;
    let signed = Signer::new(SECRET, SERVER_SALT).loads(&data).unwrap();
    json::write(&json::read(&signed.json).unwrap()).unwrap()
}

fn set_cookie(headers: &HeaderMap) -> Option<&str> {
    let line = headers.get(header::SET_COOKIE)?;
    Some(line.to_str().unwrap())
}

/// A browser that stores one cookie.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) sessions: Sessions,
    pub(crate) cookie: Option<String>,
}

impl Visitor {
    pub(crate) fn of(sessions: &Sessions) -> Self {
        Self {
            sessions: sessions.clone(),
            cookie: None,
        }
    }

    pub(crate) fn with(sessions: &Sessions, key: &str) -> Self {
        Self {
            cookie: Some(format!("sessionid={key}")),
            ..Self::of(sessions)
        }
    }

    /// Returns the same browser as a visitor of another server.
    pub(crate) fn at(&self, sessions: &Sessions) -> Self {
        Self {
            sessions: sessions.clone(),
            cookie: self.cookie.clone(),
        }
    }

    pub(crate) fn key(&self) -> &str {
        let cookie = self.cookie.as_deref().unwrap();
        cookie.split_once('=').unwrap().1
    }

    pub(crate) fn request(&self) -> SessionHandle {
        let mut headers = HeaderMap::new();
        if let Some(cookie) = &self.cookie {
            headers.insert(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        self.sessions.begin(&headers)
    }

    pub(crate) async fn open(&self) -> (SessionHandle, Session) {
        let handle = self.request();
        let session = handle.open().await.unwrap();
        (handle, session)
    }

    pub(crate) async fn finish(&mut self, handle: &SessionHandle) -> Result<HeaderMap> {
        let effects = self.sessions.finish(handle, StatusCode::OK).await?;
        let mut headers = HeaderMap::new();
        effects.apply(&mut headers);
        if let Some(line) = set_cookie(&headers) {
            let pair = line.split("; ").next().unwrap().to_owned();
            self.cookie = (!pair.ends_with("=\"\"")).then_some(pair);
        }
        Ok(headers)
    }

    pub(crate) async fn visit(
        &mut self,
        handler: impl FnOnce(&Session) -> Result<()>,
    ) -> Result<HeaderMap> {
        let handle = self.request();
        handler(&handle.open().await?)?;
        self.finish(&handle).await
    }

    pub(crate) async fn reads(&self, name: &str) -> Option<u64> {
        let (_, session) = self.open().await;
        session.get(name).unwrap()
    }
}

/// Returns a subscriber that writes lines of text into the log.
fn subscriber(log: &Log) -> impl tracing::Subscriber + use<> {
    let log = log.clone();
    tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(move || log.clone())
        .finish()
}

const KEY: &str = "abcdefghijklmnopqrstuvwxyz012345";
const SECRET: &str = "the-secret-key-of-a-test";
const TWO_WEEKS: Duration = Duration::from_secs(14 * 24 * 60 * 60);
