//! Tests what the store does if its folder, a subfolder or a file is removed, moved or replaced
//! while the store is open.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cloakroom::store::{Outcome, Store};
use cloakroom::{ErrorKind, Owner};
use cloakroom_file::FileStore;
use tempfile::TempDir;

use crate::processes::run_alone;
use crate::support::{at, draft, file_of, files, names, opened, owned, written};

#[tokio::test]
async fn a_removed_folder_is_created_again_by_the_next_create() {
    let (folder, store) = opened();
    written(store.create(&at(1), &owned("ada", "lost")).await);
    fs::remove_dir_all(path(&folder)).unwrap();

    written(store.create(&at(2), &owned("ada", "kept")).await);

    assert_eq!(fs::metadata(path(&folder)).unwrap().mode() & 0o7777, 0o700);
    assert_only_session_2_is_at_the_path(&folder, &store).await;
}

#[tokio::test]
async fn a_folder_that_was_removed_and_made_again_is_used() {
    let (folder, store) = opened();
    written(store.create(&at(1), &owned("ada", "lost")).await);
    fs::remove_dir_all(path(&folder)).unwrap();
    make(&path(&folder));

    written(store.create(&at(2), &owned("ada", "kept")).await);

    assert_only_session_2_is_at_the_path(&folder, &store).await;
}

#[tokio::test]
async fn after_the_folder_was_moved_away_no_session_is_written_to_it() {
    for new_one in [false, true] {
        let (folder, store) = opened();
        written(store.create(&at(1), &owned("ada", "lost")).await);
        let moved = folder.path().join("moved");
        fs::rename(path(&folder), &moved).unwrap();
        if new_one {
            make(&path(&folder));
        }
        let before = files(&moved);

        written(store.create(&at(2), &owned("ada", "kept")).await);

        assert_eq!(files(&moved), before);
        assert_only_session_2_is_at_the_path(&folder, &store).await;
    }
}

#[tokio::test]
async fn a_link_that_leads_to_another_folder_is_followed_there() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    make(&one);
    make(&other);
    symlink(&one, path(&folder)).unwrap();
    let store = FileStore::open(path(&folder)).unwrap();
    written(store.create(&at(1), &owned("ada", "lost")).await);
    fs::remove_file(path(&folder)).unwrap();
    symlink(&other, path(&folder)).unwrap();

    written(store.create(&at(2), &owned("ada", "kept")).await);

    assert_only_session_2_is_at_the_path(&folder, &store).await;
    assert!(!names(&other).is_empty());
}

#[tokio::test]
async fn no_call_reaches_the_sessions_of_a_folder_that_was_moved_away() {
    for new_one in [false, true] {
        let (folder, store) = opened();
        let seen = written(store.create(&at(1), &owned("ada", "moved")).await);
        let moved = folder.path().join("moved");
        fs::rename(path(&folder), &moved).unwrap();
        if new_one {
            make(&path(&folder));
        }
        let before = files(&moved);

        let writes = [
            store.save(&at(1), &seen, &draft("late")).await,
            store.touch(&at(1), &seen, &draft("").meta).await,
            store
                .rename(&at(1), &seen, &at(2), &draft("late"), None)
                .await,
        ];

        for write in writes {
            assert_eq!(write.unwrap(), Outcome::Stale);
        }
        store.delete(&at(1)).await.unwrap();
        assert!(store.load(&at(1)).await.unwrap().is_none());
        assert!(store.find(&at(1).as_bytes()[..12]).await.unwrap().is_none());
        assert!(store.scan(None, 10).await.unwrap().entries.is_empty());
        assert_eq!(list(&store).await, 0);
        assert_eq!(store.sweep(draft("").meta.expires, 10).await.unwrap(), 0);
        assert_eq!(files(&moved), before);
        assert_eq!(path(&folder).exists(), new_one, "no call but a create");
    }
}

#[tokio::test]
async fn a_folder_that_was_moved_away_and_back_has_its_sessions_again() {
    let (folder, store) = opened();
    let seen = written(store.create(&at(1), &draft("before")).await);
    let moved = folder.path().join("moved");
    fs::rename(path(&folder), &moved).unwrap();
    assert!(store.load(&at(1)).await.unwrap().is_none());
    fs::rename(&moved, path(&folder)).unwrap();

    written(store.save(&at(1), &seen, &draft("after")).await);

    assert_eq!(reopened(&folder, 1).await.as_deref(), Some("after"));
}

#[tokio::test]
async fn a_new_folder_is_refused_on_the_same_conditions_as_when_the_store_was_opened() {
    let (folder, store) = opened();
    let seen = written(store.create(&at(1), &draft("")).await);
    fs::rename(path(&folder), folder.path().join("moved")).unwrap();
    make(&path(&folder));
    fs::set_permissions(path(&folder), Permissions::from_mode(0o755)).unwrap();
    let refusals = async || {
        [
            store.create(&at(2), &draft("")).await.map(drop),
            store.save(&at(1), &seen, &draft("")).await.map(drop),
            store.load(&at(1)).await.map(drop),
            store.ping().await,
        ]
    };

    for refusal in refusals().await {
        let error = refusal.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("run `chmod 700`"), "{error}");
    }
    assert_eq!(names(&path(&folder)).len(), 0);

    fs::remove_dir(path(&folder)).unwrap();
    fs::write(path(&folder), "a poem").unwrap();
    for refusal in refusals().await {
        let error = refusal.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("is not a folder"), "{error}");
    }

    fs::remove_file(path(&folder)).unwrap();
    written(store.create(&at(2), &draft("healed")).await);
    assert_eq!(reopened(&folder, 2).await.as_deref(), Some("healed"));
}

