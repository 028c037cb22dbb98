use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use cloakroom::ErrorKind;
use cloakroom_django::Settings;
use cloakroom_django::wire::cache::{CACHE, CACHED_DB, MEMCACHED_FLAGS, key_prefix};
use cloakroom_django::wire::{json, pickle};
use cloakroom_testkit::HandClock;
use data_encoding::BASE64;

use crate::rows::{Row, Rows};
use crate::run;
use crate::vectors::{Case, each, to_json};

#[test]
fn cache_keys_are_built_as_in_django() {
    each("cache_keys", |case| {
        assert_eq!(key(case), case.get::<String>("cache_key"));
    });
}

#[test]
fn redis_gets_the_same_entries_as_from_django() {
    each("redis", |case| {
        let row = row_of(case, None);
        // Cloakroom does not store a session that has ended. Django stores such a session, and
        // Redis removes it at once.
        let ttl = row.as_ref().map(|row| row.redis_ttl).filter(|&ttl| ttl > 0);
        assert_eq!(ttl, case.find::<i64>("ttl"));
        let Some(django) = case.find::<String>("redis_key") else {
            return;
        };
        assert_eq!(key(case), django);
        let value = to_json(&case.items("value"));
        let theirs = pickle::read(&bytes(case, "value_b64")).unwrap();
        assert_eq!(to_json(&theirs), value);
        let ours = pickle::read(&row.unwrap().data).unwrap();
        assert_eq!(to_json(&ours), value);
    });
}

#[test]
fn memcached_gets_the_same_entries_as_from_django() {
    each("memcached", |case| {
        assert_eq!(key(case), case.get::<String>("key"));
        assert_eq!(MEMCACHED_FLAGS, case.get::<u32>("flags"));
        let exptime: i64 = case.get("exptime");
        let value = to_json(&case.items("value"));
        let theirs = pickle::read(&bytes(case, "bytes_b64")).unwrap();
        assert_eq!(to_json(&theirs), value);
        match row_of(case, Some(case.time("now"))) {
            Some(row) => {
                assert_eq!(row.memcached_exptime, exptime);
                let ours = pickle::read(&row.data).unwrap();
                assert_eq!(to_json(&ours), value);
            }
            // Cloakroom does not store a session that has ended. Django stores such a session, and
            // memcached removes it at once.
            None => assert!(exptime < 0),
        }
    });
}

#[test]
fn pickles_are_read_kept_or_refused_but_never_changed() {
    each("pickle_decode", |case| {
        let data = bytes(case, "value_b64");
        let read = pickle::read(&data);
        match &case.get::<String>("expect")[..] {
            "value" => {
                let items = read.unwrap();
                if !case.has("value_unrepresentable") {
                    assert_eq!(to_json(&items), to_json(&case.items("value")));
                }
                let again = pickle::read(&pickle::write(&items).unwrap()).unwrap();
                assert_eq!(to_json(&again), json::write(&items).unwrap());
            }
            // A pickle without a JSON form may be refused, or kept and written back.
            "non_json" => match read {
                Ok(items) => {
                    let error = json::write(&items).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::BadValue);
                    let written = pickle::write(&items).unwrap();
                    let again = pickle::write(&pickle::read(&written).unwrap()).unwrap();
                    assert_eq!(again, written);
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported),
            },
            "reject" => assert_eq!(read.unwrap_err().kind(), ErrorKind::Unsupported),
            other => panic!("an unknown kind of expectation: {other}"),
        }
    });
}

/// Returns the cache entry after the engine has saved the session of a case. `now` sets the clock.
fn row_of(case: &Case, now: Option<SystemTime>) -> Option<Row> {
    let (clock, cache) = (HandClock::new(), Rows::cache());
    if let Some(now) = now {
        clock.set(now);
    }
    let settings = Settings::new("a secret").unwrap();
    let backend = match &case.get::<String>("engine")[..] {
        "cached_db" => settings.cached_db(cache.clone(), Rows::table()),
        _ => settings.cache(cache.clone()),
    };
    let sessions = settings.sessions(backend).clock(clock).build().unwrap();
    run(async {
        let session = sessions.new_session();
        // A session without items is never created. Create the session with an item, then remove
        // the item.
        session.set_test_cookie().unwrap();
        session.save().await.unwrap();
        session.delete_test_cookie().unwrap();
        for (name, value) in case.items("value").iter() {
            session.set_value(name.to_string(), value.clone()).unwrap();
        }
        session.save().await.unwrap();
        cache.get(session.key()?.reveal())
    })
}

/// Returns the cache key of the session of a case.
fn key(case: &Case) -> String {
    let mut options: BTreeMap<String, serde_json::Value> = case.get("cache_options");
    let prefix = options.remove("KEY_PREFIX");
    let version = options.remove("VERSION");
    let engine = match &case.get::<String>("engine")[..] {
        "cache" => CACHE,
        "cached_db" => CACHED_DB,
        other => panic!("an unknown engine: {other}"),
    };
    let prefix = prefix.as_ref().map_or("", |text| text.as_str().unwrap());
    let version = version.map_or(1, |number| number.as_u64().unwrap());
    let key = key_prefix(prefix, version.try_into().unwrap(), engine);
    key + &case.get::<String>("session_key")
}

fn bytes(case: &Case, field: &str) -> Bytes {
    BASE64
        .decode(case.get::<String>(field).as_bytes())
        .unwrap()
        .into()
}
