use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use cloakroom::ErrorKind;
use cloakroom_django::wire::cache::{
    CACHE, CACHED_DB, MEMCACHED_FLAGS, cache_key, fits_memcached, memcached_exptime, redis_ttl,
};
use cloakroom_django::wire::expiry::Stored;
use cloakroom_django::wire::{json, pickle};
use data_encoding::BASE64;

use crate::vectors::{Case, each, spelled};

#[test]
fn entries_stand_under_djangos_keys() {
    each("cache_keys", |case| {
        assert_eq!(key(case), case.get::<String>("cache_key"));
    });
}

#[test]
fn redis_holds_what_django_would_put_there() {
    each("redis", |case| {
        let state = case.state("value");
        // No case asks for a date, so the time does not matter.
        let age = Stored::of(&state).unwrap().age(UNIX_EPOCH, 1_209_600);
        assert_eq!(redis_ttl(age), case.find::<u64>("ttl"));
        let Some(django) = case.find::<String>("redis_key") else {
            return;
        };
        assert_eq!(key(case), django);
        let value = spelled(&state);
        assert_eq!(
            spelled(&pickle::read(&bytes(case, "value_b64")).unwrap()),
            value
        );
        let ours = pickle::write(&state).unwrap();
        assert_eq!(spelled(&pickle::read(&ours).unwrap()), value);
    });
}

#[test]
fn memcached_holds_what_django_would_put_there() {
    each("memcached", |case| {
        assert_eq!(key(case), case.get::<String>("key"));
        assert!(fits_memcached(&key(case)));
        assert_eq!(MEMCACHED_FLAGS, case.get::<u32>("flags"));
        let state = case.state("value");
        let age = Stored::of(&state).unwrap().age(case.time("now"), 1_209_600);
        let exptime = memcached_exptime(age, case.get("now"));
        assert_eq!(exptime, case.get::<i64>("exptime"));
        let read = pickle::read(&bytes(case, "bytes_b64")).unwrap();
        assert_eq!(spelled(&read), spelled(&state));
    });
}

#[test]
fn pickles_are_read_kept_or_refused_and_never_mangled() {
    each("pickle_decode", |case| {
        let data = bytes(case, "value_b64");
        let read = pickle::read(&data);
        match &case.get::<String>("expect")[..] {
            "value" => {
                let state = read.unwrap();
                if !case.has("value_unrepresentable") {
                    assert_eq!(spelled(&state), spelled(&case.state("value")));
                }
                let again = pickle::read(&pickle::write(&state).unwrap()).unwrap();
                assert_eq!(spelled(&again), json::write(&state).unwrap());
            }
            // Refusing is allowed, and so is keeping, but for JSON there is nothing in it.
            "non_json" => match read {
                Ok(state) => {
                    let error = json::write(&state).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::BadValue);
                    let written = pickle::write(&state).unwrap();
                    let again = pickle::write(&pickle::read(&written).unwrap()).unwrap();
                    assert_eq!(again, written);
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported),
            },
            "reject" => assert_eq!(read.unwrap_err().kind(), ErrorKind::Unsupported),
            other => panic!("a new kind of expectation: {other}"),
        }
    });
}

fn key(case: &Case) -> String {
    let mut options: BTreeMap<String, serde_json::Value> = case.get("cache_options");
    let prefix = options.remove("KEY_PREFIX");
    let version = options.remove("VERSION");
    let engine = match &case.get::<String>("engine")[..] {
        "cache" => CACHE,
        "cached_db" => CACHED_DB,
        other => panic!("a new engine: {other}"),
    };
    cache_key(
        prefix.as_ref().map_or("", |text| text.as_str().unwrap()),
        version
            .as_ref()
            .map_or(1, |number| number.as_i64().unwrap()),
        engine,
        &case.get::<String>("session_key"),
    )
}

fn bytes(case: &Case, field: &str) -> Bytes {
    BASE64
        .decode(case.get::<String>(field).as_bytes())
        .unwrap()
        .into()
}
