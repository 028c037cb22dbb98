//! Tests the keys in the server: their time to live, the index of an owner, and values that this
//! store did not write.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::time::{Duration, SystemTime};

use cloakroom::ErrorKind;
use cloakroom::store::{Outcome, Store, from_millis};
use cloakroom_harness::servers::{self, Server};
use cloakroom_redis::RedisStore;
use support::{
    EXPIRES, Neighbour, at, command, draft, index_key, owned, session_key, unique_prefix,
    with_prefix, written,
};

#[tokio::test]
async fn a_key_stays_for_five_minutes_after_its_session_expires() {
    let Some((_, prefix, store, neighbour)) = opened(servers::redis()).await else {
        return;
    };
    let key = session_key(&prefix, &at(1));

    let seen = written(store.create(&at(1), &draft("")).await);
    assert_eq!(gone_at(&neighbour, &key).await, EXPIRES + FIVE_MINUTES);

    let mut later = draft("saved");
    later.meta.expires = from_millis(EXPIRES + 1);
    let seen = written(store.save(&at(1), &seen, &later).await);
    assert_eq!(gone_at(&neighbour, &key).await, EXPIRES + 1 + FIVE_MINUTES);

    later.meta.expires = from_millis(EXPIRES + 2);
    written(store.touch(&at(1), &seen, &later.meta).await);
    assert_eq!(gone_at(&neighbour, &key).await, EXPIRES + 2 + FIVE_MINUTES);
}

#[tokio::test]
async fn the_latest_possible_expiry_does_not_overflow() {
    let Some((_, prefix, store, neighbour)) = opened(servers::redis()).await else {
        return;
    };
    let mut forever = owned("ada");
    forever.meta.expires = from_millis(i64::MAX);

    let seen = written(store.create(&at(1), &forever).await);
    written(store.touch(&at(1), &seen, &forever.meta).await);

    let end_of_9999 = 253_402_300_799_999;
    let key = session_key(&prefix, &at(1));
    assert_eq!(gone_at(&neighbour, &key).await, end_of_9999 + FIVE_MINUTES);
    assert_eq!(
        store
            .owned_by(&"ada".into(), None, usize::MAX)
            .await
            .unwrap()
            .entries
            .len(),
        1
    );
}

#[tokio::test]
async fn an_expired_session_can_be_loaded_for_another_five_minutes() {
    let Some((_, _, store, _)) = opened(servers::redis()).await else {
        return;
    };
    let mut expired = draft("");
    expired.meta.expires = SystemTime::now() - Duration::from_secs(60);
    expired.meta.expires = from_millis(cloakroom::store::millis(expired.meta.expires));

    written(store.create(&at(1), &expired).await);

    let entry = store.load(&at(1)).await.unwrap().unwrap();
    assert_eq!(entry.meta, expired.meta);
}

