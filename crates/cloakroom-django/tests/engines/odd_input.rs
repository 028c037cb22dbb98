//! Hostile cookies and damaged entries cause no panic. No key from a browser becomes the key of a
//! new session, and nothing outside of the session is read or changed.

use std::fs;

use bytes::Bytes;
use cloakroom::store::{AnyStore, Draft, MemoryStore, Meta, SaveId, Store, from_millis};
use cloakroom::{Backend, ErrorKind, SessionKey, Sessions, StoreKey};
use cloakroom_django::Settings;
use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::*;

use crate::run;

const KEY: &str = "k3y0fdj4ngow1th32l3tt3rs0rd1g1ts";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_key_from_a_browser_is_adopted(value in cookie()) {
        let settings = settings();
        let store = AnyStore::new(MemoryStore::new());
        for backend in [
            settings.db(store.clone()),
            settings.cache(store.clone()),
            settings.cached_db(MemoryStore::new(), store),
            settings.signed_cookies(),
        ] {
            let sessions = sessions(&settings, backend);
            let mut headers = HeaderMap::new();
            let header = [b"sessionid=", &*value].concat();
            let Ok(header) = HeaderValue::from_bytes(&header) else { continue };
            headers.insert("cookie", header);
            let key = run(async {
                let handle = sessions.begin(&headers);
                let session = handle.open().await.unwrap();
                assert!(session.is_empty());
                session.set("n", 1).unwrap();
                sessions.finish(&handle, StatusCode::OK).await.unwrap();
                session.key().unwrap()
            });
            prop_assert_ne!(key.reveal().as_bytes(), &*value);
        }
    }

    #[test]
    fn no_key_reaches_a_file_that_is_not_a_session(name in file_name()) {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("sessions");
        fs::create_dir(&folder).unwrap();
        for path in [
            outside.path().join("neighbour"),
            folder.join("sessionidNEIGHBOUR"),
            folder.join("neighbour"),
        ] {
            fs::write(path, "a neighbour").unwrap();
        }
        let settings = settings();
        let backend = cloakroom_file::django::open(&settings, &folder).unwrap();
        let sessions = sessions(&settings, backend);

        let found = run(sessions.open(&SessionKey::new(&name))).unwrap();

        prop_assert!(found.is_none());
        prop_assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2);
        prop_assert_eq!(fs::read(outside.path().join("neighbour")).unwrap(), b"a neighbour");
    }

    #[test]
    fn reading_a_file_never_panics(content in stored()) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(format!("sessionid{KEY}")), &content).unwrap();
        let settings = settings();
        let backend = cloakroom_file::django::open(&settings, folder.path()).unwrap();
        let sessions = sessions(&settings, backend);

        let found = run(sessions.open(&SessionKey::new(KEY))).unwrap();

        prop_assert!(found.is_none_or(|session| session.is_empty()));
    }

    #[test]
    fn a_row_without_a_valid_signature_is_read_as_empty(data in stored()) {
        let settings = settings();
        let store = AnyStore::new(MemoryStore::new());
        put(&store, &data);

        let sessions = sessions(&settings, settings.db(store));
        let found = run(sessions.open(&SessionKey::new(KEY))).unwrap();

        prop_assert!(found.unwrap().is_empty());
    }

    #[test]
    fn an_unreadable_cache_entry_is_kept(data in stored()) {
        let settings = settings();
        let store = AnyStore::new(MemoryStore::new());
        put(&store, &data);

        let sessions = sessions(&settings, settings.cache(store.clone()));
        let found = run(sessions.open(&SessionKey::new(KEY)));

        if let Err(error) = found {
            prop_assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
        let entry = run(store.load(&StoreKey::new(KEY.as_bytes()))).unwrap().unwrap();
        prop_assert_eq!(&*entry.data, &*data);
    }
}

fn cookie() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        "[a-z0-9]{8,40}".prop_map(String::into_bytes),
        "\"[ -~]{0,40}\"?".prop_map(String::into_bytes),
        "[.A-Za-z0-9_-]{0,30}:[0-9A-Za-z]{0,7}:[A-Za-z0-9_-]{0,43}".prop_map(String::into_bytes),
    ]
}

fn file_name() -> impl Strategy<Value = String> {
    prop_oneof![
        ".*",
        "(\\.\\./|/|\\.|neighbour|NEIGHBOUR|\\x00|_out_|[a-z0-9]){1,20}",
    ]
}

fn stored() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        "[.A-Za-z0-9_-]{0,60}:[0-9A-Za-z]{0,7}:[A-Za-z0-9_-]{43}".prop_map(String::into_bytes),
        // A pickled dictionary that contains random bytes.
        any::<Vec<u8>>().prop_map(|rest| [b"\x80\x05}\x94(".as_slice(), &rest, b"u."].concat()),
    ]
}

fn settings() -> Settings {
    Settings::new("the secret of odd input").unwrap()
}

fn sessions(settings: &Settings, backend: Backend) -> Sessions {
    settings.sessions(backend).build().unwrap()
}

fn put(store: &AnyStore, data: &[u8]) {
    let new = Draft::new(
        Bytes::copy_from_slice(data),
        Meta::new(from_millis(0), from_millis(0), from_millis(i64::MAX)),
        SaveId::random().unwrap(),
    );
    let _ = run(store.create(&StoreKey::new(KEY.as_bytes()), &new)).unwrap();
}
