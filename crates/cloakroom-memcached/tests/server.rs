//! Tests against a real server: restarts, outages, limits, expiry and dropped calls.
mod support;

use std::time::Duration;

use bytes::Bytes;
use cloakroom::store::{Outcome, Store, from_millis};
use cloakroom::{ErrorKind, Sessions};
use cloakroom_harness::servers::{self, Kind, Server};
use cloakroom_memcached::MemcachedStore;
use cloakroom_testkit::Proxy;
use cloakroom_testkit::unique_name;
use support::{at, draft, on, written};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_increments_through_two_stores_add_up() {
    let Some(server) = servers::memcached() else {
        return;
    };
    let prefix = unique_name();
    let [one, other] = [(); 2].map(|()| Sessions::new(on(server, &prefix)));
    let session = one.new_session();
    session.set("n", 0).unwrap();
    session.save().await.unwrap();
    let key = session.key().unwrap();

    let mut requests = JoinSet::new();
    for n in 0..1_000 {
        let (sessions, key) = ([&one, &other][n % 2].clone(), key.clone());
        requests.spawn(async move {
            let session = sessions.open(&key).await.unwrap().unwrap();
            session.update("n", |n: &mut u64| *n += 1).unwrap();
            session.save().await.unwrap();
        });
    }
    requests.join_all().await;

    let session = other.open(&key).await.unwrap().unwrap();
    assert_eq!(session.get("n").unwrap(), Some(1_000));
}

#[tokio::test]
async fn a_restarted_server_has_no_sessions_and_causes_no_error() {
    let (Some(before), Some(after)) = (Kind::Memcached.start(), Kind::Memcached.start()) else {
        return;
    };
    let proxy = Proxy::to(before.url());
    let store = MemcachedStore::open(proxy.url()).unwrap();
    let seen = written(store.create(&at(1), &draft("before")).await);

    proxy.lead_to(after.url());
    proxy.cut().await;

    assert!(store.load(&at(1)).await.unwrap().is_none());
    let late = store.save(&at(1), &seen, &draft("late")).await.unwrap();
    assert_eq!(late, Outcome::Stale);
    written(store.create(&at(2), &draft("after")).await);
    assert_eq!(store.load(&at(2)).await.unwrap().unwrap().data, "after");
}

#[tokio::test]
async fn a_save_to_a_restarted_server_does_not_use_an_old_cas_number() {
    let (Some(before), Some(after)) = (Kind::Memcached.start(), Kind::Memcached.start()) else {
        return;
    };
    let proxy = Proxy::to(before.url());
    let store = MemcachedStore::open(proxy.url()).unwrap();
    let seen = written(store.create(&at(1), &draft("before")).await);

    // Each of the two items is the first on its server, so the two have the same CAS number (the
    // number for compare-and-swap).
    let elsewhere = MemcachedStore::open(after.url()).unwrap();
    written(elsewhere.create(&at(1), &draft("after")).await);
    proxy.lead_to(after.url());
    proxy.cut().await;
    let late = store.save(&at(1), &seen, &draft("late")).await.unwrap();

    assert_eq!(late, Outcome::Stale);
    assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, "after");
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_until_it_is_back() {
    let Some(server) = Kind::Memcached.start() else {
        return;
    };
    let proxy = Proxy::to(server.url());
    let store = MemcachedStore::open(proxy.url()).unwrap();
    let seen = written(store.create(&at(1), &draft("kept")).await);

    proxy.refuse().await;
    let down = [
        store.load(&at(1)).await.map(drop),
        store.save(&at(1), &seen, &draft("")).await.map(drop),
        store.delete(&at(1)).await,
        store.ping().await,
    ];
    for call in down {
        assert_eq!(call.unwrap_err().kind(), ErrorKind::Unavailable);
    }

    proxy.heal();
    store.ping().await.unwrap();
    assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, "kept");
}