#[tokio::test]
async fn the_server_deletes_an_expired_session_and_removes_it_from_the_index() {
    for server in [servers::redis(), servers::redis_cluster()] {
        let Some((_, prefix, store, neighbour)) = opened(server).await else {
            continue;
        };
        let mut dying = owned("ada");
        dying.meta.expires = SystemTime::now() + Duration::from_secs(1) - LISTED_AFTER;
        written(store.create(&at(1), &dying).await);
        written(store.create(&at(2), &owned("ada")).await);

        let index = index_key(&prefix, "ada");
        until("the index has only one session", async || {
            let listed = store
                .owned_by(&"ada".into(), None, usize::MAX)
                .await
                .unwrap()
                .entries;
            assert_eq!(listed.len(), 1, "only the unexpired session is listed");
            let indexed: u64 = neighbour.ask(&command(&[b"ZCARD", &index])).await;
            indexed == 1
        })
        .await;
        assert!(store.load(&at(1)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_index_is_deleted_with_its_last_session() {
    for server in [servers::redis(), servers::redis_cluster()] {
        let Some((_, prefix, store, neighbour)) = opened(server).await else {
            continue;
        };
        let index = index_key(&prefix, "ada");
        let mut dying = owned("ada");
        dying.meta.expires = SystemTime::now() + Duration::from_secs(1) - LISTED_AFTER;

        written(store.create(&at(1), &dying).await);

        until("the server deletes the index", async || {
            !neighbour.ask::<bool>(&command(&[b"EXISTS", &index])).await
        })
        .await;
    }
}

#[tokio::test]
async fn an_index_lasts_until_its_last_session_is_removed_from_it() {
    let Some((_, prefix, store, neighbour)) = opened(servers::redis()).await else {
        return;
    };
    let index = index_key(&prefix, "ada");
    let lasts = FIVE_MINUTES + ONE_HOUR;
    let seen = written(store.create(&at(1), &owned("ada")).await);
    let mut short = owned("ada");
    short.meta.expires = from_millis(EXPIRES - 5 * ONE_HOUR);

    written(store.create(&at(2), &short).await);
    assert_eq!(gone_at(&neighbour, &index).await, EXPIRES + lasts);

    // Ada's index still contains the session when the session returns to Ada with an earlier
    // expiry. The index keeps the later of the two times.
    let seen = written(store.save(&at(1), &seen, &owned("grace")).await);
    written(store.save(&at(1), &seen, &short).await);
    assert_eq!(gone_at(&neighbour, &index).await, EXPIRES + lasts);

    let mut long = owned("ada");
    long.meta.expires = from_millis(EXPIRES + 5 * ONE_HOUR);
    written(store.touch(&at(2), &short.version(), &long.meta).await);
    assert_eq!(
        gone_at(&neighbour, &index).await,
        EXPIRES + 5 * ONE_HOUR + lasts
    );
}

#[tokio::test]
async fn a_deleted_or_moved_session_leaves_the_index_at_once() {
    for server in [servers::redis(), servers::redis_cluster()] {
        let Some((_, prefix, store, neighbour)) = opened(server).await else {
            continue;
        };
        let index = index_key(&prefix, "ada");
        let indexed = async || -> Vec<Vec<u8>> {
            neighbour
                .ask(&command(&[b"ZRANGE", &index, b"0", b"-1"]))
                .await
        };
        let seen = written(store.create(&at(1), &owned("ada")).await);
        written(store.create(&at(2), &owned("ada")).await);

        written(
            store
                .rename(&at(1), &seen, &at(3), &owned("ada"), None)
                .await,
        );
        store.delete(&at(2)).await.unwrap();
        assert_eq!(indexed().await, [at(3).as_bytes()]);

        let stale = store
            .rename(&at(2), &seen, &at(4), &owned("ada"), None)
            .await;
        assert_eq!(stale.unwrap(), Outcome::Stale);
        assert_eq!(indexed().await, [at(3).as_bytes()]);
    }
}

#[tokio::test]
async fn listing_does_not_remove_a_session_that_is_about_to_be_created() {
    let Some((_, prefix, store, neighbour)) = opened(servers::redis()).await else {
        return;
    };
    let index = index_key(&prefix, "ada");
    // The first step of a create: the store key is in the index, but its session is not written.
    let score = (EXPIRES + ONE_HOUR).to_string();
    let add = command(&[b"ZADD", &index, score.as_bytes(), at(1).as_bytes()]);
    neighbour.ask::<()>(&add).await;
    assert!(
        store
            .owned_by(&"ada".into(), None, usize::MAX)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
    let copied = written(store.create(&at(2), &owned("ada")).await);

    // The second step: the session is written. It is a copy of another session.
    let (from, to) = (session_key(&prefix, &at(2)), session_key(&prefix, &at(1)));
    neighbour.ask::<()>(&command(&[b"COPY", &from, &to])).await;

    let listed = store
        .owned_by(&"ada".into(), None, usize::MAX)
        .await
        .unwrap()
        .entries;
    assert_eq!(listed.len(), 2);
    assert!(store.load(&at(1)).await.unwrap().unwrap().version == copied);
}

#[tokio::test]
async fn a_foreign_value_is_an_error_and_stays_unchanged() {
    let Some((_, prefix, store, neighbour)) = opened(servers::redis()).await else {
        return;
    };
    let (text, list) = (session_key(&prefix, &at(1)), session_key(&prefix, &at(2)));
    neighbour
        .ask::<()>(&command(&[b"SET", &text, b"a poem"]))
        .await;
    neighbour
        .ask::<()>(&command(&[b"RPUSH", &list, b"a poem"]))
        .await;

    for at in [at(1), at(2)] {
        let seen = draft("").version();
        let error = store.load(&at).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        assert_eq!(
            store.create(&at, &owned("ada")).await.unwrap(),
            Outcome::Stale
        );
        for refused in [
            store.save(&at, &seen, &draft("")).await,
            store.save(&at, &seen, &owned("ada")).await,
            store.touch(&at, &seen, &draft("").meta).await,
            store
                .rename(&at, &seen, &support::at(3), &draft(""), None)
                .await,
        ] {
            match refused {
                Ok(outcome) => assert_eq!(outcome, Outcome::Stale),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}"),
            }
        }
        let error = store.delete(&at).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    }

    let poem: String = neighbour.ask(&command(&[b"GET", &text])).await;
    let poems: Vec<String> = neighbour
        .ask(&command(&[b"LRANGE", &list, b"0", b"-1"]))
        .await;
    assert_eq!((&*poem, &*poems), ("a poem", &[String::from("a poem")][..]));
}

#[tokio::test]
async fn a_session_in_the_older_layout_is_an_error_and_stays_unchanged() {
    let Some((_, prefix, store, neighbour)) = opened(servers::redis()).await else {
        return;
    };
    let seen = draft("").version();
    let save_id = seen.save_id().unwrap().get().to_be_bytes();
    let key = session_key(&prefix, &at(1));
    // The fields of the older layout: the mark, the save id, touched, expires, indexed until,
    // created, owner, label, data.
    let old = [
        &[0xc7, 1][..],
        &save_id,
        &[0; 32],
        b"\0\0\0\x03ada\xff\xff\xff\xffdata",
    ]
    .concat();
    // Ada has two sessions in her index. The first one is replaced with `old`.
    written(store.create(&at(1), &owned("ada")).await);
    written(store.create(&at(2), &owned("ada")).await);
    neighbour.ask::<()>(&command(&[b"SET", &key, &old])).await;

    for refused in [
        store.load(&at(1)).await.map(drop),
        store.delete(&at(1)).await,
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        assert!(error.to_string().contains("an older version"), "{error}");
    }
    for stale in [
        store.create(&at(1), &owned("ada")).await,
        store.save(&at(1), &seen, &draft("")).await,
        store.save(&at(1), &seen, &owned("ada")).await,
        store.touch(&at(1), &seen, &draft("").meta).await,
        store.rename(&at(1), &seen, &at(3), &draft(""), None).await,
    ] {
        assert_eq!(stale.unwrap(), Outcome::Stale);
    }
    let ada = "ada".into();
    let page = store.owned_by(&ada, None, usize::MAX).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    let left: redis::Value = neighbour.ask(&command(&[b"GET", &key])).await;
    assert_eq!(left, redis::Value::BulkString(old));
}

#[tokio::test]
async fn stores_with_different_prefixes_never_see_each_others_sessions() {
    let Some((server, _, visitors, _)) = opened(servers::redis()).await else {
        return;
    };
    let staff = with_prefix(server.url(), &unique_prefix()).await;

    let seen = written(staff.create(&at(1), &owned("ada")).await);

    assert!(visitors.load(&at(1)).await.unwrap().is_none());
    assert!(
        visitors
            .owned_by(&"ada".into(), None, usize::MAX)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
    let stale = visitors.save(&at(1), &seen, &draft("")).await;
    assert_eq!(stale.unwrap(), Outcome::Stale);
    visitors.delete(&at(1)).await.unwrap();
    assert!(staff.load(&at(1)).await.unwrap().is_some());
}

/// Opens a store with a unique prefix, and a second connection to inspect its keys.
async fn opened(
    server: Option<&'static Server>,
) -> Option<(&'static Server, String, RedisStore, Neighbour)> {
    let server = server?;
    let prefix = unique_prefix();
    let store = with_prefix(server.url(), &prefix).await;
    Some((server, prefix, store, Neighbour::of(server.url()).await))
}

/// Returns the time at which the server deletes a key, in milliseconds since 1970.
async fn gone_at(neighbour: &Neighbour, key: &[u8]) -> i64 {
    neighbour.ask(&command(&[b"PEXPIRETIME", key])).await
}

/// Waits until the condition holds, by polling: the tests cannot set the clock of the server.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..1_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("timed out waiting until {what}");
}

const FIVE_MINUTES: i64 = 5 * 60 * 1_000;
const ONE_HOUR: i64 = 60 * 60 * 1_000;

/// How long the index of the owner keeps a session after the session has expired: the five minutes
/// for which the server keeps the session's key, plus one hour.
const LISTED_AFTER: Duration = Duration::from_secs(65 * 60);
