//! Tests the paths of the files.

use std::fs;

use cloakroom::StoreKey;
use cloakroom::store::{Outcome, SaveId, Store, Version};

use crate::support::{at, draft, files, names, opened, written};

#[tokio::test]
async fn many_sessions_are_spread_over_the_subfolders() {
    let (folder, store) = opened();
    for n in 0..1_000 {
        written(store.create(&at(n), &draft("")).await);
    }

    let subfolders = names(&folder.path().join("sessions")).len();

    assert!(subfolders > 800, "only {subfolders} of 4096 were used");
}

#[tokio::test]
async fn hostile_store_keys_create_no_file_outside_the_folder() {
    let (folder, store) = opened();
    let outside = folder.path().join("outside");
    fs::write(&outside, "outside").unwrap();
    let long = [b'/'; 100_000];
    let hostile = [
        &b""[..],
        b".",
        b"..",
        b"../outside",
        b"../../outside\0",
        b"lock",
        b"new",
        &long,
    ];
    for bytes in hostile {
        let at = StoreKey::new(bytes);
        let seen = written(store.create(&at, &draft("hostile")).await);
        written(store.save(&at, &seen, &draft("saved")).await);
        assert_eq!(store.load(&at).await.unwrap().unwrap().data, "saved");
    }

    assert_eq!(names(folder.path()).len(), 2);
    assert_eq!(fs::read_to_string(outside).unwrap(), "outside");
    for file in files(folder.path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let is_fixed = ["lock", "outside"].contains(&&*name);
        let is_encoded = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        assert!(is_fixed || is_encoded, "{name}");
    }
}

#[tokio::test]
async fn an_unknown_store_key_creates_no_file_and_no_folder() {
    let (folder, store) = opened();
    let version = Version::from(SaveId::new(1));

    assert!(store.load(&at(1)).await.unwrap().is_none());
    store.delete(&at(1)).await.unwrap();
    let saved = store.save(&at(1), &version, &draft("")).await.unwrap();
    let touched = store
        .touch(&at(1), &version, &draft("").meta)
        .await
        .unwrap();

    assert_eq!((saved, touched), (Outcome::Stale, Outcome::Stale));
    assert_eq!(names(&folder.path().join("sessions")).len(), 0);
}
