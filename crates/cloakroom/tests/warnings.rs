//! A warning that a process logs at most once a minute. Other tests in this process would use up
//! the limit, so this binary has only one test.

use std::time::Duration;

use cloakroom::Sessions;
use cloakroom::store::MemoryStore;
use cloakroom_testkit::{HandClock, Log};
use http::HeaderMap;

#[tokio::test]
async fn several_session_cookies_cause_one_warning_per_process_and_minute() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
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
