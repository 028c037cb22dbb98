//! Warnings that a process logs at most once a minute. Two tests of the same warning in one process
//! would share this limit, so this binary has one test for each warning.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::Sessions;
use cloakroom::store::MemoryStore;
use cloakroom_testkit::{HandClock, Log};
use http::HeaderMap;
use tracing::subscriber::DefaultGuard;

#[tokio::test]
async fn several_session_cookies_cause_one_warning_per_process_and_minute() {
    let (log, _guard) = recorded();
    let clock = HandClock::new();
    let build = || {
        let builder = Sessions::builder(MemoryStore::new()).clock(clock.clone());
        builder.sweep(None).build().unwrap()
    };
    let (one, other) = (build(), build());
    let keys = ["A", "E", "I", "M", "Q"].map(|letter| letter.repeat(43));
    let warnings = || {
        let text = log.text();
        assert!(keys.iter().all(|key| !text.contains(key)), "{text}");
        text.matches("several session cookies").count()
    };
    let sent = |count: usize| {
        let pairs: Vec<String> = keys[..count]
            .iter()
            .map(|key| format!("__Host-session={key}"))
            .collect();
        HeaderMap::from_iter([("cookie".parse().unwrap(), pairs.join("; ").parse().unwrap())])
    };

    one.begin(&sent(1)).open().await.unwrap();
    assert_eq!(warnings(), 0);
    for sessions in [&one, &other] {
        for count in [2, 5] {
            sessions.begin(&sent(count)).open().await.unwrap();
        }
    }
    assert_eq!(warnings(), 1);
    assert!(log.text().contains("Cookie::formerly"), "{}", log.text());

    clock.advance(Duration::from_secs(60));
    other.begin(&sent(5)).open().await.unwrap();
    one.begin(&sent(2)).open().await.unwrap();
    assert_eq!(warnings(), 2);
}

#[tokio::test]
async fn sessions_from_the_future_cause_one_warning_per_process_and_minute() {
    let (log, _guard) = recorded();
    let store = Arc::new(MemoryStore::new());
    let (ahead, clock) = (HandClock::new(), HandClock::new());
    ahead.advance(Duration::from_secs(600));
    let build = |clock: &HandClock| {
        let builder = Sessions::builder(store.clone()).clock(clock.clone());
        builder.sweep(None).build().unwrap()
    };
    let session = build(&ahead).new_session();
    session.set("theme", "dark").unwrap();
    session.save().await.unwrap();
    let key = session.key().unwrap();
    let warnings = || log.text().matches("times are in the future").count();

    for minute in 1..=2 {
        for sessions in [build(&clock), build(&clock)] {
            assert!(sessions.open(&key).await.unwrap().is_none());
        }
        assert_eq!(warnings(), minute);
        clock.advance(Duration::from_secs(60));
    }
    assert!(!log.text().contains(key.reveal()), "{}", log.text());
}

/// Records what this thread logs until the guard is dropped.
fn recorded() -> (Log, DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}
