//! Sessions in files: what every store promises, and what this one promises about its folder, its files and crashes.
//!
//! Other processes are this test program again, in the role that the environment names.
#![cfg(all(feature = "file", unix))]
#![allow(
    clippy::unwrap_used,
    reason = "these are tests, though clippy does not see it in helpers"
)]

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom::store::{Draft, FileStore, Meta, Outcome, Store, Version, from_millis};
use cloakroom::{ErrorKind, Lookup, Owner, Result};
use cloakroom_testkit::conformance::Keep;
use cloakroom_testkit::soak;
use data_encoding::HEXLOWER;
use tempfile::TempDir;

cloakroom_testkit::conformance!(file, {
    let (folder, store) = opened();
    Keep::new(store, folder)
});

cloakroom_testkit::conformance_shared!(two_on_one_folder, {
    let (folder, store) = opened();
    let folder = Arc::new(folder);
    let other = FileStore::open(folder.path().join("sessions")).unwrap();
    (
        Keep::new(store, Arc::clone(&folder)),
        Keep::new(other, folder),
    )
});

// Opening.

#[tokio::test]
async fn reopening_keeps_everything() {
    let (folder, store) = opened();
    let mut kept = draft("{\"num_visits\":3}");
    kept.meta.owner = Some("ada".into());
    kept.meta.label = Some("Ada's telephone".into());
    written(store.create(&at(1), &kept).await);
    drop(store);

    let store = FileStore::open(folder.path().join("sessions")).unwrap();
    let entry = store.load(&at(1)).await.unwrap().unwrap();

    assert_eq!(
        (entry.data, entry.meta, entry.version),
        (kept.data, kept.meta, kept.version)
    );
}

#[test]
fn only_this_user_may_enter_or_read_whatever_the_umask_is() {
    for umask in ["000", "022", "777"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions");
        let this = env::current_exe().unwrap();
        let shell = format!("umask {umask}; exec \"$0\" \"$@\"");
        let mut child = Command::new("sh");
        child.args(["-c", &shell]).arg(this).args(AS_CHILD);
        let output = child.env(ROLE, "life").env(FOLDER, &path).output().unwrap();
        assert!(output.status.success(), "{output:?}");

        let mut seen = BTreeSet::new();
        for (path, mode) in modes(&path) {
            let allowed = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, allowed, "{umask}: {}", path.display());
            seen.insert(allowed);
        }
        assert_eq!(seen.len(), 2, "there were folders and files");
    }
}

#[test]
fn a_folder_that_others_may_enter_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [0o755, 0o710, 0o701] {
        fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();

        let error = FileStore::open(folder.path()).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Config);
        let message = error.to_string();
        assert!(
            message.contains(&format!("its mode is {mode:o}")),
            "{message}"
        );
        assert!(message.contains("run `chmod 700` on it"), "{message}");
        assert_eq!(fs::metadata(folder.path()).unwrap().mode() & 0o777, mode);
    }
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    if chown(folder.path(), Some(NOBODY), None).is_err() {
        eprintln!("not tested: only root can give a folder away");
        return;
    }

    let error = FileStore::open(folder.path()).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("belongs to user 65534"),
        "{error}"
    );
}

#[test]
fn what_is_no_folder_and_what_has_none_around_it_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("poem");
    fs::write(&file, "Shall I compare thee").unwrap();

    let no_folder = FileStore::open(&file).unwrap_err();
    let nowhere = FileStore::open(folder.path().join("no/where")).unwrap_err();

    assert_eq!(no_folder.kind(), ErrorKind::Config);
    assert!(no_folder.to_string().contains("it is not a folder"));
    assert_eq!(nowhere.kind(), ErrorKind::Unavailable);
    assert!(nowhere.to_string().contains("create that"), "{nowhere}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "Shall I compare thee");
}

