//! Sessions in SQLite, used as a site uses them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use cloakroom::{Session, SessionKey, Sessions};
use cloakroom_sqlite::SqliteStore;
use cloakroom_testkit::Log;
use http::{HeaderMap, StatusCode, header};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_parallel_increments_are_all_saved_and_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.sqlite");
    let sessions = Sessions::new(SqliteStore::open(&path).unwrap());
    let key = begin(&sessions).await;

    let mut requests = JoinSet::new();
    for _ in 0..1_000 {
        let (sessions, key) = (sessions.clone(), key.clone());
        requests.spawn(async move {
            visit(&sessions, &key, |session| {
                session.update("n", |n: &mut u64| *n += 1).unwrap();
            })
            .await;
        });
    }
    requests.join_all().await;
    drop(sessions);

    let sessions = Sessions::new(SqliteStore::open(&path).unwrap());
    let session = sessions.open(&key).await.unwrap().unwrap();
    assert_eq!(session.get("n").unwrap(), Some(1_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_the_files_nor_the_trace_log_contain_a_key() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // The log must include the events of the store's threads, so the subscriber is global. No other
    // test of this file needs a subscriber.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sessions = Sessions::new(SqliteStore::open(folder.path().join("s.sqlite")).unwrap());

    let mut keys = Vec::new();
    for nth in 0..20_u64 {
        let key = begin(&sessions).await;
        keys.push(key.clone());
        visit(&sessions, &key, |session| session.set("nth", nth).unwrap()).await;
        let moved = visit(&sessions, &key, |session| session.log_in(nth % 3).unwrap()).await;
        keys.push(moved.clone().expect("a login sets a new key"));
        if nth % 2 == 0 {
            visit(&sessions, &moved.unwrap(), |session| {
                session.flush().unwrap()
            })
            .await;
        }
    }

    let mut bytes = log.text().into_bytes();
    assert!(!bytes.is_empty(), "the log is empty");
    let in_files = read_all(folder.path());
    assert!(in_files.len() > 10_000, "the write-ahead log was not read");
    bytes.extend(in_files);
    for key in keys {
        let text = key.reveal().as_bytes();
        assert!(!bytes.windows(text.len()).any(|window| window == text));
    }
}

/// Sends a request without a cookie, and returns the key of the session that it begins.
async fn begin(sessions: &Sessions) -> SessionKey {
    let key = request(sessions, &HeaderMap::new(), |session| {
        session.set("n", 0).unwrap()
    })
    .await;
    key.expect("a new session sets the cookie")
}

/// Sends a request with `key`, and returns the key that the response sets, if it sets one.
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

fn read_all(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap();
    files
        .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect()
}
