//! Tests what happens if the open database file, its write-ahead log or its folder is deleted,
//! moved or replaced.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use cloakroom::ErrorKind;
use cloakroom::store::Store;
use cloakroom_sqlite::SqliteStore;
use support::{at, django, draft, folder, written};

/// What an operator or another program does to the files of an open database.
type Accident = (&'static str, fn(&Path));

const ACCIDENTS: [Accident; 6] = [
    ("the file is deleted", |path| fs::remove_file(path).unwrap()),
    ("the file is moved", |path| {
        fs::rename(path, path.with_extension("old")).unwrap();
    }),
    ("the file is replaced by a backup", |path| {
        fs::copy(path, path.with_extension("backup")).unwrap();
        fs::rename(path.with_extension("backup"), path).unwrap();
    }),
    ("the write-ahead log is deleted", |path| {
        fs::remove_file(wal(path)).unwrap();
    }),
    ("the folder is deleted", |path| {
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }),
    ("the folder is moved and made again", |path| {
        let folder = path.parent().unwrap();
        fs::rename(folder, folder.with_extension("old")).unwrap();
        fs::create_dir(folder).unwrap();
    }),
];

#[tokio::test]
async fn no_write_is_acknowledged_that_a_restart_would_not_find() {
    for (accident, happen) in ACCIDENTS {
        let (_outer, path) = in_a_folder();
        let store = SqliteStore::open(&path).unwrap();
        let seen = written(store.create(&at(1), &draft("one")).await);
        happen(&path);

        let errors = [
            store.save(&at(1), &seen, &draft("two")).await.map(drop),
            store.create(&at(2), &draft("two")).await.map(drop),
            store.delete(&at(1)).await,
            store.load(&at(1)).await.map(drop),
        ];
        for error in errors.map(Result::unwrap_err) {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{accident}");
            assert!(error.to_string().contains("restart"), "{accident}: {error}");
        }
    }
}

#[tokio::test]
async fn a_ping_reports_lost_files_before_the_next_write() {
    for (accident, happen) in ACCIDENTS {
        let (_outer, path) = in_a_folder();
        let store = SqliteStore::open(&path).unwrap();
        written(store.create(&at(1), &draft("one")).await);
        store.ping().await.unwrap();
        happen(&path);

        assert!(store.ping().await.is_err(), "{accident}");
        assert!(store.load(&at(1)).await.is_err(), "{accident}");
    }
}

#[tokio::test]
async fn djangos_table_reports_lost_files() {
    for (accident, happen) in ACCIDENTS {
        if accident.contains("log") {
            continue; // The file has no write-ahead log unless the Django site turns it on.
        }
        let (_outer, path) = in_a_folder();
        let store = django(&path).await;
        written(store.create(&at_text(1), &draft("one")).await);
        happen(&path);

        let created = store.create(&at_text(2), &draft("two")).await;
        assert_eq!(
            created.unwrap_err().kind(),
            ErrorKind::Unavailable,
            "{accident}"
        );
        assert!(store.ping().await.is_err(), "{accident}");
    }
}

#[tokio::test]
async fn a_file_that_is_put_back_is_used_again() {
    let (_outer, path) = in_a_folder();
    let store = SqliteStore::open(&path).unwrap();
    written(store.create(&at(1), &draft("one")).await);
    let elsewhere = path.with_extension("old");
    fs::rename(&path, &elsewhere).unwrap();
    assert!(store.create(&at(2), &draft("two")).await.is_err());
    assert!(store.load(&at(1)).await.is_err());

    fs::rename(&elsewhere, &path).unwrap();

    assert!(store.load(&at(1)).await.unwrap().is_some());
    written(store.create(&at(3), &draft("three")).await);
    let restarted = SqliteStore::open(&path).unwrap();
    assert!(restarted.load(&at(3)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_symbolic_link_that_leads_to_another_file_is_reported() {
    let (_outer, path) = in_a_folder();
    let link = path.with_extension("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let store = SqliteStore::open(&link).unwrap();
    written(store.create(&at(1), &draft("one")).await);

    fs::remove_file(wal(&path)).unwrap();
    assert!(store.ping().await.is_err(), "the log is beside the file");

    let other = path.with_extension("other");
    fs::remove_file(&path).unwrap();
    let store = SqliteStore::open(&link).unwrap();
    written(store.create(&at(1), &draft("one")).await);
    fs::write(&other, "").unwrap();
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&other, &link).unwrap();
    assert!(store.create(&at(2), &draft("two")).await.is_err());
}

#[tokio::test]
async fn other_processes_and_checkpoints_do_not_make_files_count_as_lost() {
    let (_outer, path) = in_a_folder();
    let store = SqliteStore::open(&path).unwrap();
    for n in 0..3 {
        let other = SqliteStore::open(&path).unwrap();
        written(other.create(&at(2 * n), &draft("other")).await);
        drop(other);
        let other = support::other_connection(&path);
        other
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        other.execute_batch("VACUUM").unwrap();
        drop(other);

        written(store.create(&at(2 * n + 1), &draft("one")).await);
        store.ping().await.unwrap();
    }
}

/// Returns a folder that is deleted on drop, and the path of a file in a folder inside of it.
fn in_a_folder() -> (tempfile::TempDir, PathBuf) {
    let (outer, path) = folder();
    let inner = path.with_extension("d");
    fs::create_dir(&inner).unwrap();
    (outer, inner.join("sessions.sqlite"))
}

fn wal(path: &Path) -> PathBuf {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    wal.into()
}

/// Returns a store key as Django's table keeps it.
fn at_text(n: u64) -> cloakroom::StoreKey {
    cloakroom::StoreKey::new(format!("key{n}").as_bytes())
}
