//! Tests what the store does with links and with files of other programs.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::SystemTime;

use cloakroom::ErrorKind;
use cloakroom::store::{Outcome, Store, from_millis};
use data_encoding::HEXLOWER;

use crate::support::{at, draft, far_past, file_of, names, opened, written};

#[tokio::test]
async fn a_link_instead_of_a_session_file_is_refused_and_its_target_is_not_changed() {
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
            .rename(&at(1), &seen, &at(2), &draft(""), None)
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
async fn a_create_does_not_follow_a_dangling_link() {
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
async fn a_link_instead_of_a_subfolder_is_refused_and_its_target_is_not_changed() {
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
async fn a_link_instead_of_the_lock_file_or_the_unfinished_file_is_refused() {
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
async fn an_incomplete_changed_or_foreign_file_is_an_error_and_is_kept() {
    let (folder, store) = opened();
    let seen = written(store.create(&at(1), &draft("some data")).await);
    written(store.create(&at(2), &draft("another's")).await);
    let file = file_of(&folder, &at(1));
    let whole = fs::read(&file).unwrap();
    let another = fs::read(file_of(&folder, &at(2))).unwrap();
    let torn = whole[..whole.len() - 1].to_vec();
    let changed = [&whole[..whole.len() - 1], b"X"].concat();
    let newer = [b"cloakroom\x03", &whole[10..]].concat();

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
                .rename(&at(1), &seen, &at(3), &draft(""), None)
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
    assert!(!file.exists(), "a logout removes the file");
}

#[tokio::test]
async fn a_file_in_an_older_layout_is_refused_and_swept_when_it_expires() {
    let (folder, store) = opened();
    let seen = written(store.create(&at(1), &draft("some data")).await);
    let file = file_of(&folder, &at(1));
    let whole = fs::read(&file).unwrap();
    let older = [b"cloakroom\x01", &whole[10..]].concat();
    fs::write(&file, &older).unwrap();
    let set_expiry = |at| fs::File::open(&file).unwrap().set_modified(at).unwrap();
    set_expiry(draft("").meta.expires);

    for refusal in [
        store.load(&at(1)).await.map(drop),
        store.save(&at(1), &seen, &draft("")).await.map(drop),
    ] {
        let error = refusal.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("an older version"), "{error}");
    }
    assert_eq!(store.sweep(far_past(), 10).await.unwrap(), 0);
    assert_eq!(fs::read(&file).unwrap(), older);
    assert_eq!(store.sweep(far_future(), 10).await.unwrap(), 1);
    assert!(!file.exists());
}

#[tokio::test]
async fn a_pipe_instead_of_a_session_file_does_not_block_the_store() {
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
async fn no_error_contains_the_file_name_of_a_session() {
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
    fs::write(&subfolder, "not a folder").unwrap();
    errors.push(store.load(&at(1)).await.map(drop));
    errors.push(store.create(&at(1), &draft("")).await.map(drop));

    for error in errors {
        let error = error.unwrap_err();
        for text in [format!("{error:#}"), format!("{error:?}")] {
            assert!(!text.contains(&secret[..16]), "{text}");
            assert!(
                text.contains("sessions/sessions-"),
                "the error names the folder: {text}"
            );
        }
    }
    assert!(!format!("{store:?}").contains(&secret));
}

/// Returns a time in the year 2103, when every session made by [`draft`] has expired.
fn far_future() -> SystemTime {
    from_millis(4_202_444_800_000)
}
