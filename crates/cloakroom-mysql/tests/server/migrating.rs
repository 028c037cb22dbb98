//! Tests migrations: what they create, what they leave unchanged, and what they refuse.

use cloakroom::ErrorKind;
use cloakroom::store::Store;
use cloakroom_testkit::unique_name;
use mysql_async::prelude::Queryable;
use tokio::task::JoinSet;

use crate::support::{at, django_on, draft, on, other_client, url, written};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_stores_can_migrate_concurrently_and_repeatedly() {
    let Some(url) = url() else { return };
    for _ in 0..5 {
        let table = unique_name();
        let mut migrations = JoinSet::new();
        for _ in 0..8 {
            let store = on(url, &table).await;
            migrations.spawn(async move { store.migrate().await });
        }
        for outcome in migrations.join_all().await {
            outcome.unwrap();
        }

        let store = on(url, &table).await;
        written(store.create(&at(1), &draft("kept")).await);
        store.migrate().await.unwrap();
        assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, "kept");
    }
}

#[tokio::test]
async fn migrate_creates_the_same_table_as_the_statement_of_schema() {
    let (Some(url), Some(mut other_client)) = (url(), other_client().await) else {
        return;
    };
    let (printed, migrated) = (on(url, &unique_name()).await, on(url, &unique_name()).await);

    other_client.query_drop(printed.schema()).await.unwrap();
    migrated.migrate().await.unwrap();

    let mut made = Vec::new();
    for store in [&printed, &migrated] {
        let table = name_in(&store.schema());
        let show = format!("SHOW CREATE TABLE {table}");
        let (_, statement): (String, String) =
            other_client.query_first(show).await.unwrap().unwrap();
        assert!(statement.contains("ENGINE=InnoDB"), "{statement}");
        assert!(statement.contains("ROW_FORMAT=DYNAMIC"), "{statement}");
        made.push(statement.replace(&table, "t"));
    }
    assert_eq!(made[0], made[1]);
    printed.migrate().await.unwrap();
}

#[tokio::test]
async fn the_name_of_a_table_may_have_63_characters() {
    let Some(url) = url() else { return };
    let name = format!("{:x<63}", unique_name());
    let store = on(url, &name).await;
    for _ in 0..2 {
        store.migrate().await.unwrap();
    }
    written(store.create(&at(1), &draft("kept")).await);
    assert_eq!(store.load(&at(1)).await.unwrap().unwrap().data, "kept");
    let django = format!("{:y<63}", unique_name());
    django_on(url, &django).await.migrate().await.unwrap();
}

#[tokio::test]
async fn connecting_creates_no_table() {
    let (Some(url), Some(mut other_client)) = (url(), other_client().await) else {
        return;
    };
    let table = unique_name();

    on(url, &table).await;

    let show = format!("SHOW TABLES LIKE '{table}'");
    let found: Option<String> = other_client.query_first(show).await.unwrap();
    assert_eq!(found, None);
}

#[tokio::test]
async fn a_table_of_another_program_is_refused_and_left_unchanged() {
    let (Some(url), Some(mut other_client)) = (url(), other_client().await) else {
        return;
    };
    let table = unique_name();
    other_client
        .query_drop(format!("CREATE TABLE {table} (id INT) COMMENT 'theirs'"))
        .await
        .unwrap();

    let error = on(url, &table).await.migrate().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error
            .to_string()
            .contains("was not created by cloakroom-mysql; choose another name"),
        "{error}"
    );
    let columns: Vec<mysql_async::Row> = other_client
        .query(format!("SHOW COLUMNS FROM {table}"))
        .await
        .unwrap();
    assert_eq!(columns.len(), 1);
}

#[tokio::test]
async fn a_table_with_a_newer_schema_is_refused() {
    let (Some(url), Some(mut other_client)) = (url(), other_client().await) else {
        return;
    };
    let table = unique_name();
    let store = on(url, &table).await;
    store.migrate().await.unwrap();
    let newer = format!("ALTER TABLE {table} COMMENT 'cloakroom-mysql, schema 7'");
    other_client.query_drop(newer).await.unwrap();

    let error = store.migrate().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Config);
    let expected = "has schema version 7, but this cloakroom-mysql supports 1; use a newer \
                    cloakroom-mysql";
    assert!(error.to_string().ends_with(expected), "{error}");
}

#[tokio::test]
async fn the_tables_of_the_application_are_left_unchanged() {
    let (Some(url), Some(mut other_client)) = (url(), other_client().await) else {
        return;
    };
    let book = unique_name();
    other_client
        .query_drop(format!("CREATE TABLE {book} (title VARCHAR(50))"))
        .await
        .unwrap();
    other_client
        .query_drop(format!("INSERT INTO {book} VALUES ('Middlemarch')"))
        .await
        .unwrap();

    let store = on(url, &unique_name()).await;
    store.migrate().await.unwrap();
    written(store.create(&at(1), &draft("")).await);
    assert_eq!(store.sweep(draft("").meta.expires, 10).await.unwrap(), 1);

    let titles: Vec<String> = other_client
        .query(format!("SELECT title FROM {book}"))
        .await
        .unwrap();
    assert_eq!(titles, ["Middlemarch"]);
}

#[tokio::test]
async fn stores_on_different_tables_do_not_see_each_others_sessions() {
    let Some(url) = url() else { return };
    let (visitors, staff) = (on(url, &unique_name()).await, on(url, &unique_name()).await);
    visitors.migrate().await.unwrap();
    staff.migrate().await.unwrap();
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
}

fn name_in(schema: &str) -> String {
    schema.split('`').nth(1).unwrap().to_owned()
}
