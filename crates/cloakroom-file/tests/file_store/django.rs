//! Tests Django's engine `file` when its folder or its lock file is removed or replaced.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use cloakroom::{ErrorKind, SessionKey, Sessions};
use cloakroom_django::Settings;
use cloakroom_file::django;
use tempfile::TempDir;

use crate::processes::run_alone;

#[tokio::test]
async fn every_call_reports_a_missing_folder_and_none_creates_it() {
    let (folder, sessions) = opened();
    let key = write(&sessions, None).await.unwrap();
    let open = sessions.open(&key).await.unwrap().unwrap();
    let moved = folder.path().join("moved");
    fs::rename(path(&folder), &moved).unwrap();

    open.set("n", 2).unwrap();
    let failures = [
        sessions.open(&key).await.map(drop),
        open.save().await,
        write(&sessions, None).await.map(drop),
        sessions.sweep(10).await.map(drop),
    ];

    for failure in failures {
        let error = failure.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        let text = format!("{error:?}");
        assert!(text.contains("create it again with mode 0700"), "{text}");
    }
    assert!(sessions.ping().await.is_err());
    assert!(!path(&folder).exists());

    fs::rename(&moved, path(&folder)).unwrap();
    assert_eq!(reads(&sessions, &key).await, Some(1));
}

#[tokio::test]
async fn a_folder_that_was_made_again_or_replaced_is_used() {
    for moved in [false, true] {
        let (folder, sessions) = opened();
        let lost = write(&sessions, None).await.unwrap();
        match moved {
            true => fs::rename(path(&folder), folder.path().join("moved")).unwrap(),
            false => fs::remove_dir_all(path(&folder)).unwrap(),
        }
        fs::create_dir(path(&folder)).unwrap();

        let key = write(&sessions, None).await.unwrap();

        sessions.ping().await.unwrap();
        assert_eq!(reads(&sessions, &lost).await, None);
        assert_eq!(reads(&reopened(&folder), &key).await, Some(1));
    }
}

#[tokio::test]
async fn a_session_whose_file_was_removed_by_hand_is_gone_but_the_folder_is_not() {
    let (folder, sessions) = opened();
    let key = write(&sessions, None).await.unwrap();
    fs::remove_file(path(&folder).join(format!("sessionid{}", key.reveal()))).unwrap();

    assert_eq!(reads(&sessions, &key).await, None);
}

#[tokio::test]
async fn a_cleaner_of_old_files_does_not_delete_the_lock_file_after_a_save() {
    let (folder, sessions) = opened();
    let key = write(&sessions, None).await.unwrap();
    write(&sessions, Some(&key)).await.unwrap();
    let lock = path(&folder).join(".cloakroom-sessionid.lock");
    let month = Duration::from_secs(30 * 24 * 60 * 60);
    let held = File::open(&lock).unwrap();
    held.set_modified(SystemTime::now() - month).unwrap();

    write(&sessions, Some(&key)).await.unwrap();
    let mut find = Command::new("find");
    let find = find.arg(path(&folder)).args(["-mtime", "+10", "-delete"]);
    assert!(find.status().unwrap().success());

    held.lock().unwrap();
    let now = File::open(&lock).unwrap();
    assert!(now.try_lock().is_err(), "it is still the same file");
}

#[test]
fn a_relative_path_does_not_depend_on_a_later_change_of_the_process_folder() {
    run_alone("chdir-django");
}

pub(crate) async fn change_folder_and_write(outer: &Path) {
    fs::create_dir(outer.join("sessions")).unwrap();
    env::set_current_dir(outer).unwrap();
    let sessions = sessions_in("sessions".into());
    env::set_current_dir("/").unwrap();

    let key = write(&sessions, None).await.unwrap();

    let sessions = sessions_in(outer.join("sessions"));
    assert_eq!(reads(&sessions, &key).await, Some(1));
}

/// Sets the item `n` to 1 in the session at `key`, or in a new one.
async fn write(sessions: &Sessions, key: Option<&SessionKey>) -> cloakroom::Result<SessionKey> {
    let session = match key {
        Some(key) => sessions.open(key).await?.expect("the session exists"),
        None => sessions.new_session(),
    };
    session.set("n", 1)?;
    session.save().await?;
    Ok(session.key().expect("a saved session has a key"))
}

async fn reads(sessions: &Sessions, key: &SessionKey) -> Option<u64> {
    let session = sessions.open(key).await.unwrap()?;
    session.get("n").unwrap()
}

fn opened() -> (TempDir, Sessions) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(path(&folder)).unwrap();
    let sessions = reopened(&folder);
    (folder, sessions)
}

fn reopened(folder: &TempDir) -> Sessions {
    sessions_in(path(folder))
}

fn sessions_in(path: PathBuf) -> Sessions {
    let settings = Settings::new("the-secret-key-of-a-test").unwrap();
    let sessions = settings.sessions(django::open(&settings, path).unwrap());
    sessions.build().unwrap()
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("sessions")
}
