//! Opening a file: what the store creates, what it leaves unchanged, and which errors it returns.

mod support;

use std::fs;
use std::sync::Barrier;
use std::thread;

use cloakroom::ErrorKind;
use cloakroom::store::{Outcome, Store};
use cloakroom_sqlite::{SqliteStore, Synchronous};
use support::{at, draft, folder, other_connection, written};

#[tokio::test]
async fn reopening_keeps_all_data() {
    let (_folder, path) = folder();
    let mut kept = draft("{\"num_visits\":3}");
    kept.meta.owner = Some("ada".into());
    kept.meta.label = Some("Ada's telephone".into());
    written(
        SqliteStore::open(&path)
            .unwrap()
            .create(&at(1), &kept)
            .await,
    );

    let store = SqliteStore::open(&path).unwrap();
    let entry = store.load(&at(1)).await.unwrap().unwrap();

    assert_eq!(
        (entry.data, entry.meta, entry.version),
        (kept.data.clone(), kept.meta.clone(), kept.version())
    );
}

#[tokio::test]
async fn a_session_of_a_megabyte_is_loaded_completely() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let large = draft(&"0123456789abcdef".repeat(1 << 16));

    written(store.create(&at(1), &large).await);

    assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, large.data);
}

#[tokio::test]
async fn the_tables_of_the_application_are_not_changed() {
    let (_folder, path) = folder();
    let other_connection = other_connection(&path);
    let theirs = "PRAGMA user_version = 42;
        CREATE TABLE book (title TEXT);
        INSERT INTO book VALUES ('Middlemarch')";
    other_connection.execute_batch(theirs).unwrap();

    let store = SqliteStore::open(&path).unwrap();
    written(store.create(&at(1), &draft("")).await);
    store.sweep(draft("").meta.expires, 10).await.unwrap();

    let title: String = other_connection
        .query_row("SELECT title FROM book", [], |row| row.get(0))
        .unwrap();
    let version: i64 = other_connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    let mut names = other_connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .unwrap();
    let names: Vec<String> = names
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!((&*title, version), ("Middlemarch", 42));
    assert_eq!(names, ["book", "cloakroom_schema", "cloakroom_session"]);
}

