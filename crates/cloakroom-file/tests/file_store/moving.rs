//! Tests interrupted moves, and the marks that lead from an owner to the owner's sessions.

use std::fs::{self, File};

use cloakroom::Owner;
use cloakroom::store::{Outcome, SaveId, Store, Version, from_millis};
use cloakroom_file::FileStore;
use tempfile::TempDir;

use crate::support::{at, draft, expiring, file_of, is_there, marks, opened, written};

#[tokio::test]
async fn an_interrupted_move_is_completed_by_the_next_load_of_the_old_store_key() {
    let (folder, store) = opened();
    let seen = interrupted_move(&folder, &store).await;
    assert!(
        store.load(&at(2)).await.unwrap().is_none(),
        "the move is not complete yet"
    );

    assert!(store.load(&at(1)).await.unwrap().is_none());

    let entry = store.load(&at(2)).await.unwrap().unwrap();
    assert_eq!(entry.data, "new");
    assert!(entry.version == seen);
    assert!(!is_there(&folder, &at(1)));
    written(store.create(&at(1), &draft("free again")).await);
}

#[tokio::test]
async fn after_an_interrupted_move_the_old_store_key_accepts_no_writes() {
    let (folder, store) = opened();
    let seen = interrupted_move(&folder, &store).await;

    let attempts = [
        store.save(&at(1), &seen, &draft("late")).await,
        store.touch(&at(1), &seen, &draft("").meta).await,
        store
            .rename(&at(1), &seen, &at(3), &draft("late"), None)
            .await,
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
async fn an_interrupted_move_is_completed_by_listing_the_owners_sessions() {
    let (folder, store) = opened();
    interrupted_move(&folder, &store).await;

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
async fn the_old_name_of_a_moved_file_is_removed_if_a_power_cut_left_both_names() {
    let (folder, store) = opened();
    written(store.create(&at(1), &draft("old")).await);
    let old = file_of(&folder, &at(1));
    let save_id = SaveId::new(u64::MAX);
    let mut draft = draft("new");
    draft.save_id = save_id;
    let before = store.load(&at(1)).await.unwrap().unwrap().version;
    written(store.rename(&at(1), &before, &at(2), &draft, None).await);
    fs::hard_link(file_of(&folder, &at(2)), &old).unwrap();

    assert!(store.load(&at(1)).await.unwrap().is_none());

    assert!(!old.exists());
    assert_eq!(store.load(&at(2)).await.unwrap().unwrap().data, "new");
}

#[tokio::test]
async fn listing_removes_a_mark_without_a_session() {
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
async fn neither_a_move_nor_a_sweep_leaves_a_mark_without_a_session() {
    let (folder, store) = opened();
    let mut adas = expiring(1_000);
    adas.meta.owner = Some("ada".into());
    let seen = written(store.create(&at(1), &adas).await);
    written(store.rename(&at(1), &seen, &at(2), &adas, None).await);
    assert_eq!(marks(&folder).len(), 1);

    assert_eq!(store.sweep(from_millis(1_000), 10).await.unwrap(), 1);

    assert_eq!(marks(&folder).len(), 0);
}

/// Creates the files that remain if a login is interrupted after the first step of its move from
/// key 1 to key 2: the new contents at the old path, and a mark of the owner for each path.
async fn interrupted_move(folder: &TempDir, store: &FileStore) -> Version {
    let before = written(store.create(&at(1), &draft("old")).await);
    let old_path = file_of(folder, &at(1));
    let mut new = draft("new");
    new.meta.owner = Some("ada".into());
    let seen = written(store.rename(&at(1), &before, &at(2), &new, None).await);
    fs::rename(file_of(folder, &at(2)), &old_path).unwrap();
    let [mark] = &*marks(folder) else {
        panic!("one session has one mark");
    };
    let name = mark.file_name().unwrap().to_str().unwrap();
    let (owner, _) = name.split_once('-').unwrap();
    let old_name = old_path.file_name().unwrap().to_str().unwrap();
    File::create(mark.with_file_name(format!("{owner}-{old_name}"))).unwrap();
    seen
}
