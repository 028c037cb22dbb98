//! Tests which calls wait for a lock.

use std::fs::File;

use cloakroom::store::Store;

use crate::support::{at, draft, file_of, opened, written};

#[tokio::test]
async fn a_load_does_not_wait_for_the_lock() {
    let (folder, store) = opened();
    written(store.create(&at(1), &draft("read")).await);
    let lock = File::open(file_of(&folder, &at(1)).with_file_name("lock")).unwrap();
    lock.lock().unwrap();

    assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, "read");
}

#[tokio::test]
async fn a_save_waits_until_the_lock_is_released() {
    let (folder, store) = opened();
    let seen = written(store.create(&at(1), &draft("")).await);
    let lock = File::open(file_of(&folder, &at(1)).with_file_name("lock")).unwrap();
    lock.lock().unwrap();
    let save = tokio::spawn({
        let store = store.clone();
        async move { store.save(&at(1), &seen, &draft("saved")).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, "");

    drop(lock);

    written(save.await.unwrap());
}