#[tokio::test]
async fn stores_on_two_tables_of_one_file_do_not_see_each_others_sessions() {
    let (_folder, path) = folder();
    let visitors = SqliteStore::open(&path).unwrap();
    let staff = SqliteStore::builder(&path).table("Order").open().unwrap();
    let mut theirs = draft("staff");
    theirs.meta.owner = Some("ada".into());

    written(staff.create(&at(1), &theirs).await);

    assert!(visitors.load(&at(1)).await.unwrap().is_none());
    assert!(
        visitors
            .owned_by(&"ada".into(), None, usize::MAX)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
    visitors.delete(&at(1)).await.unwrap();
    assert_eq!(visitors.sweep(theirs.meta.expires, 10).await.unwrap(), 0);
    assert_eq!(staff.load(&at(1)).await.unwrap().unwrap().data, "staff");
    let same = SqliteStore::builder(&path).table("oRDER").open().unwrap();
    assert!(
        same.load(&at(1)).await.unwrap().is_some(),
        "the case of the name selected another table"
    );
}

#[tokio::test]
async fn table_names_of_63_letters_that_differ_in_the_last_letter_are_different_tables() {
    let (_folder, path) = folder();
    let open = |name: String| SqliteStore::builder(&path).table(name).open().unwrap();
    let (one, other) = (open("x".repeat(63)), open("x".repeat(62) + "y"));

    written(one.create(&at(1), &draft("kept")).await);
    written(other.create(&at(1), &draft("other")).await);

    assert_eq!(one.load(&at(1)).await.unwrap().unwrap().data, "kept");
}

#[tokio::test]
async fn several_threads_can_open_a_new_file_at_the_same_time() {
    for _ in 0..10 {
        let (_folder, path) = folder();
        let start = Barrier::new(8);
        let stores: Vec<SqliteStore> = thread::scope(|scope| {
            let open = || {
                start.wait();
                SqliteStore::open(&path).unwrap()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });

        written(stores[0].create(&at(1), &draft("seen by all")).await);
        for store in &stores {
            assert_eq!(
                store.create(&at(1), &draft("")).await.unwrap(),
                Outcome::Stale
            );
        }
    }
}

#[tokio::test]
async fn a_file_with_the_current_schema_opens_while_another_connection_writes_to_it() {
    let (_folder, path) = folder();
    drop(SqliteStore::open(&path).unwrap());
    let other_connection = other_connection(&path);

    other_connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let store = SqliteStore::open(&path).unwrap();

    assert!(store.load(&at(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_dropped_table_is_created_again_when_a_store_is_opened() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    written(store.create(&at(1), &draft("")).await);
    other_connection(&path)
        .execute_batch("DROP TABLE cloakroom_session")
        .unwrap();
    let error = store.load(&at(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let expected = "the table is not there; open the store again to create it";
    assert!(error.to_string().ends_with(expected), "{error}");

    let reopened = SqliteStore::open(&path).unwrap();

    assert!(reopened.load(&at(1)).await.unwrap().is_none());
    assert!(
        store.load(&at(1)).await.unwrap().is_none(),
        "the store that was already open does not find the new table"
    );
}

#[test]
fn a_newer_schema_is_refused() {
    let (_folder, path) = folder();
    drop(SqliteStore::open(&path).unwrap());
    let newer = "UPDATE cloakroom_schema SET version = 7";
    other_connection(&path).execute_batch(newer).unwrap();

    let error = SqliteStore::open(&path).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    let expected = "the table `cloakroom_session` has schema version 7, but this \
                    cloakroom-sqlite supports version 1; use a newer cloakroom-sqlite";
    assert!(error.to_string().ends_with(expected), "{error}");
}

#[test]
fn a_table_of_another_program_is_refused_and_not_changed() {
    let (_folder, path) = folder();
    other_connection(&path)
        .execute_batch("CREATE TABLE cloakroom_session (id)")
        .unwrap();

    let error = SqliteStore::open(&path).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error
            .to_string()
            .contains("was not created by cloakroom-sqlite; choose another name"),
        "{error}"
    );
    let columns: i64 = other_connection(&path)
        .query_row(
            "SELECT COUNT(*) FROM pragma_table_info('cloakroom_session')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(columns, 1);
}

#[test]
fn a_file_that_is_not_a_database_is_refused_and_not_changed() {
    let (_folder, path) = folder();
    let poem = "Shall I compare thee to a summer's day? ".repeat(100);
    fs::write(&path, &poem).unwrap();

    let error = SqliteStore::open(&path).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("it is not an SQLite database"),
        "{error}"
    );
    assert!(
        error.to_string().contains(&*path.to_string_lossy()),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), poem);
}

#[test]
fn a_missing_folder_is_reported() {
    let (folder, _) = folder();

    let error = SqliteStore::open(folder.path().join("nowhere/sessions.sqlite")).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains("its folder does not exist"),
        "{error}"
    );
}

#[test]
fn a_file_that_cannot_be_created_is_reported() {
    let (folder, _) = folder();

    // The path is a folder, so opening it as a file fails for root too.
    let error = SqliteStore::open(folder.path()).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains("it cannot be opened or created"),
        "{error}"
    );
}

#[test]
fn an_in_memory_database_is_refused() {
    let error = SqliteStore::open(":memory:").unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error
            .to_string()
            .contains("it cannot have a write-ahead log"),
        "{error}"
    );
}

#[test]
fn options_out_of_range_are_refused_before_a_file_is_created() {
    let (_folder, path) = folder();
    let builder = || SqliteStore::builder(&path);

    let name = builder()
        .table("session; DROP TABLE book")
        .open()
        .unwrap_err();
    let readers = builder().readers(0).open().unwrap_err();

    assert_eq!(
        (name.kind(), readers.kind()),
        (ErrorKind::Config, ErrorKind::Config)
    );
    assert!(name.to_string().contains("a letter or `_`"), "{name}");
    assert!(!path.exists());
}

#[test]
fn only_synchronous_full_guarantees_durability() {
    let (_folder, path) = folder();
    let durable = |synchronous| {
        let store = SqliteStore::builder(&path)
            .synchronous(synchronous)
            .open()
            .unwrap();
        store.guarantees().durable
    };

    assert!(durable(Synchronous::Full));
    assert!(!durable(Synchronous::Normal));
}
