//! Tests what remains of a live session after a program has deleted all old files, as
//! `find -mtime +10 -delete` and systemd-tmpfiles do.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use cloakroom::Owner;
use cloakroom::store::{Draft, Store, Version};
use cloakroom_file::FileStore;
use tempfile::TempDir;

use crate::support::{at, file_of, files, is_there, mark_of, marks, opened, owned, written};

#[tokio::test]
async fn a_cleaner_of_old_files_keeps_the_owners_list_of_live_sessions() {
    let (folder, store) = opened();
    let seen = written(store.create(&at(1), &owned("ada", "saved")).await);
    let seen_2 = written(store.create(&at(2), &owned("ada", "touched")).await);
    written(store.create(&at(3), &owned("ada", "unused")).await);
    written(store.create(&at(4), &ended_long_ago()).await);

    // All of this happened 30 days ago; then one session is saved and another touched.
    let before = files(folder.path());
    age(&before);
    written(store.save(&at(1), &seen, &owned("ada", "again")).await);
    written(store.touch(&at(2), &seen_2, &owned("ada", "").meta).await);
    clean(&folder);

    assert_eq!(listed(&store).await, 3);
    assert!(!is_there(&folder, &at(4)), "the cleaner deletes old files");
    let revoked = store.revoke_owned(&Owner::from("ada"), None, 10).await;
    assert_eq!(revoked.unwrap().len(), 3);
    assert!(store.load(&at(3)).await.unwrap().is_none());
}

#[tokio::test]
async fn nothing_that_a_live_session_needs_is_older_than_its_end() {
    let (folder, store) = opened();
    let session = owned("ada", "");
    let seen = written(store.create(&at(1), &session).await);
    let end = session.meta.expires;
    let later = end + Duration::from_secs(60);
    assert_not_older(&folder, end);

    let mut session = owned("ada", "saved");
    session.meta.expires = later;
    let seen = written(store.save(&at(1), &seen, &session).await);
    assert_not_older(&folder, later);

    session.meta.expires = later + Duration::from_secs(60);
    let seen = written(store.touch(&at(1), &seen, &session.meta).await);
    assert_not_older(&folder, session.meta.expires);

    let mut moved = owned("ada", "moved");
    moved.meta.expires = later + Duration::from_secs(120);
    written(store.rename(&at(1), &seen, &at(2), &moved, None).await);
    assert_eq!(modified(&mark_of(&folder, &at(2))), moved.meta.expires);
}

#[tokio::test]
async fn a_mark_has_the_time_at_which_its_session_ends() {
    let (folder, store) = opened();
    let mut session = owned("ada", "");
    let seen = written(store.create(&at(1), &session).await);
    assert_eq!(modified(&mark_of(&folder, &at(1))), session.meta.expires);

    session.meta.expires -= Duration::from_secs(3_600);
    written(store.touch(&at(1), &seen, &session.meta).await);

    assert_eq!(modified(&mark_of(&folder, &at(1))), session.meta.expires);
}

#[tokio::test]
async fn the_next_save_or_touch_or_move_makes_a_removed_mark_again() {
    for removed in [Remove::Mark, Remove::Subfolder] {
        for call in ["save", "touch", "move"] {
            let (folder, store) = opened();
            let seen = written(store.create(&at(1), &owned("ada", "")).await);
            let mark = mark_of(&folder, &at(1));
            match removed {
                Remove::Mark => fs::remove_file(&mark).unwrap(),
                Remove::Subfolder => fs::remove_dir_all(mark.parent().unwrap()).unwrap(),
            }
            assert_eq!(listed(&store).await, 0);

            write(call, &store, &seen).await;

            assert_eq!(listed(&store).await, 1, "{call}");
            assert_eq!(marks(&folder).len(), 1, "{call}");
            let key = if call == "move" { at(2) } else { at(1) };
            let end = owned("ada", "").meta.expires;
            assert_eq!(modified(&mark_of(&folder, &key)), end, "{call}");
        }
    }
}

#[tokio::test]
async fn a_cleaner_does_not_delete_the_lock_file_that_a_live_session_needs() {
    let (folder, store) = opened();
    let seen = written(store.create(&at(1), &owned("ada", "")).await);
    let file = file_of(&folder, &at(1));
    let lock = File::open(file.with_file_name("lock")).unwrap();
    age(&[file.with_file_name("lock")]);
    lock.lock().unwrap();

    clean(&folder);

    let now = File::open(file.with_file_name("lock")).unwrap();
    assert!(now.try_lock().is_err(), "it is still the same file");
    drop(lock);
    written(store.save(&at(1), &seen, &owned("ada", "")).await);
}

#[tokio::test]
async fn a_subfolder_whose_lock_file_was_removed_is_swept() {
    let (folder, store) = opened();
    written(store.create(&at(1), &ended_long_ago()).await);
    let file = file_of(&folder, &at(1));
    fs::remove_file(file.with_file_name("lock")).unwrap();

    assert_eq!(store.sweep(SystemTime::now(), 10).await.unwrap(), 1);

    assert!(!file.exists());
    assert_eq!(marks(&folder).len(), 0);
}

async fn write(call: &str, store: &FileStore, seen: &Version) {
    let new = owned("ada", "new");
    written(match call {
        "save" => store.save(&at(1), seen, &new).await,
        "touch" => store.touch(&at(1), seen, &new.meta).await,
        _ => store.rename(&at(1), seen, &at(2), &new, None).await,
    });
}

/// Deletes every file and every empty folder that was not modified within ten days.
fn clean(folder: &TempDir) {
    let mut find = Command::new("find");
    find.arg(folder.path());
    let status = find.args(["-mindepth", "1", "-mtime", "+10", "-delete"]);
    assert!(status.status().unwrap().success());
}

/// Sets the times of the files back by 30 days. Does not change a time that is in the future,
/// because the passing of time leaves the time at which a session ends as it is.
fn age(files: &[PathBuf]) {
    let now = SystemTime::now();
    let then = now - Duration::from_secs(30 * 24 * 60 * 60);
    for file in files {
        if modified(file) <= now {
            let times = FileTimes::new().set_modified(then).set_accessed(then);
            File::open(file).unwrap().set_times(times).unwrap();
        }
    }
}

/// Checks the file of the session, its mark and its lock file.
fn assert_not_older(folder: &TempDir, end: SystemTime) {
    let session = file_of(folder, &at(1));
    let needed = [
        mark_of(folder, &at(1)),
        session.with_file_name("lock"),
        session,
    ];
    for file in needed {
        assert!(modified(&file) >= end, "{}", file.display());
    }
}

async fn listed(store: &FileStore) -> usize {
    let page = store.owned_by(&Owner::from("ada"), None, 10).await.unwrap();
    page.entries.len()
}

fn modified(file: &Path) -> SystemTime {
    fs::metadata(file).unwrap().modified().unwrap()
}

/// Returns a session of Ada's that ended a year ago.
fn ended_long_ago() -> Draft {
    let mut session = owned("ada", "");
    session.meta.expires = SystemTime::now() - Duration::from_secs(365 * 24 * 60 * 60);
    session
}

enum Remove {
    Mark,
    Subfolder,
}