#[tokio::test]
async fn a_ping_tells_that_the_folder_was_removed_or_opened_to_others() {
    let (folder, store) = opened();
    let path = folder.path().join("sessions");
    store.ping().await.unwrap();

    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(store.ping().await.unwrap_err().kind(), ErrorKind::Config);
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(
        store.ping().await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
}

#[tokio::test]
async fn in_an_emptied_folder_everybody_is_logged_out_and_may_log_in() {
    let (folder, store) = opened();
    written(store.create(&at(1), &draft("")).await);
    for name in names(&folder.path().join("sessions")) {
        fs::remove_dir_all(name).unwrap();
    }

    assert!(store.load(&at(1)).await.unwrap().is_none());
    written(store.create(&at(1), &draft("again")).await);
}

// Where the files are.

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
async fn hostile_lookups_stay_inside_of_the_folder() {
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
        let at = Lookup::new(bytes);
        let seen = written(store.create(&at, &draft("hostile")).await);
        written(store.save(&at, &seen, &draft("saved")).await);
        assert_eq!(store.load(&at).await.unwrap().unwrap().data, "saved");
    }

    assert_eq!(names(folder.path()).len(), 2);
    assert_eq!(fs::read_to_string(outside).unwrap(), "outside");
    for file in files(folder.path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let allowed = ["lock", "outside"].contains(&&*name);
        let spelled = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        assert!(allowed || spelled, "{name}");
    }
}

#[tokio::test]
async fn an_unknown_lookup_makes_no_file_and_no_folder() {
    let (folder, store) = opened();
    let version = Version::from_u64(1);

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

// Links, and other people's files.

#[tokio::test]
async fn a_link_in_the_place_of_a_session_is_refused_and_its_target_untouched() {
    let (folder, store) = opened();
    let seen = written(store.create(&at(1), &draft("mine")).await);
    let file = file_of(&folder, &at(1));
    let target = folder.path().join("target");
    fs::rename(&file, &target).unwrap();
    let before = fs::read(&target).unwrap();
    symlink(&target, &file).unwrap();

    let refusals = [
        store.load(&at(1)).await.map(drop),
        store.create(&at(1), &draft("")).await.map(drop),
        store.save(&at(1), &seen, &draft("")).await.map(drop),
        store.touch(&at(1), &seen, &draft("").meta).await.map(drop),
        store.delete(&at(1)).await,
        store
            .rename(&at(1), &seen, &at(2), &draft(""))
            .await
            .map(drop),
    ];

    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("a symbolic link"), "{error}");
    }
    assert_eq!(fs::read(&target).unwrap(), before);
    assert!(file.is_symlink());
}

#[tokio::test]
async fn a_link_to_nowhere_is_not_filled_by_a_create() {
    let (folder, store) = opened();
    written(store.create(&at(1), &draft("")).await);
    let file = file_of(&folder, &at(1));
    let target = folder.path().join("target");
    fs::remove_file(&file).unwrap();
    symlink(&target, &file).unwrap();

    assert!(store.create(&at(1), &draft("")).await.is_err());
    assert!(!target.exists());
}

#[tokio::test]
async fn a_link_in_the_place_of_a_subfolder_is_refused_and_its_target_untouched() {
    let (folder, store) = opened();
    let seen = written(store.create(&at(1), &draft("")).await);
    let subfolder = file_of(&folder, &at(1)).parent().unwrap().to_owned();
    let target = folder.path().join("target");
    fs::rename(&subfolder, &target).unwrap();
    symlink(&target, &subfolder).unwrap();
    let before = names(&target);

    let refusals = [
        store.load(&at(1)).await.map(drop),
        store.create(&at(1), &draft("")).await.map(drop),
        store.save(&at(1), &seen, &draft("")).await.map(drop),
        store.delete(&at(1)).await,
        store.sweep(far_future(), 10).await.map(drop),
    ];

    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("a symbolic link"), "{error}");
    }
    assert_eq!(names(&target), before);
}

