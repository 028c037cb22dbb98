//! Tests sessions in PostgreSQL through the API that sites use.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Mutex;

use cloakroom::store::Store;
use cloakroom::{Session, SessionKey, Sessions};
use cloakroom_harness::servers;
use cloakroom_testkit::unique_name;
use http::{HeaderMap, StatusCode, header};
use support::{on, other_client, with_option};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_parallel_increments_through_two_stores_are_all_saved() {
    let Some(server) = servers::postgres() else {
        return;
    };
    let table = unique_name();
    let one = on(server.url(), &table).connect().await.unwrap();
    one.migrate().await.unwrap();
    let other = on(server.url(), &table).connect().await.unwrap();
    let processes = [Sessions::new(one), Sessions::new(other)];
    let key = begin(&processes[0]).await;

    let mut requests = JoinSet::new();
    for n in 0..1_000 {
        let (sessions, key) = (processes[n % 2].clone(), key.clone());
        requests.spawn(async move {
            visit(&sessions, &key, |session| {
                session.update("n", |n: &mut u64| *n += 1).unwrap();
            })
            .await;
        });
    }
    requests.join_all().await;

    let session = processes[0].open(&key).await.unwrap().unwrap();
    assert_eq!(session.get("n").unwrap(), Some(1_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_contains_no_key_and_the_trace_log_contains_no_key_or_session_data() {
    let Some(server) = servers::postgres() else {
        return;
    };
    // The logger is global. No other test in this file reads the log.
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let table = unique_name();
    let url = with_option(server.url(), "password=the-passw0rd");
    let store = on(&url, &table).connect().await.unwrap();
    store.migrate().await.unwrap();
    let sessions = Sessions::new(store.clone());

    let mut keys = Vec::new();
    for nth in 0..10_u64 {
        let key = begin(&sessions).await;
        keys.push(key.clone());
        visit(&sessions, &key, |session| {
            session.set("note", "a-s3cret").unwrap()
        })
        .await;
        let moved = visit(&sessions, &key, |session| {
            session.log_in("an-0wner").unwrap()
        })
        .await;
        keys.push(moved.clone().expect("a login sets a new key"));
        if nth % 2 == 0 {
            visit(&sessions, &moved.unwrap(), |session| {
                session.flush().unwrap()
            })
            .await;
        }
    }
    store.sweep(std::time::SystemTime::now(), 10).await.unwrap();

    let other_client = other_client(server.url()).await;
    let rows = other_client
        .query(&format!("SELECT t::TEXT, lookup FROM {table} t"), &[])
        .await
        .unwrap();
    assert_eq!(
        rows.len(),
        15,
        "5 sessions, and 10 tombstones of those that moved"
    );
    let log = LOG.0.lock().unwrap().clone();
    assert!(
        log.contains("executing statement"),
        "the driver logged no statement"
    );
    for secret in ["a-s3cret", "an-0wner", "the-passw0rd"] {
        assert!(!log.contains(secret), "{secret}");
    }
    for row in &rows {
        let (row, store_key): (&str, &[u8]) = (row.get(0), row.get(1));
        let store_key = format!("{store_key:?}");
        assert!(!log.contains(&store_key[1..store_key.len() - 1]));
        for key in &keys {
            assert!(!row.contains(key.reveal()));
        }
    }
    for key in &keys {
        assert!(!log.contains(key.reveal()));
    }
    assert!(!format!("{store:?}").contains("the-passw0rd"));
}

/// Sends a request that has no cookie and creates a session. Returns the key in the new cookie.
async fn begin(sessions: &Sessions) -> SessionKey {
    let key = request(sessions, &HeaderMap::new(), |session| {
        session.set("n", 0).unwrap()
    })
    .await;
    key.expect("a new session sets the cookie")
}

/// Sends a request with this key. Returns the key in the new cookie, if the response sets one.
async fn visit(
    sessions: &Sessions,
    key: &SessionKey,
    handler: impl FnOnce(&Session),
) -> Option<SessionKey> {
    let mut headers = HeaderMap::new();
    let cookie = format!("__Host-session={}", key.reveal());
    headers.insert(header::COOKIE, cookie.parse().unwrap());
    request(sessions, &headers, handler).await
}

async fn request(
    sessions: &Sessions,
    headers: &HeaderMap,
    handler: impl FnOnce(&Session),
) -> Option<SessionKey> {
    let handle = sessions.begin(headers);
    handler(&handle.open().await.unwrap());
    let effects = sessions.finish(&handle, StatusCode::OK).await.unwrap();
    let mut response = HeaderMap::new();
    effects.apply(&mut response);
    let cookie = response.get(header::SET_COOKIE)?.to_str().unwrap();
    let value = cookie.split([';', '=']).nth(1).unwrap();
    (!value.is_empty()).then(|| SessionKey::new(value))
}

static LOG: Log = Log(Mutex::new(String::new()));

struct Log(Mutex<String>);

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{}: {}\n", record.target(), record.args());
        self.0.lock().unwrap().push_str(&line);
    }

    fn flush(&self) {}
}
