//! Tests opening a folder: its owner, its mode, and what is created.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use cloakroom::ErrorKind;
use cloakroom::store::Store;
use cloakroom_file::FileStore;

use crate::processes::{AS_CHILD, FOLDER, ROLE};
use crate::support::{at, draft, files, names, opened, written};

#[tokio::test]
async fn a_reopened_store_returns_the_same_entry() {
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
        (kept.data.clone(), kept.meta.clone(), kept.version())
    );
}

#[test]
fn only_this_user_may_access_the_files_under_any_umask() {
    for umask in ["000", "022", "777"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions");
        let this = env::current_exe().unwrap();
        let shell = format!("umask {umask}; exec \"$0\" \"$@\"");
        let mut child = Command::new("sh");
        child.args(["-c", &shell]).arg(this).args(AS_CHILD);
        let output = child
            .env(ROLE, "write")
            .env(FOLDER, &path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");

        let mut seen = BTreeSet::new();
        for (path, mode) in modes(&path) {
            let allowed = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, allowed, "{umask}: {}", path.display());
            seen.insert(allowed);
        }
        assert_eq!(seen.len(), 2, "folders and files were created");
    }
}

#[test]
fn a_folder_that_others_may_enter_is_refused_and_its_mode_is_not_changed() {
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
    if chown(folder.path(), Some(UNPRIVILEGED_ID), None).is_err() {
        eprintln!("skipped: only root can change the owner of a folder");
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
fn opening_a_file_or_a_path_without_a_parent_folder_is_an_error_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("poem");
    fs::write(&file, "Shall I compare thee").unwrap();

    let not_a_folder = FileStore::open(&file).unwrap_err();
    let no_parent = FileStore::open(folder.path().join("no/where")).unwrap_err();

    assert_eq!(not_a_folder.kind(), ErrorKind::Config);
    let message = not_a_folder.to_string();
    assert!(message.contains("the path is not a folder"), "{message}");
    assert_eq!(no_parent.kind(), ErrorKind::Unavailable);
    let message = no_parent.to_string();
    assert!(message.contains("create the parent"), "{message}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "Shall I compare thee");
}

#[tokio::test]
async fn a_ping_fails_if_the_folder_was_removed_or_opened_to_others() {
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
async fn emptying_the_folder_ends_all_sessions_and_new_ones_can_be_created() {
    let (folder, store) = opened();
    written(store.create(&at(1), &draft("")).await);
    for name in names(&folder.path().join("sessions")) {
        fs::remove_dir_all(name).unwrap();
    }

    assert!(store.load(&at(1)).await.unwrap().is_none());
    written(store.create(&at(1), &draft("again")).await);
}

/// Returns the modes of the folder and of everything in it, at any depth.
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

/// The id of the user without privileges on Linux. The test also works if no user has this id, as
/// on macOS.
const UNPRIVILEGED_ID: u32 = 65_534;