#[tokio::test]
async fn links_under_the_names_of_the_lock_and_of_the_new_file_are_refused_and_their_target_untouched()
 {
    for name in ["lock", "new"] {
        let (folder, store) = opened();
        let seen = written(store.create(&at(1), &draft("")).await);
        let subfolder = file_of(&folder, &at(1)).parent().unwrap().to_owned();
        let target = folder.path().join("target");
        fs::write(&target, "precious").unwrap();
        let _ = fs::remove_file(subfolder.join(name));
        symlink(&target, subfolder.join(name)).unwrap();

        let error = store.save(&at(1), &seen, &draft("")).await.unwrap_err();

        assert!(error.to_string().contains("a symbolic link"), "{error}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        let target = fs::metadata(&target).unwrap();
        assert!(target.modified().unwrap() < draft("").meta.expires);
    }
}

#[tokio::test]
async fn torn_changed_and_foreign_files_are_errors_and_are_kept() {
    let (folder, store) = opened();
    let seen = written(store.create(&at(1), &draft("some data")).await);
    written(store.create(&at(2), &draft("another's")).await);
    let file = file_of(&folder, &at(1));
    let whole = fs::read(&file).unwrap();
    let another = fs::read(file_of(&folder, &at(2))).unwrap();
    let torn = whole[..whole.len() - 1].to_vec();
    let changed = [&whole[..whole.len() - 1], b"X"].concat();
    let newer = [b"cloakroom\x02", &whole[10..]].concat();

    for bytes in [
        torn,
        changed,
        newer,
        another,
        b"a poem".to_vec(),
        Vec::new(),
    ] {
        fs::write(&file, &bytes).unwrap();
        let refusals = [
            store.load(&at(1)).await.map(drop),
            store.save(&at(1), &seen, &draft("")).await.map(drop),
            store.touch(&at(1), &seen, &draft("").meta).await.map(drop),
            store
                .rename(&at(1), &seen, &at(3), &draft(""))
                .await
                .map(drop),
        ];
        for refusal in refusals {
            assert_eq!(refusal.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        let created = store.create(&at(1), &draft("")).await.unwrap();
        assert_eq!(created, Outcome::Stale);
        assert_eq!(store.sweep(far_past(), 10).await.unwrap(), 0);
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }

    fs::write(&file, &whole).unwrap();
    assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, "some data");
    fs::write(&file, b"torn").unwrap();
    store.delete(&at(1)).await.unwrap();
    assert!(!file.exists(), "whoever logs out wants it gone");
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_session_does_not_hang_the_store() {
    let (folder, store) = opened();
    written(store.create(&at(1), &draft("")).await);
    let file = file_of(&folder, &at(1));
    fs::remove_file(&file).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(&file)
            .status()
            .unwrap()
            .success()
    );

    assert_eq!(
        store.load(&at(1)).await.unwrap_err().kind(),
        ErrorKind::Corrupt
    );
}

#[tokio::test]
async fn no_error_says_where_a_session_is() {
    let (folder, store) = opened();
    let seen = written(store.create(&at(1), &draft("")).await);
    let file = file_of(&folder, &at(1));
    let subfolder = file.parent().unwrap().to_owned();
    let secret = HEXLOWER.encode(at(1).as_bytes());
    let mut errors = Vec::new();

    fs::write(&file, "torn").unwrap();
    errors.push(store.load(&at(1)).await.map(drop));
    errors.push(store.save(&at(1), &seen, &draft("")).await.map(drop));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    errors.push(store.load(&at(1)).await.map(drop));
    errors.push(store.create(&at(1), &draft("")).await.map(drop));
    errors.push(store.delete(&at(1)).await);
    fs::remove_dir_all(&subfolder).unwrap();
    fs::write(&subfolder, "no folder").unwrap();
    errors.push(store.load(&at(1)).await.map(drop));
    errors.push(store.create(&at(1), &draft("")).await.map(drop));

    for error in errors {
        let error = error.unwrap_err();
        for text in [format!("{error:#}"), format!("{error:?}")] {
            assert!(!text.contains(&secret[..16]), "{text}");
            assert!(
                text.contains("sessions/sessions-"),
                "the folder is named: {text}"
            );
        }
    }
    assert!(!format!("{store:?}").contains(&secret));
}

// Sweeping.

#[tokio::test]
async fn a_sweep_opens_no_session_that_is_alive() {
    let (folder, store) = opened();
    for n in 0..20 {
        written(store.create(&at(n), &expiring(1_000)).await);
    }
    // Their inodes say that they are alive. What is in them says that they are not, and a sweep that looked would
    // take them.
    for n in 0..10 {
        set_modified(&file_of(&folder, &at(n)), from_millis(3_000));
    }

    assert_eq!(store.sweep(from_millis(2_000), 100).await.unwrap(), 10);

    for n in 0..10 {
        assert!(store.load(&at(n)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_sweep_lists_no_subfolder_in_which_nothing_can_have_expired() {
    let (folder, store) = opened();
    written(store.create(&at(1), &expiring(1_000)).await);
    let lock = file_of(&folder, &at(1)).with_file_name("lock");
    set_modified(&lock, from_millis(3_000));

    assert_eq!(store.sweep(from_millis(2_000), 100).await.unwrap(), 0);
    assert_eq!(store.sweep(from_millis(3_000), 100).await.unwrap(), 1);
}

#[tokio::test]
async fn a_subfolder_is_swept_when_its_next_session_expires() {
    let (folder, store) = opened();
    written(store.create(&at(1), &expiring(5_000)).await);
    let lock = file_of(&folder, &at(1)).with_file_name("lock");

    assert_eq!(store.sweep(from_millis(2_000), 100).await.unwrap(), 0);
    set_modified(&lock, from_millis(0));
    assert_eq!(store.sweep(from_millis(3_000), 100).await.unwrap(), 0);
    let due = fs::metadata(&lock).unwrap().modified().unwrap();
    assert_eq!(due, from_millis(5_000));
    assert_eq!(store.sweep(from_millis(5_000), 100).await.unwrap(), 1);
}

#[tokio::test]
async fn a_backup_that_lost_the_times_of_the_files_takes_no_live_session_with_it() {
    let (folder, store) = opened();
    for n in 0..10 {
        written(store.create(&at(n), &draft("restored")).await);
    }
    for file in files(folder.path()) {
        set_modified(&file, from_millis(0));
    }

    assert_eq!(store.sweep(far_past(), 100).await.unwrap(), 0);
    assert!(store.load(&at(9)).await.unwrap().is_some());
}

#[tokio::test]
async fn what_a_killed_write_left_behind_goes_with_the_next_write_or_sweep() {
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
async fn one_bad_subfolder_does_not_keep_the_others_from_being_swept() {
    let (folder, store) = opened();
    for n in 0..10 {
        written(store.create(&at(n), &expiring(1_000)).await);
    }
    let bad = file_of(&folder, &at(0)).parent().unwrap().to_owned();
    fs::remove_dir_all(&bad).unwrap();
    fs::write(&bad, "no folder").unwrap();

    // The first ends with the error, and the next goes on behind it.
    let mut swept = 0;
    for _ in 0..2 {
        let _ = store.sweep(from_millis(2_000), 100).await;
        swept = (1..10).filter(|n| !is_there(&folder, &at(*n))).count();
    }

    assert_eq!(swept, 9);
}

// Locks.

#[tokio::test]
async fn loads_wait_for_no_lock() {
    let (folder, store) = opened();
    written(store.create(&at(1), &draft("read")).await);
    let lock = File::open(file_of(&folder, &at(1)).with_file_name("lock")).unwrap();
    lock.lock().unwrap();

    assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, "read");
}

#[tokio::test]
async fn a_save_waits_until_the_lock_is_given_back() {
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

// Moves that were cut off.

#[tokio::test]
async fn a_move_that_was_cut_off_is_ended_by_the_next_load_of_the_old_lookup() {
    let (folder, store) = opened();
    let seen = cut_off_move(&folder, &store).await;
    assert!(store.load(&at(2)).await.unwrap().is_none(), "not yet");

    assert!(store.load(&at(1)).await.unwrap().is_none());

    let entry = store.load(&at(2)).await.unwrap().unwrap();
    assert_eq!(entry.data, "new");
    assert!(entry.version == seen);
    assert!(!is_there(&folder, &at(1)));
    written(store.create(&at(1), &draft("free again")).await);
}

#[tokio::test]
async fn after_a_move_that_was_cut_off_nobody_writes_through_the_old_lookup() {
    let (folder, store) = opened();
    let seen = cut_off_move(&folder, &store).await;

    let attempts = [
        store.save(&at(1), &seen, &draft("late")).await,
        store.touch(&at(1), &seen, &draft("").meta).await,
        store.rename(&at(1), &seen, &at(3), &draft("late")).await,
        store.create(&at(1), &draft("late")).await,
    ];
    store.delete(&at(1)).await.unwrap();

    for attempt in attempts {
        assert_eq!(attempt.unwrap(), Outcome::Stale);
    }
    assert!(store.load(&at(1)).await.unwrap().is_none());
    assert_eq!(store.load(&at(2)).await.unwrap().unwrap().data, "new");
}

#[tokio::test]
async fn a_move_that_was_cut_off_is_ended_by_a_look_at_the_owners_sessions() {
    let (folder, store) = opened();
    cut_off_move(&folder, &store).await;

    let owned = store.owned_by(&Owner::from("ada")).await.unwrap();

    let lookups: Vec<_> = owned.into_iter().map(|owned| owned.lookup).collect();
    assert!(lookups == [at(2)]);
    assert_eq!(store.load(&at(2)).await.unwrap().unwrap().data, "new");
}

#[tokio::test]
async fn of_a_move_of_which_the_disk_kept_both_names_only_the_new_one_is_left() {
    let (folder, store) = opened();
    written(store.create(&at(1), &draft("old")).await);
    let old = file_of(&folder, &at(1));
    let seen = Version::from_u64(u64::MAX);
    let mut draft = draft("new");
    draft.version = seen.clone();
    let before = store.load(&at(1)).await.unwrap().unwrap().version;
    written(store.rename(&at(1), &before, &at(2), &draft).await);
    fs::hard_link(file_of(&folder, &at(2)), &old).unwrap();

    assert!(store.load(&at(1)).await.unwrap().is_none());

    assert!(!old.exists());
    assert_eq!(store.load(&at(2)).await.unwrap().unwrap().data, "new");
}

#[tokio::test]
async fn a_mark_that_leads_nowhere_is_removed_when_it_is_met() {
    let (folder, store) = opened();
    let mut adas = draft("");
    adas.meta.owner = Some("ada".into());
    written(store.create(&at(1), &adas).await);
    written(store.create(&at(2), &adas).await);
    fs::remove_file(file_of(&folder, &at(1))).unwrap();
    assert_eq!(marks(&folder).len(), 2);

    let owned = store.owned_by(&Owner::from("ada")).await.unwrap();

    assert_eq!(owned.len(), 1);
    assert_eq!(marks(&folder).len(), 1);
    store.delete(&at(2)).await.unwrap();
    assert_eq!(marks(&folder).len(), 0);
}

#[tokio::test]
async fn swept_and_moved_sessions_leave_no_marks() {
    let (folder, store) = opened();
    let mut adas = expiring(1_000);
    adas.meta.owner = Some("ada".into());
    let seen = written(store.create(&at(1), &adas).await);
    written(store.rename(&at(1), &seen, &at(2), &adas).await);
    assert_eq!(marks(&folder).len(), 1);

    assert_eq!(store.sweep(from_millis(1_000), 10).await.unwrap(), 1);

    assert_eq!(marks(&folder).len(), 0);
}

// Several processes.

#[tokio::test]
async fn processes_that_count_in_one_session_lose_no_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions");
    // Neither finds a folder: making it is a part of the race.
    for counter in [child("count", &path), child("count", &path)] {
        let output = counter.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
    }

    let store = FileStore::open(&path).unwrap();
    let entry = store.load(&at(0)).await.unwrap().unwrap();
    assert_eq!(entry.data, (2 * COUNTS).to_string());
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_acknowledged_and_leaves_nothing_half() {
    for round in soak::rounds(1) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions");
        let acknowledged = killed_after("fill", &path, 300 - round % 200);

        let store = FileStore::open(&path).unwrap();
        for n in &acknowledged {
            let entry = store.load(&at(*n)).await.unwrap();
            assert_eq!(entry.expect("it was acknowledged").data, n.to_string());
        }
        for n in 0..2 * acknowledged.len() as u64 {
            let entry = store
                .load(&at(n))
                .await
                .expect("whatever is there is whole");
            assert!(entry.is_none_or(|entry| entry.data == n.to_string()));
        }
        assert_eq!(store.sweep(within_days(), 10).await.unwrap(), 0);
        let mut left = files(&path).into_iter();
        assert!(left.all(|file| file.file_name().unwrap() != "new"));
    }
}

#[tokio::test]
async fn a_process_killed_in_the_middle_of_moves_leaves_the_old_or_the_new() {
    for round in soak::rounds(3) {
        let moves = 10 + 30 * round % 97;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions");
        let acknowledged = killed_after("move", &path, moves);

        let last = *acknowledged.last().unwrap();
        let store = FileStore::open(&path).unwrap();
        let mut usable = Vec::new();
        // It is at the last place that was acknowledged or at the one behind.
        for n in 0..=last + 1 {
            usable.extend(store.load(&at(n)).await.unwrap().map(|_| n));
        }
        assert_eq!(usable.len(), 1, "{usable:?}, the last one was {last}");
        assert!(usable[0] >= last, "{usable:?}, the last one was {last}");
        let owned = store.owned_by(&Owner::from("ada")).await.unwrap();
        assert_eq!(owned.len(), 1);
        assert!(owned[0].lookup == at(usable[0]));
    }
}

#[test]
fn on_a_full_disk_nothing_is_lost_and_visitors_can_be_read_and_logged_out() {
    let folder = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=512k,mode=700 tmpfs \"$CLOAKROOM_FILE_TEST_FOLDER\"";
    let in_small_disk = |then: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &format!("{mount} && {then}")]);
        command.env(ROLE, "full").env(FOLDER, folder.path());
        command
    };
    if !in_small_disk("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("not tested: no small disk can be mounted here");
        return;
    }

    let mut child = in_small_disk("exec \"$0\" \"$@\"");
    child.arg(env::current_exe().unwrap()).args(AS_CHILD);
    let output = child.output().unwrap();

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("the disk was full"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other tests run it as a child process"]
async fn child_process() {
    let (Ok(role), Ok(path)) = (env::var(ROLE), env::var(FOLDER)) else {
        return;
    };
    let store = FileStore::open(path).unwrap();
    match &*role {
        "count" => count(store).await,
        "fill" => fill(store).await,
        "full" => full(store).await,
        "life" => life(store).await,
        "move" => move_on(store).await,
        role => panic!("no such role: {role}"),
    }
}

/// Adds one, `COUNTS` times, to the number that two processes keep in one session.
async fn count(store: FileStore) {
    let mut counted = 0;
    for _ in 0..MANY_TRIES {
        if counted == COUNTS {
            return;
        }
        let outcome = match store.load(&at(0)).await.unwrap() {
            None => store.create(&at(0), &draft("1")).await,
            Some(entry) => {
                let old: u64 = std::str::from_utf8(&entry.data).unwrap().parse().unwrap();
                let next = draft(&(old + 1).to_string());
                store.save(&at(0), &entry.version, &next).await
            }
        };
        counted += u64::from(outcome.unwrap() != Outcome::Stale);
    }
    panic!("counted {counted} only");
}

/// Creates sessions, several at a time, and says for each that it was acknowledged.
async fn fill(store: FileStore) {
    let tasks = (0..8).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in (task..1_000_000).step_by(8) {
                written(store.create(&at(n), &draft(&n.to_string())).await);
                println!("acknowledged {n}.");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Fills a small disk, and goes on when it is full.
async fn full(store: FileStore) {
    let page = "x".repeat(4_000);
    let mut created = Vec::new();
    let error = loop {
        let n = created.len() as u64;
        match store.create(&at(n), &draft(&page)).await {
            Ok(outcome) => created.push(written(Ok(outcome))),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    let larger = draft(&"x".repeat(100_000));
    let error = store.save(&at(0), &created[0], &larger).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");

    for (n, version) in (0..).zip(&created) {
        let entry = store.load(&at(n)).await.unwrap().unwrap();
        assert!(entry.version == *version && entry.data == page);
    }
    for n in 0..10 {
        store.delete(&at(n)).await.unwrap();
    }
    written(store.create(&at(0), &draft(&page)).await);
    println!("the disk was full");
}

/// Moves one session on and on, and says where it has arrived.
async fn move_on(store: FileStore) {
    let mut adas = draft("");
    adas.meta.owner = Some("ada".into());
    let mut seen = written(store.create(&at(0), &adas).await);
    for n in 0..1_000_000 {
        adas.version = Version::random().unwrap();
        seen = written(store.rename(&at(n), &seen, &at(n + 1), &adas).await);
        println!("acknowledged {}.", n + 1);
    }
}

/// Writes in every way there is.
async fn life(store: FileStore) {
    let mut adas = draft("");
    adas.meta.owner = Some("ada".into());
    let seen = written(store.create(&at(1), &draft("")).await);
    let seen = written(store.save(&at(1), &seen, &adas).await);
    let seen = written(store.touch(&at(1), &seen, &adas.meta).await);
    adas.version = Version::random().unwrap();
    written(store.rename(&at(1), &seen, &at(2), &adas).await);
}

/// What a child acknowledged until it was killed, after this many at least.
fn killed_after(role: &str, path: &Path, enough: usize) -> Vec<u64> {
    let mut child = child(role, path);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(std::result::Result::ok);
    // The dot at the end tells a whole line from one that the kill has cut.
    let number = |line: String| {
        line.strip_prefix("acknowledged ")?
            .strip_suffix('.')?
            .parse()
            .ok()
    };
    let mut acknowledged: Vec<u64> = lines.by_ref().filter_map(number).take(enough).collect();
    child.kill().unwrap();
    acknowledged.extend(lines.filter_map(number));
    child.wait().unwrap();
    assert!(acknowledged.len() >= enough, "{}", acknowledged.len());
    acknowledged
}

fn child(role: &str, path: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(AS_CHILD).env(ROLE, role).env(FOLDER, path);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// Brings about what is there when a login from 1 to 2 is cut off after its one moment: the new contents in the old
/// place, and the marks of the owner for both.
async fn cut_off_move(folder: &TempDir, store: &FileStore) -> Version {
    let before = written(store.create(&at(1), &draft("old")).await);
    let old_place = file_of(folder, &at(1));
    let mut new = draft("new");
    new.meta.owner = Some("ada".into());
    let seen = written(store.rename(&at(1), &before, &at(2), &new).await);
    fs::rename(file_of(folder, &at(2)), &old_place).unwrap();
    let [mark] = &*marks(folder) else {
        panic!("one session has one mark");
    };
    let name = mark.file_name().unwrap().to_str().unwrap();
    let (owner, _) = name.split_once('-').unwrap();
    let old_name = old_place.file_name().unwrap().to_str().unwrap();
    File::create(mark.with_file_name(format!("{owner}-{old_name}"))).unwrap();
    seen
}

fn opened() -> (TempDir, FileStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path().join("sessions")).unwrap();
    (folder, store)
}

fn file_of(folder: &TempDir, at: &Lookup) -> PathBuf {
    let name = format!("x{}", HEXLOWER.encode(at.as_bytes()));
    let found = files(folder.path()).into_iter();
    let mut found = found.filter(|file| file.file_name().unwrap() == &*name);
    found.next().expect("the session has a file")
}

fn is_there(folder: &TempDir, at: &Lookup) -> bool {
    let name = format!("x{}", HEXLOWER.encode(at.as_bytes()));
    let mut found = files(folder.path()).into_iter();
    found.any(|file| file.file_name().unwrap() == &*name)
}

/// The empty files that say which sessions an owner has.
fn marks(folder: &TempDir) -> Vec<PathBuf> {
    let files = files(folder.path()).into_iter();
    let in_owners = |file: &PathBuf| file.to_str().unwrap().contains("/owners-");
    let marks = files.filter(in_owners);
    marks
        .filter(|file| file.file_name().unwrap() != "lock")
        .collect()
}

/// All that is no folder, at any depth.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut found): (Vec<_>, Vec<_>) = names(folder)
        .into_iter()
        .partition(|path| path.is_dir() && !path.is_symlink());
    found.extend(folders.iter().flat_map(|folder| files(folder)));
    found
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(folder).unwrap();
    let mut names: Vec<PathBuf> = items.map(|item| item.unwrap().path()).collect();
    names.sort();
    names
}

/// The folder, and all that is in it at any depth, with their modes.
fn modes(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut all = vec![folder.to_owned()];
    all.extend(names(folder));
    all.extend(files(folder));
    all.into_iter()
        .map(|path| {
            let mode = fs::metadata(&path).unwrap().mode() & 0o7777;
            (path, mode)
        })
        .collect()
}

fn set_modified(file: &Path, time: SystemTime) {
    let file = File::options().append(true).open(file).unwrap();
    file.set_modified(time).unwrap();
}

fn at(n: u64) -> Lookup {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Lookup::new(&bytes)
}

/// A session that lives until the year 2100.
fn draft(data: &str) -> Draft {
    Draft {
        data: data.to_owned().into(),
        meta: Meta {
            created: from_millis(1_764_000_000_001),
            touched: from_millis(1_764_000_000_002),
            expires: from_millis(4_102_444_800_003),
            owner: None,
            label: None,
        },
        version: Version::random().unwrap(),
    }
}

fn expiring(millis: i64) -> Draft {
    let mut draft = draft("");
    draft.meta.expires = from_millis(millis);
    draft
}

/// A time at which the drafts live, by which every subfolder is looked at again.
fn within_days() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3 * 24 * 60 * 60)
}

fn far_past() -> SystemTime {
    from_millis(10)
}

fn far_future() -> SystemTime {
    from_millis(4_202_444_800_000)
}

fn written(outcome: Result<Outcome>) -> Version {
    match outcome {
        Ok(Outcome::Written(version)) => version,
        other => panic!("expected `Written`, got {other:?}"),
    }
}

const ROLE: &str = "CLOAKROOM_FILE_TEST_ROLE";
const FOLDER: &str = "CLOAKROOM_FILE_TEST_FOLDER";
const AS_CHILD: [&str; 4] = ["child_process", "--exact", "--ignored", "--nocapture"];
const COUNTS: u64 = 200;
const MANY_TRIES: u64 = 100_000;
/// The user that may do nothing, on Linux and macOS near enough.
const NOBODY: u32 = 65_534;
