//! Tests which files a sweep opens, and which sessions it keeps.

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::SystemTime;

use cloakroom::store::{Store, from_millis};

use crate::support::{
    at, draft, expiring, far_past, file_of, files, is_there, opened, within_days, written,
};

#[tokio::test]
async fn a_sweep_does_not_open_an_unexpired_session() {
    let (folder, store) = opened();
    for n in 0..20 {
        written(store.create(&at(n), &expiring(1_000)).await);
    }
    // The times of these files are later than the expiry in their contents. If a sweep opened the
    // files, it would delete them.
    for n in 0..10 {
        set_modified(&file_of(&folder, &at(n)), from_millis(3_000));
    }

    assert_eq!(store.sweep(from_millis(2_000), 100).await.unwrap(), 10);

    for n in 0..10 {
        assert!(store.load(&at(n)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_sweep_does_not_list_a_subfolder_without_expired_sessions() {
    let (folder, store) = opened();
    written(store.create(&at(1), &expiring(1_000)).await);
    let lock = file_of(&folder, &at(1)).with_file_name("lock");
    set_accessed(&lock, from_millis(3_000));

    assert_eq!(store.sweep(from_millis(2_000), 100).await.unwrap(), 0);
    assert_eq!(store.sweep(from_millis(3_000), 100).await.unwrap(), 1);
}

#[tokio::test]
async fn a_subfolder_is_swept_when_its_next_session_expires() {
    let (folder, store) = opened();
    written(store.create(&at(1), &expiring(5_000)).await);
    let lock = file_of(&folder, &at(1)).with_file_name("lock");

    assert_eq!(store.sweep(from_millis(2_000), 100).await.unwrap(), 0);
    set_accessed(&lock, from_millis(0));
    assert_eq!(store.sweep(from_millis(3_000), 100).await.unwrap(), 0);
    let due = fs::metadata(&lock).unwrap().accessed().unwrap();
    assert_eq!(due, from_millis(5_000));
    assert_eq!(store.sweep(from_millis(5_000), 100).await.unwrap(), 1);
}

#[tokio::test]
async fn no_unexpired_session_is_swept_after_a_backup_lost_the_times_of_the_files() {
    let (folder, store) = opened();
    for n in 0..10 {
        written(store.create(&at(n), &draft("restored")).await);
    }
    for file in files(folder.path()) {
        set_modified(&file, from_millis(0));
        set_accessed(&file, from_millis(0));
    }

    assert_eq!(store.sweep(far_past(), 100).await.unwrap(), 0);
    assert!(store.load(&at(9)).await.unwrap().is_some());
}

#[tokio::test]
async fn the_next_write_or_sweep_removes_the_unfinished_file_of_a_killed_write() {
    let (folder, store) = opened();
    let seen = written(store.create(&at(1), &draft("")).await);
    let leftover = file_of(&folder, &at(1)).with_file_name("new");

    fs::write(&leftover, "half a sess").unwrap();
    written(store.save(&at(1), &seen, &draft("whole")).await);
    assert!(!leftover.exists());

    fs::write(&leftover, "half a sess").unwrap();
    assert_eq!(store.sweep(within_days(), 10).await.unwrap(), 0);
    assert!(!leftover.exists());
    assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, "whole");
}

#[tokio::test]
async fn a_bad_subfolder_does_not_block_the_sweep_of_the_others() {
    let (folder, store) = opened();
    for n in 0..10 {
        written(store.create(&at(n), &expiring(1_000)).await);
    }
    let bad = file_of(&folder, &at(0)).parent().unwrap().to_owned();
    fs::remove_dir_all(&bad).unwrap();
    fs::write(&bad, "not a folder").unwrap();

    // The first sweep returns the error, and the second continues after the bad subfolder.
    let mut swept = 0;
    for _ in 0..2 {
        let _ = store.sweep(from_millis(2_000), 100).await;
        swept = (1..10).filter(|n| !is_there(&folder, &at(*n))).count();
    }

    assert_eq!(swept, 9);
}

fn set_accessed(file: &Path, time: SystemTime) {
    let file = File::options().append(true).open(file).unwrap();
    let times = FileTimes::new().set_accessed(time);
    file.set_times(times).unwrap();
}

fn set_modified(file: &Path, time: SystemTime) {
    let file = File::options().append(true).open(file).unwrap();
    file.set_modified(time).unwrap();
}