#[tokio::test]
async fn without_its_parent_the_folder_is_not_created_and_the_error_says_what_to_do() {
    let outer = tempfile::tempdir().unwrap();
    let parent = outer.path().join("parent");
    make(&parent);
    let store = FileStore::open(parent.join("sessions")).unwrap();
    fs::rename(&parent, outer.path().join("moved")).unwrap();

    let error = store.create(&at(1), &draft("")).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("create the parent"), "{error}");
    assert_eq!(names(&outer.path().join("moved/sessions")).len(), 0);
}

#[tokio::test]
async fn a_ping_reports_a_missing_folder_until_it_is_there_again() {
    let (folder, store) = opened();
    fs::rename(path(&folder), folder.path().join("moved")).unwrap();

    let error = store.ping().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains("was removed or moved"),
        "{error}"
    );
    assert!(!path(&folder).exists());
    written(store.create(&at(1), &draft("")).await);
    store.ping().await.unwrap();
}

#[tokio::test]
async fn of_two_stores_each_finds_the_folder_that_the_other_created_again() {
    let (folder, one) = opened();
    let other = FileStore::open(path(&folder)).unwrap();
    for (writer, reader, n) in [(&one, &other, 1), (&other, &one, 2)] {
        fs::remove_dir_all(path(&folder)).unwrap();

        let seen = written(writer.create(&at(n), &owned("ada", "created")).await);

        let entry = reader.load(&at(n)).await.unwrap().unwrap();
        assert!(entry.version == seen);
        written(reader.save(&at(n), &seen, &owned("ada", "saved")).await);
        assert_eq!(list(writer).await, 1);
        let saved = writer.save(&at(n), &seen, &draft("late")).await.unwrap();
        assert_eq!(saved, Outcome::Stale);
    }
}

#[tokio::test]
async fn a_session_deleted_by_one_store_in_a_new_folder_is_gone_for_the_other() {
    let (folder, one) = opened();
    let other = FileStore::open(path(&folder)).unwrap();
    written(one.create(&at(1), &draft("")).await);
    fs::rename(path(&folder), folder.path().join("moved")).unwrap();
    make(&path(&folder));

    one.delete(&at(1)).await.unwrap();

    assert!(other.load(&at(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_whose_file_was_removed_by_hand_is_gone_and_its_key_is_free() {
    let (folder, store) = opened();
    let seen = written(store.create(&at(1), &owned("ada", "old")).await);
    fs::remove_file(file_of(&folder, &at(1))).unwrap();

    assert!(store.load(&at(1)).await.unwrap().is_none());
    let saved = store.save(&at(1), &seen, &draft("late")).await.unwrap();
    assert_eq!(saved, Outcome::Stale);
    assert_eq!(list(&store).await, 0);
    written(store.create(&at(1), &owned("ada", "new")).await);
    assert_eq!(list(&store).await, 1);
    assert_eq!(reopened(&folder, 1).await.as_deref(), Some("new"));
}

#[tokio::test]
async fn a_subfolder_that_was_removed_or_moved_is_created_again() {
    for kind in ["/sessions-", "/owners-"] {
        for removed in [false, true] {
            let (folder, store) = opened();
            written(store.create(&at(1), &owned("ada", "old")).await);
            let found = files(&path(&folder)).into_iter();
            let mut found = found.filter(|file| file.to_str().unwrap().contains(kind));
            let subfolder = found.next().unwrap().parent().unwrap().to_owned();
            match removed {
                true => fs::remove_dir_all(&subfolder).unwrap(),
                false => fs::rename(&subfolder, folder.path().join("moved")).unwrap(),
            }
            store.delete(&at(1)).await.unwrap();

            written(store.create(&at(1), &owned("ada", "new")).await);

            assert_eq!(reopened(&folder, 1).await.as_deref(), Some("new"));
            assert_eq!(list(&store).await, 1);
        }
    }
}

#[test]
fn a_store_with_a_relative_path_stays_in_its_folder_when_the_process_changes_its_folder() {
    run_alone("chdir");
}

pub(crate) async fn change_folder_and_write(outer: &Path) {
    env::set_current_dir(outer).unwrap();
    let store = FileStore::open("sessions").unwrap();
    fs::create_dir("elsewhere").unwrap();
    env::set_current_dir("elsewhere").unwrap();

    written(store.create(&at(1), &draft("kept")).await);

    assert_eq!(names(Path::new(".")).len(), 0);
    let store = FileStore::open(outer.join("sessions")).unwrap();
    assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, "kept");
}

async fn assert_only_session_2_is_at_the_path(folder: &TempDir, store: &FileStore) {
    store.ping().await.unwrap();
    let second = FileStore::open(path(folder)).unwrap();
    for store in [store, &second] {
        assert!(store.load(&at(1)).await.unwrap().is_none());
        assert_eq!(store.load(&at(2)).await.unwrap().unwrap().data, "kept");
        assert_eq!(list(store).await, 1);
    }
}

/// Returns how many sessions the store lists for Ada.
async fn list(store: &FileStore) -> usize {
    let page = store.owned_by(&Owner::from("ada"), None, 10).await.unwrap();
    page.entries.len()
}

/// Returns the data of session `n` that a store opened now finds at the path.
async fn reopened(folder: &TempDir, n: u64) -> Option<String> {
    let store = FileStore::open(path(folder)).unwrap();
    let entry = store.load(&at(n)).await.unwrap()?;
    Some(String::from_utf8(entry.data.to_vec()).unwrap())
}

fn make(path: &Path) {
    fs::DirBuilder::new().mode(0o700).create(path).unwrap();
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("sessions")
}