#[tokio::test]
async fn a_key_on_a_stopped_server_is_refused_as_taken_while_another_server_is_up() {
    let (Some(up), Some(stopped)) = (start(), start()) else {
        return;
    };
    let store = on_all(&[&up, &stopped]);
    let alone = MemcachedStore::open(stopped.url()).unwrap();
    drop(stopped);

    let mut refused = 0;
    for n in 1..40 {
        match store.create(&at(n), &draft("new")).await.unwrap() {
            Outcome::Written(_) => {
                assert_eq!(store.load(&at(n)).await.unwrap().unwrap().data, "new");
                let home = on(&up, "cloakroom").load(&at(n)).await.unwrap();
                assert!(home.is_some(), "the entry must be on the server of its key");
            }
            Outcome::Stale => {
                refused += 1;
                let error = store.load(&at(n)).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                let error = store.delete(&at(n)).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unavailable);
            }
        }
    }
    assert!((1..39).contains(&refused), "{refused}");

    let error = alone.create(&at(1), &draft("")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    drop(up);
    for n in 1..40 {
        let error = store.create(&at(n), &draft("")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn new_visitors_and_logins_are_served_while_one_server_is_stopped() {
    let mut servers: Vec<_> = (0..5).map_while(|_| start()).collect();
    if servers.is_empty() {
        return;
    }
    // With five servers, eight keys in a row are on the stopped one once in 390,625 times.
    let sessions = Sessions::new(on_all(&servers.iter().collect::<Vec<_>>()));
    servers.pop();

    for n in 0..20 {
        let session = sessions.new_session();
        session.set("n", n).unwrap();
        session.save().await.unwrap();
        session.cycle_key().unwrap();
        session.save().await.unwrap();

        let key = session.key().unwrap();
        let session = sessions.open(&key).await.unwrap().unwrap();
        assert_eq!(session.get("n").unwrap(), Some(n));
    }
}

fn start() -> Option<Server> {
    servers::memcached()?;
    Kind::Memcached.start()
}

#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
fn on_all(servers: &[&Server]) -> MemcachedStore {
    let addresses = servers
        .iter()
        .map(|server| server.url().replace("memcached://", ""));
    let addresses = addresses.collect::<Vec<_>>().join(",");
    MemcachedStore::open(&format!("memcached://{addresses}")).unwrap()
}

#[tokio::test]
async fn the_largest_session_is_stored_with_the_longest_owner_and_label() {
    let Some(server) = servers::memcached() else {
        return;
    };
    let prefix = format!("{:p<100}", unique_name());
    let store = on(server, &prefix);
    let max_size = store.guarantees().max_size.unwrap();
    // An entry may have 3 KiB besides the data. An owner and a label that together have 3,000 bytes
    // fit into these 3 KiB. With 3,100 bytes, they do not.
    let mut large = draft("x".repeat(max_size));
    large.meta.owner = Some("o".repeat(1_500).into());
    large.meta.label = Some("l".repeat(1_500).into());

    let seen = written(store.create(&at(1), &large).await);
    let entry = store.load(&at(1)).await.unwrap().unwrap();
    assert!(entry.data == large.data && entry.meta == large.meta);
    large.data = Bytes::from(vec![0; max_size]);
    let seen = written(store.save(&at(1), &seen, &large).await);

    large.meta.label = Some("l".repeat(1_600).into());
    let error = store.save(&at(1), &seen, &large).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let entry = store.load(&at(1)).await.unwrap().unwrap();
    assert!(
        entry.version == seen,
        "a refused save must not change the entry"
    );
}

#[tokio::test]
async fn a_save_beyond_the_item_limit_of_the_server_is_an_error_and_changes_nothing() {
    let Some(server) = servers::memcached() else {
        return;
    };
    let builder = MemcachedStore::builder(server.url()).prefix(unique_name());
    let store = builder.max_size(4 << 20).open().unwrap();
    let seen = written(store.create(&at(1), &draft("small")).await);

    let large = draft("x".repeat(2 << 20));
    let error = store.save(&at(1), &seen, &large).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let entry = store.load(&at(1)).await.unwrap().unwrap();
    assert!(entry.data == "small" && entry.version == seen);
}

#[tokio::test]
async fn expiries_beyond_thirty_days_and_beyond_2038_are_kept() {
    let Some(server) = servers::memcached() else {
        return;
    };
    let store = on(server, &unique_name());
    let last_of_32_bits = i64::from(i32::MAX) * 1_000;
    // The first expiry is in the year 2033. The others, with the grace period added, exceed 32
    // bits.
    let expiries = [
        2_000_000_000_000,
        last_of_32_bits,
        last_of_32_bits + 1,
        i64::MAX,
    ];
    for (n, expires) in (0..).zip(expiries) {
        let mut new = draft("");
        new.meta.expires = from_millis(expires);
        let seen = written(store.create(&at(n), &new).await);
        let seen = written(store.touch(&at(n), &seen, &new.meta).await);
        written(store.save(&at(n), &seen, &new).await);

        let entry = store.load(&at(n)).await.unwrap().unwrap();
        assert_eq!(entry.meta.expires, new.meta.expires);
    }
}

#[tokio::test]
async fn an_entry_that_expired_long_ago_is_written_but_not_found() {
    let Some(server) = servers::memcached() else {
        return;
    };
    let store = on(server, &unique_name());
    let mut past = draft("");
    for millis in [0, 1_000_000_000_000] {
        past.meta.expires = from_millis(millis);
        written(store.create(&at(1), &past).await);
        assert!(store.load(&at(1)).await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_calls_never_return_the_session_of_another_visitor() {
    let Some(server) = servers::memcached() else {
        return;
    };
    let builder = MemcachedStore::builder(server.url()).prefix(unique_name());
    let store = builder.connections(2).open().unwrap();
    for n in 0..8 {
        written(store.create(&at(n), &draft(format!("session {n}"))).await);
    }

    let mut visitors = JoinSet::new();
    for n in 0..8 {
        let store = store.clone();
        visitors.spawn(async move {
            for round in 0..200 {
                // Some calls are dropped before they send a command, and some while they wait for
                // the answer. The others are answered.
                let time_limit = Duration::from_micros(round * 7 % 600);
                let answer = tokio::time::timeout(time_limit, store.load(&at(n))).await;
                if let Ok(entry) = answer {
                    assert_eq!(entry.unwrap().unwrap().data, format!("session {n}"));
                }
            }
        });
    }
    visitors.join_all().await;

    for n in 0..8 {
        let entry = store.load(&at(n)).await.unwrap().unwrap();
        assert_eq!(entry.data, format!("session {n}"));
    }
}

#[tokio::test]
async fn stores_with_different_prefixes_never_see_each_others_sessions() {
    let Some(server) = servers::memcached() else {
        return;
    };
    let (one, other) = (on(server, &unique_name()), on(server, &unique_name()));
    let seen = written(one.create(&at(1), &draft("one")).await);

    assert!(other.load(&at(1)).await.unwrap().is_none());
    other.delete(&at(1)).await.unwrap();
    let stale = other.save(&at(1), &seen, &draft("other")).await.unwrap();

    assert_eq!(stale, Outcome::Stale);
    assert_eq!(one.load(&at(1)).await.unwrap().unwrap().data, "one");
}
