//! Moves that were cut off, and the marks that say which sessions an owner has.

use cloakroom::store::SaveId;
use std::fs::{self, File};
use std::path::PathBuf;

use cloakroom::Owner;
use cloakroom::store::{Outcome, Store, Version, from_millis};
use cloakroom_file::FileStore;
use tempfile::TempDir;

use crate::support::{at, draft, expiring, file_of, files, is_there, opened, written};

#[tokio::test]
async fn a_move_that_was_cut_off_is_ended_by_the_next_load_of_the_old_store_key() {
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
async fn after_a_move_that_was_cut_off_nobody_writes_through_the_old_store_key() {
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

    let owned = store
        .owned_by(&Owner::from("ada"), None, usize::MAX)
        .await
        .unwrap()
        .entries;

    let store_keys: Vec<_> = owned.into_iter().map(|owned| owned.key).collect();
    assert!(store_keys == [at(2)]);
    assert_eq!(store.load(&at(2)).await.unwrap().unwrap().data, "new");
}

#[tokio::test]
async fn of_a_move_of_which_the_disk_kept_both_names_only_the_new_one_is_left() {
    let (folder, store) = opened();
    written(store.create(&at(1), &draft("old")).await);
    let old = file_of(&folder, &at(1));
    let save_id = SaveId::new(u64::MAX);
    let mut draft = draft("new");
    draft.save_id = save_id;
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

    let owned = store
        .owned_by(&Owner::from("ada"), None, usize::MAX)
        .await
        .unwrap()
        .entries;

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

/// The empty files that say which sessions an owner has.
fn marks(folder: &TempDir) -> Vec<PathBuf> {
    let files = files(folder.path()).into_iter();
    let in_owners = |file: &PathBuf| file.to_str().unwrap().contains("/owners-");
    let marks = files.filter(in_owners);
    marks
        .filter(|file| file.file_name().unwrap() != "lock")
        .collect()
}
